/* SPDX-License-Identifier: MIT */
/*
 * Model-specific registers of a guest that the processor does not keep itself,
 * the synthetic ones included.
 */
#ifndef HYPERVISOR_HV_GUESTMSR_H
#define HYPERVISOR_HV_GUESTMSR_H

#include "base/base.h"

struct vp;

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
	MSR_MTRR_PHYS_BASE0	= 0x200,	/* and masks, in turns */
	MSR_MTRR_FIX64K		= 0x250,
	MSR_MTRR_FIX16K		= 0x258,
	MSR_MTRR_FIX4K		= 0x268,
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

/*
 * RDMSR and WRMSR by the guest; VP's run_lock held, no other (a write may send
 * IPIs). False: inject #GP, or leave it to the VMM if vp->unknown_msr.
 */
bool guestmsr_read(struct vp *vp, uint32_t msr, uint64_t *val);
bool guestmsr_write(struct vp *vp, uint32_t msr, uint64_t val);

/* The value of @msr, whether the guest may have it or not; false: no such MSR. */
bool guestmsr_get(struct vp *vp, uint32_t msr, uint64_t *val);

/* A synthetic register that belongs to the partition, as the VMM loads it. */
bool guestmsr_synthetic_write(struct vp *vp, uint32_t msr, uint64_t val);

#endif
