/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a manifest: no crash, no endless run, every message one bounded
 * printable line, and whatever is accepted keeps the promises of manifest.h.
 */
#include <stdlib.h>
#include <string.h>

#include "include/base/base.h"
#include "init/manifest.h"
#include "lib/conf.h"

#define MEMORY_BYTES (UINT64_C(1) << 30)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct manifest manifest;
static unsigned int line_count;

static void must(bool condition)
{
	if (!condition)
		abort();
}

static const char *check_file(void *context, const char *path, enum manifest_file use)
{
	(void)context;
	must(path[0] == '/' && strlen(path) <= VMMCTL_PATH_MAX);
	must(use == MANIFEST_FILE || !strchr(path, ','));
	return path[1] == 'x' ? "does not exist" : NULL;
}

static void report(void *context, const char *line)
{
	(void)context;
	must(strlen(line) < MANIFEST_LINE_MAX);
	must(!strncmp(line, "fuzz:", 5));
	for (; *line; line++)
		must(*line >= 0x20 && *line < 0x7f);
	line_count++;
}

/* A string of the manifest: ended, inside its memory, of at most max bytes. */
static void check_text(const char *text, size_t max)
{
	size_t left;

	must(text >= manifest.text && text < manifest.text + manifest.text_used);
	left = (size_t)(manifest.text + manifest.text_used - text);
	must(strnlen(text, left) < left && strlen(text) <= max);
}

static void check_guest(const struct manifest_guest *guest)
{
	uint32_t i;

	check_text(guest->name, VMMCTL_NAME_MAX);
	must(conf_is_name(guest->name, VMMCTL_NAME_MAX));
	check_text(guest->kernel, VMMCTL_PATH_MAX);
	if (guest->initrd)
		check_text(guest->initrd, VMMCTL_PATH_MAX);
	if (guest->cmdline)
		check_text(guest->cmdline, VMMCTL_CMDLINE_MAX);
	must(guest->memory.bytes >= VMMCTL_MEMORY_MIN);
	must(guest->memory.bytes % VMMCTL_MEMORY_STEP == 0);
	must(guest->cpus.count >= 1 && guest->cpus.count <= VMMCTL_CPUS_MAX);
	must(guest->cpus.cores && guest->cpus.threads);
	must(guest->cpus.count % (guest->cpus.cores * guest->cpus.threads) == 0);
	must(guest->cpus.pin_count <= guest->cpus.count);
	must(guest->restart < RESTART_POLICY_COUNT);
	must(guest->disk_count <= VMMCTL_DISKS_MAX);
	for (i = 0; i < guest->disk_count; i++)
		check_text(guest->disks[i].path, VMMCTL_PATH_MAX);
}

static void check_manifest(void)
{
	uint64_t memory_bytes = 0;
	unsigned int i, k;

	must(manifest.guest_count <= MANIFEST_GUESTS_MAX);
	must(manifest.on_idle < IDLE_POLICY_COUNT);
	must(manifest.console >= MANIFEST_NOBODY && manifest.console < (int)manifest.guest_count);
	must(manifest.text_used <= MANIFEST_TEXT_MAX);
	must(conf_is_name(manifest.host_name, VMMCTL_NAME_MAX));
	for (i = 0; i < manifest.guest_count; i++) {
		check_guest(&manifest.guests[i]);
		memory_bytes += manifest.guests[i].memory.bytes;
		for (k = 0; k < i; k++)
			must(strcmp(manifest.guests[i].name, manifest.guests[k].name) != 0);
	}
	must(memory_bytes <= MEMORY_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct manifest_env env = {
		.file = "fuzz",
		.memory_bytes = MEMORY_BYTES,
		.check_file = check_file,
		.report = report,
	};
	enum manifest_result result;

	line_count = 0;
	result = manifest_parse(&manifest, (const char *)data, size, &env);
	must((result == MANIFEST_GOOD) == (line_count == 0));
	if (result != MANIFEST_UNUSABLE)
		check_manifest();
	return 0;
}
