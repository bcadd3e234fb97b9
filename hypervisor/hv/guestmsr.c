/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/guestmsr.h"

#include "abi/hv/msr.h"
#include "hypervisor/hv/gpa.h"
#include "hypervisor/hv/guestcpuid.h"
#include "hypervisor/hv/vp.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/log.h"
#include "lib/mem.h"

enum {
	MSR_TSC			= 0x10,
	MSR_APIC_BASE		= 0x1b,
	MSR_TSC_ADJUST		= 0x3b,
	MSR_PATCH_LEVEL		= 0x8b,
	MSR_MTRR_CAP		= 0xfe,
	MSR_SYSENTER_CS		= 0x174,
	MSR_SYSENTER_ESP	= 0x175,
	MSR_SYSENTER_EIP	= 0x176,
	MSR_MCG_CAP		= 0x179,
	MSR_MCG_STATUS		= 0x17a,
	MSR_MISC_ENABLE		= 0x1a0,
	MSR_DEBUGCTL		= 0x1d9,
	MSR_MTRR_PHYS_FIRST	= 0x200,
	MSR_MTRR_PHYS_LAST	= 0x200 + 2 * MTRR_VARIABLE - 1,
	MSR_MTRR_FIX64K		= 0x250,
	MSR_MTRR_FIX16K_80000	= 0x258,
	MSR_MTRR_FIX16K_A0000	= 0x259,
	MSR_MTRR_FIX4K_FIRST	= 0x268,
	MSR_MTRR_FIX4K_LAST	= 0x26f,
	MSR_PAT			= 0x277,
	MSR_MTRR_DEF_TYPE	= 0x2ff,
	MSR_TSC_DEADLINE	= 0x6e0,
	MSR_X2APIC_FIRST	= 0x800,
	MSR_X2APIC_LAST		= 0x8ff,
	MSR_EFER		= 0xc0000080,
	MSR_STAR		= 0xc0000081,
	MSR_LSTAR		= 0xc0000082,
	MSR_CSTAR		= 0xc0000083,
	MSR_SFMASK		= 0xc0000084,
	MSR_FS_BASE		= 0xc0000100,
	MSR_GS_BASE		= 0xc0000101,
	MSR_KERNEL_GS_BASE	= 0xc0000102,
	MSR_TSC_AUX		= 0xc0000103,
	MSR_AMD_FIRST		= 0xc0010000,	/* SYSCFG, HWCR, NB_CFG, … */
	MSR_AMD_LAST		= 0xc001ffff,
};

/* --- time: TLFS "Partition Reference Time" --- */

/* (tsc * scale) >> 64 with the clock's own scale. */
static uint64_t tsc_to_reference(uint64_t tsc)
{
	uint64_t scale;
	int64_t offset;

	clock_tsc_page(&scale, &offset);
	return (uint64_t)((unsigned __int128)tsc * scale >> 64);
}

static uint64_t running_reference(const struct partition *p)
{
	return tsc_to_reference(rdtsc() - p->tsc_base) + (uint64_t)p->time_adjust;
}

uint64_t guesttime_reference(const struct partition *p)
{
	return p->time_frozen ? p->time_frozen_at : running_reference(p);
}

struct tsc_page {
	uint32_t sequence;		/* 0: invalid, use the MSR */
	uint32_t reserved;
	uint64_t scale;
	int64_t offset;
};

/*
 * A guest's TSC starts at 0 with the partition, so its reference time is
 * tsc * scale plus whatever adjustment the VMM made.
 */
static enum gpa_result tsc_page_update(struct partition *p)
{
	static uint32_t sequence;
	uint64_t gpa = p->reference_tsc_msr & PAGE_MASK;
	struct tsc_page page = { 0 };
	int64_t unused;

	if (!(p->reference_tsc_msr & HV_MSR_PAGE_ENABLE))
		return GPA_OK;
	clock_tsc_page(&page.scale, &unused);
	page.offset = p->time_adjust;
	if (!p->time_frozen)
		page.sequence = ++sequence ? sequence : ++sequence;
	return gpa_write(p, gpa, &page, sizeof(page));
}

void guesttime_set(struct partition *p, uint64_t reference)
{
	p->time_adjust += (int64_t)(reference - guesttime_reference(p));
	if (p->time_frozen)
		p->time_frozen_at = reference;
	tsc_page_update(p);
}

void guesttime_freeze(struct partition *p, bool frozen)
{
	if (frozen == p->time_frozen)
		return;
	if (frozen) {
		p->time_frozen_at = running_reference(p);
		p->time_frozen = true;
	} else {
		p->time_adjust += (int64_t)(p->time_frozen_at - running_reference(p));
		p->time_frozen = false;
	}
	tsc_page_update(p);
}

/* --- synthetic MSRs: TLFS "Synthetic MSRs" --- */

#define HYPERCALL_LOCKED BIT64(1)

/* "vmmcall; ret" at the start of the page the guest chose, the rest INT3. */
static enum gpa_result hypercall_page_write(struct partition *p, uint64_t val)
{
	static const uint8_t code[] = { 0x0f, 0x01, 0xd9, 0xc3 };
	enum gpa_result r = GPA_OK;

