/* SPDX-License-Identifier: MIT */
/* Small devices in the manifest: what is read, and every mistake's line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "init_manifest_rig.h"

static enum manifest_result guest(const char *keys)
{
	char text[512];

	snprintf(text, sizeof(text), "guests:\n- name: a\n  kernel: /k\n  memory: 16M\n%s", keys);
	return parse(text);
}

static void test_defaults(void **state)
{
	const struct manifest_guest *g = &manifest.guests[0];

	(void)state;
	assert_int_equal(guest(""), MANIFEST_GOOD);
	assert_int_equal(g->console, MANIFEST_CONSOLE_SERIAL);
	assert_false(g->rng);
	assert_false(g->balloon.wanted);
	/* What a balloon is unless told otherwise. */
	assert_int_equal(guest("  balloon: {}\n"), MANIFEST_GOOD);
	assert_true(g->balloon.wanted && g->balloon.deflate_on_oom && g->balloon.reporting);
	assert_int_equal(g->balloon.size, 0);
}

static void test_all_keys(void **state)
{
	const struct manifest_guest *g = &manifest.guests[0];

	(void)state;
	assert_int_equal(guest("  console: virtio\n"
			       "  rng: true\n"
			       "  balloon: {size: 8M, deflate_on_oom: false, reporting: false}\n"),
			 MANIFEST_GOOD);
	assert_string_equal(lines, "");
	assert_int_equal(g->console, MANIFEST_CONSOLE_VIRTIO);
	assert_true(g->rng);
	assert_int_equal(g->balloon.size, 8 << 20);
	assert_false(g->balloon.deflate_on_oom || g->balloon.reporting);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *keys, *line;
	} list[] = {
		{ "  console: tty\n",
		  "m:5:12: guest \"a\": console: \"tty\" is not possible (one of: serial, virtio)\n" },
		{ "  rng: yes\n",
		  "m:5:8: guest \"a\": rng: \"yes\" is not possible (one of: false, true)\n" },
		{ "  balloon: 8M\n",
		  "m:5:12: guest \"a\": a group of keys is expected, not a single value\n" },
		{ "  balloon: {size: some}\n",
		  "m:5:19: guest \"a\": size: \"some\" is not a size (write e.g. 16M, or bytes)\n" },
		{ "  balloon: {size: 16M}\n",
		  "m:5:19: guest \"a\": size: as large as the guest's memory\n" },
		{ "  balloon: {target: 1M}\n",
		  "m:5:13: guest \"a\": unknown key \"target\" (known here: size, deflate_on_oom, reporting)\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		guest(list[i].keys);
		assert_string_equal(lines, list[i].line);
		assert_int_equal(manifest.guest_count, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all_keys),
		cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
