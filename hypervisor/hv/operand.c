/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/operand.h"

#include "hypervisor/vcpu.h"

enum insn_mode operand_mode(const struct vcpu *v)
{
	if (vcpu_long64(v))
		return INSN_64;
	if ((v->cr0 & CR0_PE) && !(v->rflags & RFLAGS_VM) && (v->seg[VCPU_CS].attributes & SEG_BIG))
		return INSN_32;
	return INSN_16;
}

static uint64_t size_mask(unsigned int size)
{
	return size == 8 ? ~0ULL : BIT64(8 * size) - 1;
}

uint64_t operand_stored(const struct vcpu *v, const struct insn *insn)
{
	uint64_t val = insn->has_immediate ? insn->immediate : v->gpr[insn->reg];

	if (!insn->has_immediate && insn->high_byte)
		val >>= 8;
	return val & size_mask(insn->size);
}

void operand_load(struct vcpu *v, const struct insn *insn, uint64_t val)
{
	unsigned int shift = insn->high_byte ? 8 : 0;
	uint64_t mask = size_mask(insn->size) << shift;

	if (insn->size == 4) /* clears the upper half */
		mask = ~0ULL;
	v->gpr[insn->reg] = (v->gpr[insn->reg] & ~mask) | (val << shift & mask);
}
