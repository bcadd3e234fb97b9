/* SPDX-License-Identifier: MIT */
#include "vmm/insn/insn.h"

#include <string.h>

#include "vmm/insn/emulator.h"

#define CR0_PE	  BIT64(0)
#define EFER_LMA  BIT64(10)
#define ATTR_LONG (1U << 13)
#define ATTR_BIG  (1U << 14)

typedef enum insn_result handler(struct emulator *e, unsigned int arg);

void retire(struct emulator *e)
{
	struct insn_cpu *cpu = e->cpu;

	cpu->rip = (cpu->rip + e->insn.length) & mask_bits(e->mode_bits);
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
		e->cpu->gpr[GPR_RAX] =
			bits == 32 ? old : (e->cpu->gpr[GPR_RAX] & ~mask_bits(bits)) | old;
	return INSN_DONE;
}

enum bit_op { BIT_TEST, BIT_SET, BIT_RESET, BIT_COMPLEMENT };

/* With a register as index, the bit may lie far from the operand. */
static enum insn_result do_bit(struct emulator *e, unsigned int op)
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
	r = operand_linear(e, &e->op[0], displacement, len, &linear);
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

/* IMUL r, m and IMUL r, m, imm */
static enum insn_result do_imul(struct emulator *e, unsigned int arg)
{
	unsigned int n = e->insn.operand_count_visible;
	uint64_t a, b;
	enum insn_result r;

	(void)arg;
	if (n < 2)
		return INSN_UNKNOWN;
	r = operand_get(e, &e->op[n - 2], &a);
	if (r == INSN_DONE)
		r = operand_get(e, &e->op[n - 1], &b);
	if (r != INSN_DONE)
		return r;
	return operand_set(e, &e->op[0], alu_imul(operand_bits(&e->op[0]), a, b, &e->cpu->rflags));
}

static enum insn_result do_bitscan(struct emulator *e, unsigned int reverse)
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

/* Stack pointer width: 64 bit mode 64, else what SS says. */
static unsigned int stack_bits(const struct emulator *e)
{
	if (e->mode_bits == 64)
		return 64;
	return e->cpu->segment[SEG_SS].attributes & ATTR_BIG ? 32 : 16;
}

static void set_rsp(struct emulator *e, uint64_t val)
{
	uint64_t mask = mask_bits(stack_bits(e));

	e->cpu->gpr[GPR_RSP] = (e->cpu->gpr[GPR_RSP] & ~mask) | (val & mask);
}

static enum insn_result do_push(struct emulator *e, unsigned int arg)
{
	unsigned int len = e->insn.operand_width / 8;
	enum insn_result r;
	uint64_t v, rsp, linear;

	(void)arg;
	if (!len || len > sizeof(v))
		return INSN_UNKNOWN;
	r = operand_get(e, &e->op[0], &v);
	if (r != INSN_DONE)
		return r;
	rsp = (e->cpu->gpr[GPR_RSP] - len) & mask_bits(stack_bits(e));
	r = segment_linear(e, SEG_SS, rsp, len, &linear);
	if (r == INSN_DONE)
		r = linear_write(e, linear, &v, len);
	if (r == INSN_DONE)
		set_rsp(e, rsp);
	return r;
}

/* An address with RSP in it uses the value after the pop. */
static enum insn_result do_pop(struct emulator *e, unsigned int arg)
{
	unsigned int len = e->insn.operand_width / 8;
	uint64_t v = 0, saved = e->cpu->gpr[GPR_RSP], rsp, linear;
	enum insn_result r;

	(void)arg;
	if (!len || len > sizeof(v))
		return INSN_UNKNOWN;
	rsp = saved & mask_bits(stack_bits(e));
	r = segment_linear(e, SEG_SS, rsp, len, &linear);
	if (r == INSN_DONE)
		r = linear_read(e, linear, &v, len, WALK_READ);
	if (r != INSN_DONE)
		return r;
	set_rsp(e, rsp + len);
	r = operand_set(e, &e->op[0], v);
	if (r != INSN_DONE)
		e->cpu->gpr[GPR_RSP] = saved;
	return r;
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
	{ ZYDIS_MNEMONIC_BT, do_bit, BIT_TEST },
	{ ZYDIS_MNEMONIC_BTS, do_bit, BIT_SET },
	{ ZYDIS_MNEMONIC_BTR, do_bit, BIT_RESET },
	{ ZYDIS_MNEMONIC_BTC, do_bit, BIT_COMPLEMENT },
	{ ZYDIS_MNEMONIC_BSF, do_bitscan, false },
	{ ZYDIS_MNEMONIC_BSR, do_bitscan, true },
	{ ZYDIS_MNEMONIC_IMUL, do_imul, 0 },
	{ ZYDIS_MNEMONIC_PUSH, do_push, 0 },
	{ ZYDIS_MNEMONIC_POP, do_pop, 0 },
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
	return (cpu->cr0 & CR0_PE) && (attr & ATTR_BIG) ? 32 : 16;
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
		mode = e->cpu->cr0 & CR0_PE ? ZYDIS_MACHINE_MODE_LEGACY_16 :
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
	uint8_t fetched[INSN_BYTES_MAX];
	enum insn_result r;
	unsigned int arg;
	handler *execute;

	if (!len || !decode(&e, bytes, MIN(len, (unsigned int)INSN_BYTES_MAX))) {
		len = fetch(&e, fetched);
		if (!len || !decode(&e, fetched, len))
			return INSN_UNKNOWN;
	}
	if (is_string(&e))
		return string_execute(&e);
	execute = find_handler(&e, &arg);
	if (!execute)
		return INSN_UNKNOWN;
	r = execute(&e, arg);
	if (r == INSN_DONE)
		retire(&e);
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
