/* SPDX-License-Identifier: MIT */
/*
 * Moves between memory and the vector registers, of SSE and of AVX: what a memcpy() or
 * a compiler makes of copying. Nothing computes with vectors on device memory.
 *
 * The processor checked the state and the alignment before it met the device. Both are
 * checked again: what we decode may be another instruction by now.
 */
#include <string.h>

#include "vmm/insn/emulator.h"

#define CR0_EM	    BIT64(2)
#define CR0_TS	    BIT64(3)
#define CR4_OSFXSR  BIT64(9)
#define CR4_OSXSAVE BIT64(18)
#define XCR0_AVX    (BIT64(1) | BIT64(2)) /* the registers, and their upper halves */

enum {
	ALIGNED = 1, /* #GP unless the address is a multiple of the size */
	KEEP = 2,    /* a load changes a part; the others come from the first source */
	HIGH = 4,    /* the upper half of XMM */
	LANE = 8,    /* the half of YMM that a constant chooses */
};

#define BOTH(name) ZYDIS_MNEMONIC_##name, ZYDIS_MNEMONIC_V##name
#define AVX(name)  ZYDIS_MNEMONIC_INVALID, ZYDIS_MNEMONIC_V##name

static const struct form {
	ZydisMnemonic sse, avx;
	unsigned int flags;
} forms[] = {
	{ BOTH(MOVUPS), 0 },
	{ BOTH(MOVUPD), 0 },
	{ BOTH(MOVDQU), 0 },
	{ BOTH(LDDQU), 0 },
	{ BOTH(MOVAPS), ALIGNED },
	{ BOTH(MOVAPD), ALIGNED },
	{ BOTH(MOVDQA), ALIGNED },
	{ BOTH(MOVNTPS), ALIGNED },
	{ BOTH(MOVNTPD), ALIGNED },
	{ BOTH(MOVNTDQ), ALIGNED },
	{ BOTH(MOVNTDQA), ALIGNED },
	{ BOTH(MOVSS), 0 },
	{ BOTH(MOVSD), 0 },
	{ BOTH(MOVD), 0 },
	{ BOTH(MOVQ), 0 },
	{ BOTH(MOVLPS), KEEP },
	{ BOTH(MOVLPD), KEEP },
	{ BOTH(MOVHPS), KEEP | HIGH },
	{ BOTH(MOVHPD), KEEP | HIGH },
	{ AVX(INSERTF128), KEEP | LANE },
	{ AVX(INSERTI128), KEEP | LANE },
	{ AVX(EXTRACTF128), LANE },
	{ AVX(EXTRACTI128), LANE },
};

static const struct form *find_form(ZydisMnemonic m)
{
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		if (forms[i].sse == m || forms[i].avx == m)
			return &forms[i];
	return NULL;
}

/* MMX registers have the same names for MOVD and MOVQ. */
static bool register_index(const ZydisDecodedOperand *op, unsigned int *index)
{
	ZydisRegisterClass class = ZydisRegisterGetClass(op->reg.value);

	if (op->type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    (class != ZYDIS_REGCLASS_XMM && class != ZYDIS_REGCLASS_YMM))
		return false;
	*index = (unsigned int)ZydisRegisterGetId(op->reg.value);
	return *index < INSN_VECTORS;
}

/* The registers, if the processor would let the guest have them. */
static enum insn_result get_vectors(struct emulator *e, bool avx, struct insn_vectors *v)
{
	const struct insn_cpu *cpu = e->cpu;

	if (avx ? !(cpu->cr4 & CR4_OSXSAVE) : (cpu->cr0 & CR0_EM) || !(cpu->cr4 & CR4_OSFXSR))
		return raise_fault(e, FAULT_UD, 0);
	if (!e->bus->vectors_get(e->bus->arg, v))
		return INSN_UNKNOWN;
	if (avx && (v->xcr0 & XCR0_AVX) != XCR0_AVX)
		return raise_fault(e, FAULT_UD, 0);
	return cpu->cr0 & CR0_TS ? raise_fault(e, FAULT_NM, 0) : INSN_DONE;
}

/* SSE leaves the upper half of YMM alone, AVX clears what it does not write. */
static enum insn_result load(struct emulator *e, uint64_t linear, unsigned int at, unsigned int len,
			     unsigned int flags, struct insn_vectors *v)
{
	bool avx = e->insn.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
	unsigned int width = avx ? e->insn.avx.vector_length / 8U : 16;
	uint8_t value[INSN_VECTOR_BYTES] = { 0 };
	unsigned int to, from;
	enum insn_result r;

	if (!register_index(&e->op[0], &to) || width > sizeof(value))
		return INSN_UNKNOWN;
	if (flags & KEEP) {
		if (!register_index(&e->op[avx ? 1 : 0], &from))
			return INSN_UNKNOWN;
		memcpy(value, v->reg[from], width);
	}
	r = linear_read(e, linear, value + at, len, WALK_READ);
	if (r != INSN_DONE)
		return r;
	memcpy(v->reg[to], value, avx ? sizeof(value) : width);
	e->bus->vectors_put(e->bus->arg, v);
	return INSN_DONE;
}

enum insn_result vector_execute(struct emulator *e)
{
	bool avx = e->insn.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
	const struct form *f = find_form(e->insn.mnemonic);
	unsigned int last = e->insn.operand_count_visible, len, from, at = 0;
	const ZydisDecodedOperand *mem;
	struct insn_vectors v;
	enum insn_result r;
	uint64_t linear;
	bool store;

	if (!f)
		return INSN_UNKNOWN;
	if (f->flags & LANE)
		at = e->op[--last].imm.value.u & 1 ? 16 : 0;
	else if (f->flags & HIGH)
		at = 8;
	store = e->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY;
	mem = &e->op[store ? 0 : last - 1];
	len = operand_bits(mem) / 8;
	if (mem->type != ZYDIS_OPERAND_TYPE_MEMORY || !len || at + len > INSN_VECTOR_BYTES ||
	    !register_index(&e->op[store ? 1 : 0], &from))
		return INSN_UNKNOWN;
	r = get_vectors(e, avx, &v);
	if (r == INSN_DONE)
		r = operand_linear(e, mem, 0, len, store ? WALK_WRITE : WALK_READ, &linear);
	if (r == INSN_DONE && (f->flags & ALIGNED) && linear % len)
		r = raise_fault(e, FAULT_GP, 0);
	if (r != INSN_DONE)
		return r;
	return store ? linear_write(e, linear, v.reg[from] + at, len) :
		       load(e, linear, at, len, f->flags, &v);
}
