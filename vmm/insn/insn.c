/* SPDX-License-Identifier: MIT */
#include "vmm/insn/insn.h"

#include <string.h>

#include "vmm/insn/emulator.h"

#define EFER_LMA  BIT64(10)
#define ATTR_LONG (1U << 13)
#define ATTR_BIG  (1U << 14)

void retire(struct emulator *e)
{
	struct insn_cpu *cpu = e->cpu;

	cpu->rip = e->next;
	cpu->rflags &= ~RFLAGS_RF;
}

/* --- instructions: memory is written before any register changes --- */

static enum insn_result do_mov(struct emulator *e, unsigned int arg)
{
	enum insn_result r;
	uint64_t v;

	(void)arg;
	r = operand_get(e, &e->op[1], &v);
	return r == INSN_DONE ? operand_set(e, &e->op[0], v) : r;
}

static enum insn_result do_movsx(struct emulator *e, unsigned int arg)
{
	enum insn_result r;
	uint64_t v;

	(void)arg;
	r = operand_get(e, &e->op[1], &v);
	if (r != INSN_DONE)
		return r;
	return operand_set(e, &e->op[0], (uint64_t)sign_extend(v, operand_bits(&e->op[1])));
}

static enum insn_result do_movbe(struct emulator *e, unsigned int arg)
{
	unsigned int bits = operand_bits(&e->op[0]);
	enum insn_result r;
	uint64_t v;

	(void)arg;
	r = operand_get(e, &e->op[1], &v);
	if (r != INSN_DONE)
		return r;
	return operand_set(e, &e->op[0], __builtin_bswap64(v) >> (64 - bits));
}

/* Two operands, result to the first; shifts by one have an implied second. */
static enum insn_result do_alu(struct emulator *e, unsigned int op)
{
	uint64_t a, b, result, flags = e->cpu->rflags;
	enum insn_result r;

	r = operand_get(e, &e->op[0], &a);
	if (r == INSN_DONE)
		r = operand_get(e, &e->op[1], &b);
	if (r != INSN_DONE)
		return r;
	result = alu((enum alu_op)op, operand_bits(&e->op[0]), a, b, &flags);
	r = operand_set(e, &e->op[0], result);
	if (r == INSN_DONE)
		e->cpu->rflags = flags;
	return r;
}

static enum insn_result do_unary(struct emulator *e, unsigned int op)
{
	uint64_t a, flags = e->cpu->rflags;
	enum insn_result r;

	r = operand_get(e, &e->op[0], &a);
	if (r != INSN_DONE)
		return r;
	a = alu((enum alu_op)op, operand_bits(&e->op[0]), a, 0, &flags);
	r = operand_set(e, &e->op[0], a);
	if (r == INSN_DONE)
		e->cpu->rflags = flags;
	return r;
}

static enum insn_result do_not(struct emulator *e, unsigned int arg)
{
	enum insn_result r;
	uint64_t a;

	(void)arg;
	r = operand_get(e, &e->op[0], &a);
	return r == INSN_DONE ? operand_set(e, &e->op[0], ~a) : r;
}

/* CMP and TEST: flags only. */
static enum insn_result do_compare(struct emulator *e, unsigned int op)
{
	enum insn_result r;
	uint64_t a, b;

	r = operand_get(e, &e->op[0], &a);
	if (r == INSN_DONE)
		r = operand_get(e, &e->op[1], &b);
	if (r == INSN_DONE)
		alu((enum alu_op)op, operand_bits(&e->op[0]), a, b, &e->cpu->rflags);
	return r;
}

/* The memory operand may be either; write it first. */
static enum insn_result do_xchg(struct emulator *e, unsigned int arg)
{
	bool first = e->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY;
	const ZydisDecodedOperand *mem = &e->op[first ? 0 : 1];
	const ZydisDecodedOperand *reg = &e->op[first ? 1 : 0];
	enum insn_result r;
	uint64_t m, v;

	(void)arg;
	r = operand_get(e, mem, &m);
	if (r == INSN_DONE)
		r = operand_get(e, reg, &v);
	if (r == INSN_DONE)
		r = operand_set(e, mem, v);
	return r == INSN_DONE ? operand_set(e, reg, m) : r;
}

static enum insn_result do_xadd(struct emulator *e, unsigned int arg)
{
	uint64_t a, b, sum, flags = e->cpu->rflags;
	enum insn_result r;

