/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's MOV decoder against Zydis, both ways: what it accepts means
 * the same to Zydis, and the forms it promises are accepted.
 */
#include <stdint.h>
#include <stdlib.h>

#include <Zydis/Zydis.h>

#include "hypervisor/svm/insn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static bool decode_zydis(enum insn_mode mode, const uint8_t *bytes, size_t size,
			 ZydisDecodedInstruction *insn, ZydisDecodedOperand *operands)
{
	static const struct {
		ZydisMachineMode mode;
		ZydisStackWidth width;
	} machine[] = {
		[INSN_16] = { ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16 },
		[INSN_32] = { ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32 },
		[INSN_64] = { ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 },
	};
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, machine[mode].mode, machine[mode].width);
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, size, insn, operands));
}

static bool has_opcode_of_ours(uint8_t opcode)
{
	return (opcode >= 0x88 && opcode <= 0x8b) || (opcode >= 0xa0 && opcode <= 0xa3) ||
	       opcode == 0xc6 || opcode == 0xc7;
}

/*
 * LOCK and REP are refused on purpose, and so is a REX with another prefix
 * behind it, which does nothing and which no compiler emits.
 */
static bool has_odd_prefix(const ZydisDecodedInstruction *z, const uint8_t *bytes,
			   enum insn_mode mode)
{
	for (unsigned int i = 0; i < z->raw.prefix_count; i++) {
		uint8_t b = bytes[i];

		if (b == 0xf0 || b == 0xf2 || b == 0xf3)
			return true;
		if (mode == INSN_64 && (b & 0xf0) == 0x40 && i + 1 < z->raw.prefix_count)
			return true;
	}
	return false;
}

static bool is_promised(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *op,
			const uint8_t *bytes, enum insn_mode mode)
{
	return z->mnemonic == ZYDIS_MNEMONIC_MOV &&
	       z->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
	       z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && has_opcode_of_ours(z->opcode) &&
	       (op[0].type == ZYDIS_OPERAND_TYPE_MEMORY ||
		op[1].type == ZYDIS_OPERAND_TYPE_MEMORY) &&
	       !has_odd_prefix(z, bytes, mode);
}

static void require_register(const struct insn *insn, ZydisRegister reg)
{
	if (insn->high_byte) {
		require(reg == (ZydisRegister)(ZYDIS_REGISTER_AH + insn->reg));
		return;
	}
	switch (insn->size) {
	case 1:
		/* Encoding order, but AH … BH stand before SPL … DIL. */
		require(reg == (ZydisRegister)(insn->reg < 4 ? ZYDIS_REGISTER_AL + insn->reg :
							       ZYDIS_REGISTER_SPL + insn->reg - 4));
		break;
	case 2:
		require(reg == (ZydisRegister)(ZYDIS_REGISTER_AX + insn->reg));
		break;
	case 4:
		require(reg == (ZydisRegister)(ZYDIS_REGISTER_EAX + insn->reg));
		break;
	case 8:
		require(reg == (ZydisRegister)(ZYDIS_REGISTER_RAX + insn->reg));
		break;
	default:
		abort();
	}
}

static void require_same(const struct insn *insn, const ZydisDecodedInstruction *z,
			 const ZydisDecodedOperand *op)
{
	uint64_t mask = insn->size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * insn->size) - 1;

	require(z->mnemonic == ZYDIS_MNEMONIC_MOV);
	require(z->length == insn->length);
	require(z->operand_width == insn->size * 8);
	require(op[insn->store ? 0 : 1].type == ZYDIS_OPERAND_TYPE_MEMORY);
	if (insn->has_immediate)
		require(((op[1].imm.value.u ^ insn->immediate) & mask) == 0);
	else
		require_register(insn, op[insn->store ? 1 : 0].reg.value);
}

/*
 * The intercept has said that it is a write to CR8, so what is no such instruction
 * only has to be survived.
 */
static void check_mov_cr(const uint8_t *bytes, size_t size, enum insn_mode mode,
			 const ZydisDecodedInstruction *z, const ZydisDecodedOperand *op,
			 bool theirs)
{
	struct insn insn;
	bool ours = insn_decode_mov_cr(&insn, bytes, (unsigned int)size, mode);

	if (!theirs || z->mnemonic != ZYDIS_MNEMONIC_MOV ||
	    op[0].type != ZYDIS_OPERAND_TYPE_REGISTER || op[0].reg.value < ZYDIS_REGISTER_CR0 ||
	    op[0].reg.value > ZYDIS_REGISTER_CR15) {
		return;
	}
	if (!ours) {
		require(has_odd_prefix(z, bytes, mode));
		return;
	}
	require(z->length == insn.length);
	require_register(&insn, op[1].reg.value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ZydisDecodedInstruction z;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	enum insn_mode mode;
	struct insn insn;
	bool ours, theirs;

	if (size < 2)
		return 0;
	mode = (enum insn_mode)(data[0] % 3);
	data++;
	size = MIN(size - 1, 16u);

	ours = insn_decode_mov(&insn, data, (unsigned int)size, mode);
	theirs = decode_zydis(mode, data, size, &z, operands);
	if (ours) {
		require(theirs);
		require_same(&insn, &z, operands);
	} else if (theirs) {
		require(!is_promised(&z, operands, data, mode));
	}
	check_mov_cr(data, size, mode, &z, operands, theirs);
	return 0;
}
