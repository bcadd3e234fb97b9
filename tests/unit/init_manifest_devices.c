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
	assert_false(g->watchdog);
	assert_int_equal(g->cid, 0);
	assert_true(g->on.reset == END_AS_RESTART && g->on.crash == END_AS_RESTART &&
		    g->on.watchdog == END_AS_RESTART);
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
			       "  vsock: {cid: 4294967294}\n"
			       "  balloon: {size: 8M, deflate_on_oom: false, reporting: false}\n"),
			 MANIFEST_GOOD);
	assert_string_equal(lines, "");
	assert_int_equal(g->console, MANIFEST_CONSOLE_VIRTIO);
	assert_true(g->rng);
	assert_int_equal(g->cid, 0xfffffffe);
	assert_int_equal(g->balloon.size, 8 << 20);
	assert_false(g->balloon.deflate_on_oom || g->balloon.reporting);
}

static void test_policies(void **state)
{
	static const struct {
		const char *word;
		enum end_policy policy;
	} list[] = {
		{ "restart", END_RESTART },
		{ "poweroff", END_POWEROFF },
		{ "preserve", END_PRESERVE },
	};
	const struct manifest_guest *g = &manifest.guests[0];
	char keys[128];

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		snprintf(keys, sizeof(keys), "  watchdog: true\n  on_reset: %s\n", list[i].word);
		assert_int_equal(guest(keys), MANIFEST_GOOD);
		assert_true(g->watchdog && g->on.reset == list[i].policy && !g->on.crash &&
			    !g->on.watchdog);
		snprintf(keys, sizeof(keys), "  on_crash: %s\n  watchdog: true\n", list[i].word);
		assert_int_equal(guest(keys), MANIFEST_GOOD);
		assert_true(g->on.crash == list[i].policy && !g->on.reset && !g->on.watchdog);
		snprintf(keys, sizeof(keys), "  on_watchdog: %s\n  watchdog: true\n", list[i].word);
		assert_int_equal(guest(keys), MANIFEST_GOOD);
		assert_true(g->on.watchdog == list[i].policy && !g->on.reset && !g->on.crash);
	}
	assert_int_equal(guest("  on_watchdog: ignore\n  watchdog: true\n"), MANIFEST_GOOD);
	assert_int_equal(g->on.watchdog, END_IGNORE);
}

/* The first of two with the same number keeps it; one that was refused has none. */
static void test_cid_of_another(void **state)
{
	(void)state;
	assert_int_equal(parse("guests:\n"
			       "- {name: a, kernel: /k, memory: 16M, vsock: {cid: 3}, rng: yes}\n"
			       "- {name: b, kernel: /k, memory: 16M, vsock: {cid: 3}}\n"
			       "- {name: c, kernel: /k, memory: 16M, vsock: {cid: 4}}\n"
			       "- {name: d, kernel: /k, memory: 16M, vsock: {cid: 3}}\n"),
			 MANIFEST_FLAWED);
	assert_string_equal(
		lines,
		"m:2:60: guest \"a\": rng: \"yes\" is not possible (one of: false, true)\n"
		"m:5:51: guest \"d\": cid: guest \"b\" has it already\n");
	assert_int_equal(manifest.guest_count, 2);
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
		{ "  vsock: 3\n",
		  "m:5:10: guest \"a\": a group of keys is expected, not a single value\n" },
		{ "  vsock: {}\n",
		  "m:5:10: guest \"a\": key \"cid\" is missing (e.g. cid: 3)\n" },
		{ "  vsock: {cid: 2}\n",
		  "m:5:16: guest \"a\": cid: \"2\" is not possible (a number from 3 to 4294967294)\n" },
		{ "  vsock: {cid: 4294967295}\n",
		  "m:5:16: guest \"a\": cid: \"4294967295\" is not possible (a number from 3 to 4294967294)\n" },
		{ "  watchdog: on\n",
		  "m:5:13: guest \"a\": watchdog: \"on\" is not possible (one of: false, true)\n" },
		{ "  on_reset: ignore\n",
		  "m:5:13: guest \"a\": on_reset: \"ignore\" is not possible (one of: restart, poweroff, preserve)\n" },
		{ "  on_crash: ignore\n",
		  "m:5:13: guest \"a\": on_crash: \"ignore\" is not possible (one of: restart, poweroff, preserve)\n" },
		{ "  on_watchdog: reset\n",
		  "m:5:16: guest \"a\": on_watchdog: \"reset\" is not possible (one of: restart, poweroff, preserve, ignore)\n" },
		{ "  on_watchdog: ignore\n",
		  "m:5:16: guest \"a\": on_watchdog: the guest has none (write watchdog: true)\n" },
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
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_cid_of_another),
		cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
