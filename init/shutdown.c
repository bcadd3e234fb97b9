/* SPDX-License-Identifier: MIT */
#include "init/shutdown.h"

#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include "init/log.h"
#include "init/mount.h"

/* What is neither guest nor init (a shell's programs) gets this long to end. */
#define PATIENCE_MS 1000
/* A serial console of 115200 bit/s writes 11 KiB a second. */
#define DRAIN_MS    3000

static void reap_all(void)
{
	int status;

	while (sys_reap(&status))
		;
}

/* -1: all processes but this one and the kernel's own. */
static void end_processes(int signal)
{
	int64_t end_ms = sys_now_ms() + PATIENCE_MS;

	sys_kill(-1, signal);
	for (reap_all(); sys_has_children() && sys_now_ms() < end_ms; reap_all())
		sys_poll(NULL, 0, 10);
}

_Noreturn void shutdown_machine(enum sys_ending ending, struct console *console)
{
	static const char *const what[] = {
		[SYS_END_POWEROFF] = "powering off",
		[SYS_END_REBOOT] = "restarting",
		[SYS_END_HALT] = "halting",
	};

	reap_all();
	if (sys_has_children())
		end_processes(SIGTERM);
	if (sys_has_children())
		end_processes(SIGKILL);
	sync();
	unmount_all();
	log_event("%s", what[ending]);
	if (console) {
		console_drain(console, DRAIN_MS);
		console_cooked(console);
	}
	sys_end(ending);
}