	/* Locked, or no identity yet: the write is ignored. */
	if (p->hypercall_msr & HYPERCALL_LOCKED)
		return GPA_OK;
	if (!p->guest_os_id)
		val &= ~HV_MSR_PAGE_ENABLE;
	if (val & HV_MSR_PAGE_ENABLE)
		r = gpa_write(p, val & PAGE_MASK, code, sizeof(code));
	/* Not locked yet if it is to be written again. */
	p->hypercall_msr = r == GPA_NO_ACCESS ? val & ~HYPERCALL_LOCKED : val;
	return r;
}

static bool synthetic_read(struct vp *vp, uint32_t msr, uint64_t *val)
{
	struct partition *p = vp->partition;

	switch (msr) {
	case HV_MSR_GUEST_OS_ID:
		*val = p->guest_os_id;
		return true;
	case HV_MSR_HYPERCALL:
		*val = p->hypercall_msr;
		return true;
	case HV_MSR_VP_INDEX:
		*val = vp->index;
		return true;
	case HV_MSR_TIME_REF_COUNT:
		*val = guesttime_reference(p);
		return true;
	case HV_MSR_REFERENCE_TSC:
		*val = p->reference_tsc_msr;
		return true;
	case HV_MSR_TSC_FREQUENCY:
	case HV_MSR_APIC_FREQUENCY:	/* vlapic.c counts at the TSC's rate */
		*val = clock_tsc_hz();
		return true;
	case HV_MSR_VP_ASSIST_PAGE:
		*val = vp->vp_assist;
		return true;
	case HV_MSR_TSC_INVARIANT_CONTROL:
		*val = p->tsc_invariant_control;
		return true;
	default:
		return false;
	}
}

static bool synthetic_write(struct vp *vp, uint32_t msr, uint64_t val)
{
	struct partition *p = vp->partition;

	switch (msr) {
	case HV_MSR_GUEST_OS_ID:
		p->guest_os_id = val;
		if (!val)
			p->hypercall_msr &= ~HV_MSR_PAGE_ENABLE;
		return true;
	case HV_MSR_VP_ASSIST_PAGE:
		vp->vp_assist = val;
		return true;
	case HV_MSR_TSC_INVARIANT_CONTROL:
		if (val & ~1ULL)
			return false;
		p->tsc_invariant_control = val;
		return true;
	default:
		return false;
	}
}

/* --- MTRRs: kept for the guest, without effect (nested paging decides) --- */

static uint64_t *mtrr(struct vp *vp, uint32_t msr)
{
	switch (msr) {
	case MSR_MTRR_PHYS_FIRST ... MSR_MTRR_PHYS_LAST:
		msr -= MSR_MTRR_PHYS_FIRST;
		return msr & 1 ? &vp->mtrr_mask[msr / 2] : &vp->mtrr_base[msr / 2];
	case MSR_MTRR_FIX64K:
		return &vp->mtrr_fixed[0];
	case MSR_MTRR_FIX16K_80000:
	case MSR_MTRR_FIX16K_A0000:
		return &vp->mtrr_fixed[1 + msr - MSR_MTRR_FIX16K_80000];
	case MSR_MTRR_FIX4K_FIRST ... MSR_MTRR_FIX4K_LAST:
		return &vp->mtrr_fixed[3 + msr - MSR_MTRR_FIX4K_FIRST];
	case MSR_MTRR_DEF_TYPE:
		return &vp->mtrr_def_type;
	default:
		return NULL;
	}
}

#define MTRR_CAP_VALUE	(BIT64(10) /* WC */ | BIT64(8) /* fixed */ | MTRR_VARIABLE)

/* --- plain storage in the processor state --- */

static uint64_t *storage(struct vp *vp, uint32_t msr)
{
	struct vcpu *v = &vp->cpu;

	switch (msr) {
	case MSR_SYSENTER_CS:
		return &v->sysenter_cs;
	case MSR_SYSENTER_ESP:
		return &v->sysenter_esp;
	case MSR_SYSENTER_EIP:
		return &v->sysenter_eip;
	case MSR_STAR:
		return &v->star;
	case MSR_LSTAR:
		return &v->lstar;
	case MSR_CSTAR:
		return &v->cstar;
	case MSR_SFMASK:
		return &v->sfmask;
	case MSR_KERNEL_GS_BASE:
		return &v->kernel_gs_base;
	case MSR_FS_BASE:
		return &v->seg[VCPU_FS].base;
	case MSR_GS_BASE:
		return &v->seg[VCPU_GS].base;
	case MSR_MISC_ENABLE:
		return &vp->misc_enable;
	default:
		return mtrr(vp, msr);
	}
}

#define COMPLAINTS_MAX	32	/* a guest must not fill the log */

static bool unknown(struct vp *vp, const char *what, uint32_t msr)
{
	if (vp->partition->unimplemented_msr_ignore)
		return true;
	if (vp->partition->complaints++ >= COMPLAINTS_MAX)
		return false;
	log_line("hv: partition %llu VP %u: #GP (%s of MSR %#x)",
		 (unsigned long long)vp->partition->id, vp->index, what, msr);
	return false;
}

