/* SPDX-License-Identifier: MIT */
/*
 * What init wants from the kernel and the processor where a test wants to
 * answer instead: time, signals, children, CPUID, the end of the machine.
 * sys.c is the real thing and passes through; tests/unit/ brings another.
 * One thread, so no locks.
 */
#ifndef INIT_SYS_H
#define INIT_SYS_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What a signal told PID 1, as bits of sys_signals_take(). */
enum sys_signal {
	SYS_CHILD = 1,	  /* SIGCHLD */
	SYS_POWEROFF = 2, /* SIGUSR2 (busybox poweroff), SIGPWR */
	SYS_REBOOT = 4,	  /* SIGTERM (busybox reboot), SIGINT (ctrl-alt-del) */
	SYS_HALT = 8,	  /* SIGUSR1 (busybox halt) */
};

enum sys_ending {
	SYS_END_POWEROFF,
	SYS_END_REBOOT,
	SYS_END_HALT,
};

/* Monotonic; the kernel's own start is 0. */
int64_t sys_now_us(void);
int64_t sys_now_ms(void);

/*
 * Block every signal above; they come in only while sys_poll() waits.  A
 * processor fault (SIGSEGV, ...) calls fault(signal) on a stack of its own;
 * fault() must not return.
 */
void sys_signals_init(void (*fault)(int signal));

/* Everything that came since the last call. */
unsigned int sys_signals_take(void);

/* In a child, before execve(): all signals unblocked. */
void sys_signals_child(void);

/*
 * Wait until a descriptor is ready, a signal comes, or timeout_ms is over
 * (negative: for ever).  Returns how many descriptors are ready.
 */
int sys_poll(struct pollfd *fds, nfds_t count, int64_t timeout_ms);

/* One ended child: its pid, or 0 if there is none (left). */
pid_t sys_reap(int *wait_status);

/*
 * Does any other process exist?  Everything in user space descends from PID 1,
 * so these are its children, running or not reaped yet.
 */
bool sys_has_children(void);

/* Returns 0 or -errno. */
int sys_kill(pid_t pid, int signal);

struct sys_cpuid {
	uint32_t eax;
	uint32_t ebx;
	uint32_t ecx;
	uint32_t edx;
};

void sys_cpuid(uint32_t leaf, struct sys_cpuid *out);

/* Never returns: PID 1 must not, even if the kernel refuses to end. */
_Noreturn void sys_end(enum sys_ending ending);

#endif
