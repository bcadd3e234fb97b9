/* SPDX-License-Identifier: MIT */
/*
 * What the emulator's tests run it in: an arena that is RAM or device memory,
 * ports that answer, and states of a processor in each mode.
 */
#ifndef TESTS_VMM_INSN_RIG_H
#define TESTS_VMM_INSN_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/insn/emulator.h"
#include "vmm/insn/insn.h"

/* Below 4 GiB, so that linear addresses are physical ones without paging. */
#define ARENA_BASE 0x20000000UL
#define ARENA_SIZE 0x10000UL

#define CR0_WP	   BIT64(16)
#define CR0_PG	   BIT64(31)
#define CR4_PSE	   BIT64(4)
#define CR4_PAE	   BIT64(5)
#define EFER_LMA   BIT64(10)
#define EFER_NXE   BIT64(11)

extern uint8_t *arena;

/* Group set-up: maps the arena where linear addresses are physical ones. */
int arena_set_up(void **state);
void store32(uint64_t at, uint32_t v);
uint32_t load32(uint64_t at);

/* Behind an insn_bus; counts what reaches it as device memory. */
struct world {
	bool device; /* the arena is device memory */
	unsigned int accesses;
};

struct insn_bus world_bus(struct world *w);
/* What the last port write said: port << 40 | size << 32 | value. */
extern uint64_t last_port_value;

/* The processor's. */
extern struct insn_vectors vectors;

/* 64-bit code without paging. */
struct insn_cpu long_mode(void);

/* Page tables at the start of the arena, data in its last pages. */
#define PML4  (ARENA_BASE + 0x0000)
#define PDPT  (ARENA_BASE + 0x1000)
#define PD    (ARENA_BASE + 0x2000)
#define PT    (ARENA_BASE + 0x3000)
#define DATA0 (ARENA_BASE + 0x8000)
#define DATA1 (ARENA_BASE + 0xb000)

void entry64(uint64_t table, unsigned int i, uint64_t v);
uint64_t get64(uint64_t table, unsigned int i);
/* Linear 0x1000 → DATA0, 0x2000 → DATA1, 0x3000 not present. */
struct insn_cpu paged(void);
/* One instruction with the arena as RAM. */
enum insn_result run(struct insn_cpu *c, const uint8_t *code, unsigned int len,
		     struct insn_fault *fault);

#endif
