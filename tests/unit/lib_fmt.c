/* SPDX-License-Identifier: MIT */
/* lib/fmt.c against the C library's snprintf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/fmt.h"

#define SAME(...)                                                                        \
	do {                                                                             \
		char ours[64], theirs[64];                                               \
		size_t length = fmt_print(ours, sizeof(ours), __VA_ARGS__);              \
		assert_int_equal(length, snprintf(theirs, sizeof(theirs), __VA_ARGS__)); \
		assert_string_equal(ours, theirs);                                       \
	} while (0)

static void numbers(void **state)
{
	(void)state;
	SAME("%d %d %d", 0, INT32_MAX, INT32_MIN);
	SAME("%lld %lld", INT64_C(-1) + 0LL, (long long)INT64_MIN);
	SAME("%u %lu %llu %zu", 7u, 8ul, 18446744073709551615ull, (size_t)9);
	SAME("%x %lx %llx", 0xabcu, 0xdeful, 0x123456789abcdefull);
	SAME("[%5d] [%05d] [%05d]", 42, 42, -42);
	SAME("[%16llx] [%016llx]", 0xbeefull, 0xbeefull);
	SAME("%#x %#x %#010x", 0x12u, 0u, 0x12u);
	SAME("%p", (void *)0x1234);
	SAME("[%*d]", 6, 42);
}

static void strings(void **state)
{
	static const char unended[3] = { 'a', 'b', 'c' };

	(void)state;
	SAME("%s %c %%", "text", 'x');
	SAME("[%6s] [%-6s] [%2s]", "abc", "abc", "abc");
	SAME("%.2s %.*s", "abc", 1, "abc");
	SAME("%.*s", 3, unended); /* not a byte more is read */
	SAME("");
}

static void fits_or_is_cut(void **state)
{
	char *buf = malloc(4);

	(void)state;
	assert_int_equal(fmt_print(buf, 4, "%s", "abcdef"), 6);
	assert_string_equal(buf, "abc");
	assert_int_equal(fmt_print(buf, 1, "%d", 12), 2);
	assert_string_equal(buf, "");
	buf[0] = 'x';
	assert_int_equal(fmt_print(buf, 0, "abc"), 3);
	assert_int_equal(buf[0], 'x');
	free(buf);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(strings),
		cmocka_unit_test(fits_or_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
