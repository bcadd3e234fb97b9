/* SPDX-License-Identifier: MIT */
/*
 * The physical local APIC: in xAPIC (MMIO) or x2APIC (MSR) mode, whichever
 * the root has chosen on this CPU. The root owns everything but the timer.
 */
#ifndef HYPERVISOR_HW_LAPIC_H
#define HYPERVISOR_HW_LAPIC_H

#include "base/base.h"

struct cpu;

#define LAPIC_BASE		0xfee00000u

/* MMIO offsets; the x2APIC MSR is 800h + offset / 16. */
#define LAPIC_ID		0x020u
#define LAPIC_TPR		0x080u
#define LAPIC_EOI		0x0b0u
#define LAPIC_SVR		0x0f0u
#define LAPIC_SVR_ENABLE	BIT32(8)
#define LAPIC_SVR_KNOWN		UINT64_C(0x3ff)	/* vector, enable, focus check */
#define LAPIC_SVR_RESET		0x0ffu
#define LAPIC_ICR_LOW		0x300u
#define LAPIC_ICR_HIGH		0x310u		/* not in x2APIC mode */
#define LAPIC_LVT_TIMER		0x320u
#define LAPIC_LVT_THERMAL	0x330u
#define LAPIC_LVT_PERF		0x340u
#define LAPIC_LVT_LINT0		0x350u
#define LAPIC_LVT_LINT1		0x360u
#define LAPIC_LVT_ERROR		0x370u
#define LAPIC_TIMER_INITIAL	0x380u
#define LAPIC_TIMER_CURRENT	0x390u
#define LAPIC_TIMER_DIVIDE	0x3e0u
#define LAPIC_DIVIDE_1		0x0bu
#define LAPIC_LVT_MASKED	BIT32(16)

#define LAPIC_ICR_VECTOR	0xffu
#define LAPIC_ICR_MODE_SHIFT	8
#define LAPIC_ICR_LOGICAL	BIT32(11)
#define LAPIC_ICR_PENDING	BIT32(12)	/* xAPIC only */
#define LAPIC_ICR_ASSERT	BIT32(14)
#define LAPIC_ICR_LEVEL		BIT32(15)
#define LAPIC_ICR_SHORTHAND_SHIFT 18
#define LAPIC_ICR_KNOWN		0x000ccfffu	/* writable in x2APIC mode */
enum lapic_mode { LAPIC_FIXED = 0, LAPIC_NMI = 4, LAPIC_INIT = 5, LAPIC_SIPI = 6 };
enum lapic_shorthand {
	LAPIC_TO_DEST = 0, LAPIC_TO_SELF, LAPIC_TO_ALL, LAPIC_TO_OTHERS
};

bool lapic_is_x2apic(void);		/* on this CPU, now */
uint32_t lapic_id(void);
uint32_t lapic_read(unsigned int reg);		/* reg: MMIO offset, e.g. 0x20 */
void lapic_write(unsigned int reg, uint32_t val);
void lapic_icr_write(uint64_t icr);		/* x2APIC layout: dest 63:32 */
void lapic_eoi(void);

/* As INIT leaves it: everything masked, nothing pending or in service. Current CPU, GIF clear. */
void lapic_reset(struct cpu *cpu);

/* Fixed interrupt @vector to @target (may be the current CPU). */
void lapic_send(struct cpu *target, uint8_t vector);
/* Make @target leave guest mode soon if it is in it; harmless otherwise. */
void lapic_kick(struct cpu *target);

#endif
