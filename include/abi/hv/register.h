/* SPDX-License-Identifier: MIT */
/*
 * Virtual processor registers: names, value formats, the register page.
 * TLFS "Virtual Processor Register Formats"; register page as Linux 7.3 and
 * the VMMs use it (struct of 696 bytes, mapped by MAP_VP_STATE_PAGE type 0).
 */
#ifndef ABI_HV_REGISTER_H
#define ABI_HV_REGISTER_H

#include <stddef.h>
#include <stdint.h>

enum hv_register_name {
	HV_REGISTER_EXPLICIT_SUSPEND		= 0x00000000,
	HV_REGISTER_INTERCEPT_SUSPEND		= 0x00000001,
	HV_REGISTER_INSTRUCTION_EMULATION_HINTS	= 0x00000002,
	HV_REGISTER_DISPATCH_SUSPEND		= 0x00000003,
	HV_REGISTER_INTERNAL_ACTIVITY_STATE	= 0x00000004,
	HV_REGISTER_HYPERVISOR_VERSION		= 0x00000100,
	HV_REGISTER_PRIVILEGES_AND_FEATURES	= 0x00000200,	/* CPUID 0x40000003 … */
	HV_REGISTER_HARDWARE_FEATURES		= 0x00000203,
	HV_REGISTER_GUEST_CRASH_P0		= 0x00000210,
	HV_REGISTER_GUEST_CRASH_CTL		= 0x00000215,
	HV_REGISTER_PROCESSOR_CLOCK		= 0x00000240,	/* Hz */
	HV_REGISTER_INTERRUPT_CLOCK		= 0x00000241,
	HV_REGISTER_PENDING_INTERRUPTION	= 0x00010002,
	HV_REGISTER_INTERRUPT_STATE		= 0x00010003,
	HV_REGISTER_PENDING_EVENT0		= 0x00010004,
	HV_REGISTER_PENDING_EVENT1		= 0x00010005,
	HV_REGISTER_DELIVERABILITY_NOTIFICATIONS = 0x00010006,
	HV_REGISTER_PENDING_DEBUG_EXCEPTION	= 0x00010007,

	HV_X64_REGISTER_RAX			= 0x00020000,
	HV_X64_REGISTER_RCX,
	HV_X64_REGISTER_RDX,
	HV_X64_REGISTER_RBX,
	HV_X64_REGISTER_RSP,
	HV_X64_REGISTER_RBP,
	HV_X64_REGISTER_RSI,
	HV_X64_REGISTER_RDI,
	HV_X64_REGISTER_R8,
	HV_X64_REGISTER_R15			= 0x0002000f,
	HV_X64_REGISTER_RIP			= 0x00020010,
	HV_X64_REGISTER_RFLAGS			= 0x00020011,

	HV_X64_REGISTER_XMM0			= 0x00030000,
	HV_X64_REGISTER_XMM15			= 0x0003000f,
	HV_X64_REGISTER_FP_MMX0			= 0x00030010,
	HV_X64_REGISTER_FP_MMX7			= 0x00030017,
	HV_X64_REGISTER_FP_CONTROL_STATUS	= 0x00030018,
	HV_X64_REGISTER_XMM_CONTROL_STATUS	= 0x00030019,

	HV_X64_REGISTER_CR0			= 0x00040000,
	HV_X64_REGISTER_CR2			= 0x00040001,
	HV_X64_REGISTER_CR3			= 0x00040002,
	HV_X64_REGISTER_CR4			= 0x00040003,
	HV_X64_REGISTER_CR8			= 0x00040004,
	HV_X64_REGISTER_XFEM			= 0x00040005,
	HV_X64_REGISTER_INTERMEDIATE_CR0	= 0x00041000,
	HV_X64_REGISTER_INTERMEDIATE_CR3	= 0x00041002,
	HV_X64_REGISTER_INTERMEDIATE_CR4	= 0x00041003,
	HV_X64_REGISTER_INTERMEDIATE_CR8	= 0x00041004,

	HV_X64_REGISTER_DR0			= 0x00050000,
	HV_X64_REGISTER_DR3			= 0x00050003,
	HV_X64_REGISTER_DR6			= 0x00050004,
	HV_X64_REGISTER_DR7			= 0x00050005,

