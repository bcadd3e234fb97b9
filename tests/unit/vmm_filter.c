/* SPDX-License-Identifier: MIT */
/*
 * What threads do in their work, done under the filter of their kind: a call that its
 * list forgot ends the process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/mshv.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "abi/platform.h"
#include "vmm/bus.h"
#include "vmm/console.h"
#include "vmm/dev/ioapic.h"
#include "vmm/dev/serial.h"
#include "vmm/device.h"
#include "vmm/mshv.h"
#include "vmm/sandbox/filter.h"

#define TRANSMITTER_EMPTY 0x20 /* line status */
#define LINE_STATUS	  5

static atomic_uint asserted;

/* The system call that vmm/mshv.c makes for it. */
int mshv_assert(struct mshv_partition *p, uint32_t type, bool level, bool logical, uint32_t dest,
		uint8_t vector)
{
	struct mshv_root_hvcall call = { 0 };

	(void)p, (void)type, (void)level, (void)logical, (void)dest, (void)vector;
	ioctl(-1, MSHV_ROOT_HVCALL, &call);
	atomic_fetch_add(&asserted, 1);
	return 0;
}

int mshv_routes_set(struct mshv_partition *p, const struct mshv_route *r, unsigned int count)
{
	(void)p, (void)r, (void)count;
	return 0;
}

int mshv_irqfd(struct mshv_partition *p, int fd, uint32_t gsi, bool on)
{
	(void)p, (void)fd, (void)gsi, (void)on;
	return 0;
}

int mshv_ioeventfd(struct mshv_partition *p, uint64_t gpa, unsigned int len, int fd, bool on)
{
	(void)p, (void)gpa, (void)len, (void)fd, (void)on;
	return 0;
}

/* @act() in a process of its own, whose threads are filtered from their begin on. */
static void filtered(void (*act)(void))
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		alarm(30);
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || filter_prepare())
			_exit(2);
		act();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void out8(struct machine *m, unsigned int reg, uint8_t val)
{
	bus_write(m->ports, PLATFORM_PORT_COM1 + reg, 1, val);
}

static uint8_t line_status(struct machine *m)
{
	uint64_t val;

	bus_read(m->ports, PLATFORM_PORT_COM1 + LINE_STATUS, 1, &val);
	return (uint8_t)val;
}

/* A driver that waits for the interrupt that the transmitter has room again. */
static void fill_console(void)
{
	struct machine m = { 0 };
	struct console_setup setup = { .in = -1 };
	uint8_t sink[4096];
	int out[2], error;

	m.ports = bus_create("ports");
	m.mmio = bus_create("mmio");
	m.irq = irq_create(NULL);
	m.loop = setup.loop = loop_create();
	if (pipe(out))
		_exit(3);
	setup.out = out[1];
	m.console = console_open(&setup, &error);
	if (!m.console || ioapic_create(&m) || serial_create(&m))
		_exit(4);
	bus_write(m.mmio, PLATFORM_IOAPIC_BASE, 4, 0x10 + 2 * PLATFORM_GSI_COM1);
	bus_write(m.mmio, PLATFORM_IOAPIC_BASE + 0x10, 4, 0x30);
	out8(&m, 4, 0x08); /* MCR: interrupts leave the chip */
	out8(&m, 1, 0x02); /* IER: transmitter empty */
	for (bool full = false; !full;) {
		while (line_status(&m) & TRANSMITTER_EMPTY)
			out8(&m, 0, 'x');
		/* The pipe may still have had room, which the writer finds out. */
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
		full = !(line_status(&m) & TRANSMITTER_EMPTY);
	}
	atomic_store(&asserted, 0);
	/* All may be read before the writer comes to tell: not to wait for more, then. */
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	while (!atomic_load(&asserted)) {
		ssize_t n = read(out[0], sink, sizeof(sink));

		if (n == 0 || (n < 0 && errno != EAGAIN))
			_exit(5);
		if (n < 0)
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
}

static void test_console_makes_room(void **state)
{
	(void)state;
	filtered(fill_console);
}

/* --- lists --- */

#define CALLS	  600	       /* more than there are */
#define X32	  0x40000000   /* the same calls in their other numbers */
#define LIST(...) (const uint16_t[]){ __VA_ARGS__, UINT16_MAX }

static const uint16_t *const allowed[FILTER_KINDS] = {
	[FILTER_MAIN] = LIST(SYS_epoll_wait, SYS_epoll_pwait, SYS_read, SYS_epoll_ctl,
			     SYS_timerfd_settime, SYS_getrandom, SYS_tkill, SYS_close),
	[FILTER_VP] = LIST(SYS_read, SYS_epoll_ctl, SYS_timerfd_settime),
	[FILTER_CONSOLE] = LIST(SYS_nanosleep, SYS_clock_nanosleep, SYS_epoll_ctl),
	[FILTER_TRACE] = LIST(SYS_nanosleep, SYS_clock_nanosleep),
	[FILTER_DEBUGGER] = LIST(SYS_read, SYS_tkill, SYS_accept4, SYS_accept, SYS_close),
	[FILTER_DISK] = LIST(SYS_io_uring_enter),
	[FILTER_NIC] = LIST(SYS_readv, SYS_writev, SYS_epoll_wait, SYS_epoll_pwait, SYS_read,
			    SYS_epoll_ctl, SYS_timerfd_settime),
};

/* Of every kind; not mmap() and mprotect(), which nobody may ask for all bits. */
static const uint16_t *const common = LIST(
	SYS_futex, SYS_write, SYS_poll, SYS_clock_gettime, SYS_rt_sigprocmask, SYS_munmap, SYS_brk,
	SYS_madvise, SYS_mremap, SYS_restart_syscall, SYS_gettid);

/* Allowed too, and no way back; then two that the kernel puts into code that is traced. */
static const uint16_t *const untried = LIST(SYS_exit, SYS_exit_group, SYS_rt_sigreturn, 335, 336);

static enum filter_kind kind; /* of list_holds() */
static volatile sig_atomic_t refused;

static bool is_in(const uint16_t *list, unsigned int call)
{
	while (*list != UINT16_MAX && *list != call)
		list++;
	return *list == call;
}

static void note_refusal(int signal)
{
	(void)signal;
	refused = 1;
}

static bool is_refused(long call, long second, long third)
{
	refused = 0;
	syscall(call, -1L, second, third, -1L, -1L, -1L);
	return refused;
}

/* What the sanitizer does before _exit() is on no list. */
static void finish(int code)
{
	syscall(SYS_exit_group, code);
}

static void list_holds(void)
{
	struct sigaction sa = { .sa_handler = note_refusal };

	sigaction(SIGSYS, &sa, NULL);
	filter_apply(kind);
	for (unsigned int i = 0; i < CALLS; i++) {
		bool ok = is_in(common, i) || is_in(allowed[kind], i);

		if (!is_in(untried, i) && is_refused(i, -1, -1) == ok)
			finish(3);
		if (!is_refused(X32 | i, -1, -1))
			finish(4);
	}
	if (is_refused(SYS_ioctl, (int)MSHV_RUN_VP, -1) != (kind != FILTER_VP) ||
	    is_refused(SYS_mmap, -1, PROT_READ) || is_refused(SYS_mprotect, -1, PROT_READ))
		finish(5);
	finish(0);
}

/* Every call, with arguments that none can do anything with. */
static void test_lists(void **state)
{
	(void)state;
	for (kind = 0; kind < FILTER_KINDS; kind++)
		filtered(list_holds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_console_makes_room),
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
