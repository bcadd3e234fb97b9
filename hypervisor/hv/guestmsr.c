/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/guestmsr.h"

#include "abi/hv/msr.h"
#include "hypervisor/hv/gpa.h"
#include "hypervisor/hv/guestcpuid.h"
#include "hypervisor/hv/guestsynic.h"
#include "hypervisor/hv/guesttime.h"
#include "hypervisor/hv/intercept.h"
#include "hypervisor/hv/vp.h"
#include "hypervisor/hv/vpregs.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/log.h"
#include "hypervisor/msr.h"
#include "lib/mem.h"

/* --- synthetic MSRs: TLFS "Synthetic MSRs" --- */

/* May the guest have its page at this MSR value's address? Not outside of RAM. */
static bool page_ok(struct partition *p, uint64_t val)
{
	enum gpa_result r;

	if (!(val & HV_MSR_PAGE_ENABLE))
		return true;
	r = gpa_probe(p, val & PAGE_MASK, true, false);
	return r == GPA_OK || r == GPA_NO_ACCESS;
}

/* The local APIC by synthetic MSR, in either of its modes; no lock held. */
static bool apic_write(struct vp *vp, unsigned int reg, uint64_t val)
{
	lock_take(&vp->lock);
	if (reg == 0x300)
		vp->apic.icr = val & ~0xffffffffULL;
	return vlapic_finish(vp, vlapic_write(vp, reg, (uint32_t)val));
}

/* The synthetic features that let a guest touch the MSRs there are. */
static const struct gate {
	uint32_t first, last;
	enum hv_synthetic_feature feature;
} gates[] = {
	{ HV_MSR_EOI, HV_MSR_VP_ASSIST_PAGE, HV_SYNTHETIC_INTERRUPT_CONTROL },
	{ HV_MSR_STIMER0_CONFIG, HV_MSR_STIMER3_COUNT, HV_SYNTHETIC_TIMERS },
	{ HV_MSR_SCONTROL, HV_MSR_SINT0 + HV_SINT_COUNT - 1, HV_SYNTHETIC_SYNIC },
	{ HV_MSR_GUEST_OS_ID, HV_MSR_HYPERCALL, HV_SYNTHETIC_HYPERCALL },
	{ HV_MSR_VP_INDEX, HV_MSR_VP_INDEX, HV_SYNTHETIC_VP_INDEX },
	{ HV_MSR_TIME_REF_COUNT, HV_MSR_TIME_REF_COUNT, HV_SYNTHETIC_REFERENCE_COUNTER },
	{ HV_MSR_REFERENCE_TSC, HV_MSR_REFERENCE_TSC, HV_SYNTHETIC_REFERENCE_TSC },
	{ HV_MSR_TSC_FREQUENCY, HV_MSR_APIC_FREQUENCY, HV_SYNTHETIC_FREQUENCY },
	{ HV_MSR_GUEST_IDLE, HV_MSR_GUEST_IDLE, HV_SYNTHETIC_GUEST_IDLE },
	{ HV_MSR_TSC_INVARIANT_CONTROL, HV_MSR_TSC_INVARIANT_CONTROL, HV_SYNTHETIC_REFERENCE_TSC },
};

/* NULL: no synthetic MSR. */
static const struct gate *gate_of(uint32_t msr)
{
	for (unsigned int i = 0; msr >> 16 == 0x4000 && i < ARRAY_SIZE(gates); i++) {
		if (msr >= gates[i].first && msr <= gates[i].last)
			return &gates[i];
	}
	return NULL;
}