	HV_X64_REGISTER_ES			= 0x00060000,
	HV_X64_REGISTER_CS,
	HV_X64_REGISTER_SS,
	HV_X64_REGISTER_DS,
	HV_X64_REGISTER_FS,
	HV_X64_REGISTER_GS,
	HV_X64_REGISTER_LDTR,
	HV_X64_REGISTER_TR,
	HV_X64_REGISTER_IDTR			= 0x00070000,
	HV_X64_REGISTER_GDTR			= 0x00070001,

	HV_X64_REGISTER_TSC			= 0x00080000,
	HV_X64_REGISTER_EFER			= 0x00080001,
	HV_X64_REGISTER_KERNEL_GS_BASE		= 0x00080002,
	HV_X64_REGISTER_APIC_BASE		= 0x00080003,
	HV_X64_REGISTER_PAT			= 0x00080004,
	HV_X64_REGISTER_SYSENTER_CS		= 0x00080005,
	HV_X64_REGISTER_SYSENTER_EIP		= 0x00080006,
	HV_X64_REGISTER_SYSENTER_ESP		= 0x00080007,
	HV_X64_REGISTER_STAR			= 0x00080008,
	HV_X64_REGISTER_LSTAR			= 0x00080009,
	HV_X64_REGISTER_CSTAR			= 0x0008000a,
	HV_X64_REGISTER_SFMASK			= 0x0008000b,
	HV_X64_REGISTER_INITIAL_APIC_ID		= 0x0008000c,
	HV_X64_REGISTER_MTRR_CAP		= 0x0008000d,
	HV_X64_REGISTER_MTRR_DEF_TYPE		= 0x0008000e,
	HV_X64_REGISTER_MTRR_PHYS_BASE0		= 0x00080010,
	HV_X64_REGISTER_MTRR_PHYS_MASK0		= 0x00080040,
	HV_X64_REGISTER_MTRR_FIX64K_00000	= 0x00080070,
	HV_X64_REGISTER_MTRR_FIX4K_F8000	= 0x0008007a,
	HV_X64_REGISTER_TSC_AUX			= 0x0008007b,
	HV_X64_REGISTER_BNDCFGS			= 0x0008007c,
	HV_X64_REGISTER_DEBUG_CTL		= 0x0008007d,
	HV_X64_REGISTER_SPEC_CTRL		= 0x00080084,
	HV_X64_REGISTER_PRED_CMD		= 0x00080085,
	HV_X64_REGISTER_VIRT_SPEC_CTRL		= 0x00080086,
	HV_X64_REGISTER_TSC_ADJUST		= 0x00080096,
	HV_X64_REGISTER_MISC_ENABLE		= 0x000800a0,
	HV_X64_REGISTER_APIC_ID			= 0x00084802,
	HV_X64_REGISTER_APIC_VERSION		= 0x00084803,

	HV_REGISTER_VP_RUNTIME			= 0x00090000,
	HV_X64_REGISTER_HYPERCALL		= 0x00090001,
	HV_REGISTER_GUEST_OS_ID			= 0x00090002,
	HV_REGISTER_VP_INDEX			= 0x00090003,
	HV_REGISTER_TIME_REF_COUNT		= 0x00090004,
	HV_REGISTER_VP_ASSIST_PAGE		= 0x00090013,
	HV_REGISTER_VP_ROOT_SIGNAL_COUNT	= 0x00090014,
	HV_REGISTER_REFERENCE_TSC		= 0x00090017,
	HV_REGISTER_SINT0			= 0x000a0000,
	HV_REGISTER_SINT15			= 0x000a000f,
	HV_REGISTER_SCONTROL			= 0x000a0010,
	HV_REGISTER_SVERSION			= 0x000a0011,
	HV_REGISTER_SIEFP			= 0x000a0012,
	HV_REGISTER_SIMP			= 0x000a0013,
	HV_REGISTER_EOM				= 0x000a0014,
	HV_REGISTER_STIMER0_CONFIG		= 0x000b0000,
	HV_REGISTER_STIMER3_COUNT		= 0x000b0007,
};

/* INTERNAL_ACTIVITY_STATE */
#define HV_ACTIVITY_STARTUP_SUSPEND	(1ULL << 0)
#define HV_ACTIVITY_HALT		(1ULL << 1)
#define HV_ACTIVITY_IDLE		(1ULL << 2)	/* GUEST_IDLE was read */

/* Segment attributes: type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15. */
struct hv_segment_register {
	uint64_t base;
	uint32_t limit;
	uint16_t selector;
	uint16_t attributes;
};

