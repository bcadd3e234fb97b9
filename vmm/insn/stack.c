/* SPDX-License-Identifier: MIT */
/* PUSH and POP, CALL and JMP to where memory says. */
#include "vmm/insn/emulator.h"

#define ATTR_BIG (1U << 14)

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

static enum insn_result push(struct emulator *e, unsigned int len, uint64_t v)
{
	uint64_t rsp = (e->cpu->gpr[GPR_RSP] - len) & mask_bits(stack_bits(e)), linear;
	enum insn_result r;

	r = segment_linear(e, SEG_SS, rsp, len, WALK_WRITE, &linear);
	if (r == INSN_DONE)
		r = linear_write(e, linear, &v, len);
	if (r == INSN_DONE)
		set_rsp(e, rsp);
	return r;
}

enum insn_result do_push(struct emulator *e, unsigned int arg)
{
	unsigned int len = e->insn.operand_width / 8;
	enum insn_result r;
	uint64_t v;

	(void)arg;
	if (!len || len > sizeof(v))
		return INSN_UNKNOWN;
	r = operand_get(e, &e->op[0], &v);
	return r == INSN_DONE ? push(e, len, v) : r;
}

/* An address with RSP in it uses the value after the pop. */
enum insn_result do_pop(struct emulator *e, unsigned int arg)
{
	unsigned int len = e->insn.operand_width / 8;
	uint64_t v = 0, saved = e->cpu->gpr[GPR_RSP], rsp, linear;
	enum insn_result r;

	(void)arg;
	if (!len || len > sizeof(v))
		return INSN_UNKNOWN;
	rsp = saved & mask_bits(stack_bits(e));
	r = segment_linear(e, SEG_SS, rsp, len, WALK_READ, &linear);
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

/* Near ones: the others change segments. */
enum insn_result do_branch(struct emulator *e, unsigned int call)
{
	unsigned int len = operand_bits(&e->op[0]) / 8;
	const struct hv_segment_register *cs = &e->cpu->segment[SEG_CS];
	enum insn_result r;
	uint64_t target;

	if (e->op[0].type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    e->insn.meta.branch_type != ZYDIS_BRANCH_TYPE_NEAR)
		return INSN_UNKNOWN;
	r = operand_get(e, &e->op[0], &target);
	if (r != INSN_DONE)
		return r;
	if (e->mode_bits == 64 ? !canonical(e, target) : target > cs->limit)
		return raise_fault(e, FAULT_GP, 0);
	if (call)
		r = push(e, len, e->next);
	e->next = target;
	return r;
}
