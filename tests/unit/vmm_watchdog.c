/* SPDX-License-Identifier: MIT */
/*
 * The watchdog, driven as a driver does it: by what the WDAT table says, read at the
 * offsets of its specification, on the ports. Time is made up here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "abi/platform.h"
#include "vmm/acpi/acpi.h"
#include "vmm/dev/watchdog.h"
#include "vmm/log.h"

#define MIB (UINT64_C(1) << 20)
#define S   UINT64_C(1000000000)

enum {
	RESET = 1,
	GET_LEFT = 4,
	GET_COUNT = 5,
	SET_COUNT = 6,
	GET_RUNNING = 8,
	RUN = 9,
	GET_STOPPED = 10,
	STOP = 11,
	GET_STATUS = 32,
	SET_STATUS = 33,
};

static struct memory memory;
static struct machine machine;
static unsigned int bites;
static void *dog;
static struct loop_source *source;
static bool removed;

/* --- time --- */

static uint64_t now, due; /* ns; 0: the timer is off */

int __wrap_timerfd_create(int clock, int flags);
int __wrap_timerfd_create(int clock, int flags)
{
	assert_int_equal(clock, CLOCK_MONOTONIC);
	assert_int_equal(flags, TFD_CLOEXEC | TFD_NONBLOCK);
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *old)
{
	uint64_t count;

	assert_int_equal(fd, source->fd);
	assert_int_equal(flags, TFD_TIMER_ABSTIME);
	assert_null(old);
	assert_int_equal(at->it_interval.tv_sec | at->it_interval.tv_nsec, 0);
	due = (uint64_t)at->it_value.tv_sec * S + (uint64_t)at->it_value.tv_nsec;
	/* What had fired and was not read is forgotten. */
	if (read(fd, &count, sizeof(count)) < 0)
		assert_int_equal(errno, EAGAIN);
	return 0;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	assert_int_equal(clock, CLOCK_MONOTONIC);
	t->tv_sec = (time_t)(now / S);
	t->tv_nsec = (long)(now % S);
	return 0;
}

/* The kernel's part: the timer fires, nobody has looked yet. */
static void pass(uint64_t ns)
{
	const uint64_t one = 1;

	now += ns;
	if (!due || now < due)
		return;
	due = 0;
	assert_int_equal(write(source->fd, &one, sizeof(one)), sizeof(one));
}

/* The loop's. */
static void look(void)
{
	source->ready(source, EPOLLIN);
}

int loop_add(struct loop *l, struct loop_source *s, uint32_t events)
{
	assert_ptr_equal(l, machine.loop);
	assert_int_equal(events, EPOLLIN);
	source = s;
	return 0;
}

void loop_remove(struct loop *l, struct loop_source *s)
{
	(void)l;
	assert_ptr_equal(s, source);
	removed = true;
}

/* --- what else it stands on --- */

void log_print(enum log_level level, const char *fmt, ...)
{
	assert_true(level == LOG_WARN || level == LOG_DEBUG);
	(void)fmt;
}

void check_failed(const char *what, const char *file, int line)
{
	fail_msg("%s (%s:%d)", what, file, line);
	abort();
}

static void end(struct machine *m, enum vm_end why)
{
	assert_ptr_equal(m, &machine);
	assert_int_equal(why, VM_END_WATCHDOG);
	bites++;
}

static void create(bool fired)
{
	const struct watchdog_config c = { .fired = fired };

	now = 5 * S;
	due = 0;
	bites = 0;
	removed = false;
	machine = (struct machine){
		.ports = bus_create("ports"),
		.loop = (struct loop *)&machine,
		.end = end,
	};
	assert_int_equal(watchdog_device.create(&machine, &c, &dog), 0);
}

static int set_up(void **state)
{
	(void)state;
	create(false);
	return 0;
}

static int tear_down(void **state)
{
	uint64_t val;

	(void)state;
	watchdog_device.destroy(dog);
	assert_true(removed);
	/* It is gone from the bus as well. */
	assert_false(bus_read(machine.ports, PLATFORM_PORT_WATCHDOG, 1, &val));
	bus_destroy(machine.ports);
	return 0;
}

/* --- a driver --- */

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

