/* SPDX-License-Identifier: MIT */
/*
 * Values as people write them in configuration: sizes, small numbers, names.
 * Used by init's manifest and by the vmm's command line, so that "64M" means
 * the same in both.  No allocation, no operating system, no locale; every
 * function is pure and may be called from any thread.
 */
#ifndef LIB_CONF_H
#define LIB_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Read all of text as a size in bytes: decimal digits, optionally followed by
 * one of K, M, G, T (powers of 1024, either case).  No sign, no space, no
 * fraction, nothing behind.  False if it is anything else or does not fit into
 * 64 bits; *bytes is then untouched.
 */
bool conf_parse_size(const char *text, uint64_t *bytes);

/* The same for a plain decimal number. */
bool conf_parse_u64(const char *text, uint64_t *value);

/* Longest text conf_format_size() writes, with its end: 2^64-1 has 20 digits. */
#define CONF_SIZE_TEXT 22

/*
 * Write bytes the way conf_parse_size() reads it, with the largest unit that
 * divides it ("64M", "1536K", "4097").  Returns out.
 */
const char *conf_format_size(uint64_t bytes, char out[CONF_SIZE_TEXT]);

/* Is text a name: [a-z0-9][a-z0-9-]*, 1 to max bytes? */
bool conf_is_name(const char *text, size_t max);

#endif
