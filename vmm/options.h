/* SPDX-License-Identifier: MIT */
/*
 * "key=value,key=value": what an option of the command line is given where one
 * word is not enough. A device describes its keys in a table, whose functions
 * write into the structure it is configured by.
 */
#ifndef VMM_OPTIONS_H
#define VMM_OPTIONS_H

#include "base/base.h"

/* What stands behind a key, and what it becomes. */
enum option_type {
	OPTION_TEXT,  /* const char *: min to max bytes */
	OPTION_FLAG,  /* bool: on, off */
	OPTION_COUNT, /* uint32_t: min to max */
	OPTION_SIZE,  /* uint64_t: bytes, or with K, M, G, T; min to max */
	OPTION_WORD,  /* uint32_t: index in words, which NULL ends */
	OPTION_MAC,   /* uint8_t[6]: 02:00:00:00:00:01, one machine's address */
};

struct option_key {
	const char *name;
	enum option_type type;
	size_t offset; /* in the structure */
	uint64_t min, max;
	const char *const *words;
	bool required;
};

#define OPTION_ERROR_MAX 160

/*
 * Read all of @value into its field of @config. False: @error says what is wrong,
 * without line end.
 */
bool option_read(const struct option_key *key, const char *value, void *config,
		 char error[OPTION_ERROR_MAX]);

/*
 * Read @text (NULL: nothing was given) along @keys (an entry without name ends
 * them) into @config, whose other fields stay. Cuts @text in place; strings go on
 * pointing into it. Each key once. False: @error, as above.
 */
bool options_parse(const struct option_key *keys, char *text, void *config,
		   char error[OPTION_ERROR_MAX]);

#endif
