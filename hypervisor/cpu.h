/* SPDX-License-Identifier: MIT */
/*
 * One physical processor: its stack, tables, root virtual processor and what
 * it is doing. cpu index = root VP index = LP index = Linux CPU number: the
 * bootstrap processor first, then the others in MADT order.
 */
#ifndef HYPERVISOR_CPU_H
#define HYPERVISOR_CPU_H

#include "base/base.h"
#include "hypervisor/hw/timer.h"
#include "hypervisor/launch.h"
#include "hypervisor/lock.h"

struct root_vp;		/* svm/root.c: VMCB and emulated state of the root VP */
struct synic;		/* hv/synic.c: message and event pages of the root VP */
struct vp;		/* hv/vp.h: guest virtual processor */

struct cpu {
	struct cpu *self;		/* first: read through %gs:0 */
	uint32_t index;
	uint32_t apic_id;
	void *stack_top;
	uint64_t host_save;		/* VM_HSAVE_PA page */
	uint64_t host_vmcb;		/* VMSAVE area for the hypervisor's own state */

	struct root_vp *root;
	struct synic *synic;

	void *hvcall_in, *hvcall_out;	/* parameter copies, one page each */

	/* Guest VP inside DISPATCH_VP on this CPU; NULL otherwise. */
	struct vp *current;

	struct lock timer_lock;
	struct timer *timers;		/* sorted by deadline */
	uint64_t timer_programmed;	/* TSC deadline in hardware, 0: stopped */

	volatile bool online;		/* started by the root */
};

extern struct cpu *cpus[HV_CPUS_MAX];
extern unsigned int cpu_count;

static inline struct cpu *cpu_this(void)
{
	struct cpu *c;

	__asm__ volatile("movq %%gs:0, %0" : "=r"(c));
	return c;
}

/* By LAPIC id; NULL if none. */
struct cpu *cpu_by_apic_id(uint32_t apic_id);

#endif
