/* SPDX-License-Identifier: MIT */
/*
 * String instructions. Registers are updated element by element, so that a
 * fault or a pause in the middle leaves the state the processor would leave.
 */
#include "vmm/insn/emulator.h"

/*
 * After so many elements of a repeated instruction the guest gets the
 * processor back, interrupts and all, and comes again.
 */
#define ELEMENTS_MAX 4096

enum string_kind { STR_MOVS, STR_STOS, STR_LODS, STR_CMPS, STR_SCAS, STR_INS, STR_OUTS };

static const struct {
	ZydisMnemonic mnemonic;
	enum string_kind kind;
	unsigned int size;
} forms[] = {
	{ ZYDIS_MNEMONIC_MOVSB, STR_MOVS, 1 }, { ZYDIS_MNEMONIC_MOVSW, STR_MOVS, 2 },
	{ ZYDIS_MNEMONIC_MOVSD, STR_MOVS, 4 }, { ZYDIS_MNEMONIC_MOVSQ, STR_MOVS, 8 },
	{ ZYDIS_MNEMONIC_STOSB, STR_STOS, 1 }, { ZYDIS_MNEMONIC_STOSW, STR_STOS, 2 },
	{ ZYDIS_MNEMONIC_STOSD, STR_STOS, 4 }, { ZYDIS_MNEMONIC_STOSQ, STR_STOS, 8 },
	{ ZYDIS_MNEMONIC_LODSB, STR_LODS, 1 }, { ZYDIS_MNEMONIC_LODSW, STR_LODS, 2 },
	{ ZYDIS_MNEMONIC_LODSD, STR_LODS, 4 }, { ZYDIS_MNEMONIC_LODSQ, STR_LODS, 8 },
	{ ZYDIS_MNEMONIC_CMPSB, STR_CMPS, 1 }, { ZYDIS_MNEMONIC_CMPSW, STR_CMPS, 2 },
	{ ZYDIS_MNEMONIC_CMPSD, STR_CMPS, 4 }, { ZYDIS_MNEMONIC_CMPSQ, STR_CMPS, 8 },
	{ ZYDIS_MNEMONIC_SCASB, STR_SCAS, 1 }, { ZYDIS_MNEMONIC_SCASW, STR_SCAS, 2 },
	{ ZYDIS_MNEMONIC_SCASD, STR_SCAS, 4 }, { ZYDIS_MNEMONIC_SCASQ, STR_SCAS, 8 },
	{ ZYDIS_MNEMONIC_INSB, STR_INS, 1 },   { ZYDIS_MNEMONIC_INSW, STR_INS, 2 },
	{ ZYDIS_MNEMONIC_INSD, STR_INS, 4 },   { ZYDIS_MNEMONIC_OUTSB, STR_OUTS, 1 },
	{ ZYDIS_MNEMONIC_OUTSW, STR_OUTS, 2 }, { ZYDIS_MNEMONIC_OUTSD, STR_OUTS, 4 },
};

struct string {
	enum string_kind kind;
	unsigned int size;
	enum insn_segment source; /* may be overridden; ES:DI never */
};

static bool find_form(ZydisMnemonic m, struct string *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		if (forms[i].mnemonic == m) {
			s->kind = forms[i].kind;
			s->size = forms[i].size;
			return true;
		}
	}
	return false;
}

/* MOVSD and CMPSD are SSE2 instructions as well; the category tells. */
bool is_string(const struct emulator *e)
{
	return e->insn.meta.category == ZYDIS_CATEGORY_STRINGOP ||
	       e->insn.meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
}

/* Where no comparison is made, REPNE repeats just as REP does. */
static bool repeats(const struct emulator *e)
{
	for (unsigned int i = 0; i < e->insn.raw.prefix_count; i++)
		if (e->insn.raw.prefixes[i].value == 0xf2 || e->insn.raw.prefixes[i].value == 0xf3)
			return true;
	return false;
}

/* Index and count registers have the width of the address. */
static uint64_t address_reg(const struct emulator *e, enum insn_gpr r)
{
	return e->cpu->gpr[r] & mask_bits(e->insn.address_width);
}

static void set_address_reg(struct emulator *e, enum insn_gpr r, uint64_t val)
{
	gpr_put(e->cpu, r, e->insn.address_width, val);
}

static void advance(struct emulator *e, enum insn_gpr r, unsigned int size)
{
	uint64_t by = e->cpu->rflags & RFLAGS_DF ? -(uint64_t)size : size;

	set_address_reg(e, r, address_reg(e, r) + by);
}

static enum insn_result get_element(struct emulator *e, enum insn_segment seg, enum insn_gpr reg,
				    unsigned int size, uint64_t *val)
{
	enum insn_result r;
	uint64_t linear;

	*val = 0;
	r = segment_linear(e, seg, address_reg(e, reg), size, WALK_READ, &linear);
	return r == INSN_DONE ? linear_read(e, linear, val, size, WALK_READ) : r;
}

static enum insn_result put_element(struct emulator *e, unsigned int size, uint64_t val)
{
	enum insn_result r;
	uint64_t linear;

	r = segment_linear(e, SEG_ES, address_reg(e, GPR_RDI), size, WALK_WRITE, &linear);
	return r == INSN_DONE ? linear_write(e, linear, &val, size) : r;
}

