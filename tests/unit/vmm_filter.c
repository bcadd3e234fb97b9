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
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_console_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
