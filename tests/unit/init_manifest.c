/* SPDX-License-Identifier: MIT */
/*
 * The manifest: what a good one means, and for every kind of mistake the exact
 * lines it gives, in order, and what is left of the file. Its bounds are in
 * init_manifest_bounds.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "include/base/base.h"
#include "init_manifest_rig.h"

/* ---- good ones ---- */

static void everything_is_read(void **state)
{
	const struct manifest_guest *guest = &manifest.guests[0];

	(void)state;
	assert_int_equal(parse("version: 1\n"
			       "host:\n"
			       "  name: demo\n"
			       "  on_idle: poweroff\n"
			       "  console: web\n"
			       "guests:\n"
			       "  - name: tiny\n"
			       "    kernel: /guests/tiny/bzImage\n"
			       "    initrd: /guests/tiny/initramfs.cpio.gz\n"
			       "    cmdline: \"console=ttyS0 quiet\"\n"
			       "    memory: 64M\n"
			       "    cpus: 2\n"
			       "    disks: [{path: /a.img, readonly: false}, {path: /b.img, "
			       "readonly: true}, {path: /c.img, serial: c 3, queues: 16, "
			       "iops: 4294967295, bandwidth: 1T}]\n"
			       "    restart: on-failure\n"
			       "  - name: web\n"
			       "    kernel: /k\n"
			       "    memory: 2097152\n"),
			 MANIFEST_GOOD);
	assert_string_equal(lines, "");
	assert_string_equal(manifest.host_name, "demo");
	assert_int_equal(manifest.on_idle, IDLE_POWEROFF);
	assert_int_equal(manifest.console, 1);
	assert_int_equal(manifest.guest_count, 2);
	assert_int_equal(manifest.refused_count, 0);
	assert_string_equal(guest->name, "tiny");
	assert_string_equal(guest->kernel, "/guests/tiny/bzImage");
	assert_string_equal(guest->initrd, "/guests/tiny/initramfs.cpio.gz");
	assert_string_equal(guest->cmdline, "console=ttyS0 quiet");
	assert_int_equal(guest->memory.bytes, 64 << 20);
	assert_int_equal(guest->cpus.count, 2);
	assert_int_equal(guest->restart, RESTART_ON_FAILURE);
	assert_int_equal(guest->disk_count, 3);
	assert_string_equal(guest->disks[0].path, "/a.img");
	assert_false(guest->disks[0].readonly);
	assert_string_equal(guest->disks[1].path, "/b.img");
	assert_true(guest->disks[1].readonly);
	assert_null(guest->disks[1].serial);
	assert_int_equal(guest->disks[1].queues, 0);
	assert_int_equal(guest->disks[1].iops, 0);
	assert_int_equal(guest->disks[1].bandwidth, 0);
	assert_false(guest->disks[2].readonly);
	assert_string_equal(guest->disks[2].serial, "c 3");
	assert_int_equal(guest->disks[2].queues, 16);
	assert_int_equal(guest->disks[2].iops, UINT32_MAX);
	assert_int_equal(guest->disks[2].bandwidth, UINT64_C(1) << 40);
	assert_string_equal(manifest.guests[1].name, "web");
}

static void defaults(void **state)
{
	const struct manifest_guest *guest = &manifest.guests[0];

	(void)state;
	assert_int_equal(parse("guests:\n" OK_GUEST), MANIFEST_GOOD);
	assert_string_equal(manifest.host_name, "rootstock");
	assert_int_equal(manifest.on_idle, IDLE_STAY);
	assert_int_equal(manifest.console, MANIFEST_NOBODY);
	assert_null(guest->initrd);
	assert_null(guest->cmdline);
	assert_int_equal(guest->cpus.count, 1);
	assert_int_equal(guest->disk_count, 0);
	assert_int_equal(guest->restart, RESTART_NEVER);
}

