/* SPDX-License-Identifier: MIT */
/* The manifest's parser on a text, with a file system made of names. */
#ifndef TESTS_INIT_MANIFEST_RIG_H
#define TESTS_INIT_MANIFEST_RIG_H

#include <stddef.h>

#include "init/manifest.h"

#define LINES_BYTES 16384

/* What the last parse left, and every line it gave, each with its end. */
extern struct manifest manifest;
extern char lines[LINES_BYTES];

/*
 * Parse as file "m" on a machine with 512 MiB for guests. A path with "missing"
 * in it does not exist, one with "writeprotected" cannot be written.
 */
enum manifest_result parse_bytes(const char *text, size_t size);
enum manifest_result parse(const char *text);

#define OK_GUEST "- {name: ok, kernel: /k, memory: 16M}\n"

#endif
