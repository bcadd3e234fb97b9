/* SPDX-License-Identifier: MIT */
/*
 * Break- and watchpoints: INT3 in guest memory, and what the debug registers hold. Only
 * the books; nobody here reaches a processor. Changed while all processors stand.
 */
#ifndef VMM_DEBUG_POINTS_H
#define VMM_DEBUG_POINTS_H

#include "vmm/debug/gdb.h"

#define POINTS_SOFTWARE 128
#define POINTS_HARDWARE 4

struct points {
	/* An INT3 each. By where it is in our memory: page tables change. */
	struct point_software {
		uint64_t address; /* linear, as it was asked for */
		uint8_t *at;
		uint8_t saved;
	} software[POINTS_SOFTWARE];
	unsigned int software_count;
	/* One per debug register; len 0: none. */
	struct point_hardware {
		uint64_t address;
		enum gdb_point kind;
		unsigned int len;
	} hardware[POINTS_HARDWARE];
};

/* @at: the byte at @address. 0, also if it is there already, or -ENOSPC. */
int points_insert(struct points *p, uint64_t address, uint8_t *at);
/* 0 or -ENOENT. What the guest wrote over an INT3 stays. */
int points_remove(struct points *p, uint64_t address);
/* Is an INT3 of ours at @at? */
bool points_has(const struct points *p, const uint8_t *at);
/* @len bytes at @at were copied to @copy: put what the guest has there. */
void points_hide(const struct points *p, const uint8_t *at, uint8_t *copy, size_t len);
/* The same bytes at @at are @from now, but for our INT3, which stay over them. */
void points_write(struct points *p, uint8_t *at, const uint8_t *from, size_t len);

/* 0; -EINVAL: not aligned, or no such length; -ENOSPC, -ENOENT, -ENOSYS. */
int points_hardware(struct points *p, enum gdb_point kind, uint64_t address, unsigned int len,
		    bool on);
/* DR7 for them; 0: there are none. */
uint64_t points_dr7(const struct points *p);
/* Which of them a DR6 tells of; NULL: none. */
const struct point_hardware *points_hit(const struct points *p, uint64_t dr6);

#endif
