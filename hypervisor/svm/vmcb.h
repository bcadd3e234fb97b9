/* SPDX-License-Identifier: MIT */
/*
 * Virtual machine control block. AMD64 APM vol. 2, appendix B "VMCB Layout"
 * and appendix C "SVM Intercept Exit Codes". Only svm/ includes this.
 *
 * Clean bits (VMCB_CLEAN_*) tell the processor what it may take from its
 * cache; we keep the field 0, which is always right, and pay a few loads.
 */
#ifndef HYPERVISOR_SVM_VMCB_H
#define HYPERVISOR_SVM_VMCB_H

#include "base/base.h"

/* clang-format off: bits stand under their field, in columns */
struct vmcb_segment {
	uint16_t selector;
	uint16_t attributes; /* descriptor bits 55:52 in 11:8, 47:40 in 7:0 */
#define VMCB_SEG_TYPE	   0x00fu
#define VMCB_SEG_S	   BIT32(4)
#define VMCB_SEG_DPL_SHIFT 5
#define VMCB_SEG_P	   BIT32(7)
#define VMCB_SEG_AVL	   BIT32(8)
#define VMCB_SEG_L	   BIT32(9)
#define VMCB_SEG_DB	   BIT32(10)
#define VMCB_SEG_G	   BIT32(11)
	uint32_t limit; /* bytes - 1, granularity applied */
	uint64_t base;
};

struct vmcb {
	/* --- control area --- */
	uint16_t intercept_cr_read; /* 000h: one bit per register */
	uint16_t intercept_cr_write;
	uint16_t intercept_dr_read; /* 004h */
	uint16_t intercept_dr_write;
	uint32_t intercept_exceptions; /* 008h: one bit per vector */
	uint32_t intercept1;	       /* 00Ch */
#define SVM_INTERCEPT_INTR	  BIT32(0)
#define SVM_INTERCEPT_NMI	  BIT32(1)
#define SVM_INTERCEPT_SMI	  BIT32(2)
#define SVM_INTERCEPT_INIT	  BIT32(3)
#define SVM_INTERCEPT_VINTR	  BIT32(4)
#define SVM_INTERCEPT_CR0_SEL	  BIT32(5)
#define SVM_INTERCEPT_RDPMC	  BIT32(15)
#define SVM_INTERCEPT_CPUID	  BIT32(18)
#define SVM_INTERCEPT_IRET	  BIT32(20)
#define SVM_INTERCEPT_INTN	  BIT32(21)
#define SVM_INTERCEPT_INVD	  BIT32(22)
#define SVM_INTERCEPT_PAUSE	  BIT32(23)
#define SVM_INTERCEPT_HLT	  BIT32(24)
#define SVM_INTERCEPT_INVLPG	  BIT32(25)
#define SVM_INTERCEPT_INVLPGA	  BIT32(26)
#define SVM_INTERCEPT_IOIO	  BIT32(27)
#define SVM_INTERCEPT_MSR	  BIT32(28)
#define SVM_INTERCEPT_TASK_SWITCH BIT32(29)
#define SVM_INTERCEPT_FERR_FREEZE BIT32(30)
#define SVM_INTERCEPT_SHUTDOWN	  BIT32(31)
	uint32_t intercept2; /* 010h */
#define SVM_INTERCEPT_VMRUN	  BIT32(0)
#define SVM_INTERCEPT_VMMCALL	  BIT32(1)
#define SVM_INTERCEPT_VMLOAD	  BIT32(2)
#define SVM_INTERCEPT_VMSAVE	  BIT32(3)
#define SVM_INTERCEPT_STGI	  BIT32(4)
#define SVM_INTERCEPT_CLGI	  BIT32(5)
#define SVM_INTERCEPT_SKINIT	  BIT32(6)
#define SVM_INTERCEPT_RDTSCP	  BIT32(7)
#define SVM_INTERCEPT_ICEBP	  BIT32(8)
#define SVM_INTERCEPT_WBINVD	  BIT32(9)
#define SVM_INTERCEPT_MONITOR	  BIT32(10)
#define SVM_INTERCEPT_MWAIT	  BIT32(11)
#define SVM_INTERCEPT_MWAIT_ARMED BIT32(12)
#define SVM_INTERCEPT_XSETBV	  BIT32(13)
#define SVM_INTERCEPT_RDPRU	  BIT32(14)
	uint32_t intercept3; /* 014h */
	uint8_t reserved_018[0x3c - 0x18];
	uint16_t pause_threshold; /* 03Ch */
	uint16_t pause_count;	  /* 03Eh */
	uint64_t iopm_base;	  /* 040h: 12 KiB, physical */
	uint64_t msrpm_base;	  /* 048h: 8 KiB, physical */
	uint64_t tsc_offset;	  /* 050h */
	uint32_t asid;		  /* 058h: not 0 */
	uint8_t tlb_control;	  /* 05Ch */
#define SVM_TLB_KEEP	   0u
#define SVM_TLB_FLUSH_ALL  1u /* every ASID */
#define SVM_TLB_FLUSH_ASID 3u /* if CPUID says FlushByAsid */
	uint8_t reserved_05d[3];
	uint64_t int_ctl; /* 060h */
#define SVM_V_TPR_MASK		0xffull
#define SVM_V_IRQ		BIT64(8)
#define SVM_V_GIF		BIT64(9)
#define SVM_V_INTR_PRIO_SHIFT	16
#define SVM_V_IGN_TPR		BIT64(20)
#define SVM_V_INTR_MASKING	BIT64(24)
#define SVM_V_GIF_ENABLE	BIT64(25)
#define SVM_V_INTR_VECTOR_SHIFT 32
	uint64_t int_state; /* 068h */
#define SVM_INTERRUPT_SHADOW BIT64(0)
	uint64_t exit_code;   /* 070h: enum svm_exit */
	uint64_t exit_info_1; /* 078h */
	uint64_t exit_info_2; /* 080h */
	/* 088h: as event_inj; an event whose delivery was cut off */
	uint64_t exit_int_info;
	uint64_t nested_ctl; /* 090h */
#define SVM_NESTED_PAGING BIT64(0)
	uint8_t reserved_098[0xa8 - 0x98];
	uint64_t event_inj; /* 0A8h */
#define SVM_EVENT_VECTOR      0xffull
#define SVM_EVENT_TYPE_SHIFT  8
#define SVM_EVENT_TYPE_MASK   (7ull << 8)
#define SVM_EVENT_INTR	      (0ull << 8)
#define SVM_EVENT_NMI	      (2ull << 8)
#define SVM_EVENT_EXCEPTION   (3ull << 8)
#define SVM_EVENT_SOFT	      (4ull << 8)
#define SVM_EVENT_ERROR	      BIT64(11)
#define SVM_EVENT_VALID	      BIT64(31)
#define SVM_EVENT_ERROR_SHIFT 32
	uint64_t nested_cr3; /* 0B0h */
	uint64_t virt_ext;   /* 0B8h */
#define SVM_LBR_VIRTUALIZATION	  BIT64(0)
#define SVM_VMLOAD_VIRTUALIZATION BIT64(1)
	uint32_t clean; /* 0C0h: 0, see above */
	uint32_t reserved_0c4;
	uint64_t next_rip;   /* 0C8h: if CPUID says NRIPS */
	uint8_t insn_count;  /* 0D0h: if CPUID says DecodeAssists */
	uint8_t insn_bytes[15];
	uint8_t reserved_0e0[0x400 - 0xe0];

