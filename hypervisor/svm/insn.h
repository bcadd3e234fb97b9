/* SPDX-License-Identifier: MIT */
/*
 * A small decoder for what touches a local APIC page, a doorbell or CR8: the MOV
 * forms that load or store one register or store an immediate. Anything else
 * is refused; the full instruction set is the VMM's business. Pure, so that
 * unit tests and the fuzzer need nothing else.
 */
#ifndef HYPERVISOR_SVM_INSN_H
#define HYPERVISOR_SVM_INSN_H

#include "base/base.h"

#define INSN_LENGTH_MAX	15u

enum insn_mode { INSN_16, INSN_32, INSN_64 };	/* default operand size of the code segment */

struct insn {
	uint8_t length;
	uint8_t size;			/* operand: 1, 2, 4, 8 */
	bool store;			/* to memory; else from memory */
	bool has_immediate;		/* store of .immediate, else of .reg */
	bool high_byte;			/* .reg is AH, CH, DH, BH of RAX … RBX */
	uint8_t reg;			/* hardware encoding, 0 … 15 */
	uint64_t immediate;		/* sign-extended to .size */
};

/*
 * Legacy prefixes and REX that stand before an opcode: what the processor does not
 * count for us where it has no NRIP save.
 */
unsigned int insn_prefixes(const uint8_t *bytes, unsigned int count, enum insn_mode mode);

/* False: not such an instruction, or more bytes needed than @count. */
bool insn_decode_mov(struct insn *insn, const uint8_t *bytes, unsigned int count,
		     enum insn_mode mode);

/*
 * MOV to a control register, whose intercept has told which: only .length, .size
 * and .reg, the source. Any prefixes: LOCK is AMD's other way to CR8, the rest nothing.
 */
bool insn_decode_mov_cr(struct insn *insn, const uint8_t *bytes, unsigned int count,
			enum insn_mode mode);

#endif
