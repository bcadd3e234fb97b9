/* SPDX-License-Identifier: MIT */
/*
 * The trace ring: the last events of each processor, in memory, for the root
 * (include/abi/hv/trace.h, tools/hvtrace.c) and for the panic screen. Each
 * processor writes its own ring without a lock.
 */
#ifndef HYPERVISOR_TRACE_H
#define HYPERVISOR_TRACE_H

#include "abi/hv/trace.h"
#include "base/base.h"

struct cpu;

#define TRACE_EVENTS 512u /* of each processor; 16 KiB */

/* Off: not even memory is taken. */
extern bool trace_on;

/* The ring of @cpu; before it runs anything. False: no memory. */
bool trace_create(struct cpu *cpu);

void trace_add(enum hv_trace_kind kind, uint64_t partition, uint32_t vp, uint64_t code, uint64_t a,
	       uint64_t b);

/* Any processor, any state. Arguments as struct hv_trace_event has them; the code is cut. */
static inline void trace(enum hv_trace_kind kind, uint64_t partition, uint32_t vp, uint64_t code,
			 uint64_t a, uint64_t b)
{
	if (trace_on)
		trace_add(kind, partition, vp, code, a, b);
}

/* Answer HV_PROPERTY_TRACE. False: no such processor. */
bool trace_read(uint64_t arg, struct hv_trace_page *out);

/* panic.c: the last events of every processor, with log_panic_line. */
void trace_panic(void);

#endif
