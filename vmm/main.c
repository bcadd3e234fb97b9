/* SPDX-License-Identifier: MIT */
/*
 * vmm: one process, one guest. The order matters: what is opened is opened while there
 * is one thread and no wall; vm_run() begins the threads, of which vmm/README.md has the
 * list. This one becomes the device thread.
 */
#include <stdio.h>

#include "abi/vmmctl.h"
#include "vmm/config.h"
#include "vmm/devices.h"
#include "vmm/log.h"
#include "vmm/sandbox/sandbox.h"
#include "vmm/signals.h"
#include "vmm/thread.h"
#include "vmm/vm.h"

static const char *const ends[] = {
	[VM_END_POWER_OFF] = "powered off", [VM_END_RESET] = "reset requested",
	[VM_END_CRASH] = "crashed",	    [VM_END_WATCHDOG] = "watchdog",
	[VM_END_KILLED] = "killed",	    [VM_END_INTERNAL] = "internal error",
};

int main(int argc, char **argv)
{
	struct vm_config config;
	struct vm *vm;
	enum vm_end why;
	int code;

	switch (config_parse(&config, device_kinds, argc, argv)) {
	case CONFIG_HELP:
		config_usage(stdout, device_kinds);
		return VMMCTL_POWERED_OFF;
	case CONFIG_WRONG:
		return VMMCTL_USAGE;
	case CONFIG_RUN:
		break;
	}
	log_set_level(config.log_level);
	if (config.sandbox && sandbox_begin())
		return VMMCTL_BAD_HOST;
	signals_block();
	threads_hold();
	vm = vm_create(&config, &code);
	if (!vm)
		return code;
	if (config.sandbox && sandbox_enter(config.gdb))
		return VMMCTL_BAD_HOST;
	why = vm_run(vm);
	vm_destroy(vm);
	log_info("guest ended (%s)", ends[why]);
	return vm_exit_code(why);
}
