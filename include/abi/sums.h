/* SPDX-License-Identifier: MIT */
/*
 * Section ".crc" of the unified image: an array of these, one for each section that
 * boot/host/join.c has added to the launcher, in no particular order. A fault on a
 * disk or on the network's way shows; who wants to deceive can write these, too.
 */
#ifndef ABI_SUMS_H
#define ABI_SUMS_H

#include <stdint.h>

#define SUMS_SECTION ".crc"

struct section_sum {
	char name[8];	/* as in the section table, zeroes behind it */
	uint32_t crc32; /* of the content, as UEFI's CalculateCrc32() has it */
};

_Static_assert(sizeof(struct section_sum) == 12, "no padding");

#endif
