/* SPDX-License-Identifier: MIT */
/* Addresses of network cards. */
#ifndef LIB_MAC_H
#define LIB_MAC_H

#include "include/base/base.h"

#define MAC_BYTES 6
#define MAC_TEXT  18 /* 02:00:00:00:00:01, with its end */

/*
 * The address of card number @index of whoever is called @name: always the
 * same, locally administered, one machine's. Two names may share one, though
 * among a thousand cards that is one chance in two million: whoever knows
 * them all looks (init does).
 */
void mac_of_name(const char *name, unsigned int index, uint8_t mac[MAC_BYTES]);

/* The next one after @mac that is as good, for when it is taken. */
void mac_next(uint8_t mac[MAC_BYTES]);

/* One machine's address, as "02:00:00:00:00:01"; false: something else. */
bool mac_parse(const char *text, uint8_t mac[MAC_BYTES]);

/* Returns @text. */
const char *mac_format(const uint8_t mac[MAC_BYTES], char text[MAC_TEXT]);

#endif
