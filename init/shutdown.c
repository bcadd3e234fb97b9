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

static bool are_all_gone(void)
{
	int status;

	while (sys_reap(&status))
		;
	/* PID 1 is not among those that -1 means. */
	return sys_kill(-1, 0) != 0;
}

static void end_processes(int signal)
{
	int64_t end_ms = sys_now_ms() + PATIENCE_MS;

	sys_kill(-1, signal);
	while (!are_all_gone() && sys_now_ms() < end_ms)
		sys_poll(NULL, 0, 10);
}

_Noreturn void shutdown_machine(enum sys_ending ending, struct console *console)
{
	static const char *const what[] = {
		[SYS_END_POWEROFF] = "powering off",
		[SYS_END_REBOOT] = "restarting",
		[SYS_END_HALT] = "halting",
	};

	if (!are_all_gone())
		end_processes(SIGTERM);
	if (!are_all_gone())
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