	(void)arg;
	r = operand_get(e, &e->op[0], &a);
	if (r == INSN_DONE)
		r = operand_get(e, &e->op[1], &b);
	if (r != INSN_DONE)
		return r;
	sum = alu(ALU_ADD, operand_bits(&e->op[0]), a, b, &flags);
	r = operand_set(e, &e->op[0], sum);
	if (r != INSN_DONE)
		return r;
	e->cpu->rflags = flags;
	return operand_set(e, &e->op[1], a);
}

static enum insn_result do_cmpxchg(struct emulator *e, unsigned int arg)
{
	unsigned int bits = operand_bits(&e->op[0]);
	uint64_t old, new, acc, flags = e->cpu->rflags;
	enum insn_result r;

	(void)arg;
	acc = e->cpu->gpr[GPR_RAX] & mask_bits(bits);
	r = operand_get(e, &e->op[0], &old);
	if (r == INSN_DONE)
		r = operand_get(e, &e->op[1], &new);
	if (r != INSN_DONE)
		return r;
	alu(ALU_SUB, bits, acc, old, &flags);
	/* The destination is written in either case, as on the bus. */
	r = operand_set(e, &e->op[0], acc == old ? new : old);
	if (r != INSN_DONE)
		return r;
	e->cpu->rflags = flags;
	if (acc != old)
		gpr_put(e->cpu, GPR_RAX, bits, old);
	return INSN_DONE;
}

static enum insn_result do_double_shift(struct emulator *e, unsigned int left)
{
	uint64_t a, fill, count, flags = e->cpu->rflags;
	enum insn_result r;

	r = operand_get(e, &e->op[0], &a);
	if (r == INSN_DONE)
		r = operand_get(e, &e->op[1], &fill);
	if (r == INSN_DONE)
		r = operand_get(e, &e->op[2], &count);
	if (r != INSN_DONE)
		return r;
	a = alu_double_shift(left, operand_bits(&e->op[0]), a, fill, (unsigned int)count, &flags);
	r = operand_set(e, &e->op[0], a);
	if (r == INSN_DONE)
		e->cpu->rflags = flags;
	return r;
}

/* IMUL r, m and IMUL r, m, imm; of IMUL m the result is wide. */
static enum insn_result do_imul(struct emulator *e, unsigned int arg)
{
	unsigned int n = e->insn.operand_count_visible;
	uint64_t a, b;
	enum insn_result r;

	(void)arg;
	if (n < 2)
		return do_multiply(e, true);
	r = operand_get(e, &e->op[n - 2], &a);
	if (r == INSN_DONE)
		r = operand_get(e, &e->op[n - 1], &b);
	if (r != INSN_DONE)
		return r;
	return operand_set(e, &e->op[0], alu_imul(operand_bits(&e->op[0]), a, b, &e->cpu->rflags));
}

static enum insn_result do_setcc(struct emulator *e, unsigned int arg)
{
	(void)arg;
	return operand_set(e, &e->op[0], alu_condition(e->insn.opcode, e->cpu->rflags));
}

/* The source is read, and a 32 bit destination extended, in either case. */
static enum insn_result do_cmovcc(struct emulator *e, unsigned int arg)
{
	uint64_t v, old;
	enum insn_result r;

	(void)arg;
	r = operand_get(e, &e->op[1], &v);
	if (r == INSN_DONE)
		r = operand_get(e, &e->op[0], &old);
	if (r != INSN_DONE)
		return r;
	return operand_set(e, &e->op[0], alu_condition(e->insn.opcode, e->cpu->rflags) ? v : old);
}

/* The hidden operand of XLAT is rBX alone, AL counts from there. */
static enum insn_result do_xlat(struct emulator *e, unsigned int arg)
{
	enum insn_result r;
	uint64_t linear;
	uint8_t v;

	(void)arg;
	r = operand_linear(e, &e->op[0], (uint8_t)e->cpu->gpr[GPR_RAX], 1, WALK_READ, &linear);
	if (r == INSN_DONE)
		r = linear_read(e, linear, &v, 1, WALK_READ);
	if (r == INSN_DONE)
		gpr_put(e->cpu, GPR_RAX, 8, v);
	return r;
}

/* A device has no lines in a cache. */
static enum insn_result do_flush(struct emulator *e, unsigned int arg)
{
	(void)e;
	(void)arg;
	return INSN_DONE;
}

