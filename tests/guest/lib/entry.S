/* SPDX-License-Identifier: MIT */
/*
 * From the PVH entry (docs/misc/pvh.pandoc of Xen: 32-bit, flat, no paging, EBX =
 * struct hvm_start_info), or from a SIPI, to C in 64-bit mode: memory below 4 GiB
 * mapped one to one, a stack per processor, interrupts off. Interrupts of all
 * vectors go to guest_interrupt().
 */
#include "tests/guest/lib/guest.h"

#define CR0_PE		0x1
#define CR0_PG_NE_ET_PE	0x80000031
#define CR4_PAE		0x20
#define MSR_EFER	0xc0000080
#define EFER_LME	0x100
#define TABLE		0x3		/* present, writable */
#define PAGE_2M		0x83
#define SEL_CODE32	0x08
#define SEL_CODE64	0x10
#define SEL_DATA	0x18
#define CPUID_X2APIC	0x0b

	.section .note.pvh, "a", @note
	.long	4, 4, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	stub_entry

	.text
	.code32
	.globl	stub_entry
stub_entry:
	mov	%ebx, guest_start_info
	mov	$tables + 0x2000, %edi
	mov	$PAGE_2M, %eax
1:	mov	%eax, (%edi)
	add	$8, %edi
	add	$0x200000, %eax
	jnc	1b
	movl	$tables + 0x1000 + TABLE, tables
	movl	$tables + 0x2000 + TABLE, tables + 0x1000
	movl	$tables + 0x3000 + TABLE, tables + 0x1008
	movl	$tables + 0x4000 + TABLE, tables + 0x1010
	movl	$tables + 0x5000 + TABLE, tables + 0x1018
	/* Where SIPIs lead: below 1 MiB, at a page's start. */
	mov	$trampoline, %esi
	mov	$GUEST_SIPI_PAGE << 12, %edi
	mov	$trampoline_end - trampoline, %ecx
	rep movsb

	/* Every processor: 32-bit, flat segments, any stack. */
long_mode:
	lgdt	gdt_pointer
	mov	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	$tables, %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	mov	$EFER_LME, %eax
	xor	%edx, %edx
	wrmsr
	mov	$CR0_PG_NE_ET_PE, %eax
	mov	%eax, %cr0
	ljmp	$SEL_CODE64, $1f

	.code64
1:	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$CPUID_X2APIC, %eax
	xor	%ecx, %ecx
	cpuid
	mov	%edx, %edi		/* APIC id = processor */
	inc	%edx
	imul	$GUEST_STACK_BYTES, %edx, %edx
	lea	stacks(%rdx), %rsp
	call	guest_begin
	ud2

/* Copied to GUEST_SIPI_PAGE; CS points there. */
	.code16
trampoline:
	lgdtl	%cs:trampoline_gdt - trampoline
	mov	$CR0_PE, %eax
	mov	%eax, %cr0
	ljmpl	$SEL_CODE32, $2f
trampoline_gdt:
	.word	gdt_end - gdt - 1
	.long	gdt
trampoline_end:
	.code32
2:	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	jmp	long_mode

/*
 * One entry per vector, 16 bytes each; those of exceptions with an error code
 * find it pushed already. Layout: struct guest_frame.
 */
	.code64
	.balign	16
	.globl	guest_vectors
guest_vectors:
	.set	vector, 0
	.rept	256
	.balign	16
	.if	!((1 << (vector & 31)) & 0x60227d00) || vector > 31
	push	$0
	.endif
	push	$vector
	jmp	interrupt
	.set	vector, vector + 1
	.endr

interrupt:
	push	%rax
	push	%rcx
	push	%rdx
	push	%rbx
	push	%rbp
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	cld
	mov	%rsp, %rdi
	call	guest_interrupt
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rbp
	pop	%rbx
	pop	%rdx
	pop	%rcx
	pop	%rax
	add	$16, %rsp
	iretq

	.section .rodata
	.balign	8
gdt:	.quad	0, 0x00cf9b000000ffff, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_end:
gdt_pointer:
	.word	gdt_end - gdt - 1
	.quad	gdt

	.bss
	.globl	guest_start_info
	.balign	4096
tables:	.skip	6 * 4096
stacks:	.skip	GUEST_CPUS_MAX * GUEST_STACK_BYTES
guest_start_info:
	.skip	8

	.section .note.GNU-stack, "", @progbits
