/* SPDX-License-Identifier: MIT */
/*
 * The physical local APIC: in xAPIC (MMIO) or x2APIC (MSR) mode, whichever
 * the root has chosen on this CPU. The root owns everything but the timer.
 */
#ifndef HYPERVISOR_HW_LAPIC_H
#define HYPERVISOR_HW_LAPIC_H

#include "base/base.h"

struct cpu;

uint32_t lapic_id(void);
uint32_t lapic_read(unsigned int reg);		/* reg: MMIO offset, e.g. 0x20 */
void lapic_write(unsigned int reg, uint32_t val);
void lapic_icr_write(uint64_t icr);		/* x2APIC layout: dest 63:32 */
void lapic_eoi(void);

/* Fixed interrupt @vector to @target (may be the current CPU). */
void lapic_send(struct cpu *target, uint8_t vector);
/* Make @target leave guest mode soon if it is in it; harmless otherwise. */
void lapic_kick(struct cpu *target);

#endif
