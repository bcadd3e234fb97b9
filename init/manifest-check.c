/* SPDX-License-Identifier: MIT */
/*
 * manifest-check: what init would say about a manifest, said while the image is
 * being built (tools/mkimage.sh) or by hand.  The parser is init's own.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init/files.h"
#include "init/manifest.h"
#include "lib/conf.h"

static struct manifest manifest;
static char text[MANIFEST_SIZE_MAX + 1];

static const char usage[] =
	"usage: manifest-check [--root DIR] [--memory SIZE] FILE\n"
	"\n"
	"Reads a manifest as init does and reports every mistake in it.\n"
	"\n"
	"  --root DIR     look for the files it names below DIR (default: /)\n"
	"  --memory SIZE  what the machine has for guests, e.g. 2G (default: not checked)\n"
	"\n"
	"exit code: 0 nothing to report, 1 mistakes, 2 wrong usage\n";

static const char *check_file(void *context, const char *path, enum manifest_file use)
{
	return files_check(context, path, use);
}

static void report(void *context, const char *line)
{
	(void)context;
	fprintf(stderr, "%s\n", line);
}

static int wrong_usage(const char *what, const char *value)
{
	fprintf(stderr, "manifest-check: %s%s (see --help)\n", what, value);
	return 2;
}

static int check(const char *file, char *root, uint64_t memory_bytes)
{
	const struct manifest_env env = {
		.file = file,
		.memory_bytes = memory_bytes,
		.check_file = check_file,
		.report = report,
		.context = root,
	};
	const char *why;
	size_t length;

	why = files_read(file, text, sizeof(text), &length);
	if (why) {
		fprintf(stderr, "%s: the manifest %s\n", file, why);
		return 1;
	}
	return manifest_parse(&manifest, text, length, &env) == MANIFEST_GOOD ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "root", required_argument, NULL, 'r' },
		{ "memory", required_argument, NULL, 'm' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static char slash[] = "";
	uint64_t memory_bytes = 0;
	char *root = slash;
	size_t n;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'r':
			root = optarg;
			for (n = strlen(root); n && root[n - 1] == '/'; n--)
				root[n - 1] = '\0';
			break;
		case 'm':
			if (!conf_parse_size(optarg, &memory_bytes) || !memory_bytes)
				return wrong_usage("not a size: ", optarg);
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return wrong_usage("unknown option", "");
		}
	}
	if (argc - optind != 1)
		return wrong_usage("exactly one FILE is expected", "");
	return check(argv[optind], root, memory_bytes);
}
