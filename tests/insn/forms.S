/* SPDX-License-Identifier: MIT */
/*
 * The table (forms.h): a line is a form, or the same one in several sizes. What
 * follows the form's kind is what the assembler reads and what a failure names.
 */
#include "tests/insn/forms.h"

	.macro	form special, insn:vararg
	.pushsection .data.insn_code, "aw", @progbits
10:	\insn
11:	.popsection
	.pushsection .data.insn_text, "aw", @progbits
12:	.asciz	"\insn"
	.popsection
	.quad	12b, 10b
	.byte	11b - 10b, bits, \special
	.balign	8
	.endm

	.section .data.insn_forms, "aw", @progbits
	.balign	8
	.globl	insn_forms, insn_forms_end
insn_forms:

/* --- 64 bit --------------------------------------------------------------- */

	.code64
	.set	bits, 64
#define BITS 64
#define MEM (%rdi)
#define OFFSET (%rbx)
#define OTHER_ADDRESS addr32
#include "tests/insn/common.inc"

	.irp	op, shl, shr, sar
	form	SHIFT, \op\()q $37, MEM
	form	SHIFT_CL64, \op\()q %cl, MEM
	.endr
	.irp	op, shld, shrd
	form	LOGIC, \op\()q $1, %rdx, MEM
	form	SHIFT, \op\()q $37, %rdx, MEM
	form	SHIFT_CL64, \op\()q %cl, %rdx, MEM
	.endr
	form	MULTIPLY, imulq $0x12345678, MEM, %rdx
	form	MULTIPLY, imulq $-5, MEM, %r9
	form	MULTIPLY, mulq MEM
	form	MULTIPLY, imulq MEM
	form	DIVIDE, divq MEM
	form	DIVIDE, idivq MEM
	form	COMPARE, cmpxchg16b MEM
	form	COMPARE, lock cmpxchg16b MEM

	form	EXACT, movzbq MEM, %rcx
	form	EXACT, movzwq MEM, %rcx
	form	EXACT, movsbq MEM, %rcx
	form	EXACT, movswq MEM, %rcx
	form	EXACT, movslq MEM, %rcx
	form	EXACT, .byte 0x63, 0x0f		/* movsxd (%rdi), %ecx */
	form	EXACT, movbeq MEM, %rcx
	form	EXACT, movbeq %rcx, MEM
	form	EXACT, movntiq %rcx, MEM
	form	EXACT, movb %sil, MEM
	form	EXACT, movb MEM, %bpl
	form	EXACT, movb %r15b, MEM
	form	EXACT, movw %r15w, MEM
	form	EXACT, movl %r15d, MEM
	form	EXACT, movl MEM, %r8d
	.irp	cc, o, no, b, ae, e, ne, be, a, s, ns, p, np, l, ge, le, g
	form	EXACT, cmov\cc\()q MEM, %rax
	.endr

	/* Absolute addresses of 64 bits */
	.irp	r, al, ax, eax, rax
	form	EXACT, movabs INSN_DATA + 0x1100, %\r
	form	EXACT, movabs %\r, INSN_DATA + 0x1101
	.endr
	form	EXACT, addr32 mov %eax, INSN_DATA + 0x1100

	.irp	rep, "", rep, repne, addr32, rep addr32
	form	STRING, \rep movsq
	form	STRING, \rep stosq
	form	STRING, \rep lodsq
	.endr
	.irp	rep, "", repe, repne, repe addr32
	form	STRING, \rep cmpsq
	form	STRING, \rep scasq
	.endr

	/* Every way to say where */
	form	EXACT, movl 0x40(%rbp), %ecx
	form	EXACT, movl -8(%rdi,%rsi), %ecx
	form	EXACT, movl -0x20(%rdi,%rsi,4), %ecx
	form	EXACT, movl -0x40(%rdi,%rsi,8), %ecx
	form	EXACT, movl %ecx, INSN_DATA(%rbx)
	form	EXACT, movl %ecx, INSN_DATA - 16(%rbx,%rsi,2)
	form	EXACT, movl %ecx, INSN_DATA + 0x1100 - 0x40(,%rsi,8)
	form	EXACT, movl (%edi), %ecx
	form	EXACT, movl -8(%edi,%esi), %ecx
	form	EXACT, movq %rcx, %gs:0x1100
	form	EXACT, movl %ecx, %gs:-8(%ebx,%esi)
	form	EXACT, movb MEM, %dil
	form	EXACT, movl (%rdi), %edi
	form	EXACT, xchgl %edi, (%rdi)
	form	EXACT, xaddq %rdi, (%rdi)
	form	EXACT, movzbl %ds:MEM, %ecx	/* no effect */
	form	EXACT, .byte 0x66, 0x48, 0x89, 0x0f /* REX.W over 0x66 */
	form	EXACT, .byte 0xf2, 0xf3, 0x89, 0x0f /* REP without a meaning */
	form	EXACT, .byte 0xf3, 0xf2, 0xf0, 0x01, 0x0f /* lock, with hints */
	form	EXACT, .byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x89, 0x0f
	form	STRING, .byte 0xf2, 0xf3, 0xa6	/* the last one counts */
	form	STRING, .byte 0xf3, 0xf2, 0xa6
	/* From the next instruction, which is not always at the same place */
	form	EXACT, movl INSN_DATA + 0x1100 - INSN_CODE(%rip), %ecx
	form	EXACT, movl $0x12345678, INSN_DATA + 0x1100 - INSN_CODE(%rip)
	form	EXACT, addw $0x1234, INSN_DATA + 0x1100 - INSN_CODE(%eip)

	form	EXACT, pushq MEM
	form	EXACT, popq MEM
	form	EXACT, pushq %rax
	form	EXACT, popq %rdx
	form	EXACT, popq %rsp
	form	EXACT, pushq %rsp
	form	EXACT, pushq $-3
	form	EXACT, pushq $0x12345678
	form	EXACT, pushq 8(%rsp)
	form	EXACT, popq 8(%rsp)
	form	EXACT, pushq %fs
	form	JUMP, call *MEM
	form	JUMP, jmp *MEM

	.irp	op, movdqu, movaps
	form	VECTOR, \op MEM, %xmm9
	form	VECTOR, \op %xmm15, MEM
	form	VECTOR, v\op MEM, %ymm9
	form	VECTOR, v\op %ymm15, MEM
	form	VECTOR, \op -8(%edi,%esi), %xmm15
	form	VECTOR, v\op %ymm8, -0x20(%rdi,%rsi,4)
	form	VECTOR, \op INSN_DATA + 0x1100 - INSN_CODE(%rip), %xmm1
	form	VECTOR, v\op %ymm1, %gs:OFFSET
	.endr
	form	VECTOR, vmovhps MEM, %xmm9, %xmm14
	form	VECTOR, vextracti128 $1, %ymm11, MEM
	form	VECTOR, .byte 0x66, 0x48, 0x0f, 0x6e, 0x0f /* movq (%rdi), %xmm1, as MOVD */
	form	VECTOR, .byte 0x66, 0x48, 0x0f, 0x7e, 0x17
	form	VECTOR, .byte 0xc4, 0xe1, 0xf9, 0x6e, 0x0f /* vmovq, the same */
	form	VECTOR, .byte 0xc4, 0xe1, 0xf9, 0x7e, 0x17
	form	VECTOR, .byte 0xc4, 0xe1, 0xfe, 0x6f, 0x0f /* vmovdqu, W ignored */
	form	VECTOR, .byte 0x66, 0x66, 0x0f, 0x6f, 0x0f
	form	VECTOR, .byte 0x66, 0xf3, 0x0f, 0x6f, 0x0f /* F3 over 66 */

	form	UNSUPPORTED, andn MEM, %rax, %rcx
	form	UNSUPPORTED, mulx MEM, %rax, %rcx
	form	UNSUPPORTED, rorx $3, MEM, %rcx
	form	UNSUPPORTED, maskmovdqu %xmm1, %xmm0
	form	UNSUPPORTED, vbroadcastss MEM, %ymm0
	form	UNSUPPORTED, vpmaskmovd %ymm0, %ymm1, MEM
	form	UNSUPPORTED, vpaddd MEM, %ymm0, %ymm1
	form	UNSUPPORTED, fxsave64 MEM
	form	UNSUPPORTED, rex.w ljmp *MEM
	form	UNSUPPORTED, pushfq
	form	UNSUPPORTED, popfq
	form	UNSUPPORTED, ret
	form	UNSUPPORTED, call .+5
	form	UNSUPPORTED, leave
	form	UNSUPPORTED, enter $16, $0

