/* SPDX-License-Identifier: MIT */
/*
 * Guests that start in any mode of the processor without a boot: its tables in
 * their memory, identity-mapped, and the registers to start with. AMD64 APM
 * volume 2, "Operating Modes".
 */
#ifndef TESTS_ROOT_LIB_MODES_H
#define TESTS_ROOT_LIB_MODES_H

#include <stdbool.h>
#include <stdint.h>

#include "include/abi/hv/register.h"

enum mode {
	MODE_REAL,
	MODE_FLAT,   /* 32-bit, no paging */
	MODE_PAGED,  /* 32-bit, two levels of tables, 4 MiB pages */
	MODE_PAE,    /* 32-bit, three levels */
	MODE_LONG,   /* 64-bit */
	MODE_COMPAT, /* 32-bit under long mode */
	MODE_USER32, /* the last ones: less than ring 0. Of MODE_PAGED */
	MODE_VM86,
	MODE_USER64, /* of MODE_LONG */
	MODE_USER_COMPAT,
	MODES,
};

/* Where the tables lie; below and between them all is the guest's. */
#define MODES_GDT	0x8000u
#define MODES_IDT	0x9000u
#define MODES_TSS	0xb000u
#define MODES_STACK	0x10000u /* its top: ring 0's, and the one to start with */
#define MODES_PML4	0x11000u
#define MODES_PDPT	0x12000u
#define MODES_PD	0x13000u /* four of them: 4 GiB in 2 MiB pages */
#define MODES_PAE_PDPT	0x17000u
#define MODES_DIRECTORY 0x18000u
#define MODES_END	0x19000u

#define MODES_CODE64	0x08u /* selectors */
#define MODES_DATA	0x10u
#define MODES_CODE32	0x18u
#define MODES_USER32	0x23u
#define MODES_USER_DATA 0x2bu
#define MODES_USER64	0x33u

#define MODES_REGISTERS 32u /* at most that many */

static inline bool mode_user(enum mode m)
{
	return m >= MODE_USER32;
}

/* Of the code to start with: 16, 32 or 64 bits. */
unsigned int mode_bits(enum mode m);
/* Of the code that interrupts and exceptions lead to, in ring 0. */
unsigned int mode_handler_bits(enum mode m);

/* All tables; every vector leads to @handler, with RFLAGS.IF clear, as from INT too. */
void mode_tables(enum mode m, uint8_t *ram, uint32_t handler);
/* Another handler for @vector. */
void mode_gate(enum mode m, uint8_t *ram, uint8_t vector, uint32_t handler);
/* Registers for @rip in that mode, MODES_REGISTERS at most; returns how many. */
uint32_t mode_registers(enum mode m, uint64_t rip, struct hv_register_assoc *reg);

#endif
