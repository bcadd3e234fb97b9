/* SPDX-License-Identifier: MIT */
/* Guests for tests/root/lib/code.h: position-independent, copied into guest RAM. */
#include "tests/root/lib/code.h"

#define MSR_APIC_BASE	0x1b
#define APIC_X2APIC	0xc00
#define X2APIC_EOI	0x80b
#define X2APIC_SVR	0x80f
#define X2APIC_LVT_TIMER 0x832
#define X2APIC_COUNT	0x838
#define X2APIC_DIVIDE	0x83e
#define PERIODIC	0x20000

	.macro	wrmsr_low msr, value
	mov	$\msr, %ecx
	mov	$\value, %eax
	xor	%edx, %edx
	wrmsr
	.endm

	.section .rodata
	.globl	code_sleeper, code_sleeper_end, code_ticker, code_ticker_end
	.globl	code_spinner, code_spinner_end, code_checker, code_checker_end

	/* Interrupt table at 0; the handler counts at CODE_COUNTER. */
	.macro	sleep_on_x2apic
	movw	$1f - 0b + CODE_AT, CODE_VECTOR * 4
	movw	$0, CODE_VECTOR * 4 + 2
	mov	$CODE_STACK, %sp
	mov	$MSR_APIC_BASE, %ecx
	rdmsr
	or	$APIC_X2APIC, %eax
	wrmsr
	wrmsr_low X2APIC_SVR, 0x1ff
	.endm

	.macro	sleep_and_count
2:	sti
	hlt
	jmp	2b
1:	incl	CODE_COUNTER
	wrmsr_low X2APIC_EOI, 0
	iretw
	.endm

	.code16
code_sleeper:
0:	sleep_on_x2apic
	sleep_and_count
code_sleeper_end:

code_ticker:
0:	sleep_on_x2apic
	wrmsr_low X2APIC_DIVIDE, 0xb
	wrmsr_low X2APIC_LVT_TIMER, PERIODIC + CODE_VECTOR
	wrmsr_low X2APIC_COUNT, CODE_TICK
	sleep_and_count
code_ticker_end:

code_spinner:
	incl	CODE_COUNTER
	jmp	code_spinner
code_spinner_end:

	/*
	 * 32-bit, flat. ESI … EDX: what it checks; EBX: 1 where zeros are fine; EBP: the
	 * round. Word by word: right as of the round before? Then this round's.
	 */
	.code32
code_checker:
	mov	%esi, %edi
3:	mov	(%edi), %eax
	test	%ebp, %ebp
	jz	5f
	lea	-1(%ebp), %ecx
	imul	$CODE_FACTOR, %ecx
	xor	%edi, %ecx
	cmp	%ecx, %eax
	je	5f
	test	%ebx, %ebx
	jz	4f
	test	%eax, %eax
	jz	5f
4:	out	%eax, $CODE_PORT_BAD
	jmp	4b
5:	imul	$CODE_FACTOR, %ebp, %ecx
	xor	%edi, %ecx
	mov	%ecx, (%edi)
	add	$CODE_STRIDE, %edi
	cmp	%edx, %edi
	jb	3b
	mov	%ebp, %eax
	out	%eax, $CODE_PORT_ROUND
	inc	%ebp
	jmp	code_checker
code_checker_end:

	.section .note.GNU-stack, "", @progbits
