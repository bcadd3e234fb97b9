/* SPDX-License-Identifier: MIT */
/*
 * Random guest programs. A program is a row of slots with one thing to try in
 * each; whether it works or faults, the guest goes on with the next slot, and
 * the last one says so on PROGRAM_DONE_PORT. It runs in 16, 32 or 64 bits.
 */
#ifndef TESTS_ROOT_LIB_PROGRAM_H
#define TESTS_ROOT_LIB_PROGRAM_H

#include <stdint.h>

#include "include/abi/hv/register.h"
#include "tests/root/lib/random.h"

#define PROGRAM_DONE_PORT 0xf5u
#define PROGRAM_NEXT	  0xa000u /* code that goes on with the next slot */
#define PROGRAM_SLOTS	  200u
#define PROGRAM_REGISTERS 32u

struct program {
	unsigned int mode; /* 16, 32, 64 */
	uint32_t register_count;
	struct hv_register_assoc reg[PROGRAM_REGISTERS]; /* to start with */
};

/* Write program, tables and handlers into @ram (RAM_BYTES, from address 0). */
void program_make(struct program *p, uint8_t *ram, struct rng *r);
/* The slot it has reached. */
uint32_t program_reached(const uint8_t *ram);

#endif