static void processors_and_memory(void **state)
{
	const struct manifest_guest *guest = manifest.guests;

	(void)state;
	assert_int_equal(parse("guests:\n"
			       "- name: a\n"
			       "  kernel: /k\n"
			       "  memory: {size: 64M, hugepages: false, prefault: true}\n"
			       "  cpus: {count: 8, cores: 2, threads: 2, pin: [0-3, 9]}\n"
			       "- name: b\n"
			       "  kernel: /k\n"
			       "  memory: {size: 2M}\n"
			       "  cpus: {count: 6, threads: 2, pin: 5}\n"
			       "- {name: c, kernel: /k, memory: 2M, cpus: 6}\n"),
			 MANIFEST_GOOD);
	assert_int_equal(guest->memory.bytes, 64 << 20);
	assert_false(guest->memory.hugepages);
	assert_true(guest->memory.prefault);
	assert_int_equal(guest->cpus.count, 8);
	assert_int_equal(guest->cpus.cores, 2);
	assert_int_equal(guest->cpus.threads, 2);
	assert_int_equal(guest->cpus.pin_count, 5);
	assert_int_equal(guest->cpus.pin[3], 3);
	assert_int_equal(guest->cpus.pin[4], 9);
	guest++;
	assert_int_equal(guest->memory.bytes, 2 << 20);
	assert_true(guest->memory.hugepages);
	assert_false(guest->memory.prefault);
	assert_int_equal(guest->cpus.cores, 3);
	assert_int_equal(guest->cpus.pin_count, 1);
	assert_int_equal(guest->cpus.pin[0], 5);
	guest++;
	assert_true(guest->memory.hugepages);
	assert_int_equal(guest->cpus.cores, 6);
	assert_int_equal(guest->cpus.threads, 1);
	assert_int_equal(guest->cpus.pin_count, 0);
}

static void no_guests_is_a_choice(void **state)
{
	(void)state;
	assert_int_equal(parse("guests: []\n"), MANIFEST_GOOD);
	assert_int_equal(manifest.guest_count, 0);
}

/* Nothing is a number, a boolean or a null because it looks like one. */
static void strings_stay_strings(void **state)
{
	(void)state;
	assert_int_equal(parse("host: {name: no}\n"
			       "guests:\n"
			       "- {name: null, kernel: /k, memory: \"16M\", cmdline: 0x10}\n"
			       "- {name: 007, kernel: /k, memory: 16777216, cmdline: yes}\n"
			       "- {name: true, kernel: /k, memory: 16M, cmdline: ~}\n"
			       "- {name: x, kernel: /k, memory: 16M, cmdline: }\n"),
			 MANIFEST_GOOD);
	assert_string_equal(manifest.host_name, "no");
	assert_string_equal(manifest.guests[0].name, "null");
	assert_string_equal(manifest.guests[0].cmdline, "0x10");
	assert_string_equal(manifest.guests[1].name, "007");
	assert_string_equal(manifest.guests[1].cmdline, "yes");
	assert_string_equal(manifest.guests[2].name, "true");
	assert_string_equal(manifest.guests[2].cmdline, "~");
	assert_string_equal(manifest.guests[3].cmdline, "");
}

static void aliases_repeat_a_value(void **state)
{
	(void)state;
	assert_int_equal(parse("guests:\n"
			       "- {name: a, kernel: &k /kernel, memory: &m 16M}\n"
			       "- {name: b, kernel: *k, memory: *m}\n"),
			 MANIFEST_GOOD);
	assert_string_equal(manifest.guests[1].kernel, "/kernel");
	assert_int_equal(manifest.guests[1].memory.bytes, 16 << 20);
}

/* ---- mistakes: text, what is left, and every line ---- */

struct mistake {
	const char *text;
	enum manifest_result result;
	unsigned int guests;
	unsigned int refused;
	const char *lines;
};

static void check(const struct mistake *cases, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		enum manifest_result result = parse(cases[i].text);

		assert_string_equal(lines, cases[i].lines);
		assert_int_equal(result, cases[i].result);
		if (result == MANIFEST_UNUSABLE)
			continue;
		assert_int_equal(manifest.guest_count, cases[i].guests);
		assert_int_equal(manifest.refused_count, cases[i].refused);
	}
}

#define GUEST_KEYS                                                                          \
	"name, kernel, initrd, cmdline, memory, cpus, disks, nics, console, rng, balloon, " \
	"vsock, watchdog, on_reset, on_crash, on_watchdog, restart"

