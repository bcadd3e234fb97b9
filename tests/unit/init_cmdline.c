/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "init/cmdline.h"

static char complaints[1024];

static void complain(const char *word)
{
	strcat(complaints, word);
	strcat(complaints, "|");
}

static struct cmdline parse(const char *text)
{
	struct cmdline options;

	complaints[0] = '\0';
	memset(&options, 0x55, sizeof(options));
	cmdline_parse(&options, text, complain);
	return options;
}

static void defaults(void **state)
{
	struct cmdline options = parse("console=ttyS0 quiet panic=1\n");

	(void)state;
	assert_true(options.rescue);
	assert_string_equal(options.manifest, "/etc/rootstock/manifest.yaml");
	assert_string_equal(complaints, "");
	options = parse("");
	assert_true(options.rescue);
}

static void options_are_found(void **state)
{
	struct cmdline options;

	(void)state;
	options = parse("  rootstock.rescue=off\tconsole=ttyS0 rootstock.manifest=/a/b.yaml ");
	assert_false(options.rescue);
	assert_string_equal(options.manifest, "/a/b.yaml");
	assert_string_equal(complaints, "");
	/* The last one counts. */
	assert_true(parse("rootstock.rescue=off rootstock.rescue=on").rescue);
	/* Only whole words that begin like that are ours. */
	assert_true(parse("xrootstock.rescue=off").rescue);
	/* What follows "--" is not for the system. */
	assert_true(parse("quiet -- rootstock.rescue=off").rescue);
}

static void complaints_change_nothing(void **state)
{
	char text[1000];
	struct cmdline options;

	(void)state;
	options = parse("rootstock.rescue=maybe rootstock.manifest=relative rootstock.rescue "
			"rootstock.colour=red rootstock.manifest=");
	assert_true(options.rescue);
	assert_string_equal(options.manifest, CMDLINE_MANIFEST);
	assert_string_equal(complaints, "rootstock.rescue=maybe|rootstock.manifest=relative|"
					"rootstock.rescue|rootstock.colour=red|"
					"rootstock.manifest=|");

	/* A path one byte too long, and a word longer than any buffer. */
	memset(text, 'a', sizeof(text));
	memcpy(text, "rootstock.manifest=/", 20);
	text[20 + VMMCTL_PATH_MAX] = '\0';
	assert_string_equal(parse(text).manifest, CMDLINE_MANIFEST);
	assert_true(complaints[0]);
	text[20 + VMMCTL_PATH_MAX] = 'a';
	text[sizeof(text) - 1] = '\0';
	assert_string_equal(parse(text).manifest, CMDLINE_MANIFEST);
	assert_true(complaints[0]);
	/* The longest that fits. */
	text[20 + VMMCTL_PATH_MAX - 1] = '\0';
	assert_int_equal(strlen(parse(text).manifest), VMMCTL_PATH_MAX);
	assert_string_equal(complaints, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(options_are_found),
		cmocka_unit_test(complaints_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
