/* SPDX-License-Identifier: MIT */
/* hypervisor/efi/options.c, and hypervisor/fault.c's counting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hypervisor/fault.h"
#include "hypervisor/log.h"
#include "hypervisor/options.h"
#include "hypervisor/trace.h"

bool trace_on = true;
static unsigned int traced, logged;

void trace_add(enum hv_trace_kind kind, uint64_t partition, uint32_t vp, uint64_t code, uint64_t a,
	       uint64_t b)
{
	assert_int_equal(kind, HV_TRACE_FAULT);
	assert_int_equal(partition, 1);
	assert_int_equal(vp, 0);
	assert_int_equal(b, 0);
	assert_in_range(code, FAULT_DEPOSIT, FAULT_REFUSE);
	assert_true(a > 0);
	traced++;
}

void log_line(const char *fmt, ...)
{
	(void)fmt;
	logged++;
}

static int setup(void **state)
{
	(void)state;
	options = (struct options){ .trace = 1 };
	traced = logged = 0;
	return 0;
}

static void reads(const char *line)
{
	const char *bad;

	assert_true(options_read(line, &bad));
}

static void refuses(const char *line, const char *word)
{
	const char *bad = NULL;

	assert_false(options_read(line, &bad));
	assert_non_null(bad);
	assert_memory_equal(bad, word, strlen(word));
}

static void test_words(void **state)
{
	(void)state;
	reads("");
	reads("console=ttyS0,115200 hv hv_x=1 xhv.nothing=1 a=\"hv.nothing=1 hv.n\"");
	assert_int_equal(options.trace, 1);
	reads("quiet hv.trace=0 hv.build=26100 hv.deny=0x100000000000 hv.deposits=1 hv.kicks=1");
	assert_int_equal(options.trace, 0);
	assert_int_equal(options.build, 26100);
	assert_int_equal(options.deny, 0x100000000000);
	assert_int_equal(options.deposits, 1);
	assert_int_equal(options.kicks, 1);
	/* The last one counts. */
	reads("hv.build=1 hv.build=2 ");
	assert_int_equal(options.build, 2);
}

static void test_bad_words(void **state)
{
	(void)state;
	refuses("quiet hv.nothing=1 x", "hv.nothing=1");
	refuses("hv.trace", "hv.trace");
	refuses("hv.trace=", "hv.trace=");
	refuses("hv.trace=on", "hv.trace=on");
	refuses("hv.build=0x", "hv.build=0x");
	refuses("hv.build=12a", "hv.build=12a");
	refuses("hv.", "hv.");
	refuses("hv.refuse=0x4e:1", "hv.refuse=0x4e:1");
	refuses("hv.refuse=0x4e:1:5:6", "hv.refuse=0x4e:1:5:6");
	refuses("hv.refuse=1:1:1 hv.refuse=1:2:1 hv.refuse=1:3:1 hv.refuse=1:4:1 hv.refuse=1:5:1",
		"hv.refuse=1:");
}

static void test_refusals(void **state)
{
	(void)state;
	reads("hv.refuse=0x4e:2:0x1d hv.refuse=194:1:5 hv.refuse=0x4e:4:5");
	assert_int_equal(fault_refuse(0x4e), HV_STATUS_SUCCESS);
	assert_int_equal(fault_refuse(0x40), HV_STATUS_SUCCESS);
	assert_int_equal(fault_refuse(0x4e), HV_STATUS_NO_RESOURCES);
	assert_int_equal(fault_refuse(0xc2), HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(fault_refuse(0x4e), HV_STATUS_SUCCESS);
	assert_int_equal(fault_refuse(0x4e), HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(fault_refuse(0xc2), HV_STATUS_SUCCESS);
	assert_int_equal(traced, 3);
}

/* The log must not drown: lines at 1, 2, 4, 8 … */
static void test_log_thins_out(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 1000; i++)
		fault_done(FAULT_KICK);
	assert_int_equal(traced, 1000);
	assert_int_equal(logged, 10);
}

#define T(fn) cmocka_unit_test_setup(fn, setup)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_words),
		T(test_bad_words),
		T(test_refusals),
		T(test_log_thins_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