	/* --- state save area --- */
	struct vmcb_segment es; /* 400h */
	struct vmcb_segment cs;
	struct vmcb_segment ss;
	struct vmcb_segment ds;
	struct vmcb_segment fs; /* VMLOAD/VMSAVE */
	struct vmcb_segment gs; /* VMLOAD/VMSAVE */
	struct vmcb_segment gdtr;
	struct vmcb_segment ldtr; /* VMLOAD/VMSAVE */
	struct vmcb_segment idtr;
	struct vmcb_segment tr; /* VMLOAD/VMSAVE */
	uint8_t reserved_4a0[0x4cb - 0x4a0];
	uint8_t cpl; /* 4CBh */
	uint32_t reserved_4cc;
	uint64_t efer; /* 4D0h */
	uint8_t reserved_4d8[0x548 - 0x4d8];
	uint64_t cr4; /* 548h */
	uint64_t cr3;
	uint64_t cr0;
	uint64_t dr7; /* 560h */
	uint64_t dr6;
	uint64_t rflags;
	uint64_t rip; /* 578h */
	uint8_t reserved_580[0x5d8 - 0x580];
	uint64_t rsp; /* 5D8h */
	uint64_t s_cet;
	uint64_t ssp;
	uint64_t isst;
	uint64_t rax;  /* 5F8h */
	uint64_t star; /* 600h: from here to sysenter_eip VMLOAD/VMSAVE */
	uint64_t lstar;
	uint64_t cstar;
	uint64_t sfmask;
	uint64_t kernel_gs_base;
	uint64_t sysenter_cs;
	uint64_t sysenter_esp;
	uint64_t sysenter_eip;
	uint64_t cr2; /* 640h */
	uint8_t reserved_648[0x668 - 0x648];
	uint64_t g_pat; /* 668h */
	uint64_t debugctl;
	uint64_t br_from;
	uint64_t br_to;
	uint64_t last_excp_from;
	uint64_t last_excp_to;
	uint8_t reserved_698[0x1000 - 0x698];
};

