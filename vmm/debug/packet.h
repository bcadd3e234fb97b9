/* SPDX-License-Identifier: MIT */
/*
 * The lower half of GDB's remote serial protocol: "$data#xx" and its acknowledgements.
 * GDB manual, "Remote Protocol", "Overview". Who sends is not trusted.
 */
#ifndef VMM_DEBUG_PACKET_H
#define VMM_DEBUG_PACKET_H

#include "base/base.h"

#define PACKET_MAX 4096 /* bytes of data, either way */

/* --- in --- */

enum packet_event {
	PACKET_NOTHING,
	PACKET_WHOLE,	  /* data and length are a packet's, until the next byte */
	PACKET_DAMAGED,	  /* or longer than PACKET_MAX */
	PACKET_AGAIN,	  /* "-": the last one did not arrive */
	PACKET_INTERRUPT, /* ^C between packets */
};

struct packet_in {
	enum { PACKET_IDLE, PACKET_DATA, PACKET_SUM_HIGH, PACKET_SUM_LOW } state;
	uint8_t sum, told;
	bool too_long;
	size_t length;
	char data[PACKET_MAX + 1]; /* a zero stands behind it */
};

enum packet_event packet_take(struct packet_in *p, uint8_t byte);

/* --- out: what does not fit is left out --- */

struct packet_out {
	size_t length; /* of data so far; of all of it once sealed */
	char data[PACKET_MAX + 4];
};

void packet_begin(struct packet_out *p);
void packet_text(struct packet_out *p, const char *format, ...) __printf(2, 3);
void packet_hex(struct packet_out *p, const void *bytes, size_t count);
/* Escaped where the protocol wants it; how many of @count went in. */
size_t packet_binary(struct packet_out *p, const void *bytes, size_t count);
/* With what stands around it: data and length are to be sent. */
void packet_seal(struct packet_out *p);

/* --- data --- */

/* A number of 1 to 16 digits at *@at, which moves behind it. */
bool packet_number(const char **at, uint64_t *value);

/* @count bytes from twice as many digits at *@at, which moves behind them. */
bool packet_bytes(const char **at, void *bytes, size_t count);

#endif
