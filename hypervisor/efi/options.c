/* SPDX-License-Identifier: MIT */
#include "hypervisor/options.h"

#include "lib/mem.h"

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

static size_t length(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	return n;
}

static bool starts_with(const char *line, const char *name)
{
	size_t n = 0;

	while (name[n] && line[n] == name[n])
		n++;
	return !name[n];
}

static bool ended(const char *at)
{
	return *at == ' ' || *at == '\0';
}

/* One word behind its "hv.". */
static bool word(const char *at)
{
	if (starts_with(at, "refuse=")) {
		at += length("refuse=");
		return refusal(&at) && ended(at);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (starts_with(at, numbers[i].name)) {
			at += length(numbers[i].name);
			return number(&at, numbers[i].value) && ended(at);
		}
	}
	return false;
}

bool options_read(const char *line, const char **bad)
{
	bool quoted = false;

	for (char before = ' '; *line; before = *line++) {
		if (*line == '"')
			quoted = !quoted;
		if (before == ' ' && !quoted && starts_with(line, "hv.") && !word(line + 3)) {
			*bad = line;
			return false;
		}
	}
	return true;
}