static const struct {
	ZydisMnemonic mnemonic;
	handler *execute;
	unsigned int arg;
} forms[] = {
	{ ZYDIS_MNEMONIC_MOV, do_mov, 0 },
	{ ZYDIS_MNEMONIC_MOVNTI, do_mov, 0 },
	{ ZYDIS_MNEMONIC_MOVZX, do_mov, 0 },
	{ ZYDIS_MNEMONIC_MOVSX, do_movsx, 0 },
	{ ZYDIS_MNEMONIC_MOVSXD, do_movsx, 0 },
	{ ZYDIS_MNEMONIC_MOVBE, do_movbe, 0 },
	{ ZYDIS_MNEMONIC_ADD, do_alu, ALU_ADD },
	{ ZYDIS_MNEMONIC_ADC, do_alu, ALU_ADC },
	{ ZYDIS_MNEMONIC_SUB, do_alu, ALU_SUB },
	{ ZYDIS_MNEMONIC_SBB, do_alu, ALU_SBB },
	{ ZYDIS_MNEMONIC_AND, do_alu, ALU_AND },
	{ ZYDIS_MNEMONIC_OR, do_alu, ALU_OR },
	{ ZYDIS_MNEMONIC_XOR, do_alu, ALU_XOR },
	{ ZYDIS_MNEMONIC_CMP, do_compare, ALU_SUB },
	{ ZYDIS_MNEMONIC_TEST, do_compare, ALU_AND },
	{ ZYDIS_MNEMONIC_INC, do_unary, ALU_INC },
	{ ZYDIS_MNEMONIC_DEC, do_unary, ALU_DEC },
	{ ZYDIS_MNEMONIC_NEG, do_unary, ALU_NEG },
	{ ZYDIS_MNEMONIC_NOT, do_not, 0 },
	{ ZYDIS_MNEMONIC_SHL, do_alu, ALU_SHL },
	{ ZYDIS_MNEMONIC_SHR, do_alu, ALU_SHR },
	{ ZYDIS_MNEMONIC_SAR, do_alu, ALU_SAR },
	{ ZYDIS_MNEMONIC_ROL, do_alu, ALU_ROL },
	{ ZYDIS_MNEMONIC_ROR, do_alu, ALU_ROR },
	{ ZYDIS_MNEMONIC_RCL, do_alu, ALU_RCL },
	{ ZYDIS_MNEMONIC_RCR, do_alu, ALU_RCR },
	{ ZYDIS_MNEMONIC_SHLD, do_double_shift, true },
	{ ZYDIS_MNEMONIC_SHRD, do_double_shift, false },
	{ ZYDIS_MNEMONIC_XCHG, do_xchg, 0 },
	{ ZYDIS_MNEMONIC_XADD, do_xadd, 0 },
	{ ZYDIS_MNEMONIC_CMPXCHG, do_cmpxchg, 0 },
	{ ZYDIS_MNEMONIC_CMPXCHG8B, do_cmpxchg_double, 0 },
	{ ZYDIS_MNEMONIC_CMPXCHG16B, do_cmpxchg_double, 0 },
	{ ZYDIS_MNEMONIC_BT, do_bit, BIT_TEST },
	{ ZYDIS_MNEMONIC_BTS, do_bit, BIT_SET },
	{ ZYDIS_MNEMONIC_BTR, do_bit, BIT_RESET },
	{ ZYDIS_MNEMONIC_BTC, do_bit, BIT_COMPLEMENT },
	{ ZYDIS_MNEMONIC_BSF, do_bitscan, false },
	{ ZYDIS_MNEMONIC_BSR, do_bitscan, true },
	{ ZYDIS_MNEMONIC_TZCNT, do_zeros, false },
	{ ZYDIS_MNEMONIC_LZCNT, do_zeros, true },
	{ ZYDIS_MNEMONIC_POPCNT, do_popcnt, 0 },
	{ ZYDIS_MNEMONIC_CRC32, do_crc32, 0 },
	{ ZYDIS_MNEMONIC_MUL, do_multiply, false },
	{ ZYDIS_MNEMONIC_IMUL, do_imul, 0 },
	{ ZYDIS_MNEMONIC_DIV, do_divide, false },
	{ ZYDIS_MNEMONIC_IDIV, do_divide, true },
	{ ZYDIS_MNEMONIC_PUSH, do_push, 0 },
	{ ZYDIS_MNEMONIC_POP, do_pop, 0 },
	{ ZYDIS_MNEMONIC_CALL, do_branch, true },
	{ ZYDIS_MNEMONIC_JMP, do_branch, false },
	{ ZYDIS_MNEMONIC_XLAT, do_xlat, 0 },
	{ ZYDIS_MNEMONIC_CLFLUSH, do_flush, 0 },
	{ ZYDIS_MNEMONIC_CLFLUSHOPT, do_flush, 0 },
	{ ZYDIS_MNEMONIC_CLWB, do_flush, 0 },
};

