/* SPDX-License-Identifier: MIT */
/*
 * The conformance table of the VMM's emulator: the instruction forms that may meet
 * device memory, in 16, 32 and 64 bit, and the states they begin in. Two run it:
 * tests/unit/vmm_insn_native.c compares the emulator with this machine's processor,
 * tests/guest/insn.c the same instruction on RAM and on a device, inside a guest.
 *
 * No library is needed; nothing here is thread-safe.
 */
#ifndef TESTS_INSN_FORMS_H
#define TESTS_INSN_FORMS_H

/* Where both have it, linear: pages of code, then a hole, data, another hole. */
#define INSN_CODE	0x10000000
#define INSN_CODE_PAGES 2
#define INSN_DATA	0x10003000
#define INSN_DATA_PAGES 4
#define INSN_DATA_BYTES 0x4000
#define INSN_PAGES	8    /* all of it */
#define INSN_TARGET	0x80 /* of jumps: offset in the code, int3 as what surrounds it */

/*
 * What is special about a form: flags that the architecture leaves undefined
 * (AMD64 Architecture Programmer's Manual, volume 3), registers that need a
 * certain value.
 */
#define EXACT		0
#define LOGIC		1 /* AF undefined */
#define SHIFT		2 /* by a constant above one: AF and OF */
#define ROTATE		3 /* the same: OF */
#define SHIFT_CL8	4 /* by CL, up to so many bits: AF; OF unless by one */
#define SHIFT_CL16	5
#define SHIFT_CL32	6
#define SHIFT_CL64	7
#define ROTATE_CL	8  /* by CL: OF unless by one */
#define BIT_FAR		9  /* RCX: a bit up to 2,000 bytes away; all but CF and ZF */
#define BIT_NEAR	10 /* a constant; all but CF and ZF */
#define SCAN		11 /* all but ZF; the source must not be 0 */
#define MULTIPLY	12 /* all but CF and OF */
#define DIVIDE		13 /* all; now and then a quotient that fits */
#define COMPARE		14 /* RAX, RDX: every other time what is in memory */
#define COMPARE8	15 /* the same for EAX, EDX */
#define STRING		16 /* RSI, RDI, RCX, DF; faults half-way */
#define STRING_SEGMENT	17 /* the same, and RSI counts from INSN_DATA in all modes */
#define JUMP		18 /* memory holds INSN_TARGET's address */
#define UNTOUCHED	19 /* names memory and does not access it */
#define UNSUPPORTED	20 /* on device memory: #UD and a line in the log */
#define VECTOR		21 /* XMM and YMM registers, no flags */

#ifndef __ASSEMBLER__

#include "base/base.h"

/* YMM registers, each beginning with its XMM register. */
#define INSN_FORM_VECTORS 16

typedef uint64_t insn_vector[4];

struct insn_form {
	const char *text;
	const uint8_t *code;
	uint8_t length;
	uint8_t bits; /* 16, 32, 64: of the code segment */
	uint8_t special;
};

/* forms.S */
extern const struct insn_form insn_forms[], insn_forms_end[];

/*
 * One beginning. In 16 bit addresses are offsets, from INSN_DATA for all of DS, ES,
 * SS, FS and GS and from INSN_CODE for CS; in the other modes FS and GS begin at
 * INSN_DATA, the others at 0.
 */
struct insn_start {
	uint64_t gpr[16];     /* order of the encoding */
	uint64_t rflags;      /* status flags and DF */
	unsigned int devices; /* which of the data's pages are a device: a mask */
	unsigned int code;    /* offset of the instruction in the code */
	insn_vector vector[INSN_FORM_VECTORS]; /* of VECTOR, else zeros */
};

/* How many beginnings insn_begin() knows for @f. */
unsigned int insn_beginnings(const struct insn_form *f);

/* The @n-th, with @data filled or changed for it. Random: *@seed is not 0. */
void insn_begin(const struct insn_form *f, unsigned int n, uint64_t *seed, struct insn_start *s,
		uint8_t data[INSN_DATA_BYTES]);

/*
 * Flags that the architecture defines after it; @half_way: an exception was taken and
 * RIP is still at it. Where a repeated comparison stops half-way nothing says whether
 * they are those of the beginning (Intel's processors) or of the last comparison
 * (QEMU's).
 */
uint64_t insn_defined_flags(const struct insn_form *f, const struct insn_start *s, bool half_way);

#endif
#endif