bool guestmsr_synthetic_write(struct vp *vp, uint32_t msr, uint64_t val)
{
	struct partition *p = vp->partition;

	switch (msr) {
	case HV_MSR_GUEST_OS_ID:
		p->guest_os_id = val;
		if (!val)
			p->hypercall_msr &= ~HV_MSR_PAGE_ENABLE;
		return true;
	case HV_MSR_HYPERCALL:
		/* Without an identity there is no page. */
		p->hypercall_msr = p->guest_os_id ? val : val & ~HV_MSR_PAGE_ENABLE;
		guesttime_stale(p, GUEST_PAGE_HYPERCALL);
		return true;
	case HV_MSR_REFERENCE_TSC:
		p->reference_tsc_msr = val;
		guesttime_stale(p, GUEST_PAGE_TSC);
		return true;
	case HV_MSR_EOI:
		return apic_write(vp, 0xb0, 0);
	case HV_MSR_ICR:
		return apic_write(vp, 0x300, val);
	case HV_MSR_TPR:
		return apic_write(vp, 0x80, val);
	case HV_MSR_TSC_INVARIANT_CONTROL:
		if (val & ~1ULL)
			return false;
		p->tsc_invariant_control = val;
		return true;
	default:
		return guestsynic_msr_write(vp, msr, val);
	}
}

#define COMPLAINTS_MAX	32	/* a guest must not fill the log */

static bool unknown(struct vp *vp, uint32_t access, uint32_t msr)
{
	vp->unknown_msr = intercept_installed(vp->partition, HV_INTERCEPT_MSR, 0, access);
	if (vp->unknown_msr)
		return false;
	if (vp->partition->unimplemented_msr_ignore)
		return true;
	if (vp->partition->complaints++ >= COMPLAINTS_MAX)
		return false;
	log_line("hv: partition %llu VP %u: #GP (%s of MSR %#x)",
		 LLU(vp->partition->id), vp->index,
		 access == HV_INTERCEPT_READ ? "read" : "write", msr);
	return false;
}

/*
 * AMD's own registers and the microcode version: a guest kernel reads a dozen
 * of them without asking CPUID. They read as zero and ignore writes; SVM's
 * (VM_CR …) are among them, as a processor without SVM would have it. So does
 * DEBUGCTL: branch tracing is not virtualised.
 */
static bool reads_as_zero(uint32_t msr)
{
	return (msr >= MSR_AMD_FIRST && msr <= MSR_AMD_LAST) || msr == MSR_DEBUGCTL ||
	       msr == MSR_PATCH_LEVEL || msr == MSR_MCG_CAP || msr == MSR_MCG_STATUS;
}

#define MTRR_CAP_VALUE	(BIT64(10) /* WC */ | BIT64(8) /* fixed */ | MTRR_VARIABLE)

bool guestmsr_get(struct vp *vp, uint32_t msr, uint64_t *val)
{
	const struct vp_register *r;
	uint32_t n;

	*val = 0;
	switch (msr) {
	case MSR_TSC:
		*val = rdtsc() + vp->cpu.tsc_offset;
		return true;
	case MSR_TSC_DEADLINE: {
		lock_scope(&vp->lock);
		*val = vlapic_tsc_deadline(vp);
		return true;
	}
	case MSR_MTRR_CAP:
		*val = MTRR_CAP_VALUE;
		return true;
	case HV_MSR_TIME_REF_COUNT:
		*val = guesttime_reference(vp->partition);
		return true;
	case HV_MSR_TSC_FREQUENCY:
	case HV_MSR_APIC_FREQUENCY:	/* vlapic.c counts at the TSC's rate */
		*val = clock_tsc_hz();
		return true;
	case HV_MSR_GUEST_IDLE: {
		lock_scope(&vp->lock);
		vp->halted = vp->idle = true;
		return true;
	}
	case HV_MSR_SVERSION:
		*val = 1;
		return true;
	case HV_MSR_EOM:
		return true;
	case HV_MSR_STIMER0_CONFIG ... HV_MSR_STIMER3_COUNT:
		*val = guesttimer_read(vp, msr - HV_MSR_STIMER0_CONFIG);
		return true;
	default:
		r = vpregs_by_msr(msr, &n);
		if (r)
			memcpy(val, vpregs_at(vp, r, n), r->size);
		return r;
	}
}

