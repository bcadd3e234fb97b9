/* SPDX-License-Identifier: MIT */
/*
 * Arithmetic and the status flags. AMD64 Architecture Programmer's Manual,
 * volume 3. Where the manual calls a flag undefined it keeps its value.
 */
#include "vmm/insn/emulator.h"

static uint64_t sign_bit(unsigned int bits)
{
	return BIT64(bits - 1);
}

static void set_flag(uint64_t *flags, uint64_t flag, bool on)
{
	*flags = on ? *flags | flag : *flags & ~flag;
}

static void set_szp(uint64_t *flags, unsigned int bits, uint64_t r)
{
	set_flag(flags, RFLAGS_SF, r & sign_bit(bits));
	set_flag(flags, RFLAGS_ZF, r == 0);
	set_flag(flags, RFLAGS_PF, !(__builtin_popcount((unsigned int)r & 0xff) & 1));
}

static uint64_t add(unsigned int bits, uint64_t a, uint64_t b, bool carry, uint64_t *flags)
{
	uint64_t r = (a + b + carry) & mask_bits(bits);

	/* Carry out of each bit: where both are set, or one is and the sum not. */
	uint64_t carries = (a & b) | ((a | b) & ~r);

	set_flag(flags, RFLAGS_CF, carries & sign_bit(bits));
	set_flag(flags, RFLAGS_AF, carries & BIT64(3));
	set_flag(flags, RFLAGS_OF, (a ^ r) & (b ^ r) & sign_bit(bits));
	set_szp(flags, bits, r);
	return r;
}

static uint64_t sub(unsigned int bits, uint64_t a, uint64_t b, bool borrow, uint64_t *flags)
{
	uint64_t r = (a - b - borrow) & mask_bits(bits);
	uint64_t borrows = (~a & b) | ((~a | b) & r);

	set_flag(flags, RFLAGS_CF, borrows & sign_bit(bits));
	set_flag(flags, RFLAGS_AF, borrows & BIT64(3));
	set_flag(flags, RFLAGS_OF, (a ^ b) & (a ^ r) & sign_bit(bits));
	set_szp(flags, bits, r);
	return r;
}

static uint64_t logic(unsigned int bits, uint64_t r, uint64_t *flags)
{
	*flags &= ~(RFLAGS_CF | RFLAGS_OF | RFLAGS_AF);
	set_szp(flags, bits, r);
	return r;
}

/* INC and DEC leave the carry alone. */
static uint64_t step(enum alu_op op, unsigned int bits, uint64_t a, uint64_t *flags)
{
	uint64_t carry = *flags & RFLAGS_CF;
	uint64_t r = op == ALU_INC ? add(bits, a, 1, false, flags) : sub(bits, a, 1, false, flags);

	*flags = (*flags & ~RFLAGS_CF) | carry;
	return r;
}

/* Shift counts are taken modulo 64 for 64 bit operands, modulo 32 else. */
static unsigned int shift_count(unsigned int bits, uint64_t b)
{
	return (unsigned int)b & (bits == 64 ? 63 : 31);
}

static uint64_t shift(enum alu_op op, unsigned int bits, uint64_t a, unsigned int n,
		      uint64_t *flags)
{
	uint64_t mask = mask_bits(bits), r;
	int64_t s = sign_extend(a, bits);
	bool carry;

	if (!n)
		return a;
	switch (op) {
	case ALU_SHL:
		r = a << n & mask;
		carry = n <= bits && (a >> (bits - n) & 1);
		set_flag(flags, RFLAGS_OF, ((r & sign_bit(bits)) != 0) != carry);
		break;
	case ALU_SHR:
		r = n < bits ? a >> n : 0;
		carry = n <= bits && (a >> (n - 1) & 1);
		set_flag(flags, RFLAGS_OF, a & sign_bit(bits));
		break;
	default: /* ALU_SAR */
		r = (uint64_t)(s >> MIN(n, 63U)) & mask;
		carry = (uint64_t)(s >> (n - 1)) & 1;
		set_flag(flags, RFLAGS_OF, false);
		break;
	}
	set_flag(flags, RFLAGS_CF, carry);
	set_szp(flags, bits, r);
	return r;
}

static uint64_t rotate(enum alu_op op, unsigned int bits, uint64_t a, unsigned int n,
		       uint64_t *flags)
{
	uint64_t r;

	if (!n)
		return a;
	n %= bits;
	if (op == ALU_ROR)
		n = (bits - n) % bits;
	r = n ? (a << n | a >> (bits - n)) & mask_bits(bits) : a;
	if (op == ALU_ROL) {
		set_flag(flags, RFLAGS_CF, r & 1);
		set_flag(flags, RFLAGS_OF, ((r >> (bits - 1)) ^ r) & 1);
	} else {
		set_flag(flags, RFLAGS_CF, r & sign_bit(bits));
		set_flag(flags, RFLAGS_OF, ((r >> (bits - 1)) ^ (r >> (bits - 2))) & 1);
	}
	return r;
}

