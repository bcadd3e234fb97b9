/* SPDX-License-Identifier: MIT */
#include "vmm/debug/packet.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ESCAPE	    '}'
#define ESCAPED_XOR 0x20
#define INTERRUPT   0x03

static const char digits[] = "0123456789abcdef";

/* A digit's value, or -1. */
static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* --- in --- */

static void begin(struct packet_in *p)
{
	p->state = PACKET_DATA;
	p->sum = 0;
	p->length = 0;
	p->too_long = false;
}

static enum packet_event idle(struct packet_in *p, uint8_t byte)
{
	switch (byte) {
	case '$':
		begin(p);
		return PACKET_NOTHING;
	case '-':
		return PACKET_AGAIN;
	case INTERRUPT:
		return PACKET_INTERRUPT;
	default: /* "+", or noise on the line */
		return PACKET_NOTHING;
	}
}

static enum packet_event end(struct packet_in *p, uint8_t byte)
{
	int low = digit_value((char)byte);

	p->state = PACKET_IDLE;
	p->data[p->length] = '\0';
	if (low < 0 || (p->told | low) != p->sum || p->too_long)
		return PACKET_DAMAGED;
	return PACKET_WHOLE;
}

enum packet_event packet_take(struct packet_in *p, uint8_t byte)
{
	int high;

	switch (p->state) {
	case PACKET_IDLE:
		return idle(p, byte);
	case PACKET_DATA:
		if (byte == '$') { /* never in data: the end of another one was lost */
			begin(p);
		} else if (byte == '#') {
			p->state = PACKET_SUM_HIGH;
		} else {
			p->sum = (uint8_t)(p->sum + byte);
			if (p->length < PACKET_MAX)
				p->data[p->length++] = (char)byte;
			else
				p->too_long = true;
		}
		return PACKET_NOTHING;
	case PACKET_SUM_HIGH:
		high = digit_value((char)byte);
		p->told = (uint8_t)((unsigned int)high << 4);
		p->too_long |= high < 0;
		p->state = PACKET_SUM_LOW;
		return PACKET_NOTHING;
	case PACKET_SUM_LOW:
		return end(p, byte);
	}
	return PACKET_NOTHING;
}

/* --- out --- */

void packet_begin(struct packet_out *p)
{
	p->data[0] = '$';
	p->length = 1;
}

static size_t room(const struct packet_out *p)
{
	return 1 + PACKET_MAX - p->length;
}

void packet_text(struct packet_out *p, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	/* Its zero may stand where the seal will. */
	n = vsnprintf(p->data + p->length, room(p) + 1, format, ap);
	va_end(ap);
	if (n > 0)
		p->length += MIN((size_t)n, room(p));
}

void packet_hex(struct packet_out *p, const void *bytes, size_t count)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < count && room(p) >= 2; i++) {
		p->data[p->length++] = digits[b[i] >> 4];
		p->data[p->length++] = digits[b[i] & 15];
	}
}

size_t packet_binary(struct packet_out *p, const void *bytes, size_t count)
{
	const char *b = bytes;
	size_t i;

	for (i = 0; i < count && room(p) >= 2; i++) {
		char c = b[i];

		if (c == ESCAPE || c == '$' || c == '#' || c == '*') {
			p->data[p->length++] = ESCAPE;
			c ^= ESCAPED_XOR;
		}
		p->data[p->length++] = c;
	}
	return i;
}

void packet_seal(struct packet_out *p)
{
	uint8_t sum = 0;

	for (size_t i = 1; i < p->length; i++)
		sum = (uint8_t)(sum + (uint8_t)p->data[i]);
	p->data[p->length++] = '#';
	p->data[p->length++] = digits[sum >> 4];
	p->data[p->length++] = digits[sum & 15];
}

/* --- data --- */

bool packet_number(const char **at, uint64_t *value)
{
	const char *p = *at;
	int digit;

	*value = 0;
	for (; (digit = digit_value(*p)) >= 0; p++) {
		if (p - *at == 16)
			return false;
		*value = *value << 4 | (unsigned int)digit;
	}
	if (p == *at)
		return false;
	*at = p;
	return true;
}

bool packet_bytes(const char **at, void *bytes, size_t count)
{
	uint8_t *b = bytes;

	for (size_t i = 0; i < count; i++, *at += 2) {
		int high = digit_value((*at)[0]);
		int low = high < 0 ? -1 : digit_value((*at)[1]);

		if (low < 0)
			return false;
		b[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}
