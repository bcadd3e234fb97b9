/* SPDX-License-Identifier: MIT */
#include "lib/mac.h"

/* FNV-1a, 64 bits; then mixed, so that the bytes we keep depend on all of it. */
#define FNV_START    0xcbf29ce484222325u
#define FNV_PRIME    0x100000001b3u
#define MIX	     0x9e3779b97f4a7c15u

/* Of the first byte. IEEE 802, "Universal and local addresses". */
#define LOCAL	     0x02
#define GROUP	     0x01
#define RANDOM_BYTES 5

static const char digits[] = "0123456789abcdef";

static uint64_t add(uint64_t hash, uint8_t byte)
{
	return (hash ^ byte) * FNV_PRIME;
}

void mac_of_name(const char *name, unsigned int index, uint8_t mac[MAC_BYTES])
{
	uint64_t hash = FNV_START;

	for (; *name; name++)
		hash = add(hash, (uint8_t)*name);
	/* A byte no name has, so that "a1" and card 1 of "a" differ. */
	hash = add(hash, 0);
	hash = add(hash, (uint8_t)index);
	hash = (hash ^ hash >> 32) * MIX >> (64 - 8 * RANDOM_BYTES);
	mac[0] = LOCAL;
	for (int i = 0; i < RANDOM_BYTES; i++)
		mac[1 + i] = (uint8_t)(hash >> (8 * i));
}

void mac_next(uint8_t mac[MAC_BYTES])
{
	for (int i = MAC_BYTES - 1; i > 0 && ++mac[i] == 0; i--)
		;
}

static int hex_digit(char c)
{
	for (int i = 0; i < 16; i++) {
		/* Either case: a letter's differ in one bit, a digit has it set. */
		if (digits[i] == c || (i > 9 && digits[i] == (c | 0x20)))
			return i;
	}
	return -1;
}

bool mac_parse(const char *text, uint8_t mac[MAC_BYTES])
{
	unsigned int any = 0;

	for (int i = 0; i < MAC_BYTES; i++, text += 3) {
		int high = hex_digit(text[0]);
		int low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || text[2] != (i < MAC_BYTES - 1 ? ':' : '\0'))
			return false;
		mac[i] = (uint8_t)(high << 4 | low);
		any |= mac[i];
	}
	return any && !(mac[0] & GROUP);
}

const char *mac_format(const uint8_t mac[MAC_BYTES], char text[MAC_TEXT])
{
	char *to = text;

	for (int i = 0; i < MAC_BYTES; i++) {
		*to++ = digits[mac[i] >> 4];
		*to++ = digits[mac[i] & 15];
		*to++ = i < MAC_BYTES - 1 ? ':' : '\0';
	}
	return text;
}
