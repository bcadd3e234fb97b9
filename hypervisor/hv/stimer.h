/* SPDX-License-Identifier: MIT */
/*
 * The root's synthetic timers, direct mode (TLFS "Synthetic Timers"): the
 * interrupt comes with a vector the root chose, not as a message. They stand
 * in for the LAPIC timer, which the hypervisor has taken.
 *
 * The hypervisor's own timer interrupt and its kicks use the vector of this
 * CPU's STIMER0 (until it is configured: the one Linux will configure). No
 * device or IPI of the root can have it, because the root has set it aside for
 * its synthetic timer; whether one coming in means "timer expired" for the
 * root is decided here.
 */
#ifndef HYPERVISOR_HV_STIMER_H
#define HYPERVISOR_HV_STIMER_H

#include "base/base.h"

struct cpu;

/* False: no memory. */
bool stimer_create(struct cpu *cpu);

/*
 * The timer vector was accepted on this CPU: run what is due. True: the root's
 * STIMER0 expired, give it the interrupt; false: it was ours alone.
 */
bool stimer_interrupt(struct cpu *cpu);

/* STIMER0 … 3 CONFIG and COUNT, on @cpu itself. False: no such MSR, or #GP. */
bool stimer_msr_read(struct cpu *cpu, uint32_t msr, uint64_t *value);
bool stimer_msr_write(struct cpu *cpu, uint32_t msr, uint64_t value);

#endif
