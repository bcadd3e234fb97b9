/* SPDX-License-Identifier: MIT */
/* Turning SVM on, and what this processor's SVM can do. AMD64 APM vol. 2, chapter 15. */
#ifndef HYPERVISOR_SVM_SVM_H
#define HYPERVISOR_SVM_SVM_H

#include "base/base.h"
#include "hypervisor/svm/vmcb.h"

struct cpu;

/* Has the calling processor SVM with nested paging, an ASID for guests, and firmware left it on? */
bool svm_present(void);

struct svm_features {
	uint32_t revision, word;	/* CPUID 0x8000000a EAX, EDX */
	uint32_t asids;			/* ASID 0 is the host's, 1 the root's */
	bool nrips;			/* next_rip valid after instruction intercepts */
	bool flush_by_asid;
	bool decode_assists;
	bool tsc_adjust;		/* MSR TSC_ADJUST exists */
	bool ibpb;			/* indirect branch predictor barrier (PRED_CMD) */
};

extern struct svm_features svm_features;

/* APM vol. 2, "Guest Instruction Bytes": how many of a nested fault's are in the VMCB; 0: fetch. */
static inline uint8_t svm_insn_count(const struct vmcb *v)
{
	return svm_features.decode_assists ? v->insn_count & 15 : 0;
}

#define SVM_ASID_ROOT	1u
#define SVM_ASID_GUESTS 2u		/* and up to .asids - 1 */

/*
 * On the calling processor: EFER.SVME, host save area, CLGI. False with
 * nothing changed if the processor has no SVM with nested paging, firmware has
 * locked it off, or there is no memory.
 */
bool svm_enable(struct cpu *cpu);
/* Undo, after a failed launch. */
void svm_disable(void);

/* EFER bits this processor knows, SVME aside; VMRUN refuses a VMCB with others. */
uint64_t svm_efer_mask(void);

/* TLB_CONTROL value that drops one ASID's translations, as finely as possible. */
uint8_t svm_flush_one(void);

#endif
