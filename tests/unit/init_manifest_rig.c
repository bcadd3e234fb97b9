/* SPDX-License-Identifier: MIT */
#include "init_manifest_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct manifest manifest;
char lines[LINES_BYTES];

/* Files whose name says what is wrong with them. */
static const char *check_file(void *context, const char *path, enum manifest_file use)
{
	(void)context;
	if (strstr(path, "missing"))
		return "does not exist";
	if (strstr(path, "writeprotected") && use == MANIFEST_DISK)
		return "is on a read-only file system";
	return NULL;
}

static void report(void *context, const char *line)
{
	(void)context;
	assert_true(strlen(line) < MANIFEST_LINE_MAX);
	assert_null(strchr(line, '\n'));
	assert_true(strlen(lines) + strlen(line) + 2 < sizeof(lines));
	strcat(lines, line);
	strcat(lines, "\n");
}

enum manifest_result parse_bytes(const char *text, size_t size)
{
	const struct manifest_env env = {
		.file = "m",
		.memory_bytes = UINT64_C(512) << 20,
		.check_file = check_file,
		.report = report,
	};
	/* Exactly as long as the text, so that a byte too many is seen. */
	char *copy = malloc(size ? size : 1);
	enum manifest_result result;

	assert_non_null(copy);
	memcpy(copy, text, size);
	lines[0] = '\0';
	memset(&manifest, 0x55, sizeof(manifest));
	result = manifest_parse(&manifest, copy, size, &env);
	free(copy);
	return result;
}

enum manifest_result parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}
