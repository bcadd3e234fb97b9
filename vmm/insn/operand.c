/* SPDX-License-Identifier: MIT */
#include "vmm/insn/emulator.h"

unsigned int operand_bits(const ZydisDecodedOperand *op)
{
	return op->size;
}

/*
 * Zydis numbers 8 bit registers AL CL DL BL AH CH DH BH SPL BPL SIL DIL R8B …,
 * all others as the encoding does.
 */
static bool locate(ZydisRegister reg, unsigned int *index, unsigned int *bits, bool *high)
{
	ZyanI8 id = ZydisRegisterGetId(reg);

	*high = false;
	if (id < 0)
		return false;
	*index = (unsigned int)id;
	switch (ZydisRegisterGetClass(reg)) {
	case ZYDIS_REGCLASS_GPR8:
		*bits = 8;
		if (id >= 4) {
			*high = id < 8;
			*index -= 4;
		}
		return true;
	case ZYDIS_REGCLASS_GPR16:
		*bits = 16;
		return true;
	case ZYDIS_REGCLASS_GPR32:
		*bits = 32;
		return true;
	case ZYDIS_REGCLASS_GPR64:
		*bits = 64;
		return true;
	default:
		return false;
	}
}

bool gpr_get(struct emulator *e, ZydisRegister reg, uint64_t *val)
{
	unsigned int index, bits;
	bool high;

	if (!locate(reg, &index, &bits, &high))
		return false;
	*val = e->cpu->gpr[index] >> (high ? 8 : 0) & mask_bits(bits);
	return true;
}

bool gpr_set(struct emulator *e, ZydisRegister reg, uint64_t val)
{
	unsigned int index, bits;
	bool high;

	if (!locate(reg, &index, &bits, &high))
		return false;
	if (high)
		e->cpu->gpr[index] = (e->cpu->gpr[index] & ~0xff00ULL) | (val & 0xff) << 8;
	else
		gpr_put(e->cpu, (enum insn_gpr)index, bits, val);
	return true;
}

void gpr_put(struct insn_cpu *cpu, enum insn_gpr r, unsigned int bits, uint64_t val)
{
	uint64_t mask = bits == 32 ? ~UINT64_C(0) : mask_bits(bits);

	cpu->gpr[r] = (cpu->gpr[r] & ~mask) | (val & mask_bits(bits));
}

static bool segment_index(ZydisRegister reg, enum insn_segment *seg)
{
	ZyanI8 id = ZydisRegisterGetId(reg);

	if (ZydisRegisterGetClass(reg) != ZYDIS_REGCLASS_SEGMENT || id < 0 || id >= SEG_COUNT)
		return false;
	*seg = (enum insn_segment)id;
	return true;
}

/* Part of an effective address: a general register, (E/R)IP, or none. */
static bool address_part(struct emulator *e, ZydisRegister reg, uint64_t *val)
{
	if (reg == ZYDIS_REGISTER_NONE) {
		*val = 0;
		return true;
	}
	if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP) {
		*val = e->cpu->rip + e->insn.length;
		return true;
	}
	return gpr_get(e, reg, val);
}

enum insn_result operand_linear(struct emulator *e, const ZydisDecodedOperand *op,
				int64_t displacement, unsigned int len, enum walk_access access,
				uint64_t *linear)
{
	enum insn_segment seg;
	uint64_t base, index, offset;

	if (op->type != ZYDIS_OPERAND_TYPE_MEMORY || !segment_index(op->mem.segment, &seg) ||
	    !address_part(e, op->mem.base, &base) || !address_part(e, op->mem.index, &index))
		return INSN_UNKNOWN;
	offset = base + index * op->mem.scale + (uint64_t)op->mem.disp.value +
		 (uint64_t)displacement;
	offset &= mask_bits(e->insn.address_width);
	return segment_linear(e, seg, offset, len, access, linear);
}

static enum insn_result memory_get(struct emulator *e, const ZydisDecodedOperand *op, uint64_t *val)
{
	unsigned int len = operand_bits(op) / 8;
	enum insn_result r;
	uint64_t linear;

	if (!len || len > sizeof(*val))
		return INSN_UNKNOWN;
	r = operand_linear(e, op, 0, len, WALK_READ, &linear);
	if (r != INSN_DONE)
		return r;
	*val = 0;
	return linear_read(e, linear, val, len, WALK_READ);
}

enum insn_result operand_get(struct emulator *e, const ZydisDecodedOperand *op, uint64_t *val)
{
	enum insn_segment seg;

	switch (op->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		if (segment_index(op->reg.value, &seg)) {
			*val = e->cpu->segment[seg].selector;
			return INSN_DONE;
		}
		return gpr_get(e, op->reg.value, val) ? INSN_DONE : INSN_UNKNOWN;
	case ZYDIS_OPERAND_TYPE_MEMORY:
		return memory_get(e, op, val);
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		*val = op->imm.value.u;
		return INSN_DONE;
	default:
		return INSN_UNKNOWN;
	}
}

enum insn_result operand_set(struct emulator *e, const ZydisDecodedOperand *op, uint64_t val)
{
	unsigned int len = operand_bits(op) / 8;
	enum insn_result r;
	uint64_t linear;

	switch (op->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		return gpr_set(e, op->reg.value, val) ? INSN_DONE : INSN_UNKNOWN;
	case ZYDIS_OPERAND_TYPE_MEMORY:
		if (!len || len > sizeof(val))
			return INSN_UNKNOWN;
		r = operand_linear(e, op, 0, len, WALK_WRITE, &linear);
		if (r != INSN_DONE)
			return r;
		return linear_write(e, linear, &val, len);
	default:
		return INSN_UNKNOWN;
	}
}
