/* SPDX-License-Identifier: MIT */
/*
 * The root's synthetic interrupt controller: per-CPU SIMP, SIEFP, SIRBP pages,
 * SINT registers and the message queue behind slot 0 (TLFS "Virtual Interrupt
 * Controller", "SynIC"). Messages are delivered by a fixed physical IPI with
 * the SINT's vector, which the root takes through its own IDT.
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

/*
 * Post to SINT 0 of @target, or of a CPU that can take it if @target cannot.
 * Never waits; a full queue is a bug (queue sized for every source) and
 * panics only after coalescing failed. Any CPU, no lock of the caller's
 * above "synic" in the lock order.
 */
void synic_post(struct cpu *target, const struct hv_message *m);

/*
 * Kick a blocked VP: batch into SCHEDULER_VP_SIGNAL_PAIR messages. Counts are
 * exact: every call leads to exactly one pair delivered to the root.
 */
void synic_signal_vp(struct cpu *target, uint64_t partition_id, uint32_t vp_index);

/* Doorbell: port id into the event ring of SINT @sint on @target. */
void synic_ring(struct cpu *target, unsigned int sint, uint32_t port_id);
/* NOTIFY_PORT_RING_EMPTY on the current CPU. */
void synic_ring_empty(unsigned int sint);

#endif
