/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/vpregs.h"

#include "abi/hv/msr.h"
#include "hypervisor/hv/vp.h"
#include "hypervisor/msr.h"

#define NONE VPREGS_NONE
#define VMM  VPREGS_VMM
#define BOTH (VPREGS_VMM | VPREGS_GUEST)
#define GVA  VPREGS_ADDRESS

#define IN(struct_, name_, msr_, n_, field_, rules_)                             \
	{                                                                        \
		.name = (name_), .msr = (msr_), .offset = offsetof(struct_, field_), \
		.count = (n_), .size = sizeof(((struct_ *)0)->field_), .rules = (rules_) \
	}
/* @n_ registers, the first in @field_ of the VP, or of the partition. */
#define VP(name_, msr_, n_, field_, rules_) IN(struct vp, name_, msr_, n_, field_, rules_)
#define PARTITION(name_, msr_, field_) \
	IN(struct partition, name_, msr_, 1, field_, VPREGS_PARTITION)
#define COMPUTED(name_, msr_, n_) { .name = (name_), .msr = (msr_), .count = (n_) }
#define PAGE(name_, msr_, field_, todo_)                                              \
	{                                                                             \
		.name = (name_), .msr = (msr_), .offset = offsetof(struct vp, field_), \
		.count = 1, .size = 8, .rules = VMM, .todo = (todo_)                   \
	}
/* Of features that guests do not have: 0, and stays 0. */
#define ZERO(name_, n_) COMPUTED(name_, NONE, n_)

