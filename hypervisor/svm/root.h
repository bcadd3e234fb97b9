/* SPDX-License-Identifier: MIT */
/*
 * The root partition's virtual processors: one per physical processor, always
 * on it, in the VMCB that the processor runs whenever it is not in the
 * hypervisor or in a guest.
 *
 *	PARKED --INIT--> WAIT_SIPI --SIPI--> RUNNING --HLT with IF=0 while
 *	   being taken offline--> PARKED
 *
 * State words are written by any processor, the rest by the owner.
 */
#ifndef HYPERVISOR_SVM_ROOT_H
#define HYPERVISOR_SVM_ROOT_H

#include "base/base.h"
#include "hypervisor/svm/vmcb.h"
#include "hypervisor/svm/world.h"

struct cpu;
struct launch_context;

enum root_state { ROOT_PARKED, ROOT_WAIT_SIPI, ROOT_STARTING, ROOT_RUNNING };

#define ROOT_INSTRUCTIONS 16

struct root_vp {
	struct vmcb *vmcb;
	struct world_gprs gprs;
	struct cpu *cpu;

	volatile uint32_t state;	/* enum root_state */
	volatile uint32_t start_vector;	/* of the SIPI, in STARTING */
	bool going_offline;		/* SynIC or APIC shut down: the next dead halt parks it */
	uint32_t icr_high;		/* as the root wrote it (xAPIC) */

	/* Accepted for the root, but overtaken by a higher one; last is next. */
	uint8_t held[16];
	unsigned int held_count;

	struct {			/* where instructions that exited are: root_prefixes */
		uint64_t va, cr3, pa;
	} insn[ROOT_INSTRUCTIONS];
};

/* For every processor, before any runs. False: no memory. */
bool root_create(struct cpu *cpu);
/* The caller of launch_hv, before the hypervisor changes any control register. */
void root_capture(const struct launch_context *ctx);

/* Continue the captured caller as root VP 0 on this processor. */
__noreturn void root_resume(struct cpu *cpu);
/* Wait for INIT and SIPI from the root, then run. */
__noreturn void root_park(struct cpu *cpu);

/* root_state.c: all of the VMCB and the general registers, for either of them. */
void root_resume_state(struct root_vp *vp);
void root_start_state(struct root_vp *vp, uint8_t sipi_vector);

/* --- for the exit handlers (root_*.c) --- */

/* Continue behind the intercepted instruction of @length bytes. */
void root_skip(struct root_vp *vp, unsigned int length);
/* The same for one whose opcode has @length bytes; prefixes are found out. */
void root_skip_opcode(struct root_vp *vp, unsigned int length);
/* Raise an exception at the intercepted instruction. */
void root_inject_ud(struct root_vp *vp);
void root_inject_gp(struct root_vp *vp);

uint64_t root_gpr(const struct root_vp *vp, unsigned int n);
/* Bytes at a virtual address of the root's kernel; returns how many could be read. */
unsigned int root_read_virtual(const struct root_vp *vp, uint64_t va, uint8_t *to,
			       unsigned int size);

/* Legacy prefixes and REX before the intercepted instruction, which nobody needs to write. */
unsigned int root_prefixes(struct root_vp *vp);

void root_exit_cpuid(struct root_vp *vp);
void root_exit_msr(struct root_vp *vp);
/* A store to the LAPIC page. */
void root_exit_apic_store(struct root_vp *vp, uint64_t gpa);
/* Physical address of the permission bitmap; built at the first call. 0: no memory. */
uint64_t root_msr_bitmap(void);

/*
 * root_stats.c: the root ran on @cpu from TSC @entered to @left, when it exited with
 * @code; we from then to now, but for @guests ticks that guests had of it (which
 * hv/dispatch.c counts). Returns now.
 */
uint64_t root_account(struct cpu *cpu, uint64_t code, uint64_t entered, uint64_t left,
		      uint64_t guests);

/* root_apic.c: an ICR write in x2APIC layout. INIT and SIPI are emulated. */
void root_icr_write(struct root_vp *vp, uint64_t icr);
/* A write to any other LAPIC register, by MMIO offset. */
void root_apic_write(struct root_vp *vp, unsigned int reg, uint32_t value);
/* INIT or SIPI for @cpu, from any processor. */
void root_init(struct cpu *cpu);
void root_sipi(struct cpu *cpu, uint8_t vector);

#endif
