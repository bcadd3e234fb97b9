/* SPDX-License-Identifier: MIT */
/*
 * Where a processor starts after INIT and SIPI: in real mode at the beginning
 * of the trampoline page, to which cpu.c copies this. From there straight into
 * long mode on the hypervisor's page tables, then by local APIC id to its own
 * struct cpu and stack. Several processors may be in here at once; nothing in
 * the page is written by them.
 *
 *	trampoline page:  [code][trampoline_data, filled in by cpu.c]
 */
#include "hypervisor/asm.h"

#define CR0_PE_PG	0x80000001
#define CR4_PAE_ONLY	0x20
#define MSR_EFER	0xc0000080
#define EFER_LME_NXE	0x900

	.text
	.balign	16
	.globl	trampoline_start
trampoline_start:
	.code16
	cli
	cld
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	(trampoline_gdtr - trampoline_start)
	movl	$CR4_PAE_ONLY, %eax
	movl	%eax, %cr4
	movl	(trampoline_cr3 - trampoline_start), %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_LME_NXE, %eax
	wrmsr
	movl	%cr0, %eax
	andl	$0x9fffffff, %eax	/* CD, NW off: INIT left caches disabled */
	orl	$CR0_PE_PG, %eax
	movl	%eax, %cr0		/* long mode, compatibility */
	ljmpl	*(trampoline_far - trampoline_start)

	.code64
trampoline_64:
	movl	$SEL_DATA, %eax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	jmpq	*trampoline_entry(%rip)

	.balign	8
	.globl	trampoline_gdt, trampoline_gdtr, trampoline_cr3
	.globl	trampoline_far, trampoline_entry, trampoline_64
trampoline_gdt:
	.quad	0
	.quad	0x00af9b000000ffff	/* SEL_CODE */
	.quad	0x00cf93000000ffff	/* SEL_DATA */
	.word	0
trampoline_gdtr:
	.word	23
	.long	0			/* linear address of trampoline_gdt */
trampoline_cr3:
	.long	0
trampoline_far:
	.long	0			/* linear address of trampoline_64 */
	.word	SEL_CODE
	.word	0
	.balign	8
trampoline_entry:
	.quad	0			/* trampoline_cpu, in the image */
	.globl	trampoline_end
trampoline_end:

/*
 * In the image, on the hypervisor's page tables, no stack yet: find out who we
 * are. CPUID 0Bh has the whole APIC id where it exists, else leaf 1 has it.
 */
	.globl	trampoline_cpu
trampoline_cpu:
	xorl	%eax, %eax
	cpuid
	cmpl	$0x0b, %eax
	jb	1f
	movl	$0x0b, %eax
	xorl	%ecx, %ecx
	cpuid
	testl	%ebx, %ebx		/* 0: leaf not implemented */
	jnz	2f
1:	movl	$1, %eax
	cpuid
	shrl	$24, %ebx
	movl	%ebx, %edx
2:	leaq	cpus(%rip), %rsi
	movl	cpu_count(%rip), %ecx
3:	decl	%ecx
	js	4f
	movq	(%rsi,%rcx,8), %rax
	cmpl	%edx, CPU_APIC_ID(%rax)
	jne	3b
	movq	%rax, %rcx
	movq	CPU_STACK_TOP(%rax), %rsp
	subq	$32, %rsp
	call	cpu_started		/* (cpu) */
	ud2
4:	hlt				/* not in the MADT: not ours */
	jmp	4b
