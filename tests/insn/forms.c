/* SPDX-License-Identifier: MIT */
#include "tests/insn/forms.h"

#define RFLAGS_CF     BIT64(0)
#define RFLAGS_PF     BIT64(2)
#define RFLAGS_AF     BIT64(4)
#define RFLAGS_ZF     BIT64(6)
#define RFLAGS_SF     BIT64(7)
#define RFLAGS_DF     BIT64(10)
#define RFLAGS_OF     BIT64(11)
#define RFLAGS_STATUS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

#define PAGE	      0x1000U
#define STACK	      (3 * PAGE + 0x800)

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Values near the edges matter more than those in between. */
static uint64_t interesting(uint64_t *seed)
{
	static const uint64_t edge[] = {
		0,
		1,
		0x7f,
		0x80,
		0xff,
		0x7fff,
		0x8000,
		0xffff,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		0x0f,
		0x10,
		0x7fffffffffffffff,
		0x8000000000000000,
		~0ULL,
	};
	uint64_t r = next(seed);

	return r & 0x100 ? next(seed) : edge[r % ARRAY_SIZE(edge)];
}

static uint64_t load(const uint8_t *data, unsigned int at, unsigned int bytes)
{
	uint64_t v = 0;

	for (unsigned int i = bytes; i--;)
		v = v << 8 | data[at + i];
	return v;
}

static void store(uint8_t *data, unsigned int at, unsigned int bytes, uint64_t v)
{
	for (unsigned int i = 0; i < bytes; i++, v >>= 8)
		data[at + i] = (uint8_t)v;
}

/* --- where --- */

/* Not of a string: the operand's place, and which pages are the device's. */
static const struct {
	uint8_t devices;
	uint16_t at; /* 0: somewhere across the middle of the data */
} places[] = {
	{ 0xf, 0x1100 }, { 0xf, 0x1100 }, { 0xf, 0x1100 }, { 0xf, 0x1100 }, { 0xf, 0x1101 },
	{ 0xf, 0x1107 }, { 0xf, 0 },	  { 0xf, 0 },	   { 0x3, 0 },	    { 0x3, 0 },
	{ 0xc, 0 },	 { 0xc, 0 },	  { 0x2, 0x1100 }, { 0x8, 0x1100 },
};

#define STRING_BEGINNINGS 40

static bool is_string(const struct insn_form *f)
{
	return f->special == STRING || f->special == STRING_SEGMENT;
}

unsigned int insn_beginnings(const struct insn_form *f)
{
	if (f->special == UNSUPPORTED)
		return 1;
	return is_string(f) ? STRING_BEGINNINGS : ARRAY_SIZE(places);
}

/* Around a page's end, or a few elements before the hole on either side. */
static unsigned int string_place(uint64_t *seed, unsigned int lowest)
{
	unsigned int few = next(seed) % 64;

	switch (next(seed) % 8) {
	case 0:
		return few;
	case 1:
		return INSN_DATA_BYTES - few;
	case 2:
		return (unsigned int)next(seed) % (INSN_DATA_BYTES / 2) + lowest;
	default:
		return lowest + PAGE - 32 + few;
	}
}

static void begin_string(const struct insn_form *f, uint64_t *seed, struct insn_start *s,
			 uint8_t *data)
{
	static const uint8_t devices[] = { 0xf, 0xf, 0x3, 0xc, 0x5, 0xa, 0x6, 0x9 };
	uint64_t r = next(seed);

	s->devices = devices[r % ARRAY_SIZE(devices)];
	s->gpr[RSI] = string_place(seed, 0);
	s->gpr[RDI] = string_place(seed, 2 * PAGE);
	s->gpr[RCX] = next(seed) % 24;
	if (r & 0x100)
		s->rflags |= RFLAGS_DF;
	if (r & 0x200) { /* comparisons that do not end at once */
		for (unsigned int i = 0; i < INSN_DATA_BYTES; i++)
			data[i] = 0x55;
		for (unsigned int i = 0; i < 8; i++)
			data[next(seed) % INSN_DATA_BYTES] = 0x56;
	}
	if (r & 0x400)
		s->gpr[RAX] = 0x5555555555555555;
	if (f->bits == 64) {
		s->gpr[RDI] += INSN_DATA;
		if (f->special == STRING)
			s->gpr[RSI] += INSN_DATA;
	}
}

/* --- with what --- */

static void specialise(const struct insn_form *f, unsigned int at, uint64_t *seed,
		       struct insn_start *s, uint8_t *data)
{
	static const uint8_t widths[] = {
		[SHIFT_CL8] = 8,
		[SHIFT_CL16] = 16,
		[SHIFT_CL32] = 31,
		[SHIFT_CL64] = 63,
	};
	uint64_t r = next(seed);

