/* SPDX-License-Identifier: MIT */
/* The manifest: how much of everything there may be, and what no schema asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "init_manifest_rig.h"

static void too_long_a_file(void **state)
{
	char *text = malloc(MANIFEST_SIZE_MAX + 1);

	(void)state;
	assert_non_null(text);
	memset(text, '#', MANIFEST_SIZE_MAX + 1);
	assert_int_equal(parse_bytes(text, MANIFEST_SIZE_MAX + 1), MANIFEST_UNUSABLE);
	assert_string_equal(lines, "m:1:1: more than 65536 bytes (nothing of the file is used)\n");
	memcpy(text, "guests: []\n", 11);
	assert_int_equal(parse_bytes(text, MANIFEST_SIZE_MAX), MANIFEST_GOOD);
	free(text);
}

static void as_many_guests_as_fit(void **state)
{
	static char text[8192];
	size_t used = (size_t)sprintf(text, "guests:\n");
	int i;

	(void)state;
	for (i = 0; i < MANIFEST_GUESTS_MAX; i++)
		used += (size_t)sprintf(text + used, "- {name: g%d, kernel: /k, memory: 2M}\n", i);
	assert_int_equal(parse(text), MANIFEST_GOOD);
	assert_int_equal(manifest.guest_count, 64);

	sprintf(text + used, "- {name: x, kernel: /k, memory: 2M}\n- {name: y}\n");
	assert_int_equal(parse(text), MANIFEST_FLAWED);
	assert_int_equal(manifest.guest_count, 64);
	assert_string_equal(lines, "m:66:3: more than 64 guests (this one and all below are left "
				   "out)\n");
}

/* With aliases a small file can ask for more text than it holds. */
static void text_is_bounded(void **state)
{
	static char text[8192];
	size_t used = (size_t)sprintf(text,
				      "guests:\n- {name: a, kernel: /k, memory: 2M, "
				      "cmdline: &c \"%02000d\"}\n",
				      0);
	int i;

	(void)state;
	for (i = 0; i < 60; i++)
		used += (size_t)sprintf(text + used,
					"- {name: g%d, kernel: /k, memory: 2M, cmdline: *c}\n", i);
	assert_int_equal(parse(text), MANIFEST_FLAWED);
	/* 65536 / (2001 + 5 + 3): an alias is reported where its value stands. */
	assert_int_equal(manifest.guest_count, 32);
	assert_int_equal(manifest.refused_count, 29);
	assert_non_null(strstr(lines, "m:2:46: guest \"g31\": cmdline: more than 65536 bytes of "
				      "text in all guests together\n"));
}

static void long_values(void **state)
{
	static char text[8192];
	size_t used;

	(void)state;
	used = (size_t)sprintf(text,
			       "guests:\n- {name: web, memory: 16M, kernel: /%0254d, "
			       "cmdline: \"%02047d\"}\n",
			       0, 0);
	assert_int_equal(parse(text), MANIFEST_GOOD);
	sprintf(text,
		"guests:\n- {name: web, memory: 16M, kernel: /%0255d, cmdline: "
		"\"%02048d\"}\n" OK_GUEST,
		0, 0);
	assert_true(used < sizeof(text));
	assert_int_equal(parse(text), MANIFEST_FLAWED);
	assert_string_equal(lines,
			    "m:2:36: guest \"web\": kernel: is 256 bytes long (at most 255)\n"
			    "m:2:303: guest \"web\": cmdline: is 2048 bytes long (at most 2047)\n");
}

/* A value is shown, but shortened. */
static void long_values_in_messages(void **state)
{
	static char text[8192];

	(void)state;
	sprintf(text, "guests:\n- {name: %04000d}\n" OK_GUEST, 0);
	assert_int_equal(parse(text), MANIFEST_FLAWED);
	assert_non_null(strstr(lines, "name: \"00000000000000000000000000000000000000000000000000"
				      "00000000000000000000...\" is not a name"));
}

/* Nesting that no schema asks for is walked by nobody. */
static void deep_nesting(void **state)
{
	static char text[60000];

	(void)state;
	memset(text, '[', sizeof(text) - 1);
	memcpy(text, "x: ", 3);
	assert_int_equal(parse(text), MANIFEST_UNUSABLE);
	assert_string_equal(lines, "m:1:19: more than 16 levels of nesting (nothing of the file is "
				   "used)\n");
	/* As deep as it may be, and brackets that are only text. */
	assert_int_equal(parse("x: [[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]\nguests:\n" OK_GUEST),
			 MANIFEST_FLAWED);
	assert_int_equal(manifest.guest_count, 1);
	assert_int_equal(parse("guests:\n- {name: a, kernel: /k, memory: 2M, cmdline: "
			       "\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}\n"),
			 MANIFEST_GOOD);
	/* Billion laughs: each alias is the same node, looked at once. */
	assert_int_equal(parse("a: &a [x, x, x, x, x, x, x, x, x, x]\n"
			       "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
			       "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
			       "d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
			       "e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\n"
			       "f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]\n"
			       "guests:\n" OK_GUEST),
			 MANIFEST_FLAWED);
	assert_int_equal(manifest.guest_count, 1);
}

static void many_keys(void **state)
{
	static char text[8192];
	size_t used = (size_t)sprintf(text, "guests:\n" OK_GUEST "- {");
	int i;

	(void)state;
	for (i = 0; i < 65; i++)
		used += (size_t)sprintf(text + used, "k%d: 1, ", i);
	sprintf(text + used, "}\n");
	assert_int_equal(parse(text), MANIFEST_FLAWED);
	assert_string_equal(lines, "m:3:3: guest number 2: more than 64 keys\n");
}

/* A value with a zero byte must not pass for what stands before it. */
static void zero_bytes(void **state)
{
	(void)state;
	assert_int_equal(
		parse("guests:\n- {name: web, \"kernel\\0x\": /k, memory: 16M}\n" OK_GUEST),
		MANIFEST_FLAWED);
	assert_non_null(strstr(lines, "unknown key \"kernel\\x00x\""));
	assert_int_equal(
		parse("guests:\n- {name: web, kernel: \"/k\\0x\", memory: 16M}\n" OK_GUEST),
		MANIFEST_FLAWED);
	assert_non_null(strstr(lines, "kernel: has a line break or another control character"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_long_a_file),
		cmocka_unit_test(as_many_guests_as_fit),
		cmocka_unit_test(text_is_bounded),
		cmocka_unit_test(long_values),
		cmocka_unit_test(long_values_in_messages),
		cmocka_unit_test(deep_nesting),
		cmocka_unit_test(many_keys),
		cmocka_unit_test(zero_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