bool guestmsr_read(struct vp *vp, uint32_t msr, uint64_t *val)
{
	const struct gate *gate = gate_of(msr);

	if (msr >= MSR_X2APIC && msr <= MSR_X2APIC_LAST) {
		lock_scope(&vp->lock);
		return vlapic_msr_read(vp, msr, val) != VLAPIC_BAD;
	}
	if (gate)
		return partition_has(vp->partition, gate->feature) && guestmsr_get(vp, msr, val);
	return guestmsr_get(vp, msr, val) || reads_as_zero(msr) ||
	       unknown(vp, HV_INTERCEPT_READ, msr);
}

/* Six types are defined: 0, 1, 4 … 7 (APM vol. 2 "Page-Attribute Table Mechanism"). */
static bool pat_valid(uint64_t val)
{
	for (unsigned int i = 0; i < 8; i++, val >>= 8) {
		uint8_t type = (uint8_t)val;

		if (type > 7 || type == 2 || type == 3)
			return false;
	}
	return true;
}

static bool canonical(uint64_t address)
{
	return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

static bool set_efer(struct vp *vp, uint64_t val)
{
	struct vcpu *v = &vp->cpu;

	if (val & ~guestcpuid_efer_mask())
		return false;
	if (((val ^ v->efer) & EFER_LME) && (v->cr0 & CR0_PG))
		return false;
	/* LMA belongs to the processor. */
	v->efer = (val & ~EFER_LMA) | (v->efer & EFER_LMA);
	v->flush = 1;
	return true;
}

bool guestmsr_write(struct vp *vp, uint32_t msr, uint64_t val)
{
	const struct gate *gate = gate_of(msr);
	struct partition *p = vp->partition;
	const struct vp_register *r;
	uint32_t n;

	if (msr >= MSR_X2APIC && msr <= MSR_X2APIC_LAST) {
		lock_take(&vp->lock);
		return vlapic_finish(vp, vlapic_msr_write(vp, msr, val));
	}
	if (gate)
		return partition_has(p, gate->feature) &&
		       /* Locked: ignored, until the VMM resets it. */
		       ((msr == HV_MSR_HYPERCALL && (p->hypercall_msr & HV_MSR_HYPERCALL_LOCKED)) ||
			(((msr != HV_MSR_HYPERCALL && msr != HV_MSR_REFERENCE_TSC) ||
			  page_ok(p, val)) &&
			 guestmsr_synthetic_write(vp, msr, val)));
	if (reads_as_zero(msr))
		return true;

	switch (msr) {
	case MSR_TSC:
		vp->tsc_adjust += val - (rdtsc() + vp->cpu.tsc_offset);
		vlapic_set_tsc_offset(vp, val - rdtsc());
		return true;
	case MSR_TSC_ADJUST:
		vlapic_set_tsc_offset(vp, vp->cpu.tsc_offset + val - vp->tsc_adjust);
		vp->tsc_adjust = val;
		return true;
	case MSR_APIC_BASE: {
		lock_scope(&vp->lock);
		return vlapic_base_write(vp, val);
	}
	case MSR_TSC_DEADLINE: {
		lock_scope(&vp->lock);
		vlapic_tsc_deadline_write(vp, val);
		return true;
	}
	case MSR_PAT:
		if (!pat_valid(val))
			return false;
		vp->cpu.pat = val;
		return true;
	case MSR_EFER:
		return set_efer(vp, val);
	case MSR_TSC_AUX:
		if (val >> 32)
			return false;
		vp->cpu.tsc_aux = val;
		return true;
	default:
		r = vpregs_by_msr(msr, &n);
		if (!r || !(r->rules & VPREGS_GUEST))
			return unknown(vp, HV_INTERCEPT_WRITE, msr);
		if ((r->rules & VPREGS_ADDRESS) && !canonical(val))
			return false;
		*(uint64_t *)vpregs_at(vp, r, n) = val;
		return true;
	}
}
