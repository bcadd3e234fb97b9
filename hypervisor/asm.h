/* SPDX-License-Identifier: MIT */
/* Offsets the assembly files use; cpu.c asserts that the structures agree. */
#ifndef HYPERVISOR_ASM_H
#define HYPERVISOR_ASM_H

/* struct cpu */
#define CPU_APIC_ID		12
#define CPU_STACK_TOP		16
#define CPU_HOST_VMCB		32
#define CPU_ACCEPTED		40
#define CPU_ACCEPTED_NMI	44

/* struct launch_context */
#define LC_RBX			0
#define LC_RBP			8
#define LC_RSI			16
#define LC_RDI			24
#define LC_R12			32
#define LC_R13			40
#define LC_R14			48
#define LC_R15			56
#define LC_RIP			64
#define LC_RSP			72
#define LC_RFLAGS		80
#define LC_CR0			88
#define LC_CR3			96
#define LC_CR4			104
#define LC_GDTR			112
#define LC_IDTR			128
#define LC_ES			144
#define LC_CS			146
#define LC_SS			148
#define LC_DS			150
#define LC_FS			152
#define LC_GS			154
#define LC_SIZE			160

/* Our own segment selectors. */
#define SEL_CODE		0x08
#define SEL_DATA		0x10
#define SEL_TSS			0x18

#define VECTOR_NMI_ASM		2
#define VECTOR_FIRST_EXTERNAL	32

#endif
