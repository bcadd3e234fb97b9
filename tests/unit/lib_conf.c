/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "include/base/base.h"
#include "lib/conf.h"

static void sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "1", 1 },
		{ "4096", 4096 },
		{ "1K", 1024 },
		{ "1k", 1024 },
		{ "64M", UINT64_C(64) << 20 },
		{ "64m", UINT64_C(64) << 20 },
		{ "3G", UINT64_C(3) << 30 },
		{ "2T", UINT64_C(2) << 40 },
		{ "007", 7 },
		{ "18446744073709551615", UINT64_MAX },
		{ "16777215T", UINT64_C(16777215) << 40 },
	};
	static const char *const bad[] = {
		"",
		"M",
		"-1",
		"+1",
		"1.5G",
		"64 M",
		" 64M",
		"64M ",
		"64MB",
		"64Mi",
		"0x40",
		"1E",
		"64P",
		"m64",
		"18446744073709551616",
		"99999999999999999999",
		"16777216T",
		"64\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		uint64_t bytes = 99;

		assert_true(conf_parse_size(good[i].text, &bytes));
		assert_int_equal(bytes, good[i].bytes);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		uint64_t bytes = 99;

		if (conf_parse_size(bad[i], &bytes))
			fail_msg("\"%s\" was taken for a size", bad[i]);
		assert_int_equal(bytes, 99);
	}
}

static void numbers(void **state)
{
	uint64_t value = 99;

	(void)state;
	assert_false(conf_parse_u64("", &value));
	assert_false(conf_parse_u64("1K", &value));
	assert_false(conf_parse_u64("-1", &value));
	assert_false(conf_parse_u64("18446744073709551616", &value));
	assert_int_equal(value, 99);
	assert_true(conf_parse_u64("18446744073709551615", &value));
	assert_int_equal(value, UINT64_MAX);
}

static void written_sizes(void **state)
{
	char text[CONF_SIZE_TEXT];

	(void)state;
	assert_string_equal(conf_format_size(0, text), "0");
	assert_string_equal(conf_format_size(1023, text), "1023");
	assert_string_equal(conf_format_size(1024, text), "1K");
	assert_string_equal(conf_format_size(1536 * 1024, text), "1536K");
	assert_string_equal(conf_format_size(UINT64_C(64) << 20, text), "64M");
	assert_string_equal(conf_format_size(UINT64_C(1) << 63, text), "8388608T");
	assert_string_equal(conf_format_size(UINT64_MAX, text), "18446744073709551615");
}

static void names(void **state)
{
	(void)state;
	assert_true(conf_is_name("a", 31));
	assert_true(conf_is_name("0", 31));
	assert_true(conf_is_name("web-1", 31));
	assert_true(conf_is_name("abc", 3));
	assert_false(conf_is_name("abcd", 3));
	assert_false(conf_is_name("", 31));
	assert_false(conf_is_name("-a", 31));
	assert_false(conf_is_name("Web", 31));
	assert_false(conf_is_name("a_b", 31));
	assert_false(conf_is_name("a b", 31));
	assert_false(conf_is_name("a]", 31));
	assert_false(conf_is_name("\xc3\xa4", 31));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(numbers),
		cmocka_unit_test(written_sizes),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