/* The table of that name; NULL: there is none. */
static const uint8_t *find_table(const char *signature, bool watchdog)
{
	uint64_t rsdp = 0, xsdt, at;
	const uint8_t *x, *t;

	if (!memory.region_count)
		assert_int_equal(memory_init(&memory, 16 * MIB), 0);
	memset(memory_at(&memory, gpa(0xe0000), 0x10000), 0, 0x10000);
	assert_int_equal(acpi_build(&memory, 2, watchdog, &rsdp), 0);
	memcpy(&xsdt, memory_at(&memory, gpa(rsdp + 24), 8), 8);
	x = memory_at(&memory, gpa(xsdt), 36);
	for (uint32_t i = 36; i < get32(x + 4); i += 8) {
		uint8_t sum = 0;

		memcpy(&at, x + i, 8);
		t = memory_at(&memory, gpa(at), 36);
		if (memcmp(t, signature, 4))
			continue;
		for (uint32_t k = 0; k < get32(t + 4); k++)
			sum = (uint8_t)(sum + t[k]);
		assert_int_equal(sum, 0);
		return t;
	}
	return NULL;
}

/* "Watchdog Instruction Entries": one each of these actions, on a register. */
static uint32_t action(unsigned int what, uint32_t param)
{
	const uint8_t *t = find_table("WDAT", true), *e;
	uint64_t address, val = 0;
	unsigned int size, found = 0;
	uint32_t result = 0;

	for (uint32_t i = 0; i < get32(t + 64); i++) {
		e = t + 68 + i * 24;
		if (e[0] != what)
			continue;
		found++;
		assert_int_equal(e[4], 1); /* ports */
		size = e[7];
		assert_true(size == 1 || size == 2);
		assert_int_equal(e[5], 8 * size);
		assert_int_equal(e[6], 0);
		memcpy(&address, e + 8, 8);
		switch (e[1]) {
		case 0: /* read, compare */
		case 1: /* read */
			assert_true(bus_read(machine.ports, address, size, &val));
			val &= get32(e + 20);
			result = e[1] ? (uint32_t)val : val == get32(e + 16);
			break;
		case 2: /* write value */
		case 3: /* write parameter */
			val = (e[1] == 2 ? get32(e + 16) : param) & get32(e + 20);
			assert_true(bus_write(machine.ports, address, size, val));
			break;
		default:
			fail_msg("instruction %u", e[1]);
		}
	}
	assert_int_equal(found, 1);
	return result;
}

static uint32_t get(unsigned int what)
{
	return action(what, 0);
}

static void test_table(void **state)
{
	const uint8_t *t = find_table("WDAT", true);

	(void)state;
	assert_non_null(t);
	assert_int_equal(get32(t + 36), 32);
	/* Not a PCI device: Linux compares a word with 0xff. */
	assert_memory_equal(t + 40, "\xff\x00\xff\xff\xff\0\0\0", 8);
	assert_int_equal(get32(t + 48), 100);	 /* ms */
	assert_int_equal(get32(t + 52), 0xffff); /* at most: 6553 s */
	assert_int_equal(get32(t + 56), 1);
	assert_int_equal(t[60], 1); /* enabled */
	assert_int_equal(get32(t + 4), 68 + 24 * get32(t + 64));
	assert_null(find_table("WDAT", false));
	assert_non_null(find_table("MCFG", false));
}

static void test_bites(void **state)
{
	(void)state;
	assert_false(get(GET_RUNNING));
	assert_true(get(GET_STOPPED));
	action(SET_COUNT, 300);
	assert_int_equal(get(GET_COUNT), 300);
	pass(100 * S); /* not started: nothing happens, however long */
	assert_int_equal(due, 0);
	get(RUN);
	assert_true(get(GET_RUNNING));
	assert_false(get(GET_STOPPED));
	assert_int_equal(get(GET_LEFT), 300);
	pass(29 * S);
	assert_int_equal(get(GET_LEFT), 10);
	get(RESET);
	assert_int_equal(get(GET_LEFT), 300);
	pass(30 * S - 1);
	assert_int_equal(get(GET_LEFT), 1);
	assert_int_equal(bites, 0);
	pass(1);
	assert_int_equal(get(GET_LEFT), 0);
	assert_int_equal(bites, 0);
	look();
	assert_int_equal(bites, 1);
	look(); /* nothing more to read */
	assert_int_equal(bites, 1);
}