/*
 * AMD's own registers and the microcode version: a guest kernel reads a dozen
 * of them without asking CPUID. They read as zero and ignore writes; SVM's
 * (VM_CR …) are among them, as a processor without SVM would have it.
 */
static bool reads_as_zero(uint32_t msr)
{
	return (msr >= MSR_AMD_FIRST && msr <= MSR_AMD_LAST) ||
	       msr == MSR_PATCH_LEVEL || msr == MSR_MCG_CAP || msr == MSR_MCG_STATUS;
}

bool guestmsr_read(struct vp *vp, uint32_t msr, uint64_t *val)
{
	const uint64_t *stored = storage(vp, msr);
	bool ok = true;

	*val = 0;
	if (stored) {
		*val = *stored;
		return true;
	}
	if (msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST) {
		lock_take(&vp->lock);
		ok = vlapic_msr_read(vp, msr, val) != VLAPIC_BAD;
		lock_drop(&vp->lock);
		return ok;
	}
	if (msr >> 16 == 0x4000)
		return synthetic_read(vp, msr, val) || unknown(vp, "read", msr);
	if (reads_as_zero(msr))
		return true;

	switch (msr) {
	case MSR_TSC:
		*val = rdtsc() + vp->cpu.tsc_offset;
		return true;
	case MSR_TSC_ADJUST:
		*val = vp->tsc_adjust;
		return true;
	case MSR_APIC_BASE:
		*val = vp->apic.base_msr;
		return true;
	case MSR_TSC_DEADLINE:
		lock_take(&vp->lock);
		*val = vlapic_tsc_deadline(vp);
		lock_drop(&vp->lock);
		return true;
	case MSR_MTRR_CAP:
		*val = MTRR_CAP_VALUE;
		return true;
	case MSR_PAT:
		*val = vp->cpu.pat;
		return true;
	case MSR_EFER:
		*val = vp->cpu.efer;
		return true;
	case MSR_TSC_AUX:
		*val = vp->cpu.tsc_aux;
		return true;
	case MSR_DEBUGCTL:
		*val = vp->cpu.debugctl;
		return true;
	default:
		return unknown(vp, "read", msr);
	}
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

static bool address_msr(uint32_t msr)
{
	switch (msr) {
	case MSR_SYSENTER_ESP:
	case MSR_SYSENTER_EIP:
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_KERNEL_GS_BASE:
	case MSR_FS_BASE:
	case MSR_GS_BASE:
		return true;
	default:
		return false;
	}
}

bool guestmsr_set_efer(struct vp *vp, uint64_t val)
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

static bool x2apic_write(struct vp *vp, uint32_t msr, uint64_t val)
{
	enum vlapic_todo todo;
	uint64_t icr;

	lock_take(&vp->lock);
	todo = vlapic_msr_write(vp, msr, val);
	icr = vp->apic.icr;
	lock_drop(&vp->lock);
	if (todo == VLAPIC_SEND_IPI)
		vlapic_ipi(vp, icr);
	return todo != VLAPIC_BAD;
}

static bool write_plain(struct vp *vp, uint32_t msr, uint64_t val)
{
	uint64_t *stored = storage(vp, msr);
	bool ok;

	if (stored) {
		if (address_msr(msr) && !canonical(val))
			return false;
		*stored = val;
		return true;
	}
	if (msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST)
		return x2apic_write(vp, msr, val);
	if (msr >> 16 == 0x4000)
		return synthetic_write(vp, msr, val) || unknown(vp, "write", msr);
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
	case MSR_APIC_BASE:
		lock_take(&vp->lock);
		ok = vlapic_base_write(vp, val);
		lock_drop(&vp->lock);
		return ok;
	case MSR_TSC_DEADLINE:
		lock_take(&vp->lock);
		vlapic_tsc_deadline_write(vp, val);
		lock_drop(&vp->lock);
		return true;
	case MSR_PAT:
		if (!pat_valid(val))
			return false;
		vp->cpu.pat = val;
		return true;
	case MSR_EFER:
		return guestmsr_set_efer(vp, val);
	case MSR_TSC_AUX:
		if (val >> 32)
			return false;
		vp->cpu.tsc_aux = val;
		return true;
	case MSR_DEBUGCTL:
		/* Branch tracing is not virtualised. */
		vp->cpu.debugctl = 0;
		return true;
	default:
		return unknown(vp, "write", msr);
	}
}

enum guestmsr_result guestmsr_write(struct vp *vp, uint32_t msr, uint64_t val)
{
	struct partition *p = vp->partition;
	enum gpa_result r;

	switch (msr) {
	case HV_MSR_HYPERCALL:
		r = hypercall_page_write(p, val);
		break;
	case HV_MSR_REFERENCE_TSC:
		p->reference_tsc_msr = val;
		r = tsc_page_update(p);
		break;
	default:
		return write_plain(vp, msr, val) ? GUESTMSR_DONE : GUESTMSR_FAULT;
	}
	return r == GPA_NO_ACCESS ? GUESTMSR_NO_PAGE : GUESTMSR_DONE;
}
