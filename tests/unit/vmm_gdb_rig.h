/* SPDX-License-Identifier: MIT */
/* A guest of two processors for the debugger's protocol: registers, memory, what was asked. */
#ifndef TESTS_VMM_GDB_RIG_H
#define TESTS_VMM_GDB_RIG_H

#include "vmm/debug/gdb.h"

#define RIG_THREADS 2
/* Where its memory is. */
#define RIG_MEMORY  UINT64_C(0xffffffff81000000)
#define RIG_BYTES   0x4000

struct rig {
	struct gdb_target target;
	struct gdb_session session;
	uint8_t block[RIG_THREADS][GDBREGS_BYTES];
	uint8_t memory[RIG_BYTES];
	enum gdb_action action[RIG_THREADS];
	unsigned int resumed, interrupted, detached, killed;
	/* The last point: what was asked, and the next answer. */
	enum gdb_point kind;
	uint64_t point_at;
	unsigned int point_len;
	bool point_on;
	int point_answer;
	bool broken; /* registers cannot be had */
	/* What was sent, until somebody takes it. */
	char sent[4 * PACKET_MAX];
	size_t sent_bytes;
};

void rig_init(struct rig *r);
/* RIP, as the session sees it. */
uint64_t rig_rip(const struct rig *r, unsigned int thread);
void rig_set_rip(struct rig *r, unsigned int thread, uint64_t rip);

#endif
