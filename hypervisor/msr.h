/* SPDX-License-Identifier: MIT */
/* Model-specific registers, ours and guests'. AMD64 APM vol. 2 "MSR Cross-Reference". */
#ifndef HYPERVISOR_MSR_H
#define HYPERVISOR_MSR_H

#include "base/base.h"

#define MSR_TSC			0x00000010u
#define MSR_APIC_BASE		0x0000001bu
#define APIC_BASE_BSP		BIT64(8)
#define APIC_BASE_X2APIC	BIT64(10)
#define APIC_BASE_ENABLE	BIT64(11)
#define APIC_BASE_ADDRESS	0x000ffffffffff000ull
#define MSR_TSC_ADJUST		0x0000003bu
#define MSR_PRED_CMD		0x00000049u
#define PRED_CMD_IBPB		BIT64(0)
#define MSR_PATCH_LEVEL		0x0000008bu
#define MSR_MTRR_CAP		0x000000feu
#define MSR_SYSENTER_CS		0x00000174u
#define MSR_SYSENTER_ESP	0x00000175u
#define MSR_SYSENTER_EIP	0x00000176u
#define MSR_MCG_CAP		0x00000179u
#define MSR_MCG_STATUS		0x0000017au
#define MCG_STATUS_RIPV		BIT64(0)
#define MSR_MISC_ENABLE		0x000001a0u
#define MSR_DEBUGCTL		0x000001d9u
#define MSR_MTRR_PHYS_BASE0	0x00000200u	/* and masks, in turns */
#define MSR_MTRR_FIX64K		0x00000250u
#define MSR_MTRR_FIX16K		0x00000258u
#define MSR_MTRR_FIX4K		0x00000268u
#define MSR_PAT			0x00000277u
#define MSR_MTRR_DEF_TYPE	0x000002ffu
#define MSR_TSC_DEADLINE	0x000006e0u
#define MSR_X2APIC		0x00000800u	/* + MMIO offset / 16 */
#define MSR_X2APIC_LAST		0x000008ffu
#define MSR_EFER		0xc0000080u
#define MSR_STAR		0xc0000081u
#define MSR_LSTAR		0xc0000082u
#define MSR_CSTAR		0xc0000083u
#define MSR_SFMASK		0xc0000084u
#define MSR_FS_BASE		0xc0000100u
#define MSR_GS_BASE		0xc0000101u
#define MSR_KERNEL_GS_BASE	0xc0000102u
#define MSR_TSC_AUX		0xc0000103u
#define MSR_TSC_RATIO		0xc0000104u
#define MSR_AMD_FIRST		0xc0010000u	/* SYSCFG, HWCR, NB_CFG, … */
#define MSR_VM_CR		0xc0010114u
#define VM_CR_LOCK		BIT64(3)
#define VM_CR_SVMDIS		BIT64(4)
#define MSR_VM_HSAVE_PA		0xc0010117u
#define MSR_SVM_KEY		0xc0010118u
#define MSR_AMD_LAST		0xc001ffffu

#endif
