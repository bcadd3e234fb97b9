/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "include/base/base.h"
#include "lib/cpus.h"

static void arrangements(void **state)
{
	static const struct {
		uint32_t count, cores, threads;
		bool good;
		uint32_t then_cores, then_threads;
	} list[] = {
		{ 1, 0, 0, true, 1, 1 },
		{ 8, 0, 0, true, 8, 1 },
		{ 8, 0, 2, true, 4, 2 },
		{ 8, 4, 2, true, 4, 2 },
		{ 8, 2, 2, true, 2, 2 },
		{ 8, 8, 1, true, 8, 1 },
		{ 64, 1, 1, true, 1, 1 },
		/* One socket may have any number of cores, */
		{ 6, 0, 2, true, 3, 2 },
		{ 63, 0, 0, true, 63, 1 },
		/* several may not, */
		{ 6, 3, 1, false, 0, 0 },
		{ 12, 3, 2, false, 0, 0 },
		/* nor a core of threads. */
		{ 6, 0, 3, false, 0, 0 },
		{ 6, 2, 3, false, 0, 0 },
		/* All sockets are full. */
		{ 6, 4, 1, false, 0, 0 },
		{ 1, 0, 2, false, 0, 0 },
		{ 3, 0, 2, false, 0, 0 },
		{ 4, 8, 1, false, 0, 0 },
		{ 2, 64, 64, false, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		struct cpus c = {
			.count = list[i].count,
			.cores = list[i].cores,
			.threads = list[i].threads,
		};

		assert_int_equal(!cpus_complete(&c), list[i].good);
		if (list[i].good) {
			assert_int_equal(c.cores, list[i].then_cores);
			assert_int_equal(c.threads, list[i].then_threads);
		}
	}
}

static void pins(void **state)
{
	static const char *const bad[] = {
		"",	  "-",	   "1-", "-1", "a",   "0x1",  "3-2",	     "1024",
		"0-1024", "1-2-3", " 1", "1 ", "0,1", "0-64", "99999999999", "00000000001",
	};
	struct cpus c = { .count = 5 };

	(void)state;
	assert_true(cpus_pin(&c, "0-3"));
	assert_true(cpus_pin(&c, "1023"));
	assert_int_equal(c.pin_count, 5);
	assert_int_equal(c.pin[0], 0);
	assert_int_equal(c.pin[3], 3);
	assert_int_equal(c.pin[4], 1023);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_false(cpus_pin(&c, bad[i]));
		assert_int_equal(c.pin_count, 5);
	}
	assert_null(cpus_complete(&c));
	assert_true(cpus_pin(&c, "5"));
	assert_non_null(cpus_complete(&c)); /* more than it has processors */
	assert_true(cpus_pin(&c, "0-57"));
	assert_int_equal(c.pin_count, VMMCTL_CPUS_MAX);
	assert_false(cpus_pin(&c, "0"));
}

static void bits(void **state)
{
	(void)state;
	assert_int_equal(cpus_bits(0), 0);
	assert_int_equal(cpus_bits(1), 0);
	assert_int_equal(cpus_bits(2), 1);
	assert_int_equal(cpus_bits(3), 2);
	assert_int_equal(cpus_bits(64), 6);
	assert_int_equal(cpus_bits(65), 7);
	assert_int_equal(cpus_bits(UINT32_MAX), 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arrangements),
		cmocka_unit_test(pins),
		cmocka_unit_test(bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
