/* SPDX-License-Identifier: MIT */
/*
 * MSRs of the root. It has the machine, so nearly all pass through; what comes
 * here would break the hypervisor (SVM's own, the TSC we keep time by, the
 * LAPIC timer, INIT and SIPI) or belongs to the interface (0x400000xx, which
 * always exits because the bitmap does not cover it).
 */
#include "hypervisor/cpu.h"
#include "hypervisor/hv/rootmsr.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/hw/lapic.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/svm/root.h"
#include "hypervisor/svm/svm.h"
#include "hypervisor/vcpu.h"
#include "hypervisor/x86.h"

/* --- permission bitmap --- */

#define BITMAP_PAGES 2u
#define BITMAP_READ  1u
#define BITMAP_WRITE 2u

/* APM vol. 2, "MSR Intercepts": three ranges of 8192 MSRs, two bits each. */
static void bitmap_set(uint8_t *bitmap, uint32_t msr, unsigned int bits)
{
	uint32_t at = msr < 0x2000 ? msr : (msr & 0x1fff) + (msr >= 0xc0010000 ? 0x4000 : 0x2000);

	bitmap[at / 4] |= (uint8_t)(bits << at % 4 * 2);
}

uint64_t root_msr_bitmap(void)
{
	static uint8_t *bitmap;

	if (bitmap)
		return virt_to_phys(bitmap);
	bitmap = pages_alloc(BITMAP_PAGES);
	if (!bitmap)
		return 0;
	bitmap_set(bitmap, MSR_EFER, BITMAP_READ | BITMAP_WRITE);
	bitmap_set(bitmap, MSR_VM_CR, BITMAP_READ | BITMAP_WRITE);
	bitmap_set(bitmap, MSR_VM_HSAVE_PA, BITMAP_READ | BITMAP_WRITE);
	bitmap_set(bitmap, MSR_SVM_KEY, BITMAP_READ | BITMAP_WRITE);
	bitmap_set(bitmap, MSR_APIC_BASE, BITMAP_WRITE);
	bitmap_set(bitmap, MSR_TSC, BITMAP_WRITE);
	bitmap_set(bitmap, MSR_TSC_ADJUST, BITMAP_READ | BITMAP_WRITE);
	bitmap_set(bitmap, MSR_TSC_RATIO, BITMAP_READ | BITMAP_WRITE);
	bitmap_set(bitmap, MSR_TSC_DEADLINE, BITMAP_READ | BITMAP_WRITE);
	bitmap_set(bitmap, MSR_X2APIC + LAPIC_ICR_LOW / 16, BITMAP_WRITE);
	bitmap_set(bitmap, MSR_X2APIC + LAPIC_SVR / 16, BITMAP_WRITE);
	bitmap_set(bitmap, MSR_X2APIC + LAPIC_LVT_TIMER / 16, BITMAP_WRITE);
	bitmap_set(bitmap, MSR_X2APIC + LAPIC_TIMER_INITIAL / 16, BITMAP_WRITE);
	bitmap_set(bitmap, MSR_X2APIC + LAPIC_TIMER_DIVIDE / 16, BITMAP_WRITE);
	return virt_to_phys(bitmap);
}

/* --- EFER --- */

static bool efer_write(struct root_vp *vp, uint64_t value)
{
	struct vmcb *v = vp->vmcb;

	if (value & ~svm_efer_mask())
		return false;
	if (((value ^ v->efer) & EFER_LME) && (v->cr0 & CR0_PG))
		return false;
	/* LMA is the processor's; a changed NXE changes what entries mean. */
	if ((value ^ v->efer) & EFER_NXE)
		v->tlb_control = svm_flush_one();
	v->efer = (value & ~EFER_LMA) | (v->efer & EFER_LMA) | EFER_SVME;
	return true;
}

#define APIC_MODE	  (APIC_BASE_ENABLE | APIC_BASE_X2APIC)
#define CPUID1_ECX_X2APIC BIT32(21)

/*
 * APM vol. 2, "x2APIC Mode Transitions": what is not allowed would be a #GP of
 * ours. The page cannot move, for we watch the stores to it.
 */
static bool apic_base_write(uint64_t value)
{
	uint64_t old = rdmsr(MSR_APIC_BASE) & APIC_MODE;
	uint64_t new = value &APIC_MODE;

	if ((value & APIC_BASE_ADDRESS) != LAPIC_BASE)
		return false;
	if (new == APIC_BASE_X2APIC || (new == APIC_BASE_ENABLE &&old == APIC_MODE) ||
	    (new == APIC_MODE &&old == 0))
		return false;
	if (new == APIC_MODE && !(cpuid(1, 0).ecx & CPUID1_ECX_X2APIC))
		return false;
	if (value & ~(APIC_BASE_ADDRESS | APIC_MODE | APIC_BASE_BSP))
		return false;
	wrmsr(MSR_APIC_BASE, value);
	return true;
}

