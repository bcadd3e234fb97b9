/* SPDX-License-Identifier: MIT */
/*
 * What the root sees of the hypervisor: CPUID leaves 4000xxxxh and synthetic
 * MSRs. TLFS "Feature and Interface Discovery", "Synthetic MSRs".
 */
#ifndef HYPERVISOR_HV_ROOTMSR_H
#define HYPERVISOR_HV_ROOTMSR_H

#include "abi/hv/msr.h"
#include "base/base.h"

struct cpu;

/* Hypercall page and TSC page, shown to the root. False: no memory. */
bool rootmsr_create(void);
/* EAX, EBX, ECX, EDX of one leaf. */
void rootmsr_cpuid(uint32_t leaf, uint32_t out[4]);
/* On @cpu itself. False: #GP. */
bool rootmsr_read(struct cpu *cpu, uint32_t msr, uint64_t *value);
bool rootmsr_write(struct cpu *cpu, uint32_t msr, uint64_t value);
/* A page MSR of the root: it keeps the page we chose, the enable bit is its own. False: #GP. */
static inline bool rootmsr_page_write(volatile uint64_t *msr, uint64_t value)
{
	if ((value & HV_MSR_PAGE_ENABLE) && (value & PAGE_MASK) != (*msr & PAGE_MASK))
		return false;
	*msr = (*msr & PAGE_MASK) | (value & HV_MSR_PAGE_ENABLE);
	return true;
}
/* The root has named its OS and enabled the hypercall page. */
bool rootmsr_hypercall_enabled(void);
/* A root processor has set its TSC: the reference TSC page is no longer true. */
void rootmsr_tsc_moved(void);

#endif
