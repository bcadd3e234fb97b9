/* SPDX-License-Identifier: MIT */
#include "vmm/sandbox/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/mshv.h>
#include <linux/seccomp.h>
#include <linux/vhost.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "abi/vmmctl.h"
#include "base/base.h"
#include "vmm/log.h"

/*
 * A call that is allowed, whatever its arguments, or only with one of up to
 * VALUES_MAX values in the low half of argument arg, or without the bits of none
 * in it. What is made most often stands first and costs least; the others may stand
 * in any order.
 */
#define VALUES_MAX 21

struct rule {
	uint16_t call;
	uint8_t arg;
	uint8_t count;
	uint32_t value[VALUES_MAX];
	uint32_t none;
};

#define ANY(name)	       { .call = SYS_##name }
#define ONE_OF(name, n, ...)   { .call = SYS_##name, .arg = (n), .value = { __VA_ARGS__ }, \
				 .count = sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t) }
#define WITHOUT(name, n, bits) { .call = SYS_##name, .arg = (n), .none = (bits) }

/* Locks, memory of malloc, log lines, the time, the thread's own end. */
#define COMMON                                                                       \
	ANY(futex), ANY(write), ANY(poll), ANY(clock_gettime), ANY(rt_sigprocmask), \
		ANY(rt_sigreturn), WITHOUT(mmap, 2, PROT_EXEC), ANY(munmap), ANY(brk), \
		ANY(madvise), WITHOUT(mprotect, 2, PROT_EXEC), ANY(mremap),            \
		ANY(restart_syscall), ANY(gettid), ANY(exit), ANY(exit_group)

/* A card's driver resets it, starts it or asks for something else. */
#define TAP_IOCTLS TUNSETOFFLOAD, TUNSETQUEUE
/* The owner and the memory can only be ours, the rest is about eventfds and taps we have. */
#define VHOST_IOCTLS                                                              \
	VHOST_SET_OWNER, VHOST_SET_MEM_TABLE, VHOST_SET_FEATURES, VHOST_SET_VRING_NUM, \
		VHOST_SET_VRING_BASE, VHOST_GET_VRING_BASE, VHOST_SET_VRING_ADDR,  \
		VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL, VHOST_SET_VRING_ERR,   \
		VHOST_NET_SET_BACKEND, VHOST_VSOCK_SET_RUNNING

static const struct rule main_rules[] = {
	ANY(epoll_wait),
	ANY(epoll_pwait),
	ANY(read),
	ANY(epoll_ctl),
	ONE_OF(ioctl, 1, MSHV_ROOT_HVCALL, MSHV_IRQFD, MSHV_IOEVENTFD, MSHV_SET_MSI_ROUTING,
	       TCSETS, TCSETSW, TAP_IOCTLS, VHOST_IOCTLS),
	ANY(timerfd_settime),
	ANY(getrandom),
	ANY(tkill), /* in a namespace with nobody else in it */
	ANY(close),
	COMMON,
};

static const struct rule vp_rules[] = {
	ONE_OF(ioctl, 1, MSHV_RUN_VP, MSHV_ROOT_HVCALL, MSHV_SET_MSI_ROUTING, MSHV_IRQFD,
	       MSHV_IOEVENTFD, MSHV_GET_VP_STATE, MSHV_SET_VP_STATE, TAP_IOCTLS, VHOST_IOCTLS),
	ANY(read),
	ANY(epoll_ctl),
	ANY(timerfd_settime), /* the watchdog's */
	COMMON,
};

static const struct rule nic_rules[] = {
	ANY(readv),
	ANY(writev),
	ANY(epoll_wait),
	ANY(epoll_pwait),
	ANY(read),
	ANY(epoll_ctl),
	ANY(timerfd_settime),
	ONE_OF(ioctl, 1, TAP_IOCTLS),
	COMMON,
};

static const struct rule console_rules[] = {
	ANY(nanosleep),
	ANY(clock_nanosleep),
	ANY(epoll_ctl),
	ONE_OF(ioctl, 1, MSHV_ROOT_HVCALL), /* the serial port's interrupt: room again */
	COMMON,
};

static const struct rule trace_rules[] = {
	ANY(nanosleep),
	ANY(clock_nanosleep),
	COMMON,
};

static const struct rule debugger_rules[] = {
	ANY(read),
	ONE_OF(ioctl, 1, MSHV_ROOT_HVCALL),
	ANY(tkill),
	ANY(accept4),
	ANY(accept), /* the C library's second try */
	ANY(close),
	COMMON,
};

static const struct rule disk_rules[] = {
	/* Of its ring (ring.c), which is bound to the image's file and to I/O. */
	ANY(io_uring_enter),
	COMMON,
	ONE_OF(io_uring_register, 1, IORING_REGISTER_ENABLE_RINGS, IORING_REGISTER_RING_FDS,
	       IORING_REGISTER_IOWQ_MAX_WORKERS),
};

#define RULES(list) { list, ARRAY_SIZE(list) }

static const struct {
	const struct rule *rule;
	unsigned int count;
} lists[FILTER_KINDS] = {
	[FILTER_MAIN] = RULES(main_rules),
	[FILTER_VP] = RULES(vp_rules),
	[FILTER_CONSOLE] = RULES(console_rules),
	[FILTER_TRACE] = RULES(trace_rules),
	[FILTER_DEBUGGER] = RULES(debugger_rules),
	[FILTER_DISK] = RULES(disk_rules),
	[FILTER_NIC] = RULES(nic_rules),
};

