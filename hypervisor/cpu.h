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
struct counters;	/* counters.h */
struct hv_trace_event;	/* trace.h */
struct synic;		/* hv/synic.c: message and event pages of the root VP */
struct vp;		/* hv/vp.h: guest virtual processor */

/* AMD64 APM vol. 2, "64-Bit Task State Segment". */
struct __packed tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t iopb;
};

#define CPU_NO_VECTOR	(~0u)

struct cpu {
	/* asm.h knows the offsets of these. */
	struct cpu *self;		/* first: read through %gs:0 */
	uint32_t index;
	uint32_t apic_id;
	void *stack_top;
	uint64_t host_save;		/* VM_HSAVE_PA page */
	uint64_t host_vmcb;		/* VMSAVE area for the hypervisor's own state */
	volatile uint32_t accepted;	/* vector taken by cpu_accept_interrupt */
	volatile uint32_t accepted_nmi;

	uint64_t gdt[5];		/* null, code, data, TSS (two entries) */
	struct tss tss;

	struct root_vp *root;
	struct synic *synic;
	struct stimers *stimers;		/* hv/stimer.c */

	void *hvcall_in, *hvcall_out;	/* parameter copies, one page each */

	/* Guest VP inside DISPATCH_VP on this CPU; NULL otherwise. */
	struct vp *current;

	struct counters *lp_stats, *vp_stats;	/* of this processor and its root VP */
	uint64_t dispatched;		/* TSC ticks spent in guests' turns */
	struct hv_trace_event *trace;
	uint64_t trace_next;		/* events ever written */

	struct lock timer_lock;
	struct timer *timers;		/* sorted by deadline */
	uint64_t timer_programmed;	/* TSC deadline in hardware, 0: stopped */
	struct timer *volatile timer_firing;	/* callback running, see timer_cancel */
	uint8_t timer_vector;		/* hardware timer and kicks, see svm/root.c */

	bool machine_check;		/* came during a guest, the root has to have it */

	/* The root's translations, see mem/rootmem.c. */
	volatile uint32_t in_root;	/* its instructions run, or are about to */
	volatile uint32_t root_flush;	/* drop them before the next does */

	volatile bool ready;		/* answered the start-up interrupt, SVM is on */
	volatile bool failed;		/* answered, but refused SVM */
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

/*
 * Processors: the calling one (index 0) and @info's others, with their stacks
 * and tables. False: no memory. Nothing is started yet.
 */
bool cpus_create(void);
/* Load this processor's own GDT, IDT, TSS and %gs. */
void cpu_load_tables(struct cpu *cpu);
/*
 * Start all processors but the calling one; each goes through cpu_load_tables
 * and @entry, which may not return. False if one does not become ready.
 */
bool cpus_start(void (*entry)(struct cpu *cpu));

/*
 * Let this processor take what is pending, at a place of our choosing: returns
 * the vector the LAPIC (or PIC) delivered, or CPU_NO_VECTOR. Its in-service bit
 * stays set. An NMI that came along is counted in accepted_nmi. GIF is clear
 * before and after.
 */
uint32_t cpu_accept_interrupt(struct cpu *cpu);

/* launch.S: continue as fn(arg) on another stack; the old one is forgotten. */
__noreturn void stack_switch(void *top, void (*fn)(void *), void *arg);

/* By LAPIC id; NULL if none. */
struct cpu *cpu_by_apic_id(uint32_t apic_id);

#endif
