/* SPDX-License-Identifier: MIT */
#include "lib/conf.h"

static const char units[] = "KMGT";

/* Digits from *text on; false without any or past 64 bits. */
static bool take_number(const char **text, uint64_t *value)
{
	const char *p = *text;
	uint64_t sum = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (sum > (UINT64_MAX - digit) / 10)
			return false;
		sum = sum * 10 + digit;
	}
	*text = p;
	*value = sum;
	return true;
}

bool conf_parse_u64(const char *text, uint64_t *value)
{
	uint64_t number;

	if (!take_number(&text, &number) || *text)
		return false;
	*value = number;
	return true;
}

bool conf_parse_size(const char *text, uint64_t *bytes)
{
	uint64_t number;
	unsigned int shift = 0;

	if (!take_number(&text, &number))
		return false;
	if (*text) {
		char upper = (char)(*text & ~0x20);
		unsigned int i;

		for (i = 0; units[i] && units[i] != upper; i++)
			;
		if (!units[i] || text[1])
			return false;
		shift = 10 * (i + 1);
	}
	if (number > UINT64_MAX >> shift)
		return false;
	*bytes = number << shift;
	return true;
}

const char *conf_format_size(uint64_t bytes, char out[CONF_SIZE_TEXT])
{
	char digits[CONF_SIZE_TEXT];
	unsigned int unit = 0;
	unsigned int n = 0;
	unsigned int at = 0;

	while (bytes && !(bytes & 1023) && units[unit]) {
		bytes >>= 10;
		unit++;
	}
	do {
		digits[n++] = (char)('0' + bytes % 10);
		bytes /= 10;
	} while (bytes);
	while (n)
		out[at++] = digits[--n];
	if (unit)
		out[at++] = units[unit - 1];
	out[at] = '\0';
	return out;
}

bool conf_is_name(const char *text, size_t max)
{
	size_t i;

	for (i = 0; text[i]; i++) {
		char c = text[i];

		if (i == max)
			return false;
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			continue;
		if (c != '-' || i == 0)
			return false;
	}
	return i > 0;
}