/* --- 32 bit --------------------------------------------------------------- */

	.code32
	.set	bits, 32
#undef BITS
#undef MEM
#undef OFFSET
#undef OTHER_ADDRESS
#define BITS 32
#define MEM (%edi)
#define OFFSET (%ebx)
#define OTHER_ADDRESS addr16
#include "tests/insn/common.inc"

	form	EXACT, xlatb
	form	EXACT, movl 0x40(%ebp), %ecx
	form	EXACT, movl -8(%edi,%esi), %ecx
	form	EXACT, movl -0x20(%edi,%esi,4), %ecx
	form	EXACT, movl -0x40(%edi,%esi,8), %ecx
	form	EXACT, movl (%di), %ecx
	form	EXACT, movl -8(%bx,%si), %ecx
	form	EXACT, movl 0x40(%bp), %ecx
	form	EXACT, movl %ecx, %gs:-8(%bx,%si)
	form	EXACT, movl %ecx, 0x1100
	form	EXACT, movb 0x1100, %al
	form	EXACT, movl %eax, 0x1101
	form	EXACT, addr16 movl %eax, 0x1102
	form	EXACT, .byte 0x82, 0x07, 0x55	/* add $0x55, (%edi) once more */
	form	EXACT, pushl MEM
	form	EXACT, popl MEM
	form	EXACT, pushl %eax
	form	EXACT, popl %edx
	form	EXACT, popl %esp
	form	EXACT, pushl %esp
	form	EXACT, pushl $-3
	form	EXACT, pushl 8(%esp)
	form	EXACT, popl 8(%esp)
	form	EXACT, pushw %ds
	form	JUMP, calll *MEM
	form	JUMP, jmpl *MEM
	form	JUMP, callw *MEM
	form	JUMP, jmpw *MEM
	form	UNSUPPORTED, boundl %ecx, MEM
	form	UNSUPPORTED, arpl %cx, MEM
	form	UNSUPPORTED, lesl MEM, %ecx
	form	UNSUPPORTED, pushal
	form	UNSUPPORTED, popal
	form	UNSUPPORTED, ret

