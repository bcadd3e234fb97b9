/* SPDX-License-Identifier: MIT */
/*
 * The smallest guest: a PVH kernel of a few hundred bytes.  It says its command
 * line on the serial port and does what its first word asks for:
 *
 *   poweroff   ACPI soft-off          reset   platform reset
 *   crash      triple fault           spin    never leave the processor
 *   halt       HLT with interrupts off
 *
 * Tests that need hundreds of guests, or one that misbehaves in one exact way,
 * start this instead of Linux.
 *
 * Entered as Xen's docs/misc/pvh.pandoc says: 32-bit protected mode, flat
 * segments, no paging, EBX = struct hvm_start_info.
 */
#include "include/abi/platform.h"

#define START_INFO_CMDLINE	24	/* 64-bit address, below 4 GiB here */
#define COM1_LSR		(PLATFORM_PORT_COM1 + 5)
#define LSR_THRE		0x20
#define SLEEP_ENABLE		0x20
#define SLEEP_TYPE_SHIFT	2

	.section .note.pvh, "a", @note
	.long	4, 4, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	stub_entry

	.text
	.code32
	.globl	stub_entry
stub_entry:
	mov	$stack_end, %esp
	mov	START_INFO_CMDLINE(%ebx), %ebp
	mov	$prefix, %esi
	call	print
	mov	%ebp, %esi
	call	print
	mov	$newline, %esi
	call	print

	movb	(%ebp), %al
	cmp	$'p', %al
	je	poweroff
	cmp	$'r', %al
	je	reset
	cmp	$'c', %al
	je	crash
	cmp	$'s', %al
	je	spin
	cmp	$'h', %al
	je	halt
	mov	$unknown, %esi
	call	print
	jmp	poweroff

poweroff:
	mov	$(PLATFORM_PORT_PM + PLATFORM_PM_SLEEP_CONTROL), %dx
	mov	$(PLATFORM_PM_SLEEP_S5 << SLEEP_TYPE_SHIFT | SLEEP_ENABLE), %al
	out	%al, %dx
	jmp	spin

reset:
	mov	$(PLATFORM_PORT_PM + PLATFORM_PM_RESET), %dx
	mov	$PLATFORM_PM_RESET_VALUE, %al
	out	%al, %dx
	jmp	spin

	/* No interrupt table: the exception, its double fault, shutdown. */
crash:
	lidt	no_idt
	ud2

spin:
	pause
	jmp	spin

halt:
	cli
	hlt
	jmp	halt

/* In: ESI text.  Clobbers EAX, EDX. */
print:
	mov	$COM1_LSR, %dx
1:	in	%dx, %al
	test	$LSR_THRE, %al
	jz	1b
	lodsb
	test	%al, %al
	jz	2f
	mov	$PLATFORM_PORT_COM1, %dx
	out	%al, %dx
	jmp	print
2:	ret

	.section .rodata
prefix:	.asciz	"stub: "
newline:
	.asciz	"\n"
unknown:
	.asciz	"stub: unknown word\n"
	.balign	8
no_idt:	.word	0
	.long	0

	.bss
	.balign	16
	.skip	256
stack_end:

	.section .note.GNU-stack, "", @progbits
