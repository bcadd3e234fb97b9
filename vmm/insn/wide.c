/* SPDX-License-Identifier: MIT */
/*
 * Values twice as wide as a register, in rDX and rAX (bytes: in AX): products,
 * dividends, and what CMPXCHG8B and CMPXCHG16B compare.
 */
#include <string.h>

#include "vmm/insn/emulator.h"

static unsigned __int128 get_double(const struct insn_cpu *cpu, unsigned int bits)
{
	uint64_t low = cpu->gpr[GPR_RAX], high = cpu->gpr[GPR_RDX];

	if (bits == 8)
		return low & 0xffff;
	return (unsigned __int128)(high & mask_bits(bits)) << bits | (low & mask_bits(bits));
}

static void put_double(struct insn_cpu *cpu, unsigned int bits, uint64_t high, uint64_t low)
{
	if (bits == 8) {
		gpr_put(cpu, GPR_RAX, 16, (high & 0xff) << 8 | (low & 0xff));
		return;
	}
	gpr_put(cpu, GPR_RAX, bits, low & mask_bits(bits));
	gpr_put(cpu, GPR_RDX, bits, high & mask_bits(bits));
}

enum insn_result do_multiply(struct emulator *e, unsigned int is_signed)
{
	unsigned int bits = operand_bits(&e->op[0]);
	uint64_t a = e->cpu->gpr[GPR_RAX] & mask_bits(bits), b, low;
	unsigned __int128 product;
	enum insn_result r;
	bool lost;

	r = operand_get(e, &e->op[0], &b);
	if (r != INSN_DONE)
		return r;
	if (is_signed)
		product =
			(unsigned __int128)((__int128)sign_extend(a, bits) * sign_extend(b, bits));
	else
		product = (unsigned __int128)a * b;
	low = (uint64_t)product & mask_bits(bits);
	put_double(e->cpu, bits, (uint64_t)(product >> bits), low);
	lost = is_signed ? (__int128)product != sign_extend(low, bits) : product != low;
	e->cpu->rflags &= ~(RFLAGS_CF | RFLAGS_OF);
	e->cpu->rflags |= lost ? RFLAGS_CF | RFLAGS_OF : 0;
	return INSN_DONE;
}

/* The sign of a value of @bits, and what it is without. */
static unsigned __int128 magnitude(unsigned __int128 v, unsigned int bits, bool *negative)
{
	unsigned __int128 mask = ~(unsigned __int128)0 >> (128 - bits);

	*negative = v >> (bits - 1) & 1;
	return *negative ? -v & mask : v;
}

enum insn_result do_divide(struct emulator *e, unsigned int is_signed)
{
	unsigned int bits = operand_bits(&e->op[0]);
	unsigned __int128 dividend, divisor, quotient, remainder, most;
	bool negative = false, other = false;
	enum insn_result r;
	uint64_t d;

	r = operand_get(e, &e->op[0], &d);
	if (r != INSN_DONE)
		return r;
	dividend = get_double(e->cpu, bits);
	divisor = d;
	most = mask_bits(bits);
	if (is_signed) {
		dividend = magnitude(dividend, 2 * bits, &negative);
		divisor = magnitude(divisor, bits, &other);
		most = (most >> 1) + (negative != other); /* one more below zero */
	}
	if (!divisor || dividend / divisor > most)
		return raise_fault(e, FAULT_DE, 0);
	quotient = dividend / divisor;
	remainder = dividend % divisor; /* has the dividend's sign */
	put_double(e->cpu, bits, (uint64_t)(negative ? -remainder : remainder),
		   (uint64_t)(negative != other ? -quotient : quotient));
	return INSN_DONE;
}

/* CMPXCHG8B, CMPXCHG16B: memory with rDX:rAX; rCX:rBX is the new value. */
enum insn_result do_cmpxchg_double(struct emulator *e, unsigned int arg)
{
	unsigned int len = operand_bits(&e->op[0]) / 8, half = len / 2;
	struct insn_cpu *cpu = e->cpu;
	uint64_t low = 0, high = 0, linear;
	uint8_t value[16];
	enum insn_result r;
	bool equal;

	(void)arg;
	r = operand_linear(e, &e->op[0], 0, len, WALK_WRITE, &linear);
	if (r == INSN_DONE && len == 16 && linear % 16)
		r = raise_fault(e, FAULT_GP, 0);
	if (r == INSN_DONE)
		r = linear_read(e, linear, value, len, WALK_READ);
	if (r != INSN_DONE)
		return r;
	memcpy(&low, value, half);
	memcpy(&high, value + half, half);
	equal = !((low ^ cpu->gpr[GPR_RAX]) & mask_bits(half * 8)) &&
		!((high ^ cpu->gpr[GPR_RDX]) & mask_bits(half * 8));
	if (equal) {
		memcpy(value, &cpu->gpr[GPR_RBX], half);
		memcpy(value + half, &cpu->gpr[GPR_RCX], half);
	}
	/* The destination is written in either case, as on the bus. */
	r = linear_write(e, linear, value, len);
	if (r != INSN_DONE)
		return r;
	if (!equal)
		put_double(cpu, half * 8, high, low);
	cpu->rflags = equal ? cpu->rflags | RFLAGS_ZF : cpu->rflags & ~RFLAGS_ZF;
	return INSN_DONE;
}