/*
 * A port read cannot be taken back: find out whether its destination takes it
 * before it happens.
 */
static enum insn_result input(struct emulator *e, const struct string *s)
{
	uint64_t linear, gpa, val;
	enum insn_result r;

	r = segment_linear(e, SEG_ES, address_reg(e, GPR_RDI), s->size, WALK_WRITE, &linear);
	if (r == INSN_DONE)
		r = walk(e, linear, WALK_WRITE, &gpa);
	if (r == INSN_DONE && (linear & ~PAGE_MASK) + s->size > PAGE_SIZE)
		r = walk(e, linear + s->size - 1, WALK_WRITE, &gpa);
	if (r != INSN_DONE)
		return r;
	val = e->bus->port_read(e->bus->arg, (uint16_t)e->cpu->gpr[GPR_RDX], s->size);
	return linear_write(e, linear, &val, s->size);
}

/* One element; nothing changed unless INSN_DONE. */
static enum insn_result element(struct emulator *e, const struct string *s)
{
	uint64_t acc = e->cpu->gpr[GPR_RAX] & mask_bits(s->size * 8);
	enum insn_result r;
	uint64_t a, b;

	switch (s->kind) {
	case STR_MOVS:
		r = get_element(e, s->source, GPR_RSI, s->size, &a);
		return r == INSN_DONE ? put_element(e, s->size, a) : r;
	case STR_STOS:
		return put_element(e, s->size, acc);
	case STR_LODS:
		r = get_element(e, s->source, GPR_RSI, s->size, &a);
		if (r == INSN_DONE)
			gpr_put(e->cpu, GPR_RAX, s->size * 8, a);
		return r;
	case STR_CMPS:
		r = get_element(e, s->source, GPR_RSI, s->size, &a);
		if (r == INSN_DONE)
			r = get_element(e, SEG_ES, GPR_RDI, s->size, &b);
		if (r == INSN_DONE)
			alu(ALU_SUB, s->size * 8, a, b, &e->cpu->rflags);
		return r;
	case STR_SCAS:
		r = get_element(e, SEG_ES, GPR_RDI, s->size, &b);
		if (r == INSN_DONE)
			alu(ALU_SUB, s->size * 8, acc, b, &e->cpu->rflags);
		return r;
	case STR_INS:
		return input(e, s);
	case STR_OUTS:
		r = get_element(e, s->source, GPR_RSI, s->size, &a);
		if (r == INSN_DONE)
			e->bus->port_write(e->bus->arg, (uint16_t)e->cpu->gpr[GPR_RDX], s->size, a);
		return r;
	}
	return INSN_UNKNOWN;
}

static void advance_both(struct emulator *e, const struct string *s)
{
	bool source = s->kind == STR_MOVS || s->kind == STR_LODS || s->kind == STR_CMPS ||
		      s->kind == STR_OUTS;
	bool destination = s->kind != STR_LODS && s->kind != STR_OUTS;

	if (source)
		advance(e, GPR_RSI, s->size);
	if (destination)
		advance(e, GPR_RDI, s->size);
}

/* REPE and REPNE look at the result of each comparison. */
static bool ends_early(const struct emulator *e, const struct string *s)
{
	bool equal = e->cpu->rflags & RFLAGS_ZF;

	if (s->kind != STR_CMPS && s->kind != STR_SCAS)
		return false;
	return e->insn.attributes & ZYDIS_ATTRIB_HAS_REPNE ? equal : !equal;
}

static enum insn_segment source_segment(const struct emulator *e)
{
	if (e->insn.attributes & ZYDIS_ATTRIB_HAS_SEGMENT_ES)
		return SEG_ES;
	if (e->insn.attributes & ZYDIS_ATTRIB_HAS_SEGMENT_CS)
		return SEG_CS;
	if (e->insn.attributes & ZYDIS_ATTRIB_HAS_SEGMENT_SS)
		return SEG_SS;
	if (e->insn.attributes & ZYDIS_ATTRIB_HAS_SEGMENT_FS)
		return SEG_FS;
	if (e->insn.attributes & ZYDIS_ATTRIB_HAS_SEGMENT_GS)
		return SEG_GS;
	return SEG_DS;
}

enum insn_result string_execute(struct emulator *e)
{
	struct string s;

	if (!find_form(e->insn.mnemonic, &s))
		return INSN_UNKNOWN;
	s.source = source_segment(e);
	if (!repeats(e)) {
		enum insn_result r = element(e, &s);

		if (r != INSN_DONE)
			return r;
		advance_both(e, &s);
		retire(e);
		return INSN_DONE;
	}
	/* Single steps are elements. */
	for (unsigned int i = 0; i < (e->cpu->rflags & RFLAGS_TF ? 1 : ELEMENTS_MAX); i++) {
		enum insn_result r;

		if (!address_reg(e, GPR_RCX))
			break;
		r = element(e, &s);
		/* What was done before is done: it is the next one that we do not know. */
		if (r == INSN_UNKNOWN && i)
			return INSN_DONE;
		if (r != INSN_DONE)
			return r;
		advance_both(e, &s);
		set_address_reg(e, GPR_RCX, address_reg(e, GPR_RCX) - 1);
		if (ends_early(e, &s)) {
			retire(e);
			return INSN_DONE;
		}
	}
	if (!address_reg(e, GPR_RCX))
		retire(e);
	return INSN_DONE;
}