struct hv_table_register {
	uint16_t pad[3];
	uint16_t limit;
	uint64_t base;
};

struct hv_fp_control_status {
	uint16_t fp_control;
	uint16_t fp_status;
	uint8_t fp_tag;
	uint8_t reserved;
	uint16_t last_fp_op;
	uint64_t last_fp_rip;
};

struct hv_xmm_control_status {
	uint64_t last_fp_rdp;
	uint32_t xmm_status_control;
	uint32_t xmm_status_control_mask;
};

/* PENDING_INTERRUPTION bits */
#define HV_PENDING_INTERRUPTION		(1ULL << 0)
#define HV_PENDING_TYPE_SHIFT		1	/* 3 bits */
#define HV_PENDING_DELIVER_ERROR	(1ULL << 4)
#define HV_PENDING_INSN_LEN_SHIFT	5	/* 4 bits */
#define HV_PENDING_VECTOR_SHIFT		16
#define HV_PENDING_ERROR_SHIFT		32

/* INTERRUPT_STATE bits */
#define HV_INTERRUPT_SHADOW		(1ULL << 0)
#define HV_NMI_MASKED			(1ULL << 1)

union hv_register_value {
	uint64_t reg64;
	uint64_t reg128[2];
	struct hv_segment_register segment;
	struct hv_table_register table;
	struct hv_fp_control_status fp_control;
	struct hv_xmm_control_status xmm_control;
};

struct hv_register_assoc {		/* element of SET_VP_REGISTERS */
	uint32_t name;
	uint32_t reserved[3];
	union hv_register_value value;
};

/* hv_register_page.dirty */
#define HV_REGISTER_PAGE_GENERAL	(1U << 0)
#define HV_REGISTER_PAGE_RIP		(1U << 1)
#define HV_REGISTER_PAGE_XMM		(1U << 2)
#define HV_REGISTER_PAGE_SEGMENT	(1U << 3)
#define HV_REGISTER_PAGE_RFLAGS		(1U << 4)

#define HV_REGISTER_PAGE_VERSION	1

/*
 * Written by the hypervisor at every intercept (is_valid 1, dirty 0); the VMM
 * changes fields and sets dirty bits; the next dispatch loads exactly those.
 */
struct hv_register_page {
	uint16_t version;
	uint8_t is_valid;
	uint8_t reserved1;
	uint32_t dirty;
	uint64_t gpr[16];		/* hardware order: rax rcx rdx rbx rsp … r15 */
	uint64_t rip;
	uint64_t rflags;
	uint64_t reserved2;
	uint64_t xmm[6][2];
	struct hv_segment_register segment[6];	/* es cs ss ds fs gs */
	uint64_t cr0;
	uint64_t cr3;
	uint64_t cr4;
	uint64_t cr8;
	uint64_t efer;
	uint64_t dr7;
	uint64_t pending_interruption;
	uint64_t interrupt_state;
	uint64_t instruction_emulation_hints;
	uint64_t xfem;
	uint8_t reserved3[0x100];
	uint8_t vector_count;
	uint8_t vector[7];
};

_Static_assert(sizeof(union hv_register_value) == 16, "TLFS register value");
_Static_assert(sizeof(struct hv_register_assoc) == 32, "TLFS register assoc");
_Static_assert(offsetof(struct hv_register_page, rip) == 136, "register page");
_Static_assert(offsetof(struct hv_register_page, xmm) == 160, "register page");
_Static_assert(offsetof(struct hv_register_page, cr0) == 352, "register page");
_Static_assert(offsetof(struct hv_register_page, xfem) == 424, "register page");
_Static_assert(offsetof(struct hv_register_page, vector_count) == 688, "register page");
_Static_assert(sizeof(struct hv_register_page) == 696, "register page");

/* GET/SET_VP_STATE, type LAPIC: packed 32-bit registers, 176 bytes. */
struct hv_local_apic_state {
	uint32_t id, version, ldr, dfr, spurious;
	uint32_t isr[8], tmr[8], irr[8];
	uint32_t esr, icr_high, icr_low;
	uint32_t lvt[7];	/* timer, thermal, performance, LINT0, LINT1, error, CMCI */
	uint32_t error_status;
	uint32_t initial_count, counter, divide;
	uint32_t remote_read;
};

_Static_assert(sizeof(struct hv_local_apic_state) == 176, "LAPIC state");

#endif