static void one_guest_is_refused(void **state)
{
	/* In each, the second guest is sound and stays. */
	static const struct mistake cases[] = {
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, memroy: 1}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:40: guest \"web\": unknown key \"memroy\" (known here: " GUEST_KEYS ")\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, Name: x}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:40: guest \"web\": unknown key \"Name\" (known here: " GUEST_KEYS ")\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, memory: 32M}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:40: guest \"web\": key \"memory\" is given twice (first in line 2)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, [a]: 1}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:40: guest \"web\": a key must be a word, not a list\n" },
		{ "guests:\n- {name: web}\n" OK_GUEST, MANIFEST_FLAWED, 1, 1,
		  "m:2:3: guest \"web\": key \"kernel\" is missing (e.g. kernel: "
		  "/guests/web/bzImage)\n"
		  "m:2:3: guest \"web\": key \"memory\" is missing (e.g. memory: 64M)\n" },
		{ "guests:\n- {kernel: /k, memory: 16M}\n" OK_GUEST, MANIFEST_FLAWED, 1, 1,
		  "m:2:3: guest number 1: key \"name\" is missing (e.g. name: web)\n" },
		{ "guests:\n- web\n" OK_GUEST, MANIFEST_FLAWED, 1, 1,
		  "m:2:3: guest number 1: a group of keys is expected, not a single value\n" },
		{ "guests:\n- [web]\n" OK_GUEST, MANIFEST_FLAWED, 1, 1,
		  "m:2:3: guest number 1: a group of keys is expected, not a list\n" },
		/* Wrong types. */
		{ "guests:\n- {name: web, kernel: [/k], memory: 16M, cmdline: {a: b}}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:23: guest \"web\": kernel: a single value is expected, not a list\n"
		  "m:2:51: guest \"web\": cmdline: a single value is expected, not a group of "
		  "keys\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, disks: /d}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:47: guest \"web\": disks: a list is expected, not a single value (write "
		  "[{path: ...}])\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, disks: [/d]}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:48: guest \"web\": a group of keys is expected, not a single value\n" },
		/* Names. */
		{ "guests:\n- {name: Web, kernel: /k, memory: 16M}\n" OK_GUEST, MANIFEST_FLAWED, 1,
		  1,
		  "m:2:10: guest number 1: name: \"Web\" is not a name (1 to 31 of a-z, 0-9 and "
		  "-, not beginning with -)\n" },
		{ "guests:\n- {name: \"\\e[2J\", kernel: /k, memory: 16M}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:10: guest number 1: name: has a line break or another control character "
		  "(write it on one line)\n" },
		{ "guests:\n- {name: gr\xc3\xbc"
		  "n, kernel: /k, memory: 16M}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:10: guest number 1: name: \"gr\\xc3\\xbcn\" is not a name (1 to 31 of "
		  "a-z, 0-9 and -, not beginning with -)\n" },
		{ "guests:\n" OK_GUEST OK_GUEST, MANIFEST_FLAWED, 1, 1,
		  "m:3:10: guest \"ok\": name is taken by a guest above (every guest needs its "
		  "own)\n" },
		/* Files. */
		{ "guests:\n- {name: web, kernel: /missing, initrd: /missing2, memory: 16M}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:23: guest \"web\": kernel: \"/missing\" does not exist (mkimage.sh --add "
		  "SRC:DEST puts files into the image)\n"
		  "m:2:41: guest \"web\": initrd: \"/missing2\" does not exist (mkimage.sh --add "
		  "SRC:DEST puts files into the image)\n" },
		{ "guests:\n- {name: web, kernel: k, memory: 16M}\n" OK_GUEST, MANIFEST_FLAWED, 1,
		  1,
		  "m:2:23: guest \"web\": kernel: \"k\" is not an absolute path in the image "
		  "(begin with /, without . and ..)\n" },
		{ "guests:\n- {name: web, kernel: /a/../k, memory: 16M}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:23: guest \"web\": kernel: \"/a/../k\" is not an absolute path in the "
		  "image (begin with /, without . and ..)\n" },
		{ "guests:\n- {name: web, kernel: /k/., memory: 16M}\n" OK_GUEST, MANIFEST_FLAWED,
		  1, 1,
		  "m:2:23: guest \"web\": kernel: \"/k/.\" is not an absolute path in the "
		  "image (begin with /, without . and ..)\n" },
		{ "guests:\n- {name: web, kernel: , memory: 16M}\n" OK_GUEST, MANIFEST_FLAWED, 1, 1,
		  "m:2:23: guest \"web\": kernel: \"\" is not an absolute path in the image "
		  "(begin with /, without . and ..)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, cmdline: \"a\\nb\"}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:49: guest \"web\": cmdline: has a line break or another control character "
		  "(write it on one line)\n" },
		/* Memory. */
		{ "guests:\n- {name: web, kernel: /k, memory: lots}\n" OK_GUEST, MANIFEST_FLAWED, 1,
		  1,
		  "m:2:35: guest \"web\": memory: \"lots\" is not a size (write e.g. 64M, 1G, or "
		  "bytes)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: -1}\n" OK_GUEST, MANIFEST_FLAWED, 1,
		  1,
		  "m:2:35: guest \"web\": memory: \"-1\" is not a size (write e.g. 64M, 1G, or "
		  "bytes)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 0}\n" OK_GUEST, MANIFEST_FLAWED, 1, 1,
		  "m:2:35: guest \"web\": memory: \"0\" is not possible (at least 2M)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 3000001}\n" OK_GUEST, MANIFEST_FLAWED,
		  1, 1,
		  "m:2:35: guest \"web\": memory: \"3000001\" is not possible (must be a "
		  "multiple of 4K)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 513M}\n" OK_GUEST, MANIFEST_FLAWED, 1,
		  1,
		  "m:2:35: guest \"web\": memory: 513M is not possible (512M left of the 512M "
		  "this machine has for guests)\n" },
		{ "guests:\n" OK_GUEST "- {name: web, kernel: /k, memory: 500M}\n", MANIFEST_FLAWED,
		  1, 1,
		  "m:3:35: guest \"web\": memory: 500M is not possible (496M left of the 512M "
		  "this machine has for guests)\n" },
		/* Numbers and words. */
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, cpus: 0}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:46: guest \"web\": cpus: \"0\" is not possible (a number from 1 to 64)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, cpus: 65}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:46: guest \"web\": cpus: \"65\" is not possible (a number from 1 to 64)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, cpus: two}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:46: guest \"web\": cpus: \"two\" is not possible (a number from 1 to "
		  "64)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, cpus: {cores: 2}}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:46: guest \"web\": key \"count\" is missing (e.g. count: 4)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, cpus: {count: 4, threads: 65}}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:66: guest \"web\": threads: \"65\" is not possible (a number from 1 to "
		  "64)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, cpus: {count: 6, cores: 3}}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:46: guest \"web\": cpus: not possible (with several sockets, cores must be "
		  "a power of two)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, cpus: {count: 6, cores: 4}}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:46: guest \"web\": cpus: not possible (no whole number of sockets of that "
		  "many cores and threads)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, cpus: {count: 6, threads: 3}}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:46: guest \"web\": cpus: not possible (threads must be a power of two)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, cpus: {count: 2, pin: 0-2}}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:46: guest \"web\": cpus: not possible (more processors in pin than the "
		  "guest has)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, cpus: {count: 2, pin: [0, "
		  "x]}}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:66: guest \"web\": pin: \"x\" is not possible (processors of the host, "
		  "e.g. [0-3, 5])\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, cpus: {count: 2, pin: "
		  "[[0]]}}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:63: guest \"web\": pin: a single value is expected, not a list\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, cpus: [2]}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:46: guest \"web\": cpus: a single value is expected, not a list\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: {siez: 1M}}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:36: guest \"web\": unknown key \"siez\" (known here: size, hugepages, "
		  "prefault)\n"
		  "m:2:35: guest \"web\": key \"size\" is missing (e.g. size: 64M)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: {prefault: true}}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:35: guest \"web\": key \"size\" is missing (e.g. size: 64M)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: {size: 16M, hugepages: on}}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:58: guest \"web\": hugepages: \"on\" is not possible (one of: false, "
		  "true)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: {size: 513M}}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:35: guest \"web\": memory: 513M is not possible (512M left of the 512M "
		  "this machine has for guests)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, restart: sometimes}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:49: guest \"web\": restart: \"sometimes\" is not possible (one of: never, "
		  "on-failure, always)\n" },
		/* Disks. */
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, disks: [{path: /d, readonly: "
		  "yes}]}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:69: guest \"web\": readonly: \"yes\" is not possible (one of: false, "
		  "true)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, disks: [{path: /d, queues: 17}]}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:67: guest \"web\": queues: \"17\" is not possible (a number from 1 to 16)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, disks: [{path: /d, iops: 0}]}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:65: guest \"web\": iops: \"0\" is not possible (a number from 1 to 4294967295)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, disks: [{path: /d, bandwidth: 0}]}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:70: guest \"web\": bandwidth: \"0\" is not possible (bytes a second, e.g. 100M; from 1 to 1T)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, disks: [{path: /d, bandwidth: 2T}]}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:70: guest \"web\": bandwidth: \"2T\" is not possible (bytes a second, e.g. 100M; from 1 to 1T)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, disks: [{path: /d, bandwidth: fast}]}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:70: guest \"web\": bandwidth: \"fast\" is not possible (bytes a second, e.g. 100M; from 1 to 1T)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, disks: [{path: /d, serial: 'a,b'}]}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:67: guest \"web\": serial: has a comma, which it cannot have\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, disks: [{path: /d, serial: abcdefghijklmnopqrstu}]}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:67: guest \"web\": serial: is 21 bytes long (at most 20)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, disks: [{readonly: true}]}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:48: guest \"web\": key \"path\" is missing (e.g. path: "
		  "/guests/web/disk.img)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, disks: [{path: \"/a,b\"}]}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:55: guest \"web\": path: has a comma, which a disk's path cannot have "
		  "(rename the file)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, disks: [{path: "
		  "/writeprotected}]}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:55: guest \"web\": path: \"/writeprotected\" is on a read-only file system "
		  "(mkimage.sh --add SRC:DEST puts files into the image)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, disks: [{path: "
		  "/dev/missing}]}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:55: guest \"web\": path: \"/dev/missing\" does not exist (a path below "
		  "/dev is a device of the machine)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, disks: [{path: /d}, {path: "
		  "/d, readonly: true}]}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:60: guest \"web\": disks: the same file twice (only read-only disks can be "
		  "shared)\n" },
		{ "guests:\n- {name: a, kernel: /k, memory: 16M, disks: [{path: /d}]}\n"
		  "- {name: b, kernel: /k, memory: 16M, disks: [{path: /d, readonly: true}]}\n",
		  MANIFEST_FLAWED, 1, 1,
		  "m:3:46: guest \"b\": disks: the file is a disk of guest \"a\" already (only "
		  "read-only disks can be shared)\n" },
		{ "guests:\n- {name: web, kernel: /k, memory: 16M, disks: [{path: /1}, {path: "
		  "/2}, {path: /3}, {path: /4}, {path: /5}, {path: /6}, {path: /7}, {path: /8}, "
		  "{path: /9}]}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1, "m:2:47: guest \"web\": disks: more than 8\n" },
		/* Merge keys are no part of YAML 1.2, and none of ours. */
		{ "guests:\n- {<<: {name: x}, name: web, kernel: /k, memory: 16M}\n" OK_GUEST,
		  MANIFEST_FLAWED, 1, 1,
		  "m:2:4: guest \"web\": unknown key \"<<\" (known here: " GUEST_KEYS ")\n" },
	};

	(void)state;
	check(cases, ARRAY_SIZE(cases));
}

