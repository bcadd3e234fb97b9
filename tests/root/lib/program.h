/* SPDX-License-Identifier: MIT */
/*
 * Random guest programs. A program is a row of slots with one thing to try in
 * each; whether it works or faults, the guest goes on with the next slot, and
 * the last one says so on PROGRAM_DONE_PORT. It starts in any of modes.h's modes.
 */
#ifndef TESTS_ROOT_LIB_PROGRAM_H
#define TESTS_ROOT_LIB_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "include/abi/hv/register.h"
#include "tests/root/lib/modes.h"
#include "tests/root/lib/random.h"

#define PROGRAM_ROM	  0x200000u /* memory that a guest may have to read only, */
#define PROGRAM_ROM_BYTES 0x10000u  /* or nothing there */
#define PROGRAM_DONE_PORT 0xf5u
#define PROGRAM_SLOTS	  200u
#define PROGRAM_CODE	  ((PROGRAM_SLOTS + 1) * 32u)
#define PROGRAM_REGISTERS (MODES_REGISTERS + 4u)

struct program {
	enum mode mode;
	bool synthetic;	 /* its partition has the synthetic interface */
	uint32_t resume; /* an address that goes on with the next slot */
	uint32_t register_count;
	struct hv_register_assoc reg[PROGRAM_REGISTERS]; /* to start with */
	uint8_t code[PROGRAM_CODE];
};

/* Some mode. */
enum mode program_mode(struct rng *r);
/*
 * Write program, tables and handlers into @ram (RAM_BYTES, from address 0). Now and
 * then p->reg is a state that no program can reach, or that the hypervisor refuses.
 */
void program_make(struct program *p, enum mode mode, bool synthetic, uint8_t *ram, struct rng *r);
/*
 * After it ran to ruin: all of it as it was, but for the slot to go on with. Only
 * while it does not run. p->reg then holds registers that are sound.
 */
void program_repair(struct program *p, uint8_t *ram, struct rng *r);
/* The slot it has reached; PROGRAM_SLOTS: it is done, or does not know any more. */
uint32_t program_reached(const uint8_t *ram);

#endif
