/* SPDX-License-Identifier: MIT */
/*
 * One slot of a random program (program.h): what it is written through, and what to
 * try in it. Only for program.c and its tries*.c.
 */
#ifndef TESTS_ROOT_LIB_SLOT_H
#define TESTS_ROOT_LIB_SLOT_H

#include <stdint.h>

#include "tests/root/lib/modes.h"
#include "tests/root/lib/program.h"
#include "tests/root/lib/random.h"

/* The guest's memory beside modes.h's tables. */
#define SLOTS_AT     0x4000u
#define SLOT_BYTES   32u
#define SLOT_ROOM    27u /* then back to the next one */
#define COUNTER_AT   0xb800u
#define HYPERCALL_AT 0x19000u
#define INPUT_AT     0x1a000u /* parameters of hypercalls, INPUTS of them; a page of noise */
#define INPUTS	     16u
#define INPUT_BYTES  0x100u
#define SHARED_AT    0x1c000u /* pages shared with the hypervisor: SHARED_PAGES */
#define SHARED_PAGES 4u
#define SCRATCH_AT   0x20000u
#define RAM_END	     0x100000u
#define ROM_AT	     PROGRAM_ROM /* then nothing */
#define WINDOWS_AT   0x1000000u	 /* where paging maps the oddest things: 16 to 32 MiB */
#define LAPIC_AT     0xfee00000u

struct slot {
	struct rng *r;
	unsigned int bits; /* of the code: 16, 32, 64 */
	uint32_t at;	   /* where it lies */
	uint8_t *byte;	   /* the same, to write */
	unsigned int used;
};

/* Something to try. Stops quietly where the slot is full. */
void slot_fill(struct slot *s);

/* Parameters for the hypercalls that guests may make, at INPUT_AT of @ram. */
void slot_inputs(uint8_t *ram, struct rng *r);

/* --- for tries*.c --- */

enum { AX, CX, DX, BX, SP, BP, SI, DI };

void slot_put(struct slot *s, const void *bytes, unsigned int count);
void slot_put8(struct slot *s, unsigned int b);
void slot_put32(struct slot *s, uint64_t v);
/* mov r32, imm32 */
void slot_load(struct slot *s, unsigned int reg, uint64_t value);
/* mov dword [address], value */
void slot_store32(struct slot *s, uint64_t address, uint64_t value);
/* wrmsr of all 64 bits */
void slot_wrmsr(struct slot *s, uint32_t msr, uint64_t value);
/* An address that is odd in some way. */
uint64_t slot_address(struct rng *r);

#define PUT(s, ...) \
	slot_put(s, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* What the synthetic interface offers (tries_hv.c); the rest is the processor's. */
void try_hypercall(struct slot *s);
void try_synthetic(struct slot *s);
void try_timer(struct slot *s);
void try_ipi(struct slot *s);

#endif