/*
 * The root moves its own view of the counter only: ours, which all timers and
 * the reference time are made of, stays. TSC_ADJUST moves with it, as the
 * Intel SDM says, on top of what firmware left there.
 */
static bool tsc_move(struct root_vp *vp, uint64_t offset)
{
	vp->vmcb->tsc_offset = offset;
	rootmsr_tsc_moved();
	return true;
}

static bool msr_read(struct root_vp *vp, uint32_t msr, uint64_t *value)
{
	switch (msr) {
	case MSR_EFER:
		*value = vp->vmcb->efer & ~EFER_SVME;
		return true;
	case MSR_VM_CR:
		*value = VM_CR_SVMDIS | VM_CR_LOCK;
		return true;
	case MSR_TSC_ADJUST:
		if (!svm_features.tsc_adjust)
			return false;
		*value = rdmsr(MSR_TSC_ADJUST) + vp->vmcb->tsc_offset;
		return true;
	case HV_MSR_EOI:
		return false;
	case HV_MSR_ICR:
		*value = (uint64_t)lapic_read(LAPIC_ICR_LOW) | (uint64_t)vp->icr_high << 32;
		return true;
	case HV_MSR_TPR:
		*value = lapic_read(LAPIC_TPR);
		return true;
	default:
		return rootmsr_read(vp->cpu, msr, value);
	}
}

static bool msr_write(struct root_vp *vp, uint32_t msr, uint64_t value)
{
	switch (msr) {
	case MSR_EFER:
		return efer_write(vp, value);
	case MSR_APIC_BASE:
		return apic_base_write(value);
	case MSR_TSC:
		return tsc_move(vp, value - rdtsc());
	case MSR_TSC_ADJUST:
		return svm_features.tsc_adjust && tsc_move(vp, value - rdmsr(MSR_TSC_ADJUST));
	case MSR_X2APIC + LAPIC_ICR_LOW / 16:
		/* Reserved bits would be a #GP of ours. */
		if (!lapic_is_x2apic() || (uint32_t)value & ~LAPIC_ICR_KNOWN)
			return false;
		root_icr_write(vp, value);
		return true;
	case MSR_X2APIC + LAPIC_SVR / 16:
		/* Again the reserved bits; those set already are allowed. */
		if (!lapic_is_x2apic() ||
		    (value & ~(LAPIC_SVR_KNOWN | (uint64_t)lapic_read(LAPIC_SVR))))
			return false;
		root_apic_write(vp, LAPIC_SVR, (uint32_t)value);
		return true;
	case MSR_X2APIC + LAPIC_LVT_TIMER / 16:
	case MSR_X2APIC + LAPIC_TIMER_INITIAL / 16:
	case MSR_X2APIC + LAPIC_TIMER_DIVIDE / 16:
		return lapic_is_x2apic(); /* ours */
	case HV_MSR_EOI:
		lapic_eoi();
		return true;
	case HV_MSR_ICR:
		/* xAPIC layout: destination in 63:56. */
		vp->icr_high = (uint32_t)(value >> 32);
		root_icr_write(vp, value >> 56 << 32 | ((uint32_t)value & LAPIC_ICR_KNOWN));
		return true;
	case HV_MSR_TPR:
		lapic_write(LAPIC_TPR, (uint32_t)value & 0xff);
		return true;
	case HV_MSR_VP_ASSIST_PAGE:
		/*
		 * The last thing Linux shuts down of us before it stops a
		 * processor for good (hv_cpu_die).
		 */
		vp->going_offline = !(value & HV_MSR_PAGE_ENABLE);
		return rootmsr_write(vp->cpu, msr, value);
	default:
		return rootmsr_write(vp->cpu, msr, value);
	}
}

void root_exit_msr(struct root_vp *vp)
{
	struct vmcb *v = vp->vmcb;
	uint32_t msr = (uint32_t)vp->gprs.r[VCPU_RCX];
	uint64_t value = 0;
	bool ok;

	if (v->exit_info_1) {
		value = vp->gprs.r[VCPU_RDX] << 32 | (uint32_t)v->rax;
		ok = msr_write(vp, msr, value);
	} else {
		ok = msr_read(vp, msr, &value);
		if (ok) {
			v->rax = (uint32_t)value;
			vp->gprs.r[VCPU_RDX] = value >> 32;
		}
	}
	if (ok)
		root_skip_opcode(vp, 2);
	else
		root_inject_gp(vp);
}
