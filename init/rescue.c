/* SPDX-License-Identifier: MIT */
#include "init/rescue.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "init/check.h"
#include "init/files.h"
#include "init/log.h"
#include "init/shutdown.h"
#include "init/sys.h"

#define SHELL_PATH "/bin/busybox"
#define NO_SHELL   127

static bool is_allowed = true;

void rescue_allow(bool allowed)
{
	is_allowed = allowed;
}

bool rescue_is_allowed(void)
{
	return is_allowed;
}

/*
 * The terminal behind /dev/console: only that can be a controlling terminal,
 * without which there is neither job control nor ctrl-c.
 */
static int open_terminal(void)
{
	char path[64 + 5] = "/dev/";
	char names[64];
	size_t length;
	char *name;

	if (!files_read("/sys/class/tty/console/active", names, sizeof(names) - 1, &length)) {
		names[length] = '\0';
		names[strcspn(names, "\n")] = '\0';
		/* With more than one console, the last is /dev/console. */
		name = strrchr(names, ' ');
		strcat(path, name ? name + 1 : names);
		if (path[5]) {
			int fd = open(path, O_RDWR);

			if (fd >= 0)
				return fd;
		}
	}
	return open("/dev/console", O_RDWR);
}

/* As a shell's programs expect it, however the guests' console left it. */
static void make_sane(int fd)
{
	struct termios terminal;

	if (tcgetattr(fd, &terminal) != 0)
		return;
	terminal.c_iflag |= BRKINT | ICRNL | IXON;
	terminal.c_oflag |= OPOST | ONLCR;
	terminal.c_lflag |= ECHO | ECHOE | ECHOK | ICANON | IEXTEN | ISIG;
	tcsetattr(fd, TCSANOW, &terminal);
}

/*
 * In the child.  Whoever holds the other end of report learns the errno if the
 * shell cannot be executed, and the end of the file if it can.
 */
static _Noreturn void become_shell(int report)
{
	static const char *const arguments[] = { "sh", NULL };
	static const char *const environment[] = {
		"HOME=/", "PATH=/sbin:/bin:/usr/sbin:/usr/bin", "PS1=rescue# ", "TERM=vt100", NULL,
	};
	int error;
	int fd;

	setsid();
	fd = open_terminal();
	if (fd >= 0) {
		/* Steal it: a shell that was killed may not have let go yet. */
		ioctl(fd, TIOCSCTTY, 1);
		make_sane(fd);
		dup2(fd, STDIN_FILENO);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		if (fd > STDERR_FILENO)
			close(fd);
	}
	sys_signals_child();
	execve(SHELL_PATH, (char *const *)(uintptr_t)arguments,
	       (char *const *)(uintptr_t)environment);
	error = errno;
	if (write(report, &error, sizeof(error)) < 0)
		_exit(NO_SHELL);
	_exit(NO_SHELL);
}

static _Noreturn void end_machine(enum sys_ending ending)
{
	shutdown_machine(ending, NULL);
}

static void obey_signals(void)
{
	unsigned int signals = sys_signals_take();

	if (signals & SYS_POWEROFF)
		end_machine(SYS_END_POWEROFF);
	if (signals & SYS_REBOOT)
		end_machine(SYS_END_REBOOT);
	if (signals & SYS_HALT)
		end_machine(SYS_END_HALT);
}

/* Start a shell; its pid, or -errno. */
static pid_t start_shell(void)
{
	int report[2];
	int error = 0;
	pid_t shell;

	if (pipe2(report, O_CLOEXEC) != 0)
		return -errno;
	shell = fork();
	if (shell == 0)
		become_shell(report[1]);
	if (shell < 0)
		error = errno;
	close(report[1]);
	if (shell > 0 && read(report[0], &error, sizeof(error)) < 0)
		error = errno;
	close(report[0]);
	return error ? -error : shell;
}

/* Run a shell until it ends; false if there is none to run. */
static bool run_shell(void)
{
	pid_t shell = start_shell();
	int status;
	pid_t pid;

	if (shell < 0) {
		log_event("no rescue shell (%s: %s)", SHELL_PATH, strerror(-shell));
		return false;
	}
	for (;;) {
		while ((pid = sys_reap(&status))) {
			if (pid == shell)
				return true;
		}
		obey_signals();
		sys_poll(NULL, 0, -1);
	}
}

/* Nothing left but to wait for somebody with ctrl-alt-del. */
static _Noreturn void wait_for_signals(void)
{
	int status;

	log_event("waiting (ctrl-alt-del restarts the machine)");
	for (;;) {
		sys_poll(NULL, 0, -1);
		while (sys_reap(&status))
			;
		obey_signals();
	}
}

_Noreturn void rescue_shell(void)
{
	static char name[] = "/init";
	static char *const arguments[] = { name, NULL };

	log_to(NULL);
	log_event("rescue shell (\"exit\" starts over, \"reboot\" and \"poweroff\" end)");
	if (!run_shell())
		wait_for_signals();
	log_event("starting over");
	execv("/proc/self/exe", arguments);
	log_event("cannot start over (%s)", strerror(errno));
	end_machine(SYS_END_REBOOT);
}

_Noreturn void rescue_panic(const char *what)
{
	static bool again;

	/* A child of ours that did not reach execve(): only itself is broken. */
	if (getpid() != 1)
		_exit(NO_SHELL);
	if (again)
		sys_end(SYS_END_REBOOT);
	again = true;

	log_to(NULL);
	log_event("broken: %s (please report this)", what);
	if (is_allowed) {
		log_event("rescue shell (guests go on; \"exit\" restarts the machine)");
		run_shell();
	}
	end_machine(SYS_END_REBOOT);
}

_Noreturn void check_failed(const char *file, int line, const char *what)
{
	char text[160];

	snprintf(text, sizeof(text), "%s:%d: CHECK(%s) failed", file, line, what);
	rescue_panic(text);
}