/* Through the carry, one bit at a time: counts are small. */
static uint64_t rotate_carry(enum alu_op op, unsigned int bits, uint64_t a, unsigned int n,
			     uint64_t *flags)
{
	bool carry = *flags & RFLAGS_CF;
	uint64_t r = a;

	n %= bits + 1;
	if (!n)
		return a;
	while (n--) {
		bool out;

		if (op == ALU_RCL) {
			out = r & sign_bit(bits);
			r = (r << 1 | carry) & mask_bits(bits);
		} else {
			out = r & 1;
			r = r >> 1 | (carry ? sign_bit(bits) : 0);
		}
		carry = out;
	}
	set_flag(flags, RFLAGS_CF, carry);
	if (op == ALU_RCL)
		set_flag(flags, RFLAGS_OF, ((r >> (bits - 1)) & 1) != carry);
	else
		set_flag(flags, RFLAGS_OF, ((r >> (bits - 1)) ^ (r >> (bits - 2))) & 1);
	return r;
}

uint64_t alu(enum alu_op op, unsigned int bits, uint64_t a, uint64_t b, uint64_t *flags)
{
	bool carry = *flags & RFLAGS_CF;

	a &= mask_bits(bits);
	switch (op) {
	case ALU_SHL:
	case ALU_SHR:
	case ALU_SAR:
		return shift(op, bits, a, shift_count(bits, b), flags);
	case ALU_ROL:
	case ALU_ROR:
		return rotate(op, bits, a, shift_count(bits, b), flags);
	case ALU_RCL:
	case ALU_RCR:
		return rotate_carry(op, bits, a, shift_count(bits, b), flags);
	default:
		break;
	}
	b &= mask_bits(bits);
	switch (op) {
	case ALU_ADD:
		return add(bits, a, b, false, flags);
	case ALU_ADC:
		return add(bits, a, b, carry, flags);
	case ALU_SUB:
		return sub(bits, a, b, false, flags);
	case ALU_SBB:
		return sub(bits, a, b, carry, flags);
	case ALU_AND:
		return logic(bits, a & b, flags);
	case ALU_OR:
		return logic(bits, a | b, flags);
	case ALU_XOR:
		return logic(bits, a ^ b, flags);
	case ALU_NEG:
		return sub(bits, 0, a, false, flags);
	default:
		return step(op, bits, a, flags);
	}
}

uint64_t alu_double_shift(bool left, unsigned int bits, uint64_t a, uint64_t fill,
			  unsigned int count, uint64_t *flags)
{
	unsigned int n = shift_count(bits, count);
	uint64_t mask = mask_bits(bits), r;
	bool carry;

	a &= mask;
	fill &= mask;
	/* Counts above the width (16 bit only) have no defined result. */
	if (!n || n > bits)
		return a;
	if (left) {
		r = n == bits ? fill : (a << n | fill >> (bits - n)) & mask;
		carry = a >> (bits - n) & 1;
	} else {
		r = n == bits ? fill : (a >> n | fill << (bits - n)) & mask;
		carry = a >> (n - 1) & 1;
	}
	set_flag(flags, RFLAGS_CF, carry);
	set_flag(flags, RFLAGS_OF, (a ^ r) & sign_bit(bits));
	set_szp(flags, bits, r);
	return r;
}

uint64_t alu_imul(unsigned int bits, uint64_t a, uint64_t b, uint64_t *flags)
{
	__int128 wide = (__int128)sign_extend(a, bits) * sign_extend(b, bits);
	uint64_t r = (uint64_t)wide & mask_bits(bits);
	bool lost = (__int128)sign_extend(r, bits) != wide;

	set_flag(flags, RFLAGS_CF, lost);
	set_flag(flags, RFLAGS_OF, lost);
	return r;
}

bool alu_condition(unsigned int code, uint64_t flags)
{
	bool sf = flags & RFLAGS_SF, of = flags & RFLAGS_OF;
	bool zf = flags & RFLAGS_ZF, cf = flags & RFLAGS_CF;
	bool yes;

	switch (code >> 1 & 7) {
	case 0:
		yes = of;
		break;
	case 1:
		yes = cf;
		break;
	case 2:
		yes = zf;
		break;
	case 3:
		yes = cf || zf;
		break;
	case 4:
		yes = sf;
		break;
	case 5:
		yes = flags & RFLAGS_PF;
		break;
	case 6:
		yes = sf != of;
		break;
	default:
		yes = zf || sf != of;
		break;
	}
	return yes != (code & 1);
}
