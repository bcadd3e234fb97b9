/* SPDX-License-Identifier: MIT */
/* The command line: every option, every way to get it wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "vmm/config.h"

static struct vm_config config;

/* Words separated by '|'; parsed in place. */
static enum config_result parse(const char *line)
{
	static char copy[4096];
	static char *argv[64];
	int argc = 0;
	char *p = copy;

	strncpy(copy, line, sizeof(copy) - 1);
	argv[argc++] = copy; /* any program name */
	for (char *w; (w = strsep(&p, "|")) != NULL;)
		argv[argc++] = w;
	argv[argc] = NULL;
	return config_parse(&config, argc, argv);
}

static void test_good(void **state)
{
	(void)state;
	assert_int_equal(parse("--kernel|/k"), CONFIG_RUN);
	assert_string_equal(config.kernel, "/k");
	assert_int_equal(config.memory, 64 << 20);
	assert_int_equal(config.cpus, 1);
	assert_string_equal(config.mshv, "/dev/mshv");
	assert_int_equal(config.grace_s, VMMCTL_GRACE_S);
	assert_null(config.initrd);

	/* As init writes it (abi/vmmctl.h). */
	assert_int_equal(parse("--name|tiny|--kernel|/g/k|--initrd|/g/i|--cmdline||"
			       "--memory|67108864|--cpus|2|--disk|path=/a"
			       "|--disk|path=/b,readonly=on,serial=x"),
			 CONFIG_RUN);
	assert_string_equal(config.cmdline, "");
	assert_int_equal(config.disk_count, 2);
	assert_string_equal(config.disk[0].path, "/a");
	assert_false(config.disk[0].readonly);
	assert_string_equal(config.disk[1].path, "/b");
	assert_true(config.disk[1].readonly);
	assert_string_equal(config.disk[1].serial, "x");

	assert_int_equal(parse("--kernel|k|--memory|1G|--cpus|64|--grace|0|--log|debug"),
			 CONFIG_RUN);
	assert_int_equal(config.memory, 1 << 30);
	assert_int_equal(config.grace_s, 0);
	assert_int_equal(config.log_level, LOG_DEBUG);
	/* Sizes are what they are in a manifest. */
	assert_int_equal(parse("--kernel|k|--memory|1t"), CONFIG_RUN);
	assert_int_equal(config.memory, UINT64_C(1) << 40);
	assert_int_equal(parse("--help"), CONFIG_HELP);
	assert_int_equal(parse("--kernel=/k|--cmdline=a=b|--name=x"), CONFIG_RUN);
	assert_string_equal(config.cmdline, "a=b");
	assert_int_equal(parse("--kernel|--name"), CONFIG_RUN);
	assert_string_equal(config.kernel, "--name");
}

static void test_wrong(void **state)
{
	static const char *const list[] = {
		"--cpus|1", /* no kernel */
		"--kernel",
		"--kernel|k|extra",
		"--kernel|k|--unknown",
		"--kernel|k|--memory|",
		"--kernel|k|--memory|64Q",
		"--kernel|k|--memory|64MM",
		"--kernel|k|--memory|-1",
		"--kernel|k|--memory|1M",	/* below the minimum */
		"--kernel|k|--memory|67108865", /* not whole pages */
		"--kernel|k|--memory|99999999999999999999",
		"--kernel|k|--memory|18446744073709551615G",
		"--kernel|k|--cpus|0",
		"--kernel|k|--cpus|65",
		"--kernel|k|--cpus|1K",
		"--kernel|k|--cpus|1K1", /* ends in a digit */
		"--kernel|k|--cpus|",
		"--kernel|k|--name|",
		"--kernel|k|--name|a234567890123456789012345678901234",
		"--kernel|k|--disk|",
		"--kernel|k|--disk|path=",
		"--kernel|k|--disk|readonly=on",
		"--kernel|k|--disk|path=a,readonly=maybe",
		"--kernel|k|--disk|path=a,colour=red",
		"--kernel|k|--disk|path",
		"--kernel|k|--disk|path=a,serial=123456789012345678901",
		"--kernel|k|--grace|86401",
		"--kernel|k|--log|loud",
		/* Names are not guessed, and nothing is said twice. */
		"--kern|k",
		"--kernel|k|--mem|64M",
		"-kernel|k",
		"--kernel|k|--",
		"--kernel|k|--help=x",
		"--kernel|k|--kernel|l",
		"--kernel|k|--memory|64M|--memory=64M",
		"--kernel|k|--disk|path=a,path=b",
		"--kernel|k|--disk|path=a,readonly=on,readonly=off",
		"--kernel|k|--disk|path=a,serial=x,serial=x",
		/* What would break a line of the log. */
		"--kernel|k\nl",
		"--kernel|k|--name|a\nb",
		"--kernel|k|--name|A b",
		"--kernel|k|--disk|path=a\nb",
		"--kernel|k|--cmdline|a\033b",
		"--kernel|k|--no\nsuch",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		if (parse(list[i]) != CONFIG_WRONG)
			fail_msg("accepted: %s", list[i]);
}

static void test_too_many_disks(void **state)
{
	char line[1024] = "--kernel|k";

	(void)state;
	for (int i = 0; i < VMMCTL_DISKS_MAX; i++)
		strcat(line, "|--disk|path=a");
	assert_int_equal(parse(line), CONFIG_RUN);
	strcat(line, "|--disk|path=a");
	assert_int_equal(parse(line), CONFIG_WRONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_too_many_disks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
