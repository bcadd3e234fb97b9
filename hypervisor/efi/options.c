/* SPDX-License-Identifier: MIT */
#include "hypervisor/options.h"


struct options options = { .trace = 1 };

static const struct {
	char name[10];
	uint64_t *value;
} numbers[] = {
	{ "trace=", &options.trace }, { "build=", &options.build },
	{ "deny=", &options.deny },   { "deposits=", &options.deposits },
	{ "kicks=", &options.kicks },
};

/* Decimal, or hexadecimal behind 0x, to the first other character. False: no digit. */
static bool number(const char **at, uint64_t *value)
{
	unsigned int base = (*at)[0] == '0' && (*at)[1] == 'x' ? 16 : 10;
	const char *first = *at += base == 16 ? 2 : 0;

	for (*value = 0;; (*at)++) {
		char c = **at;
		unsigned int digit = c >= '0' && c <= '9' ? (unsigned int)(c - '0') :
				     c >= 'a' && c <= 'f' ? (unsigned int)(c - 'a' + 10) :
							    base;

		if (digit >= base)
			return *at != first;
		*value = *value * base + digit;
	}
}

/* @at: behind the name. False: too many of them, or not CODE:NTH:STATUS. */
static bool refusal(const char **at)
{
	unsigned int i = options.refusals;

	if (i == OPTIONS_REFUSALS || !number(at, &options.refuse[i].code) || *(*at)++ != ':' ||
	    !number(at, &options.refuse[i].nth) || *(*at)++ != ':' ||
	    !number(at, &options.refuse[i].status))
		return false;
	options.refusals++;
	return true;
}

/* Behind @name, with which @line begins; NULL: it does not. */
static const char *behind(const char *line, const char *name)
{
	for (; *name; name++, line++) {
		if (*line != *name)
			return NULL;
	}
	return line;
}

static bool ended(const char *at)
{
	return *at == ' ' || *at == '\0';
}

/* One word behind its "hv.". */
static bool word(const char *at)
{
	const char *value = behind(at, "refuse=");

	if (value)
		return refusal(&value) && ended(value);
	for (unsigned int i = 0; i < ARRAY_SIZE(numbers); i++) {
		value = behind(at, numbers[i].name);
		if (value)
			return number(&value, numbers[i].value) && ended(value);
	}
	return false;
}

bool options_read(const char *line, const char **bad)
{
	bool quoted = false;

	for (char before = ' '; *line; before = *line++) {
		if (*line == '"')
			quoted = !quoted;
		if (before == ' ' && !quoted && behind(line, "hv.") && !word(line + 3)) {
			*bad = line;
			return false;
		}
	}
	return true;
}
