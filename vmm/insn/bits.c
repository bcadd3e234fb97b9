/* SPDX-License-Identifier: MIT */
/* Bits tested, changed, found and counted; and a checksum of them. */
#include "vmm/insn/emulator.h"

#define CRC32C_REVERSED 0x82f63b78U

/* With a register as index, the bit may lie far from the operand. */
enum insn_result do_bit(struct emulator *e, unsigned int op)
{
	unsigned int bits = operand_bits(&e->op[0]), len = bits / 8;
	int64_t displacement = 0;
	enum insn_result r;
	uint64_t v = 0, index, bit, linear;

	if (e->op[0].type != ZYDIS_OPERAND_TYPE_MEMORY)
		return INSN_UNKNOWN;
	r = operand_get(e, &e->op[1], &index);
	if (r != INSN_DONE)
		return r;
	if (e->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER)
		displacement = (sign_extend(index, bits) >> __builtin_ctz(bits)) * (int64_t)len;
	bit = BIT64(index & (bits - 1));
	r = operand_linear(e, &e->op[0], displacement, len, op == BIT_TEST ? WALK_READ : WALK_WRITE,
			   &linear);
	if (r == INSN_DONE)
		r = linear_read(e, linear, &v, len, WALK_READ);
	if (r == INSN_DONE && op != BIT_TEST) {
		uint64_t w = op == BIT_SET ? v | bit : op == BIT_RESET ? v & ~bit : v ^ bit;

		r = linear_write(e, linear, &w, len);
	}
	if (r == INSN_DONE)
		e->cpu->rflags = v & bit ? e->cpu->rflags | RFLAGS_CF : e->cpu->rflags & ~RFLAGS_CF;
	return r;
}

enum insn_result do_bitscan(struct emulator *e, unsigned int reverse)
{
	enum insn_result r;
	uint64_t v;

	r = operand_get(e, &e->op[1], &v);
	if (r != INSN_DONE)
		return r;
	if (!v) { /* destination unchanged */
		e->cpu->rflags |= RFLAGS_ZF;
		return INSN_DONE;
	}
	e->cpu->rflags &= ~RFLAGS_ZF;
	return operand_set(e, &e->op[0],
			   (uint64_t)(reverse ? 63 - __builtin_clzll(v) : __builtin_ctzll(v)));
}

/* TZCNT, LZCNT: defined for 0 as well. */
enum insn_result do_zeros(struct emulator *e, unsigned int leading)
{
	unsigned int bits = operand_bits(&e->op[1]);
	uint64_t v, flags = e->cpu->rflags & ~(RFLAGS_CF | RFLAGS_ZF);
	enum insn_result r;

	r = operand_get(e, &e->op[1], &v);
	if (r != INSN_DONE)
		return r;
	if (!v) {
		flags |= RFLAGS_CF;
		v = bits;
	} else {
		v = (uint64_t)(leading ? __builtin_clzll(v << (64 - bits)) : __builtin_ctzll(v));
	}
	e->cpu->rflags = v ? flags : flags | RFLAGS_ZF;
	return operand_set(e, &e->op[0], v);
}

enum insn_result do_popcnt(struct emulator *e, unsigned int arg)
{
	enum insn_result r;
	uint64_t v;

	(void)arg;
	r = operand_get(e, &e->op[1], &v);
	if (r != INSN_DONE)
		return r;
	e->cpu->rflags = (e->cpu->rflags & ~RFLAGS_STATUS) | (v ? 0 : RFLAGS_ZF);
	return operand_set(e, &e->op[0], (uint64_t)__builtin_popcountll(v));
}

enum insn_result do_crc32(struct emulator *e, unsigned int arg)
{
	enum insn_result r;
	uint64_t crc, v;

	(void)arg;
	r = operand_get(e, &e->op[0], &crc);
	if (r == INSN_DONE)
		r = operand_get(e, &e->op[1], &v);
	if (r != INSN_DONE)
		return r;
	crc = (uint32_t)crc;
	for (unsigned int i = 0; i < operand_bits(&e->op[1]); i++, v >>= 1)
		crc = crc >> 1 ^ (((crc ^ v) & 1) ? CRC32C_REVERSED : 0);
	return operand_set(e, &e->op[0], crc);
}