/* --- 16 bit --------------------------------------------------------------- */

	.code16
	.set	bits, 16
#undef BITS
#undef MEM
#undef OFFSET
#undef OTHER_ADDRESS
#define BITS 16
#define MEM (%di)
#define OFFSET (%bx)
#define OTHER_ADDRESS addr32
#include "tests/insn/common.inc"

	form	EXACT, xlatb
	form	EXACT, movw 0x40(%bp), %cx
	form	EXACT, movw -8(%bx,%si), %cx
	form	EXACT, movw 0x38(%bp,%si), %cx
	form	EXACT, movl (%edi), %ecx
	form	EXACT, movl -0x20(%edi,%esi,4), %ecx
	form	EXACT, movw %cx, %es:-8(%ebx,%esi)
	form	EXACT, movw %cx, 0x1100
	form	EXACT, movb 0x1100, %al
	form	EXACT, movl %eax, 0x1101
	form	EXACT, addr32 movw %ax, 0x1102
	form	EXACT, pushl MEM
	form	EXACT, popl MEM
	form	EXACT, pushl %eax
	form	EXACT, popl %edx
	form	EXACT, pushl 8(%esp)
	form	EXACT, popl 8(%esp)
	form	EXACT, pushw %ds
	form	JUMP, callw *MEM
	form	JUMP, jmpw *MEM
	form	JUMP, calll *MEM
	form	JUMP, jmpl *MEM
	form	UNSUPPORTED, boundw %cx, MEM
	form	UNSUPPORTED, lesw MEM, %cx
	form	UNSUPPORTED, pushaw
	form	UNSUPPORTED, ret

	.code64
insn_forms_end:

	.section .note.GNU-stack, "", @progbits