static void guests_stay_whatever_the_host_says(void **state)
{
	static const struct mistake cases[] = {
		{ "host: {on_idle: explode}\nguests:\n" OK_GUEST, MANIFEST_FLAWED, 1, 0,
		  "m:1:17: host: on_idle: \"explode\" is not possible (one of: stay, poweroff, "
		  "reboot)\n" },
		{ "host: {name: Big Box}\nguests:\n" OK_GUEST, MANIFEST_FLAWED, 1, 0,
		  "m:1:14: host: name: \"Big Box\" is not a name (1 to 31 of a-z, 0-9 and -, not "
		  "beginning with -)\n" },
		{ "host: {colour: red}\nguests:\n" OK_GUEST, MANIFEST_FLAWED, 1, 0,
		  "m:1:8: host: unknown key \"colour\" (known here: name, on_idle, console)\n" },
		{ "host: demo\nguests:\n" OK_GUEST, MANIFEST_FLAWED, 1, 0,
		  "m:1:7: host: a group of keys is expected, not a single value\n" },
		{ "host: {console: nobody}\nguests:\n" OK_GUEST, MANIFEST_FLAWED, 1, 0,
		  "m:1:17: host: console: \"nobody\" is not the name of a guest that can start "
		  "(nobody reads what is typed)\n" },
		{ "host: {console: bad}\nguests:\n- {name: bad}\n" OK_GUEST, MANIFEST_FLAWED, 1, 1,
		  "m:3:3: guest \"bad\": key \"kernel\" is missing (e.g. kernel: "
		  "/guests/web/bzImage)\n"
		  "m:3:3: guest \"bad\": key \"memory\" is missing (e.g. memory: 64M)\n"
		  "m:1:17: host: console: \"bad\" is not the name of a guest that can start "
		  "(nobody reads what is typed)\n" },
		{ "gests: []\nguests:\n" OK_GUEST, MANIFEST_FLAWED, 1, 0,
		  "m:1:1: unknown key \"gests\" (known here: version, networks, host, guests)\n" },
		{ "guests:\n" OK_GUEST "guests: []\n", MANIFEST_FLAWED, 1, 0,
		  "m:3:1: key \"guests\" is given twice (first in line 1)\n" },
	};

	(void)state;
	check(cases, ARRAY_SIZE(cases));
}

