/* SPDX-License-Identifier: MIT */
/* Between run.c and legacy.S: one instruction in protected mode without long mode. */
#ifndef TESTS_INSN_LEGACY_H
#define TESTS_INSN_LEGACY_H

/* struct legacy */
#define LEGACY_GPR	   0
#define LEGACY_EIP	   32
#define LEGACY_CS	   36
#define LEGACY_EFLAGS	   40
#define LEGACY_SEGMENT	   44
#define LEGACY_CR3	   48
#define LEGACY_CR4	   52

#define LEGACY_FRAME_WORDS 13
#define LEGACY_GATE	   16 /* bytes from one of legacy_gates to the next */

#ifndef __ASSEMBLER__

#include "base/base.h"

struct legacy {
	uint32_t gpr[8]; /* ESP is not used */
	uint32_t eip, cs, eflags;
	uint32_t segment; /* of DS, ES, FS, GS */
	uint32_t cr3, cr4;
};

_Static_assert(offsetof(struct legacy, eip) == LEGACY_EIP, "as in legacy.S");
_Static_assert(offsetof(struct legacy, cr4) == LEGACY_CR4, "as in legacy.S");

struct legacy_frame {
	uint32_t edi, esi, ebp, esp, ebx, edx, ecx, eax;
	uint32_t vector, error, eip, cs, eflags;
};

_Static_assert(sizeof(struct legacy_frame) == 4 * LEGACY_FRAME_WORDS, "as in legacy.S");

/* Until the next exception, which is in legacy_frame then. */
void legacy_enter(const struct legacy *l);
extern struct legacy_frame legacy_frame;
extern const uint8_t legacy_gates[32 * LEGACY_GATE];
/* What LIDT takes there, with gates to them; of the caller. */
extern struct __packed legacy_idt {
	uint16_t limit;
	uint32_t base;
} legacy_idt;

#endif
#endif