	switch (f->special) {
	case SHIFT_CL8:
	case SHIFT_CL16:
	case SHIFT_CL32:
	case SHIFT_CL64: /* higher bits are ignored */
		s->gpr[RCX] = (r & 1 ? (r >> 8) % (widths[f->special] + 1U) : r >> 8 & 1) |
			      (r >> 16 & 0xc0);
		break;
	case ROTATE_CL:
		s->gpr[RCX] = r & 1 ? r >> 8 : r >> 8 & 1;
		break;
	case BIT_FAR:
		s->gpr[RCX] = (uint64_t)((int64_t)(r % 32000) - 16000);
		break;
	case SCAN:
		if (!load(data, at, 2))
			data[at + r % 2] = 0x40;
		break;
	case DIVIDE:
		if (r & 1)
			s->gpr[RDX] = 0;
		if (r & 2)
			s->gpr[RAX] &= 0x7f;
		break;
	case COMPARE:
		if (r & 1) {
			s->gpr[RAX] = load(data, at, 8);
			s->gpr[RDX] = load(data, at + 8, 8);
		}
		break;
	case COMPARE8:
		if (r & 1) {
			s->gpr[RAX] = load(data, at, 4);
			s->gpr[RDX] = load(data, at + 4, 4);
		}
		break;
	case JUMP:
		store(data, at, f->bits / 8U, INSN_TARGET + (f->bits == 64 ? INSN_CODE : 0));
		if (f->bits != 64) /* operand sizes of 16 and of 32 bits */
			store(data, at + 2, 2, 0);
		break;
	default:
		break;
	}
}

void insn_begin(const struct insn_form *f, unsigned int n, uint64_t *seed, struct insn_start *s,
		uint8_t data[INSN_DATA_BYTES])
{
	unsigned int at = 0x1100;

	for (unsigned int i = 0; i < INSN_DATA_BYTES && !n; i += 8)
		store(data, i, 8, interesting(seed));
	for (unsigned int i = 0; i < 16; i++)
		s->gpr[i] = interesting(seed);
	s->rflags = next(seed) & RFLAGS_STATUS;
	s->devices = 0xf;
	/* In half of them across the end of a page. */
	s->code = next(seed) & 1 ? PAGE - 1 - (unsigned int)next(seed) % f->length : 0;
	if (!is_string(f) && f->special != UNSUPPORTED) {
		s->devices = places[n].devices;
		at = places[n].at;
		if (!at)
			at = 2 * PAGE - 1 - next(seed) % 16;
	}
	for (unsigned int i = 0; i < 32; i += 8)
		store(data, at + i, 8, interesting(seed));
	for (unsigned int i = 0; i < INSN_FORM_VECTORS * 4; i++)
		s->vector[i / 4][i % 4] = f->special == VECTOR ? next(seed) : 0;
	specialise(f, at, seed, s, data);
	s->gpr[RBX] = at;
	s->gpr[RSI] = 8;
	s->gpr[RDI] = at;
	s->gpr[RBP] = at - 0x40;
	s->gpr[RSP] = STACK;
	if (f->bits == 64) {
		s->gpr[RDI] += INSN_DATA;
		s->gpr[RBP] += INSN_DATA;
		s->gpr[RSP] += INSN_DATA;
	}
	if (is_string(f))
		begin_string(f, seed, s, data);
	for (unsigned int i = 0; i < 16 && f->bits != 64; i++)
		s->gpr[i] = i < 8 ? (uint32_t)s->gpr[i] : 0;
}

uint64_t insn_defined_flags(const struct insn_form *f, const struct insn_start *s, bool half_way)
{
	unsigned int count = (unsigned int)s->gpr[RCX] & (f->special == SHIFT_CL64 ? 63 : 31);

	if (half_way)
		return is_string(f) || f->special == DIVIDE ? 0 : RFLAGS_STATUS;
	switch (f->special) {
	case LOGIC:
		return RFLAGS_STATUS & ~RFLAGS_AF;
	case SHIFT:
		return RFLAGS_STATUS & ~(RFLAGS_AF | RFLAGS_OF);
	case ROTATE:
		return RFLAGS_STATUS & ~RFLAGS_OF;
	case SHIFT_CL8:
	case SHIFT_CL16:
	case SHIFT_CL32:
	case SHIFT_CL64:
		if (!count)
			return RFLAGS_STATUS;
		return RFLAGS_STATUS & ~(RFLAGS_AF | (count > 1 ? RFLAGS_OF : 0));
	case ROTATE_CL: /* of 64 bits: six bits of the count */
		return s->gpr[RCX] & 62 ? RFLAGS_STATUS & ~RFLAGS_OF : RFLAGS_STATUS;
	case BIT_FAR:
	case BIT_NEAR:
		return RFLAGS_CF | RFLAGS_ZF;
	case SCAN:
		return RFLAGS_ZF;
	case MULTIPLY:
		return RFLAGS_CF | RFLAGS_OF;
	case DIVIDE:
		return 0;
	default:
		return RFLAGS_STATUS;
	}
}