static void some_files_are_no_use(void **state)
{
#define NOTHING "(nothing of the file is used)\n"
	static const struct mistake cases[] = {
		{ "", MANIFEST_UNUSABLE, 0, 0,
		  "m:1:1: the file is empty (it needs \"guests:\")\n" },
		{ "# only a comment\n", MANIFEST_UNUSABLE, 0, 0,
		  "m:1:1: the file is empty (it needs \"guests:\")\n" },
		{ "guests: [\n", MANIFEST_UNUSABLE, 0, 0,
		  "m:2:1: not YAML: while parsing a flow node, did not find expected node content " NOTHING },
		{ "guests:\n" OK_GUEST "\tx: y\n", MANIFEST_UNUSABLE, 0, 0,
		  "m:3:1: not YAML: while scanning for the next token, found character that cannot "
		  "start any token " NOTHING },
		{ "guests:\n- name: a\n kernel: b\n", MANIFEST_UNUSABLE, 0, 0,
		  "m:3:2: not YAML: while parsing a block mapping, did not find expected key " NOTHING },
		{ "guests: [*nobody]\n", MANIFEST_UNUSABLE, 0, 0,
		  "m:1:10: not YAML: found undefined alias " NOTHING },
		{ "guests: \xff\n", MANIFEST_UNUSABLE, 0, 0,
		  "m:1:1: not text in UTF-8: invalid leading UTF-8 octet at byte 8 " NOTHING },
		{ "host: {name: x}\n", MANIFEST_UNUSABLE, 0, 0,
		  "m:1:1: key \"guests\" is missing (begin with \"guests:\", or \"guests: []\" for "
		  "none)\n" },
		{ "guests: none\n", MANIFEST_UNUSABLE, 0, 0,
		  "m:1:9: guests: a list is expected, not a single value (begin each guest with "
		  "\"- name:\")\n" },
		{ "- name: x\n", MANIFEST_UNUSABLE, 0, 0,
		  "m:1:1: a group of keys is expected, not a list\n" },
		{ "just words\n", MANIFEST_UNUSABLE, 0, 0,
		  "m:1:1: a group of keys is expected, not a single value\n" },
		{ "version: 2\nguests:\n- {nonsense: 1}\n", MANIFEST_UNUSABLE, 0, 0,
		  "m:1:10: version: \"2\" is not possible (this system reads version 1; nothing of "
		  "the file is used)\n" },
		{ "version: [1]\nguests: []\n", MANIFEST_UNUSABLE, 0, 0,
		  "m:1:10: version: a single value is expected, not a list\n" },
		{ "guests: []\n---\nguests: []\n", MANIFEST_UNUSABLE, 0, 0,
		  "m:2:1: a second document begins here (one file, one document; nothing of the "
		  "file is used)\n" },
		/* Every guest refused: nothing would run, so somebody should look. */
		{ "guests:\n- {name: web, kernel: /missing, memory: 16M}\n", MANIFEST_UNUSABLE, 0,
		  0,
		  "m:2:23: guest \"web\": kernel: \"/missing\" does not exist (mkimage.sh --add "
		  "SRC:DEST puts files into the image)\n" },
	};

	(void)state;
	check(cases, ARRAY_SIZE(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_read),
		cmocka_unit_test(defaults),
		cmocka_unit_test(processors_and_memory),
		cmocka_unit_test(no_guests_is_a_choice),
		cmocka_unit_test(strings_stay_strings),
		cmocka_unit_test(aliases_repeat_a_value),
		cmocka_unit_test(one_guest_is_refused),
		cmocka_unit_test(guests_stay_whatever_the_host_says),
		cmocka_unit_test(some_files_are_no_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
