/* SPDX-License-Identifier: MIT */
/*
 * PID 1 of a Rootstock host.  What it does, in order; how, is elsewhere.
 */
#include <unistd.h>

#include "init/bootsteps.h"
#include "init/cgroup.h"
#include "init/log.h"
#include "init/loop.h"
#include "init/mount.h"
#include "init/shutdown.h"

static struct machine machine;

int main(void)
{
	enum sys_ending ending;

	if (getpid() != 1) {
		log_event("not process 1 (it starts the machine; see docs/manifest.md)");
		return 1;
	}

	/* ==== From this line on PID 1 may not exit: the kernel would panic. ==== */

	boot_begin();
	mount_all();
	cgroup_begin();
	boot_console(&machine);
	boot_options(&machine);
	boot_manifest(&machine);
	boot_hypervisor(&machine);
	boot_networks(&machine);

	/* ==== From this line on nothing is allocated. ==== */

	console_raw(&machine.console);
	loop_init(&machine.loop, &machine.manifest, &machine.console);
	ending = loop_run(&machine.loop);
	shutdown_machine(ending, &machine.console);
}
