/* SPDX-License-Identifier: MIT */
/*
 * The world switch, and the hypervisor's own interrupt entries.
 * Microsoft x64 convention, see launch.S.
 */
#include "hypervisor/asm.h"

	.text

/*
 * void world_run(uint64_t vmcb, struct world_gprs *gprs, bool host_if)
 *
 * Needs: GIF clear, own GDT/TSS/%gs, host VMSAVE area up to date (svm_enable).
 * VMRUN itself saves RSP, RIP, RAX, CS/SS/DS/ES, CR0/3/4, EFER, GDTR, IDTR of
 * ours; FS, GS, TR, LDTR and the syscall MSRs come back by the last VMLOAD.
 *
 *	stack:	[home space, return address, callee-saved registers]
 *		[gprs]
 *		[host VMSAVE area]
 *		[vmcb]
 *		[our CR0]			rsp across VMRUN
 */
	.globl	world_run
world_run:
	pushq	%rbx
	pushq	%rbp
	pushq	%rsi
	pushq	%rdi
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	pushq	%rdx
	pushq	%gs:CPU_HOST_VMCB
	pushq	%rcx
	movq	%cr0, %rax
	pushq	%rax

	movq	%rcx, %rax
	testb	%r8b, %r8b
	movq	%rdx, %r8		/* gprs; reloaded last but one */
	movq	0x08(%r8), %rcx
	movq	0x18(%r8), %rbx
	movq	0x28(%r8), %rbp
	movq	0x30(%r8), %rsi
	movq	0x38(%r8), %rdi
	movq	0x48(%r8), %r9
	movq	0x50(%r8), %r10
	movq	0x58(%r8), %r11
	movq	0x60(%r8), %r12
	movq	0x68(%r8), %r13
	movq	0x70(%r8), %r14
	movq	0x78(%r8), %r15
	movq	0x10(%r8), %rdx
	movq	0x40(%r8), %r8
	jz	1f
	sti				/* GIF is clear: takes nothing here */
1:	vmload	%rax
	vmrun	%rax
	/*
	 * QEMU leaves us with the CR0 of a guest without paging that has set EFER.LME
	 * but not CR4.PAE (tests/hv/cr0.c). The next VMRUN would find paging off, and
	 * QEMU then ignores nested paging; so back to ours before anything else.
	 */
	movq	%cr0, %rax
	testl	%eax, %eax		/* bit 31 is PG */
	js	1f
	movq	(%rsp), %rax
	movq	%rax, %cr0
1:	movq	8(%rsp), %rax
	vmsave	%rax
	cli

	movq	16(%rsp), %rax		/* our FS, GS, TR … */
	vmload	%rax
	movq	24(%rsp), %rax
	movq	%rcx, 0x08(%rax)
	movq	%rdx, 0x10(%rax)
	movq	%rbx, 0x18(%rax)
	movq	%rbp, 0x28(%rax)
	movq	%rsi, 0x30(%rax)
	movq	%rdi, 0x38(%rax)
	movq	%r8, 0x40(%rax)
	movq	%r9, 0x48(%rax)
	movq	%r10, 0x50(%rax)
	movq	%r11, 0x58(%rax)
	movq	%r12, 0x60(%rax)
	movq	%r13, 0x68(%rax)
	movq	%r14, 0x70(%rax)
	movq	%r15, 0x78(%rax)

	/*
	 * Our returns must not be predicted by the guest's calls: 32 calls push
	 * those out of the return stack (APM vol. 2, "Speculation Control").
	 */
	movl	$16, %eax
1:	call	3f
2:	pause
	lfence
	jmp	2b
3:	call	5f
4:	pause
	lfence
	jmp	4b
5:	decl	%eax
	jnz	1b
	addq	$256, %rsp

	addq	$32, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rdi
	popq	%rsi
	popq	%rbp
	popq	%rbx
	cld
	ret

/*
 * void interrupt_window(void): the one place where this processor takes
 * interrupts in the hypervisor. STI holds them off for one instruction, so the
 * NOP is where they come; one at most matters to the caller, who finds it in
 * cpu->accepted. A second one cannot follow: external_entry returns with IF
 * clear.
 */
	.globl	interrupt_window
interrupt_window:
	stgi
	sti
	nop
	nop
	cli
	clgi
	ret

/*
 * Interrupt entries. Exceptions, 16 bytes each, leave
 *	[ss rsp rflags cs rip][error code][vector]
 * with a 0 where the processor pushes no error code. External interrupts, 8 bytes
 * each, leave [ss rsp rflags cs rip][vector, in the lowest byte].
 */
	.balign	16
	.globl	exception_entries
exception_entries:
	.set	vector, 0
	.rept	VECTOR_FIRST_EXTERNAL
	.balign	16
	/* #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX push an error code. */
	.if	!((vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17) || \
		  (vector == 21) || (vector == 29) || (vector == 30))
	pushq	$0
	.endif
	pushq	$vector
	jmp	exception_entry
	.set	vector, vector + 1
	.endr

	.balign	8
	.globl	external_entries
external_entries:
	.rept	256 - VECTOR_FIRST_EXTERNAL
	.balign	8
	pushq	$((vector & 0x7f) - (vector & 0x80))	/* one byte, as it is signed */
	jmp	external_entry
	.set	vector, vector + 1
	.endr

exception_entry:
	cmpl	$VECTOR_NMI_ASM, (%rsp)
	je	nmi_entry

	/* An exception in the hypervisor is a bug: to the panic screen. */
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rbx
	pushq	%rbp
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, %rcx
	andq	$-16, %rsp
	subq	$32, %rsp
	cld
	call	trap_panic
	ud2

nmi_entry:
	incl	%gs:CPU_ACCEPTED_NMI
	addq	$16, %rsp
	iretq

external_entry:
	pushq	%rax
	movzbl	8(%rsp), %eax
	movl	%eax, %gs:CPU_ACCEPTED
	popq	%rax
	addq	$8, %rsp
	andq	$~0x200, 16(%rsp)	/* return with IF clear */
	iretq
