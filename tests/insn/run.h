/* SPDX-License-Identifier: MIT */
/*
 * One instruction of the table in a flat guest: entered by IRET with all its registers,
 * left by the int3 behind it or by the exception it raises. For tests/guest/insn.c.
 */
#ifndef TESTS_INSN_RUN_H
#define TESTS_INSN_RUN_H

#include "tests/guest/lib/guest.h"
#include "tests/insn/forms.h"

#define VECTOR_DB 1
#define VECTOR_BP 3
#define VECTOR_UD 6
#define VECTOR_GP 13
#define VECTOR_PF 14

#define RFLAGS_TF BIT64(8)
#define RFLAGS_RF BIT64(16)

struct run_end {
	struct guest_frame frame; /* its RIP: from the beginning of the code */
	uint64_t address;	  /* CR2 of a page fault */
	bool step;		  /* a #DB because of RFLAGS_TF */
	uint32_t used;		  /* accessed and dirty bits of the data's pages, two each */
	insn_vector vector[INSN_FORM_VECTORS]; /* of VECTOR, else zeros */
	uint64_t data[INSN_DATA_BYTES / 8];
};

/* Segments, page tables, exceptions: once, first. */
void run_prepare(void);

/*
 * Long mode in the kernel and in user mode; protected mode with PAE's page tables and
 * with those before, where the stack is elsewhere: no forms of 64 bit, none that uses it.
 */
enum run_how { RUN_KERNEL, RUN_USER, RUN_PAE, RUN_32 };

/*
 * @f from @s with a copy of @data, with @rflags (RFLAGS_TF) set besides, pages of
 * @devices (a mask) of the data in the window and the others in RAM.
 */
void run(const struct insn_form *f, const struct insn_start *s, const uint8_t *data,
	 enum run_how how, uint64_t rflags, unsigned int devices, struct run_end *end);

#endif