/* If nobody ends the guest for it, its next sign of life starts it again. */
static void test_bites_again(void **state)
{
	(void)state;
	action(SET_COUNT, 10);
	get(RUN);
	pass(S);
	look();
	assert_int_equal(bites, 1);
	pass(1000 * S);
	assert_int_equal(due, 0);
	assert_true(get(GET_RUNNING));
	get(RESET);
	pass(S);
	look();
	assert_int_equal(bites, 2);
}

static void test_stop(void **state)
{
	(void)state;
	action(SET_COUNT, 10);
	get(RUN);
	pass(S - 1);
	get(STOP);
	assert_true(get(GET_STOPPED));
	pass(1000 * S);
	assert_int_equal(due, 0);
	get(RESET);
	assert_int_equal(due, 0);
	/* Starting it is a sign of life. */
	get(RUN);
	assert_int_equal(get(GET_LEFT), 10);
}

/* The timer fired, and before the main thread looked the guest came. */
static void test_race(void **state)
{
	uint64_t one = 1;

	(void)state;
	action(SET_COUNT, 10);
	get(RUN);
	pass(S);
	get(RESET);
	look();
	assert_int_equal(bites, 0);
	/* Or in the middle: what was read was of before. */
	assert_int_equal(write(source->fd, &one, sizeof(one)), sizeof(one));
	look();
	assert_int_equal(bites, 0);
	/* The same with an end of it. */
	pass(S);
	get(STOP);
	assert_int_equal(write(source->fd, &one, sizeof(one)), sizeof(one));
	look();
	assert_int_equal(bites, 0);
}

/* A debugger holds the guest, which then gets all of its time again. */
static void test_held(void **state)
{
	(void)state;
	action(SET_COUNT, 10);
	get(RUN);
	pass(S / 2);
	atomic_store(&machine.released_ns, UINT64_MAX);
	for (unsigned int i = 0; i < 3; i++) {
		pass(100 * S);
		look();
		assert_int_equal(bites, 0);
		assert_int_equal(get(GET_LEFT), 10);
	}
	pass(S / 2);
	atomic_store(&machine.released_ns, now);
	pass(S / 2); /* the timer's, not its end */
	look();
	assert_int_equal(bites, 0);
	assert_int_equal(get(GET_LEFT), 5);
	pass(S / 2 - 1);
	look();
	assert_int_equal(bites, 0);
	pass(1);
	look();
	assert_int_equal(bites, 1);
	/* Stopped while it is held, it stays so. */
	get(RUN);
	atomic_store(&machine.released_ns, UINT64_MAX);
	get(STOP);
	pass(100 * S);
	look();
	assert_int_equal(due, 0);
}

static void test_status(void **state)
{
	(void)state;
	assert_false(get(GET_STATUS));
	tear_down(state);
	create(true);
	assert_true(get(GET_STATUS));
	get(SET_STATUS);
	assert_false(get(GET_STATUS));
	/* It cannot be claimed afterwards. */
	assert_true(
		bus_write(machine.ports, PLATFORM_PORT_WATCHDOG + PLATFORM_WATCHDOG_STATUS, 1, 1));
	assert_false(get(GET_STATUS));
}

/* What no driver does: every register in every size, any value. */
static void test_odd_accesses(void **state)
{
	(void)state;
	action(SET_COUNT, 0);
	assert_int_equal(get(GET_COUNT), PLATFORM_WATCHDOG_COUNT_MIN);
	for (unsigned int off = 0; off < PLATFORM_WATCHDOG_PORTS; off++) {
		for (unsigned int size = 1; size <= 4; size *= 2) {
			uint64_t val;

			if (off + size > PLATFORM_WATCHDOG_PORTS)
				continue;
			assert_true(
				bus_read(machine.ports, PLATFORM_PORT_WATCHDOG + off, size, &val));
			assert_true(val <= 0xffff);
			/* RUN is not set, so nothing starts it. */
			assert_true(bus_write(machine.ports, PLATFORM_PORT_WATCHDOG + off, size,
					      0xfffffffe & (UINT32_MAX >> (32 - 8 * size))));
		}
	}
	assert_false(get(GET_RUNNING));
	assert_int_equal(get(GET_COUNT), 0xfffe);
	assert_int_equal(due, 0);
	action(SET_COUNT, 0xffff);
	get(RUN);
	assert_int_equal(due - now, 65535 * S / 10);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_table),  TEST(test_bites),	   TEST(test_bites_again), TEST(test_stop),
		TEST(test_race),   TEST(test_held),	   TEST(test_status),
		TEST(test_odd_accesses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
