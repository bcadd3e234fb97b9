/* SPDX-License-Identifier: MIT */
/* AMD64 APM vol. 3, chapter 1 "Instruction Encoding". */
#include "hypervisor/svm/insn.h"

#define PREFIX_OPERAND 0x66u
#define PREFIX_ADDRESS 0x67u
#define PREFIX_LOCK    0xf0u
#define PREFIX_REP     0xf3u /* and REPNE, 0xf2 */
#define REX_B	       1u
#define REX_R	       4u
#define REX_W	       8u

struct cursor {
	const uint8_t *bytes;
	unsigned int at, count;
	bool short_of; /* read past the end */
	bool operand_prefix, address_prefix;
	uint8_t rex;
};

static uint8_t next(struct cursor *c)
{
	if (c->at >= c->count || c->at >= INSN_LENGTH_MAX) {
		c->short_of = true;
		return 0;
	}
	return c->bytes[c->at++];
}

static uint64_t next_le(struct cursor *c, unsigned int size)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < size; i++)
		v |= (uint64_t)next(c) << 8 * i;
	return v;
}

static bool is_prefix(uint8_t b)
{
	/* clang-format off */
	switch (b) {
	case PREFIX_OPERAND:
	case PREFIX_ADDRESS:
	case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65:
		return true;
	default:
		/* LOCK and REP mean nothing good before a MOV. */
		return false;
	}
	/* clang-format on */
}

/* Past the prefixes, which are noted; the opcode. */
static uint8_t opcode_of(struct cursor *c, enum insn_mode mode)
{
	uint8_t b;

	for (b = next(c); !c->short_of && is_prefix(b); b = next(c)) {
		c->operand_prefix |= b == PREFIX_OPERAND;
		c->address_prefix |= b == PREFIX_ADDRESS;
	}
	/* Only the REX right before the opcode counts. */
	if (mode == INSN_64 && (b & 0xf0) == 0x40) {
		c->rex = b;
		b = next(c);
	}
	return b;
}

unsigned int insn_prefixes(const uint8_t *bytes, unsigned int count, enum insn_mode mode)
{
	unsigned int n = 0;

	while (n < count && (is_prefix(bytes[n]) || bytes[n] == PREFIX_LOCK ||
			     (bytes[n] | 1) == PREFIX_REP ||
			     (mode == INSN_64 && (bytes[n] & 0xf0) == 0x40)))
		n++;
	return n;
}

/* Skip SIB and displacement. False: the operand is a register. */
static bool skip_memory_operand(struct cursor *c, uint8_t modrm, unsigned int address_size)
{
	unsigned int mod = modrm >> 6, rm = modrm & 7, displacement = 0;

	if (mod == 3)
		return false;
	if (address_size == 2) {
		if (mod == 1)
			displacement = 1;
		else if (mod == 2 || rm == 6)
			displacement = 2;
	} else {
		if (rm == 4) {
			uint8_t sib = next(c);

			if (mod == 0 && (sib & 7) == 5)
				displacement = 4;
		}
		if (mod == 1)
			displacement = 1;
		else if (mod == 2 || (mod == 0 && rm == 5))
			displacement = 4;
	}
	next_le(c, displacement);
	return true;
}

static uint64_t sign_extend(uint64_t v, unsigned int from)
{
	unsigned int shift = 64 - 8 * from;

	return (uint64_t)((int64_t)(v << shift) >> shift);
}

bool insn_decode_mov(struct insn *insn, const uint8_t *bytes, unsigned int count,
		     enum insn_mode mode)
{
	struct cursor c = { .bytes = bytes, .count = count };
	unsigned int operand_size = mode == INSN_16 ? 2 : 4;
	unsigned int address_size = mode == INSN_16 ? 2 : mode == INSN_32 ? 4 : 8;
	uint8_t opcode = opcode_of(&c, mode), modrm;

	*insn = (struct insn){ 0 };
	if (c.operand_prefix)
		operand_size = operand_size == 2 ? 4 : 2;
	if (c.rex & REX_W)
		operand_size = 8;
	if (c.address_prefix)
		address_size = mode == INSN_32 ? 2 : 4;
	if (!(opcode & 1))
		operand_size = 1;
	insn->size = (uint8_t)operand_size;

	/* clang-format off */
	switch (opcode) {
	case 0x88: case 0x89:		/* MOV memory, register */
	case 0x8a: case 0x8b:		/* MOV register, memory */
		modrm = next(&c);
		if (!skip_memory_operand(&c, modrm, address_size))
			return false;
		insn->store = opcode < 0x8a;
		insn->reg = (uint8_t)((modrm >> 3 & 7) | (c.rex & REX_R ? 8 : 0));
		if (operand_size == 1 && !c.rex && insn->reg >= 4) {
			insn->high_byte = true;
			insn->reg -= 4;
		}
		break;
	case 0xa0: case 0xa1:		/* MOV accumulator, offset */
	case 0xa2: case 0xa3:		/* MOV offset, accumulator */
		next_le(&c, address_size);
		insn->store = opcode >= 0xa2;
		break;
	case 0xc6: case 0xc7:		/* MOV memory, immediate */
		modrm = next(&c);
		if ((modrm >> 3 & 7) != 0 || !skip_memory_operand(&c, modrm, address_size))
			return false;
		insn->store = true;
		insn->has_immediate = true;
		/* At most 32 bits, sign-extended for 64. */
		insn->immediate = next_le(&c, MIN(operand_size, 4u));
		if (operand_size == 8)
			insn->immediate = sign_extend(insn->immediate, 4);
		break;
	default:
		return false;
	}
	/* clang-format on */
	insn->length = (uint8_t)c.at;
	return !c.short_of;
}

bool insn_decode_mov_cr(struct insn *insn, const uint8_t *bytes, unsigned int count,
			enum insn_mode mode)
{
	unsigned int n = insn_prefixes(bytes, count, mode);
	bool rex_b = mode == INSN_64 && n && (bytes[n - 1] & (0xf0 | REX_B)) == (0x40 | REX_B);

	if (n + 3 > MIN(count, INSN_LENGTH_MAX) || bytes[n] != 0x0f || bytes[n + 1] != 0x22)
		return false;
	/* Always a register and always a whole one, whatever mod and prefixes say. */
	*insn = (struct insn){
		.length = (uint8_t)(n + 3),
		.size = mode == INSN_64 ? 8 : 4,
		.reg = (uint8_t)((bytes[n + 2] & 7) | (rex_b ? 8 : 0)),
	};
	return true;
}