static handler *find_handler(const struct emulator *e, unsigned int *arg)
{
	*arg = 0;
	if (e->insn.meta.category == ZYDIS_CATEGORY_SETCC)
		return do_setcc;
	if (e->insn.meta.category == ZYDIS_CATEGORY_CMOV)
		return do_cmovcc;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		if (forms[i].mnemonic == e->insn.mnemonic) {
			*arg = forms[i].arg;
			return forms[i].execute;
		}
	}
	return NULL;
}

/* --- fetch and decode --- */

static unsigned int code_bits(const struct insn_cpu *cpu)
{
	uint16_t attr = cpu->segment[SEG_CS].attributes;

	if ((cpu->efer & EFER_LMA) && (attr & ATTR_LONG))
		return 64;
	return has_descriptors(cpu) && (attr & ATTR_BIG) ? 32 : 16;
}

static bool decode(struct emulator *e, const uint8_t *bytes, unsigned int len)
{
	ZydisMachineMode mode = ZYDIS_MACHINE_MODE_LONG_64;
	ZydisStackWidth width = ZYDIS_STACK_WIDTH_64;
	ZydisDecoder decoder;

	if (e->mode_bits == 32) {
		mode = ZYDIS_MACHINE_MODE_LEGACY_32;
		width = ZYDIS_STACK_WIDTH_32;
	} else if (e->mode_bits == 16) {
		mode = has_descriptors(e->cpu) ? ZYDIS_MACHINE_MODE_LEGACY_16 :
						 ZYDIS_MACHINE_MODE_REAL_16;
		width = ZYDIS_STACK_WIDTH_16;
	}
	return ZYAN_SUCCESS(ZydisDecoderInit(&decoder, mode, width)) &&
	       ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, len, &e->insn, e->op));
}

/* As much of the instruction as is mapped: it may end right before a hole. */
static unsigned int fetch(struct emulator *e, uint8_t *bytes)
{
	uint64_t linear = e->cpu->rip;
	unsigned int n = 0;

	if (e->mode_bits != 64)
		linear = (uint32_t)(e->cpu->segment[SEG_CS].base + linear);
	while (n < INSN_BYTES_MAX) {
		uint64_t at = linear + n;
		unsigned int piece =
			(unsigned int)MIN(INSN_BYTES_MAX - n, PAGE_SIZE - (at & ~PAGE_MASK));

		if (linear_read(e, at, bytes + n, piece, WALK_FETCH) != INSN_DONE)
			break;
		n += piece;
	}
	return n;
}

enum insn_result insn_emulate(struct insn_cpu *cpu, const struct insn_bus *bus,
			      const uint8_t *bytes, unsigned int len, struct insn_fault *fault)
{
	struct emulator e = {
		.cpu = cpu,
		.bus = bus,
		.fault = fault,
		.mode_bits = code_bits(cpu),
	};
	bool step = cpu->rflags & RFLAGS_TF;
	uint8_t fetched[INSN_BYTES_MAX];
	enum insn_result r;
	unsigned int arg;
	handler *execute;

	if (!len || !decode(&e, bytes, MIN(len, (unsigned int)INSN_BYTES_MAX))) {
		len = fetch(&e, fetched);
		if (!len || !decode(&e, fetched, len))
			return INSN_UNKNOWN;
	}
	e.next = (cpu->rip + e.insn.length) & mask_bits(e.mode_bits);
	if (e.insn.meta.category == ZYDIS_CATEGORY_IOSTRINGOP && !bus->port_read)
		return INSN_DONE;
	if (is_string(&e)) {
		r = string_execute(&e);
	} else {
		execute = find_handler(&e, &arg);
		r = execute ? execute(&e, arg) : vector_execute(&e);
		if (r == INSN_DONE)
			retire(&e);
	}
	if (r == INSN_DONE && step) {
		raise_fault(&e, FAULT_DB, 0);
		return INSN_TRAP;
	}
	return r;
}

bool insn_translate(const struct insn_cpu *cpu, const struct insn_bus *bus, uint64_t linear,
		    uint64_t *gpa)
{
	struct insn_cpu copy = *cpu;
	struct insn_fault fault;
	struct emulator e = { .cpu = &copy, .bus = bus, .fault = &fault };

	if (!(cpu->efer & EFER_LMA))
		linear = (uint32_t)linear;
	else if ((uint64_t)sign_extend(linear, cpu->cr4 & CR4_LA57 ? 57 : 48) != linear)
		return false;
	return walk(&e, linear, WALK_LOOK, gpa) == INSN_DONE;
}
