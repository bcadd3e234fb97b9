/* SPDX-License-Identifier: MIT */
/*
 * The root's synthetic interrupt controller: per-CPU SIMP, SIEFP, SIRBP pages,
 * SINT registers and what is to be told through slot 0 (TLFS "Virtual Interrupt
 * Controller", "SynIC"). Messages are delivered by a fixed physical IPI with
 * the SINT's vector, which the root takes through its own IDT. What a processor
 * that takes no messages has to tell is told by another, if one does.
 */
#ifndef HYPERVISOR_HV_SYNIC_H
#define HYPERVISOR_HV_SYNIC_H

#include "abi/hv/message.h"
#include "base/base.h"

struct cpu;

/* Pages of @cpu, shown to its root VP. False: no memory. */
bool synic_create(struct cpu *cpu);
/* VP_ASSIST_PAGE, SCONTROL … SIRBP, SINTn, on @cpu itself. False: no such MSR, or #GP. */
bool synic_msr_read(struct cpu *cpu, uint32_t msr, uint64_t *value);
bool synic_msr_write(struct cpu *cpu, uint32_t msr, uint64_t value);
/*
 * May the root still be given @vector? False: it is a SINT's, which the root
 * has shut down since we sent it (Linux unmaps the page first, then forgets to
 * expect the interrupt).
 */
bool synic_wants_vector(struct cpu *cpu, uint8_t vector);

/* A kick that waits to be told: part of each VP. */
struct synic_signal {
	uint64_t partition_id;
	uint32_t vp_index;
	struct cpu *cpu;	      /* it waits there; NULL: told, or none */
	struct synic_signal *next;
};

/*
 * Kick a blocked VP: in a SCHEDULER_VP_SIGNAL_PAIR message, with others. Each
 * call leads to exactly one pair, told to the root; until then @sig->cpu is set
 * and @sig may not be signalled again. Calls for the same @sig are serialised by
 * the caller (vp.lock).
 */
void synic_signal_vp(struct cpu *target, struct synic_signal *sig);
/* @sig is in no list any more, told or not. No synic_signal_vp(@sig) meanwhile. */
void synic_cancel(struct synic_signal *sig);

/* Doorbell: port id into the event ring of SINT @sint on @target. */
void synic_ring(struct cpu *target, unsigned int sint, uint32_t port_id);
/* NOTIFY_PORT_RING_EMPTY on the current CPU. */
void synic_ring_empty(unsigned int sint);

#endif