static const char *const kind_names[FILTER_KINDS] = {
	[FILTER_MAIN] = "main",
	[FILTER_VP] = "processor",
	[FILTER_CONSOLE] = "console",
	[FILTER_TRACE] = "trace",
	[FILTER_DEBUGGER] = "debugger",
	[FILTER_DISK] = "disk",
	[FILTER_NIC] = "network card",
};

/* Of this thread; what the handler names. */
static _Thread_local enum filter_kind current;
static bool prepared;

/* --- from a list to a program --- */

#define PROGRAM_MAX	  256
#define RULES_MAX	  48
#define RULES_IN_A_ROW	  3 /* that are not halved further */

#define LOAD(offset)	  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define IF_EQUAL(v, t, f) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (v), (t), (f))
#define IF_AT_LEAST(v)	  BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (v), 0, 0)
#define IF_ANY(v, t, f)	  BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (v), (t), (f))
#define RETURN(v)	  BPF_STMT(BPF_RET | BPF_K, (v))

#define CALL_OFFSET	  offsetof(struct seccomp_data, nr)
#define ARCH_OFFSET	  offsetof(struct seccomp_data, arch)
/* The low half; the machine is little-endian. */
#define ARG_OFFSET(n)	  (offsetof(struct seccomp_data, args) + 8 * (n))

struct program {
	struct sock_filter code[PROGRAM_MAX];
	unsigned short length;
};

static void emit(struct program *p, struct sock_filter f)
{
	CHECK(p->length < PROGRAM_MAX);
	p->code[p->length++] = f;
}

/* The number of the call is loaded, before and (where no rule was found) after. */
static void emit_rule(struct program *p, const struct rule *r)
{
	/* Behind the first jump: load, values or bits, refusal. */
	uint8_t body = (uint8_t)(r->count ? r->count + 3 : r->none ? 4 : 1);

	emit(p, (struct sock_filter)IF_EQUAL(r->call, 0, body));
	if (r->count || r->none)
		emit(p, (struct sock_filter)LOAD(ARG_OFFSET(r->arg)));
	for (unsigned int i = 0; i < r->count; i++)
		emit(p, (struct sock_filter)IF_EQUAL(r->value[i], (uint8_t)(r->count - i), 0));
	if (r->none)
		emit(p, (struct sock_filter)IF_ANY(r->none, 0, 1));
	if (r->count || r->none)
		emit(p, (struct sock_filter)RETURN(SECCOMP_RET_TRAP));
	emit(p, (struct sock_filter)RETURN(SECCOMP_RET_ALLOW));
}

/*
 * Rules in the order of their calls, found by halving: when a thread binds itself, the
 * kernel runs the program for each call there is to learn which ones are always allowed.
 */
static void emit_rules(struct program *p, const struct rule *const *r, unsigned int count)
{
	const unsigned int half = count / 2, jump = p->length;

	if (count > RULES_IN_A_ROW) {
		emit(p, (struct sock_filter)IF_AT_LEAST(r[half]->call));
		emit_rules(p, r, half);
		CHECK(p->length - jump - 1 <= UINT8_MAX);
		p->code[jump].jt = (uint8_t)(p->length - jump - 1);
		emit_rules(p, r + half, count - half);
		return;
	}
	for (unsigned int i = 0; i < count; i++)
		emit_rule(p, r[i]);
	emit(p, (struct sock_filter)RETURN(SECCOMP_RET_TRAP));
}

static int by_call(const void *a, const void *b)
{
	const struct rule *const *x = a, *const *y = b;

	return (*x)->call - (*y)->call;
}

static void compile(struct program *p, enum filter_kind kind)
{
	const struct rule *sorted[RULES_MAX];
	const unsigned int count = lists[kind].count;

	CHECK(count <= RULES_MAX);
	for (unsigned int i = 0; i < count; i++)
		sorted[i] = &lists[kind].rule[i];
	/* All but the first one, which shall cost least. */
	qsort(&sorted[1], count - 1, sizeof(sorted[0]), by_call);
	p->length = 0;
	emit(p, (struct sock_filter)LOAD(ARCH_OFFSET));
	emit(p, (struct sock_filter)IF_EQUAL(AUDIT_ARCH_X86_64, 1, 0));
	emit(p, (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS));
	emit(p, (struct sock_filter)LOAD(CALL_OFFSET));
	emit_rule(p, sorted[0]);
	emit_rules(p, &sorted[1], count - 1);
}

/* --- who steps outside --- */

/* The call was not made. Nothing of the process can be trusted any more. */
static void on_refusal(int signal, siginfo_t *info, void *context)
{
	char line[96];
	int n;

	(void)signal;
	(void)context;
	n = snprintf(line, sizeof(line), "vmm: error: system call not allowed (%d, %s thread)\n",
		     info->si_syscall, kind_names[current]);
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		_exit(VMMCTL_INTERNAL);
	_exit(VMMCTL_INTERNAL);
}

int filter_prepare(void)
{
	struct sigaction sa = { .sa_sigaction = on_refusal, .sa_flags = SA_SIGINFO };

	sigfillset(&sa.sa_mask);
	if (sigaction(SIGSYS, &sa, NULL))
		return -errno;
	prepared = true;
	return 0;
}

void filter_apply(enum filter_kind kind)
{
	struct program p;
	struct sock_fprog prog = { .filter = p.code };

	if (!prepared)
		return;
	current = kind;
	compile(&p, kind);
	prog.len = p.length;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog)) {
		log_error("system calls cannot be filtered (%s)", strerror(errno));
		_exit(VMMCTL_BAD_HOST);
	}
}
