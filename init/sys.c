/* SPDX-License-Identifier: MIT */
#include "init/sys.h"

#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "include/base/base.h"

/* Written by handlers, which run only inside ppoll(): see sys_signals_init(). */
static volatile sig_atomic_t pending;

static void (*on_fault)(int signal);

int64_t sys_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t sys_now_ms(void)
{
	return sys_now_us() / 1000;
}

static const struct {
	int number;
	enum sys_signal meaning;
} signals[] = {
	{ SIGCHLD, SYS_CHILD },	 { SIGUSR2, SYS_POWEROFF }, { SIGPWR, SYS_POWEROFF },
	{ SIGTERM, SYS_REBOOT }, { SIGINT, SYS_REBOOT },    { SIGUSR1, SYS_HALT },
};

static const int faults[] = { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS };

static void note(int number)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		if (signals[i].number == number)
			pending |= (int)signals[i].meaning;
	}
}

static void fault(int number)
{
	on_fault(number);
}

void sys_signals_init(void (*fault_handler)(int signal))
{
	/* A stack overflow must still find room to be reported. */
	static char stack[64 * 1024];
	const stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_handler = note };
	sigset_t blocked;
	size_t i;

	sigemptyset(&blocked);
	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		sigaction(signals[i].number, &action, NULL);
		sigaddset(&blocked, signals[i].number);
	}
	sigprocmask(SIG_SETMASK, &blocked, NULL);

	on_fault = fault_handler;
	sigaltstack(&alternate, NULL);
	/* NODEFER: a second fault inside the handler has to reach it, too. */
	action.sa_handler = fault;
	action.sa_flags = SA_ONSTACK | SA_NODEFER;
	for (i = 0; i < ARRAY_SIZE(faults); i++)
		sigaction(faults[i], &action, NULL);

	/* A guest's pipe that breaks is an error code, not an end. */
	action.sa_handler = SIG_IGN;
	action.sa_flags = 0;
	sigaction(SIGPIPE, &action, NULL);
}

unsigned int sys_signals_take(void)
{
	unsigned int taken = (unsigned int)pending;

	pending = 0;
	return taken;
}

void sys_signals_child(void)
{
	const struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	/* execve() resets handlers but keeps what is ignored. */
	sigaction(SIGPIPE, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int sys_poll(struct pollfd *fds, nfds_t count, int64_t timeout_ms)
{
	const struct timespec timeout = {
		.tv_sec = timeout_ms / 1000,
		.tv_nsec = timeout_ms % 1000 * 1000000,
	};
	sigset_t none;
	int ready;

	sigemptyset(&none);
	ready = ppoll(fds, count, timeout_ms < 0 ? NULL : &timeout, &none);
	return ready < 0 ? 0 : ready;
}

pid_t sys_reap(int *wait_status)
{
	pid_t pid = waitpid(-1, wait_status, WNOHANG);

	return pid > 0 ? pid : 0;
}

bool sys_has_children(void)
{
	siginfo_t unused;

	return waitid(P_ALL, 0, &unused, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

int sys_kill(pid_t pid, int signal)
{
	return kill(pid, signal) ? -errno : 0;
}

void sys_cpuid(uint32_t leaf, struct sys_cpuid *out)
{
	__cpuid_count(leaf, 0, out->eax, out->ebx, out->ecx, out->edx);
}

_Noreturn void sys_end(enum sys_ending ending)
{
	switch (ending) {
	case SYS_END_POWEROFF:
		reboot(RB_POWER_OFF);
		break;
	case SYS_END_REBOOT:
		reboot(RB_AUTOBOOT);
		break;
	case SYS_END_HALT:
		reboot(RB_HALT_SYSTEM);
		break;
	}
	for (;;)
		pause();
}
