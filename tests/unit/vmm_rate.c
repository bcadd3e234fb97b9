/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vmm/rate.h"

#define SECOND UINT64_C(1000000000)

/* What passes until @end in pieces of @piece, waiting as told. */
static uint64_t pass(struct rate *r, uint64_t from, uint64_t end, uint64_t piece,
		     unsigned int *waits)
{
	uint64_t passed = 0;

	*waits = 0;
	while (from < end) {
		uint64_t wait = rate_wait(r, from);

		if (wait) {
			from += wait;
			++*waits;
			continue;
		}
		rate_spend(r, piece);
		passed += piece;
	}
	return passed;
}

static void test_none(void **state)
{
	struct rate r;

	(void)state;
	rate_init(&r, 0, 1000, 0);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(rate_wait(&r, 0), 0);
		rate_spend(&r, UINT32_MAX);
	}
}

/* Ten seconds of each kind of traffic: the mean is right, the burst comes on top once. */
static void check_mean(uint64_t per_s, uint64_t burst, uint64_t piece)
{
	unsigned int waits;
	uint64_t passed;
	struct rate r;

	rate_init(&r, per_s, burst, 5 * SECOND);
	passed = pass(&r, 5 * SECOND, 15 * SECOND, piece, &waits);
	burst = burst > per_s / 20 ? burst : per_s / 20;
	assert_in_range(passed, 10 * per_s - per_s / 100 - piece,
			10 * per_s + burst + per_s / 100 + piece);
	/* Not woken more often than a quarter of a burst asks for, or each second. */
	assert_in_range(waits, 1, 10 * per_s / (burst / 4) + 12);
}

static void test_mean(void **state)
{
	(void)state;
	check_mean(1000000, 65536, 1500);
	check_mean(125000000, 65536, 1500);
	check_mean(125000000, 65536, 65562);
	check_mean(10000, 100, 1);
	check_mean(RATE_MAX, 65536, UINT64_C(1) << 30);
	/* Pieces of several seconds: a debt is paid in full. */
	check_mean(1000, 100, 4000);
}

/* Asked at every nanosecond, or rather often, nothing of a slow rate is lost. */
static void test_slow(void **state)
{
	uint64_t now, passed = 0;
	struct rate r;

	(void)state;
	rate_init(&r, 10, 4, 0);
	for (now = 0; now < 10 * SECOND; now += 7777) {
		if (rate_wait(&r, now))
			continue;
		rate_spend(&r, 1);
		passed++;
	}
	assert_in_range(passed, 99, 104);
}

/* A clock that stands for long brings a burst and not more. */
static void test_idle(void **state)
{
	uint64_t passed = 0;
	struct rate r;

	(void)state;
	rate_init(&r, 1000000, 1000, 0);
	rate_spend(&r, 10000000);
	while (!rate_wait(&r, 1000000 * SECOND)) {
		rate_spend(&r, 1000);
		passed += 1000;
	}
	assert_true(passed <= 51000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_mean),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
