/* SPDX-License-Identifier: MIT */
#include "vmm/options.h"

#include <stdio.h>
#include <string.h>

#include "lib/conf.h"
#include "lib/mac.h"

static bool read_text(const struct option_key *k, const char *value, void *field)
{
	*(const char **)field = value;
	return strlen(value) >= k->min && strlen(value) <= k->max;
}

static bool read_flag(const char *value, bool *flag)
{
	*flag = strcmp(value, "on") == 0;
	return *flag || strcmp(value, "off") == 0;
}

static bool read_count(const struct option_key *k, const char *value, uint32_t *count)
{
	uint64_t v;

	if (!conf_parse_u64(value, &v) || v < k->min || v > k->max)
		return false;
	*count = (uint32_t)v;
	return true;
}

static bool read_size(const struct option_key *k, const char *value, uint64_t *size)
{
	return conf_parse_size(value, size) && *size >= k->min && *size <= k->max;
}

static bool read_word(const struct option_key *k, const char *value, uint32_t *word)
{
	for (*word = 0; k->words[*word]; ++*word) {
		if (strcmp(value, k->words[*word]) == 0)
			return true;
	}
	return false;
}

static bool read_value(const struct option_key *k, const char *value, void *field)
{
	switch (k->type) {
	case OPTION_TEXT:
		return read_text(k, value, field);
	case OPTION_FLAG:
		return read_flag(value, field);
	case OPTION_COUNT:
		return read_count(k, value, field);
	case OPTION_SIZE:
		return read_size(k, value, field);
	case OPTION_WORD:
		return read_word(k, value, field);
	case OPTION_MAC:
		return mac_parse(value, field);
	}
	return false;
}

static int list_words(char *to, size_t room, const char *const *words)
{
	int n = 0;

	for (unsigned int i = 0; words[i] && n >= 0 && (size_t)n < room; i++)
		n += snprintf(to + n, room - (size_t)n, "%s%s",
			      i == 0	   ? "" :
			      words[i + 1] ? ", " :
					     " or ",
			      words[i]);
	return n;
}

/* "readonly, on or off: "maybe"" */
static bool wrong_value(const struct option_key *k, const char *value, char *error)
{
	char expected[80];

	switch (k->type) {
	case OPTION_TEXT:
		snprintf(expected, sizeof(expected), "%llu to %llu bytes",
			 (unsigned long long)k->min, (unsigned long long)k->max);
		break;
	case OPTION_FLAG:
		snprintf(expected, sizeof(expected), "on or off");
		break;
	case OPTION_COUNT:
		snprintf(expected, sizeof(expected), "%llu to %llu", (unsigned long long)k->min,
			 (unsigned long long)k->max);
		break;
	case OPTION_SIZE: {
		char min[CONF_SIZE_TEXT], max[CONF_SIZE_TEXT];

		snprintf(expected, sizeof(expected), "%s to %s", conf_format_size(k->min, min),
			 conf_format_size(k->max, max));
		break;
	}
	case OPTION_WORD:
		list_words(expected, sizeof(expected), k->words);
		break;
	case OPTION_MAC:
		snprintf(expected, sizeof(expected), "as 02:00:00:00:00:01, the second digit even");
		break;
	}
	snprintf(error, OPTION_ERROR_MAX, "%s, %s: \"%.40s\"", k->name, expected, value);
	return false;
}

bool option_read(const struct option_key *key, const char *value, void *config,
		 char error[OPTION_ERROR_MAX])
{
	return read_value(key, value, (char *)config + key->offset) ||
	       wrong_value(key, value, error);
}

/* Index of a key, or that of the table's end. */
static unsigned int find(const struct option_key *keys, const char *name)
{
	unsigned int i = 0;

	while (keys[i].name && strcmp(keys[i].name, name))
		i++;
	return i;
}

/* One "key=value"; @given: the keys so far, one bit each. */
static bool parse_item(const struct option_key *keys, char *item, void *config, uint32_t *given,
		       char *error)
{
	char *value = strchr(item, '=');
	unsigned int i;

	if (!value) {
		snprintf(error, OPTION_ERROR_MAX, "not key=value: \"%.80s\"", item);
		return false;
	}
	*value++ = '\0';
	i = find(keys, item);
	if (!keys[i].name || *given & BIT32(i)) {
		snprintf(error, OPTION_ERROR_MAX, "%s: \"%.80s\"",
			 keys[i].name ? "given twice" : "unknown key", item);
		return false;
	}
	*given |= BIT32(i);
	return option_read(&keys[i], value, config, error);
}

bool options_parse(const struct option_key *keys, char *text, void *config,
		   char error[OPTION_ERROR_MAX])
{
	uint32_t given = 0;

	while (text) {
		if (!parse_item(keys, strsep(&text, ","), config, &given, error))
			return false;
	}
	for (unsigned int i = 0; keys[i].name; i++) {
		if (keys[i].required && !(given & BIT32(i))) {
			snprintf(error, OPTION_ERROR_MAX, "%s is missing", keys[i].name);
			return false;
		}
	}
	return true;
}
