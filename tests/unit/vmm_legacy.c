/* SPDX-License-Identifier: MIT */
/* Clock, power management, reset ports, debug port, pvpanic, generation ID. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "abi/platform.h"
#include "vmm/dev/debugport.h"
#include "vmm/dev/pm.h"
#include "vmm/dev/pvpanic.h"
#include "vmm/dev/reset.h"
#include "vmm/dev/rtc.h"
#include "vmm/dev/vmgenid.h"
#include "vmm/device.h"
#include "vmm/log.h"

static struct machine machine;
static enum vm_end ended;
static bool wire;
static unsigned int edges;
static char logged[512];

void irq_line_set(struct irq *q, unsigned int gsi, bool level)
{
	(void)q;
	assert_int_equal(gsi, PLATFORM_GSI_SCI);
	edges += level && !wire;
	wire = level;
}

/* In place of vmm/log.c. */
void log_print(enum log_level level, const char *fmt, ...)
{
	size_t len = strlen(logged);
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	vsnprintf(logged + len, sizeof(logged) - len, fmt, ap);
	va_end(ap);
}

void check_failed(const char *what, const char *file, int line)
{
	fail_msg("%s (%s:%d)", what, file, line);
	abort();
}

static void end(struct machine *m, enum vm_end why)
{
	(void)m;
	ended = why;
}

static void out(uint16_t at, unsigned int size, uint64_t val)
{
	assert_true(bus_write(machine.ports, at, size, val));
}

static uint8_t in(uint16_t at)
{
	uint64_t val;

	assert_true(bus_read(machine.ports, at, 1, &val));
	return (uint8_t)val;
}

static int set_up(void **state)
{
	(void)state;
	ended = VM_END_NONE;
	wire = false;
	edges = 0;
	logged[0] = '\0';
	machine = (struct machine){ .ports = bus_create("ports"), .end = end };
	return pm_create(&machine) || rtc_create(&machine) || reset_create(&machine) ||
	       debugport_create(&machine);
}

/* The devices stay: like the program's, they live as long as the process. */
static struct bus *kept[16];
static unsigned int kept_count;

static int tear_down(void **state)
{
	(void)state;
	kept[kept_count++] = machine.ports;
	return 0;
}

#define PM(r) (PLATFORM_PORT_PM + PLATFORM_PM_##r)

static void test_power_off(void **state)
{
	(void)state;
	out(PM(SLEEP_CONTROL), 1, 5 << 2); /* type without enable */
	assert_int_equal(ended, VM_END_NONE);
	out(PM(SLEEP_CONTROL), 1, 3 << 2 | 0x20); /* S3 is not offered */
	assert_int_equal(ended, VM_END_NONE);
	out(PM(SLEEP_CONTROL), 4, 5 << 2 | 0x20); /* a byte register */
	assert_int_equal(ended, VM_END_NONE);
	out(PM(SLEEP_CONTROL), 1, 5 << 2 | 0x20);
	assert_int_equal(ended, VM_END_POWER_OFF);
	assert_int_equal(in(PM(SLEEP_STATUS)), 0);
}

static void test_reset(void **state)
{
	(void)state;
	out(PM(RESET), 1, 1);
	assert_int_equal(ended, VM_END_NONE);
	out(PM(RESET), 1, PLATFORM_PM_RESET_VALUE);
	assert_int_equal(ended, VM_END_RESET);

	ended = VM_END_NONE;
	out(0x64, 1, 0xd1);
	assert_int_equal(ended, VM_END_NONE);
	assert_int_equal(in(0x64), 0); /* ready to be written, nothing to read */
	out(0x64, 1, 0xfe);
	assert_int_equal(ended, VM_END_RESET);

	ended = VM_END_NONE;
	reset_control_write(&machine, 0x02);
	assert_int_equal(ended, VM_END_NONE);
	reset_control_write(&machine, 0x06);
	assert_int_equal(ended, VM_END_RESET);
}

static void test_power_button(void **state)
{
	(void)state;
	assert_int_equal(in(PM(EVENTS)), 0);
	pm_press_power_button(machine.pm);
	assert_true(wire);
	pm_press_power_button(machine.pm); /* nobody looked: again an edge */
	assert_int_equal(edges, 2);
	assert_int_equal(in(PM(EVENTS)), PLATFORM_PM_EVENT_POWER_BUTTON);
	assert_false(wire);
	assert_int_equal(in(PM(EVENTS)), 0); /* reading cleared it */
}

static uint8_t cmos(uint8_t index)
{
	out(0x70, 1, index);
	return in(0x71);
}