enum svm_exit {
	SVM_EXIT_CR0_READ = 0x000, /* + register */
	SVM_EXIT_CR0_WRITE = 0x010,
	SVM_EXIT_DR0_READ = 0x020,
	SVM_EXIT_DR0_WRITE = 0x030,
	SVM_EXIT_EXCEPTION = 0x040, /* + vector */
	SVM_EXIT_INTR = 0x060,
	SVM_EXIT_NMI = 0x061,
	SVM_EXIT_SMI = 0x062,
	SVM_EXIT_INIT = 0x063,
	SVM_EXIT_VINTR = 0x064,
	SVM_EXIT_RDPMC = 0x06f,
	SVM_EXIT_CPUID = 0x072,
	SVM_EXIT_IRET = 0x074,
	SVM_EXIT_INTN = 0x075,
	SVM_EXIT_INVD = 0x076,
	SVM_EXIT_PAUSE = 0x077,
	SVM_EXIT_HLT = 0x078,
	SVM_EXIT_INVLPG = 0x079,
	SVM_EXIT_INVLPGA = 0x07a,
	SVM_EXIT_IOIO = 0x07b,
	SVM_EXIT_MSR = 0x07c,
	SVM_EXIT_TASK_SWITCH = 0x07d,
	SVM_EXIT_FERR_FREEZE = 0x07e,
	SVM_EXIT_SHUTDOWN = 0x07f,
	SVM_EXIT_VMRUN = 0x080,
	SVM_EXIT_VMMCALL = 0x081,
	SVM_EXIT_VMLOAD = 0x082,
	SVM_EXIT_VMSAVE = 0x083,
	SVM_EXIT_STGI = 0x084,
	SVM_EXIT_CLGI = 0x085,
	SVM_EXIT_SKINIT = 0x086,
	SVM_EXIT_RDTSCP = 0x087,
	SVM_EXIT_ICEBP = 0x088,
	SVM_EXIT_WBINVD = 0x089,
	SVM_EXIT_MONITOR = 0x08a,
	SVM_EXIT_MWAIT = 0x08b,
	SVM_EXIT_MWAIT_ARMED = 0x08c,
	SVM_EXIT_XSETBV = 0x08d,
	SVM_EXIT_RDPRU = 0x08e,
	SVM_EXIT_NPF = 0x400,
};
#define SVM_EXIT_INVALID (~0ull) /* VMRUN refused the VMCB */

/* exit_info_1 of SVM_EXIT_CR0_READ …, if CPUID says DecodeAssists: */
#define SVM_CR_MOV	 BIT64(63) /* not LMSW, CLTS, SMSW */
#define SVM_CR_GPR	 0xfull

/* exit_info_1 of SVM_EXIT_MSR: 0 read, 1 write. Of SVM_EXIT_NPF: */
#define SVM_NPF_PRESENT	 BIT64(0)
#define SVM_NPF_WRITE	 BIT64(1)
#define SVM_NPF_USER	 BIT64(2)
#define SVM_NPF_RESERVED BIT64(3)
#define SVM_NPF_FETCH	 BIT64(4)
#define SVM_NPF_FINAL	 BIT64(32) /* on the guest's own access */
#define SVM_NPF_WALK	 BIT64(33) /* on its page tables */

/* clang-format on */

#define VMCB_AT(field, offset) \
	_Static_assert(offsetof(struct vmcb, field) == (offset), "APM appendix B: " #field)
VMCB_AT(intercept1, 0x00c);
VMCB_AT(pause_threshold, 0x03c);
VMCB_AT(iopm_base, 0x040);
VMCB_AT(asid, 0x058);
VMCB_AT(int_ctl, 0x060);
VMCB_AT(exit_code, 0x070);
VMCB_AT(nested_ctl, 0x090);
VMCB_AT(event_inj, 0x0a8);
VMCB_AT(clean, 0x0c0);
VMCB_AT(next_rip, 0x0c8);
VMCB_AT(insn_bytes, 0x0d1);
VMCB_AT(es, 0x400);
VMCB_AT(tr, 0x490);
VMCB_AT(cpl, 0x4cb);
VMCB_AT(efer, 0x4d0);
VMCB_AT(cr4, 0x548);
VMCB_AT(rip, 0x578);
VMCB_AT(rsp, 0x5d8);
VMCB_AT(rax, 0x5f8);
VMCB_AT(star, 0x600);
VMCB_AT(cr2, 0x640);
VMCB_AT(g_pat, 0x668);
_Static_assert(sizeof(struct vmcb) == 4096, "one page");
_Static_assert(sizeof(struct vmcb_segment) == 16, "APM appendix B");

/* exit_info_1 of SVM_EXIT_IOIO: APM vol. 2 "IOIO Intercept Information". */
#define SVM_IOIO_IN	    BIT64(0)
#define SVM_IOIO_STRING	    BIT64(2)
#define SVM_IOIO_REP	    BIT64(3)
#define SVM_IOIO_SIZE_SHIFT 4 /* 3 bits, one hot: 1, 2, 4 bytes */
#define SVM_IOIO_SIZE_MASK  7u
#define SVM_IOIO_PORT_SHIFT 16

#endif
