/* SPDX-License-Identifier: MIT */
#include "hypervisor/hw/lapic.h"

#include "hypervisor/counters.h"
#include "hypervisor/cpu.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/x86.h"

/*
 * The vector of a kick. Any vector that the root does not mind seeing without
 * cause would do, but one of its own could be taken for an event; a kick is
 * therefore always the hypervisor's timer vector, whose acceptance looks at
 * what is due and otherwise just ends it (svm/root.c).
 */

/* An IPI leaves the sender within microseconds; more is broken hardware. */
#define ICR_WAIT 100000u

bool lapic_is_x2apic(void)
{
	return rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC;
}

static volatile uint32_t *mmio(unsigned int reg)
{
	return phys_to_virt(LAPIC_BASE + reg);
}

static uint32_t msr_of(unsigned int reg)
{
	return MSR_X2APIC + reg / 16;
}

uint32_t lapic_read(unsigned int reg)
{
	return lapic_is_x2apic() ? (uint32_t)rdmsr(msr_of(reg)) : *mmio(reg);
}

void lapic_write(unsigned int reg, uint32_t val)
{
	if (lapic_is_x2apic())
		wrmsr(msr_of(reg), val);
	else
		*mmio(reg) = val;
}

uint32_t lapic_id(void)
{
	uint32_t id = lapic_read(LAPIC_ID);

	return lapic_is_x2apic() ? id : id >> 24;
}

void lapic_icr_write(uint64_t icr)
{
	if (lapic_is_x2apic()) {
		/* Unlike MMIO, this MSR does not order earlier stores. */
		__asm__ volatile("mfence; lfence" ::: "memory");
		wrmsr(msr_of(LAPIC_ICR_LOW), icr);
		return;
	}
	for (unsigned int i = 0; i < ICR_WAIT; i++) {
		if (!(*mmio(LAPIC_ICR_LOW) & LAPIC_ICR_PENDING))
			break;
		cpu_relax();
	}
	*mmio(LAPIC_ICR_HIGH) = (uint32_t)(icr >> 32) << 24;
	*mmio(LAPIC_ICR_LOW) = (uint32_t)icr;
}

void lapic_eoi(void)
{
	lapic_write(LAPIC_EOI, 0);
}

void lapic_reset(struct cpu *cpu)
{
	static const unsigned int lvts[] = {
		LAPIC_LVT_TIMER, LAPIC_LVT_THERMAL, LAPIC_LVT_PERF,
		LAPIC_LVT_LINT0, LAPIC_LVT_LINT1,   LAPIC_LVT_ERROR,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(lvts); i++)
		lapic_write(lvts[i], LAPIC_LVT_MASKED);
	lapic_write(LAPIC_TIMER_INITIAL, 0);
	/* Pending requests can only be taken and ended. */
	lapic_write(LAPIC_TPR, 0);
	lapic_write(LAPIC_SVR, LAPIC_SVR_ENABLE | LAPIC_SVR_RESET);
	while (cpu_accept_interrupt(cpu) != CPU_NO_VECTOR)
		lapic_eoi();
	lapic_write(LAPIC_SVR, LAPIC_SVR_RESET);
}

void lapic_send(struct cpu *target, uint8_t vector)
{
	count(cpu_this()->lp_stats, LP_COUNTER_IPIS_SENT);
	lapic_icr_write((uint64_t)target->apic_id << 32 | LAPIC_ICR_ASSERT | vector);
}

void lapic_kick(struct cpu *target)
{
	if (target != cpu_this() && target->online)
		lapic_send(target, target->timer_vector);
}