static int unbcd(uint8_t v)
{
	assert_true((v & 0xf) < 10 && v >> 4 < 10);
	return v / 16 * 10 + v % 16;
}

static void test_clock(void **state)
{
	time_t before = time(NULL), got, after;
	struct tm tm = { 0 };

	(void)state;
	/* A second may pass between two registers. */
	do {
		before = time(NULL);
		tm.tm_sec = unbcd(cmos(0x00));
		tm.tm_min = unbcd(cmos(0x02));
		tm.tm_hour = unbcd(cmos(0x04));
		tm.tm_mday = unbcd(cmos(0x07));
		tm.tm_mon = unbcd(cmos(0x08)) - 1;
		tm.tm_year = unbcd(cmos(0x32)) * 100 + unbcd(cmos(0x09)) - 1900;
		after = time(NULL);
	} while (before != after);
	got = timegm(&tm);
	assert_int_equal(got, before);
	assert_int_equal(cmos(0x0a) & 0x80, 0);	   /* never "updating" */
	assert_int_equal(cmos(0x0b), 0x02);	   /* 24 hours, BCD */
	assert_int_equal(cmos(0x0d), 0x80);	   /* battery */
	assert_int_equal(cmos(0x80 | 0x0d), 0x80); /* NMI bit is no index */
	out(0x70, 1, 0x40);
	out(0x71, 1, 0xa5);
	assert_int_equal(cmos(0x40), 0xa5);
}

static void test_debug_port(void **state)
{
	(void)state;
	assert_int_equal(in(PLATFORM_PORT_DEBUG), 0xe9);
	for (const char *p = "hi \033[2J\n"; *p; p++)
		out(PLATFORM_PORT_DEBUG, 1, (uint8_t)*p);
	/* No escape of the guest reaches the log. */
	assert_string_equal(logged, "guest says (hi .[2J)");
	logged[0] = '\0';
	for (int i = 0; i < 120; i++)
		out(PLATFORM_PORT_DEBUG, 1, 'x');
	assert_int_equal(strlen(logged), strlen("guest says ()") + 120);
}

static void test_pvpanic(void **state)
{
	(void)state;
	assert_int_equal(pvpanic_create(&machine), 0);
	/* Panicked, crash kernel, shut down. */
	assert_int_equal(in(PLATFORM_PORT_PVPANIC), 7);
	out(PLATFORM_PORT_PVPANIC, 1, 0x80);
	assert_int_equal(ended, VM_END_NONE);
	/* Both: its own crash kernel takes care of it. */
	out(PLATFORM_PORT_PVPANIC, 1, 3);
	assert_int_equal(ended, VM_END_NONE);
	assert_non_null(strstr(logged, "crash kernel"));
	out(PLATFORM_PORT_PVPANIC, 1, 4);
	assert_int_equal(ended, VM_END_POWER_OFF);
	out(PLATFORM_PORT_PVPANIC, 1, 1);
	assert_int_equal(ended, VM_END_CRASH);
}

static void test_vmgenid(void **state)
{
	const uint8_t zeros[PAGE_SIZE] = { 0 };
	uint8_t page[PAGE_SIZE], first[16];
	struct memory memory;

	(void)state;
	/* Nothing there that a generation ID could be written to. */
	assert_int_equal(memory_init(&memory, PLATFORM_VMGENID), 0);
	machine.memory = &memory;
	assert_int_equal(vmgenid_create(&machine), -EFAULT);
	memory_destroy(&memory);

	assert_int_equal(memory_init(&memory, 2 << 20), 0);
	assert_int_equal(vmgenid_create(&machine), 0);
	assert_int_equal(memory_read(&memory, gpa(PLATFORM_VMGENID), first, sizeof(first)), 0);
	/* Another start, another ID; and it is all that the page has. */
	assert_int_equal(vmgenid_create(&machine), 0);
	assert_int_equal(memory_read(&memory, gpa(PLATFORM_VMGENID), page, sizeof(page)), 0);
	assert_memory_not_equal(page, first, sizeof(first) / 2);
	assert_memory_not_equal(page + sizeof(first) / 2, first + sizeof(first) / 2,
				sizeof(first) / 2);
	assert_memory_equal(page + sizeof(first), zeros, sizeof(page) - sizeof(first));
	memory_destroy(&memory);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_power_off), TEST(test_reset),	     TEST(test_power_button),
		TEST(test_clock),     TEST(test_debug_port), TEST(test_pvpanic),
		TEST(test_vmgenid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
