/* SPDX-License-Identifier: MIT */
/*
 * From 64-bit code out of long mode, one instruction there, and back (run.c). Segments
 * and stack are flat, all of it lies below 4 GiB and is mapped one to one by both
 * page tables.
 */
#include "tests/insn/legacy.h"

#define SEL_CODE32	0x08
#define SEL_CODE64	0x10
#define SEL_DATA	0x18
#define CR0_PG		0x80000000
#define MSR_EFER	0xc0000080
#define EFER_LME	0x100
#define STACK_BYTES	1024

	.text
	.code64
	.globl	legacy_enter
legacy_enter:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, home_rsp
	mov	%cr3, %rax
	mov	%rax, home_cr3
	mov	%cr4, %rax
	mov	%rax, home_cr4
	sidt	home_idt
	mov	%edi, %ebp
	push	$SEL_CODE32
	push	$1f
	lretq

	.code32
1:	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %ss
	mov	%cr0, %eax
	and	$~CR0_PG, %eax
	mov	%eax, %cr0
	mov	$MSR_EFER, %ecx		/* before PAE goes, see docs/LIMITS.md */
	rdmsr
	and	$~EFER_LME, %eax
	wrmsr
	mov	LEGACY_CR4(%ebp), %eax
	mov	%eax, %cr4
	mov	LEGACY_CR3(%ebp), %eax
	mov	%eax, %cr3
	lidt	legacy_idt
	mov	%cr0, %eax
	or	$CR0_PG, %eax
	mov	%eax, %cr0

	mov	$stack_end, %esp
	pushl	LEGACY_EFLAGS(%ebp)
	pushl	LEGACY_CS(%ebp)
	pushl	LEGACY_EIP(%ebp)
	mov	LEGACY_SEGMENT(%ebp), %eax
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs
	push	%eax
	pushl	LEGACY_GPR + 20(%ebp)
	mov	LEGACY_GPR(%ebp), %eax
	mov	LEGACY_GPR + 4(%ebp), %ecx
	mov	LEGACY_GPR + 8(%ebp), %edx
	mov	LEGACY_GPR + 12(%ebp), %ebx
	mov	LEGACY_GPR + 24(%ebp), %esi
	mov	LEGACY_GPR + 28(%ebp), %edi
	pop	%ebp
	pop	%ds
	iretl

	.balign	LEGACY_GATE
	.globl	legacy_gates
legacy_gates:
	.set	vector, 0
	.rept	32
	.balign	LEGACY_GATE
	.if	!((1 << vector) & 0x60227d00)
	push	$0
	.endif
	push	$vector
	jmp	leave
	.set	vector, vector + 1
	.endr

	/* The frame as pushed, upwards: EDI … EAX, vector, error, EIP, CS, EFLAGS. */
leave:	pushal
	cld
	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%esp, %esi
	mov	$legacy_frame, %edi
	mov	$LEGACY_FRAME_WORDS, %ecx
	rep movsl
	mov	%cr0, %eax
	and	$~CR0_PG, %eax
	mov	%eax, %cr0
	mov	home_cr4, %eax
	mov	%eax, %cr4
	mov	home_cr3, %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	rdmsr
	or	$EFER_LME, %eax
	wrmsr
	mov	%cr0, %eax
	or	$CR0_PG, %eax
	mov	%eax, %cr0
	ljmp	$SEL_CODE64, $1f

	.code64
1:	lidt	home_idt
	mov	home_rsp, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

	.bss
	.globl	legacy_frame
	.balign	8
home_rsp: .skip	8
home_cr3: .skip	8
home_cr4: .skip	8
legacy_frame:
	.skip	4 * LEGACY_FRAME_WORDS
	.balign	8
home_idt: .skip	16
	.balign	16
	.skip	STACK_BYTES
stack_end:

	.section .note.GNU-stack, "", @progbits