/* clang-format off: a table */
static const struct vp_register table[] = {
	VP(HV_X64_REGISTER_RAX, NONE, 16, cpu.gpr[0], VMM),
	VP(HV_X64_REGISTER_RIP, NONE, 1, cpu.rip, 0),
	VP(HV_X64_REGISTER_RFLAGS, NONE, 1, cpu.rflags, 0),
	VP(HV_X64_REGISTER_CR0, NONE, 1, cpu.cr0, 0),
	VP(HV_X64_REGISTER_CR2, NONE, 1, cpu.cr2, VMM),
	VP(HV_X64_REGISTER_CR3, NONE, 1, cpu.cr3, 0),
	VP(HV_X64_REGISTER_CR4, NONE, 1, cpu.cr4, 0),
	VP(HV_X64_REGISTER_XFEM, NONE, 1, cpu.xcr0, 0),
	VP(HV_X64_REGISTER_INTERMEDIATE_CR0, NONE, 1, cpu.cr0, 0),
	VP(HV_X64_REGISTER_INTERMEDIATE_CR3, NONE, 1, cpu.cr3, 0),
	VP(HV_X64_REGISTER_INTERMEDIATE_CR4, NONE, 1, cpu.cr4, 0),
	VP(HV_X64_REGISTER_DR0, NONE, 4, cpu.dr[0], VMM),
	VP(HV_X64_REGISTER_DR6, NONE, 1, cpu.dr6, 0),
	VP(HV_X64_REGISTER_DR7, NONE, 1, cpu.dr7, 0),
	VP(HV_X64_REGISTER_ES, NONE, VCPU_SEGS, cpu.seg[0], VMM),
	VP(HV_X64_REGISTER_IDTR, NONE, 1, cpu.idtr, VMM),
	VP(HV_X64_REGISTER_GDTR, NONE, 1, cpu.gdtr, VMM),
	VP(HV_X64_REGISTER_EFER, MSR_EFER, 1, cpu.efer, 0),
	VP(HV_X64_REGISTER_STAR, MSR_STAR, 1, cpu.star, BOTH),
	VP(HV_X64_REGISTER_LSTAR, MSR_LSTAR, 1, cpu.lstar, BOTH | GVA),
	VP(HV_X64_REGISTER_CSTAR, MSR_CSTAR, 1, cpu.cstar, BOTH | GVA),
	VP(HV_X64_REGISTER_SFMASK, MSR_SFMASK, 1, cpu.sfmask, BOTH),
	VP(NONE, MSR_FS_BASE, 1, cpu.seg[VCPU_FS].base, BOTH | GVA),
	VP(NONE, MSR_GS_BASE, 1, cpu.seg[VCPU_GS].base, BOTH | GVA),
	VP(HV_X64_REGISTER_KERNEL_GS_BASE, MSR_KERNEL_GS_BASE, 1, cpu.kernel_gs_base, BOTH | GVA),
	VP(HV_X64_REGISTER_TSC_AUX, MSR_TSC_AUX, 1, cpu.tsc_aux, VMM),
	VP(HV_X64_REGISTER_SYSENTER_CS, MSR_SYSENTER_CS, 1, cpu.sysenter_cs, BOTH),
	VP(HV_X64_REGISTER_SYSENTER_ESP, MSR_SYSENTER_ESP, 1, cpu.sysenter_esp, BOTH | GVA),
	VP(HV_X64_REGISTER_SYSENTER_EIP, MSR_SYSENTER_EIP, 1, cpu.sysenter_eip, BOTH | GVA),
	VP(HV_X64_REGISTER_PAT, MSR_PAT, 1, cpu.pat, VMM),
	COMPUTED(HV_X64_REGISTER_TSC, MSR_TSC, 1),
	VP(HV_X64_REGISTER_TSC_ADJUST, MSR_TSC_ADJUST, 1, tsc_adjust, VMM),
	VP(HV_X64_REGISTER_MISC_ENABLE, MSR_MISC_ENABLE, 1, misc_enable, BOTH),
	VP(HV_X64_REGISTER_APIC_BASE, MSR_APIC_BASE, 1, apic.base_msr, 0),
	VP(HV_X64_REGISTER_INITIAL_APIC_ID, NONE, 1, apic_id, 0),
	VP(HV_X64_REGISTER_APIC_ID, NONE, 1, apic.id, 0),

	/* MTRRs: kept for the guest, without effect (nested paging decides). */
	COMPUTED(HV_X64_REGISTER_MTRR_CAP, MSR_MTRR_CAP, 1),
	VP(HV_X64_REGISTER_MTRR_DEF_TYPE, MSR_MTRR_DEF_TYPE, 1, mtrr_def_type, BOTH),
	VP(HV_X64_REGISTER_MTRR_PHYS_BASE0, MSR_MTRR_PHYS_BASE0, MTRR_VARIABLE, mtrr_base[0],
	   BOTH | VPREGS_EVERY_2ND),
	VP(HV_X64_REGISTER_MTRR_PHYS_MASK0, MSR_MTRR_PHYS_BASE0 + 1, MTRR_VARIABLE, mtrr_mask[0],
	   BOTH | VPREGS_EVERY_2ND),
	VP(HV_X64_REGISTER_MTRR_FIX64K_00000, MSR_MTRR_FIX64K, 1, mtrr_fixed[0], BOTH),
	VP(HV_X64_REGISTER_MTRR_FIX64K_00000 + 1, MSR_MTRR_FIX16K, 2, mtrr_fixed[1], BOTH),
	VP(HV_X64_REGISTER_MTRR_FIX64K_00000 + 3, MSR_MTRR_FIX4K, 8, mtrr_fixed[3], BOTH),

	/* Synthetic. */
	VP(HV_REGISTER_EXPLICIT_SUSPEND, NONE, 1, explicit_suspend, 0),
	VP(HV_REGISTER_INTERCEPT_SUSPEND, NONE, 1, intercept_suspend, 0),
	VP(HV_REGISTER_DISPATCH_SUSPEND, NONE, 1, dispatch_suspend, 0),
	VP(HV_REGISTER_VP_ROOT_SIGNAL_COUNT, NONE, 1, signal_count, 0),
	PARTITION(HV_REGISTER_GUEST_OS_ID, HV_MSR_GUEST_OS_ID, guest_os_id),
	PARTITION(HV_X64_REGISTER_HYPERCALL, HV_MSR_HYPERCALL, hypercall_msr),
	VP(HV_REGISTER_VP_INDEX, HV_MSR_VP_INDEX, 1, index, 0),
	COMPUTED(HV_REGISTER_TIME_REF_COUNT, HV_MSR_TIME_REF_COUNT, 1),
	PARTITION(HV_REGISTER_REFERENCE_TSC, HV_MSR_REFERENCE_TSC, reference_tsc_msr),
	PARTITION(NONE, HV_MSR_TSC_INVARIANT_CONTROL, tsc_invariant_control),
	COMPUTED(HV_REGISTER_PROCESSOR_CLOCK, HV_MSR_TSC_FREQUENCY, 2),
	VP(NONE, HV_MSR_ICR, 1, apic.icr, 0),
	VP(NONE, HV_MSR_TPR, 1, apic.tpr, 0),
	PAGE(HV_REGISTER_VP_ASSIST_PAGE, HV_MSR_VP_ASSIST_PAGE, vp_assist, VP_TODO_ASSIST),
	VP(HV_REGISTER_SCONTROL, HV_MSR_SCONTROL, 1, scontrol, VMM),
	COMPUTED(HV_REGISTER_SVERSION, HV_MSR_SVERSION, 1),
	PAGE(HV_REGISTER_SIEFP, HV_MSR_SIEFP, siefp, VP_TODO_SIEFP),
	PAGE(HV_REGISTER_SIMP, HV_MSR_SIMP, simp, VP_TODO_SIMP),
	VP(HV_REGISTER_SINT0, HV_MSR_SINT0, HV_SINT_COUNT, sint[0], VMM),
	COMPUTED(HV_REGISTER_STIMER0_CONFIG, HV_MSR_STIMER0_CONFIG, 2 * HV_STIMER_COUNT),

	ZERO(HV_REGISTER_INSTRUCTION_EMULATION_HINTS, 1),
	ZERO(HV_REGISTER_PENDING_EVENT1, 3), /* and DELIVERABILITY_…, PENDING_DEBUG_… */
	ZERO(HV_REGISTER_GUEST_CRASH_P0,
	     HV_REGISTER_GUEST_CRASH_CTL - HV_REGISTER_GUEST_CRASH_P0 + 1),
	ZERO(HV_X64_REGISTER_BNDCFGS, 2), /* and DEBUG_CTL */
	ZERO(HV_X64_REGISTER_SPEC_CTRL, 3), /* and PRED_CMD, VIRT_SPEC_CTRL */
	ZERO(0x0008008b, 9), /* U_XSS, CET */
	ZERO(HV_X64_REGISTER_MTRR_PHYS_BASE0 + MTRR_VARIABLE, 16 - MTRR_VARIABLE),
	ZERO(HV_X64_REGISTER_MTRR_PHYS_MASK0 + MTRR_VARIABLE, 16 - MTRR_VARIABLE),
};
/* clang-format on */

const struct vp_register *vpregs_by_name(uint32_t name, uint32_t *n)
{
	for (const struct vp_register *r = table; r < table + ARRAY_SIZE(table); r++) {
		*n = name - r->name;
		if (*n < r->count && r->name != NONE)
			return r;
	}
	return NULL;
}

const struct vp_register *vpregs_by_msr(uint32_t msr, uint32_t *n)
{
	for (const struct vp_register *r = table; r < table + ARRAY_SIZE(table); r++) {
		uint32_t shift = r->rules & VPREGS_EVERY_2ND ? 1 : 0;

		*n = (msr - r->msr) >> shift;
		if (*n < r->count && !((msr - r->msr) & shift) && r->msr != NONE)
			return r;
	}
	return NULL;
}

void *vpregs_at(struct vp *vp, const struct vp_register *r, uint32_t n)
{
	uint8_t *object = r->rules & VPREGS_PARTITION ? (void *)vp->partition : (void *)vp;

	return object + r->offset + n * r->size;
}
