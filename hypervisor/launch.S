/* SPDX-License-Identifier: MIT */
/*
 * launch_hv: from the kernel's EFI stub into hv_launch and back.
 *
 * The image is built for the Windows target, so functions follow the Microsoft
 * x64 convention: arguments in rcx, rdx, r8, r9; 32 bytes of home space above
 * the return address; rbx, rbp, rsi, rdi, r12-r15 are the callee's to keep.
 */
#include "hypervisor/asm.h"

	.text

/*
 * void hv_launch_enter(void *context, struct mshv_launch_return *ret)
 *
 *	stack:	[return address into the caller]
 *		[rflags]
 *		[struct launch_context]		rbp
 *
 * Returns by RET only if the launch failed. On success the root partition
 * continues at the return address without passing here again.
 */
	.globl	hv_launch_enter
hv_launch_enter:
	pushfq
	cli
	cld
	subq	$LC_SIZE, %rsp
	movq	%rbx, LC_RBX(%rsp)
	movq	%rbp, LC_RBP(%rsp)
	movq	%rsi, LC_RSI(%rsp)
	movq	%rdi, LC_RDI(%rsp)
	movq	%r12, LC_R12(%rsp)
	movq	%r13, LC_R13(%rsp)
	movq	%r14, LC_R14(%rsp)
	movq	%r15, LC_R15(%rsp)
	movq	LC_SIZE(%rsp), %rax
	movq	%rax, LC_RFLAGS(%rsp)
	movq	LC_SIZE+8(%rsp), %rax
	movq	%rax, LC_RIP(%rsp)
	leaq	LC_SIZE+16(%rsp), %rax
	movq	%rax, LC_RSP(%rsp)
	movq	%cr0, %rax
	movq	%rax, LC_CR0(%rsp)
	movq	%cr3, %rax
	movq	%rax, LC_CR3(%rsp)
	movq	%cr4, %rax
	movq	%rax, LC_CR4(%rsp)
	sgdt	LC_GDTR(%rsp)
	sidt	LC_IDTR(%rsp)
	movw	%es, LC_ES(%rsp)
	movw	%cs, LC_CS(%rsp)
	movw	%ss, LC_SS(%rsp)
	movw	%ds, LC_DS(%rsp)
	movw	%fs, LC_FS(%rsp)
	movw	%gs, LC_GS(%rsp)

	movq	%rsp, %rcx
	movq	%rsp, %rbp
	andq	$-16, %rsp
	subq	$32, %rsp
	call	hv_launch		/* (context, ret): rdx is still ret */

	/* It failed: give the caller its machine back. */
	movq	%rbp, %rsp
	movq	LC_CR4(%rsp), %rax
	movq	%rax, %cr4
	movq	LC_CR3(%rsp), %rax
	movq	%rax, %cr3
	movq	LC_CR0(%rsp), %rax
	movq	%rax, %cr0
	lgdt	LC_GDTR(%rsp)
	lidt	LC_IDTR(%rsp)
	movw	LC_ES(%rsp), %es
	movw	LC_DS(%rsp), %ds
	movw	LC_SS(%rsp), %ss
	movw	LC_FS(%rsp), %fs	/* bases are 0 in firmware's world */
	movw	LC_GS(%rsp), %gs
	movzwl	LC_CS(%rsp), %eax
	pushq	%rax
	leaq	1f(%rip), %rax
	pushq	%rax
	lretq
1:	movq	LC_RBX(%rsp), %rbx
	movq	LC_RSI(%rsp), %rsi
	movq	LC_RDI(%rsp), %rdi
	movq	LC_R12(%rsp), %r12
	movq	LC_R13(%rsp), %r13
	movq	LC_R14(%rsp), %r14
	movq	LC_R15(%rsp), %r15
	movq	LC_RBP(%rsp), %rbp
	addq	$LC_SIZE, %rsp
	popfq
	ret

/* void stack_switch(void *top, void (*fn)(void *), void *arg): does not return. */
	.globl	stack_switch
stack_switch:
	movq	%rcx, %rsp
	movq	%r8, %rcx
	xorl	%ebp, %ebp
	subq	$32, %rsp
	call	*%rdx
	ud2

/*
 * void segments_load(void): the selectors of asm.h from the GDT just loaded.
 * GS is left alone (its base is the processor's, set by MSR afterwards).
 */
	.globl	segments_load
segments_load:
	movl	$SEL_DATA, %eax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	xorl	%eax, %eax
	movw	%ax, %fs
	movw	%ax, %gs
	movl	$SEL_TSS, %eax
	ltr	%ax
	popq	%rax
	pushq	$SEL_CODE
	pushq	%rax
	lretq
