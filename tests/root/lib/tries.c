/* SPDX-License-Identifier: MIT */
/* What random programs try of the processor. */
#include <stdbool.h>
#include <string.h>

#include "tests/root/lib/slot.h"

void slot_put(struct slot *s, const void *bytes, unsigned int count)
{
	if (s->used + count <= SLOT_ROOM)
		memcpy(s->byte + s->used, bytes, count);
	s->used += count;
}

void slot_put8(struct slot *s, unsigned int b)
{
	uint8_t v = (uint8_t)b;

	slot_put(s, &v, 1);
}

void slot_put32(struct slot *s, uint64_t v)
{
	uint32_t low = (uint32_t)v;

	slot_put(s, &low, 4);
}

void slot_load(struct slot *s, unsigned int reg, uint64_t value)
{
	if (s->bits == 16)
		slot_put8(s, 0x66);
	slot_put8(s, 0xb8 + reg);
	slot_put32(s, value);
}

/* The modrm of "/n [disp32]" and the address, behind an opcode; in 16 bits after a 67 prefix. */
static void absolute(struct slot *s, unsigned int n, uint64_t address)
{
	slot_put8(s, (s->bits == 64 ? 4 : 5) | n << 3);
	if (s->bits == 64)
		slot_put8(s, 0x25);
	slot_put32(s, address);
}

/* Prefixes of an access through absolute(). */
static void prefixes(struct slot *s)
{
	if (s->bits == 16)
		PUT(s, 0x67, 0x66);
	if (rng_one_in(s->r, 8))
		slot_put8(s, 0x66);
	if (rng_one_in(s->r, 12))
		slot_put8(s, 0xf0);
	if (s->bits == 64 && rng_one_in(s->r, 8))
		slot_put8(s, 0x48);
}

void slot_store32(struct slot *s, uint64_t address, uint64_t value)
{
	if (s->bits == 16)
		PUT(s, 0x67, 0x66);
	slot_put8(s, 0xc7);
	absolute(s, 0, address);
	slot_put32(s, value);
}

void slot_wrmsr(struct slot *s, uint32_t msr, uint64_t value)
{
	slot_load(s, CX, msr);
	slot_load(s, AX, value);
	slot_load(s, DX, value >> 32);
	PUT(s, 0x0f, 0x30);
}

uint64_t slot_address(struct rng *r)
{
	switch (rng_below(r, 12)) {
	case 0:
		return LAPIC_AT + rng_below(r, 0x400);
	case 1:
		return RAM_END - rng_below(r, 16);
	case 2:
		return MODES_PML4 + rng_below(r, MODES_END - MODES_PML4);
	case 3:
		return SLOTS_AT + rng_below(r, PROGRAM_SLOTS * SLOT_BYTES);
	case 4:
		return rng_odd(r);
	case 5:
		return SHARED_AT + rng_below(r, SHARED_PAGES * 0x1000);
	case 6:
	case 7:
		return WINDOWS_AT + rng_below(r, 0x1000000);
	case 8: /* across the end of a page */
		return (rng_below(r, RAM_END) | 0xfff) - rng_below(r, 8);
	case 9:
		return ROM_AT + rng_below(r, PROGRAM_ROM_BYTES + 0x1000);
	default:
		return rng_below(r, RAM_END);
	}
}

/* --- things to try --- */

static void try_cpuid(struct slot *s)
{
	static const uint32_t base[] = { 0, 0, 0x40000000, 0x80000000, 0x80000000 };

	slot_load(s, AX, RNG_PICK(s->r, base) + rng_below(s->r, 0x24));
	slot_load(s, CX, rng_odd(s->r));
	PUT(s, 0x0f, 0xa2);
}

static uint32_t some_msr(struct rng *r)
{
	static const uint32_t known[] = {
		0x10,	    0x1b,	0x3a,	    0x3b,	0x48,	    0x49,	0x8b,
		0xc0,	    0xfe,	0x174,	    0x175,	0x176,	    0x179,	0x17a,
		0x17b,	    0x1a0,	0x1d9,	    0x200,	0x20f,	    0x250,	0x26f,
		0x277,	    0x2ff,	0x6e0,	    0xda0,	0xc0000080, 0xc0000081, 0xc0000082,
		0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0xc0010010, 0xc0010015,
		0xc0010058, 0xc0010114, 0xc0010117, 0xc001011f, 0x40000118,
	};

	switch (rng_below(r, 5)) {
	case 0:
		return 0x40000000 + rng_below(r, 0x110);
	case 1:
		return 0x800 + rng_below(r, 0x40);
	case 2:
		return (uint32_t)rng_odd(r);
	default:
		return RNG_PICK(r, known);
	}
}

static void try_rdmsr(struct slot *s)
{
	slot_load(s, CX, some_msr(s->r));
	PUT(s, 0x0f, 0x32);
}

static void try_wrmsr(struct slot *s)
{
	uint64_t value =
		rng_one_in(s->r, 3) ? slot_address(s->r) | rng_below(s->r, 2) : rng_odd(s->r);

	slot_wrmsr(s, some_msr(s->r), value);
}

/* One bit of EFER the other way. */
static void try_efer(struct slot *s)
{
	static const uint8_t bits[] = { 0, 8, 8, 10, 11, 12, 13, 14, 15, 20, 31 };

	slot_load(s, CX, 0xc0000080);
	PUT(s, 0x0f, 0x32);
	if (s->bits == 16)
		slot_put8(s, 0x66);
	slot_put8(s, 0x35);
	slot_put32(s, 1ull << RNG_PICK(s->r, bits));
	PUT(s, 0x0f, 0x30);
}

static void try_io(struct slot *s)
{
	static const uint8_t op[] = { 0xec, 0xed, 0xee, 0xef, 0x6c, 0x6d, 0x6e, 0x6f };

	slot_load(s, DX,
		  rng_one_in(s->r, 16) ? 0xfffc + rng_below(s->r, 4) : rng_below(s->r, 0x10000));
	slot_load(s, DI, slot_address(s->r));
	slot_load(s, SI, slot_address(s->r));
	if (s->bits != 16 && rng_one_in(s->r, 3)) {
		slot_load(s, CX, rng_one_in(s->r, 8) ? rng_odd(s->r) : rng_below(s->r, 5));
		slot_put8(s, rng_one_in(s->r, 2) ? 0xf3 : 0xf2);
	}
	if (rng_one_in(s->r, 3))
		slot_put8(s, 0x66);
	slot_put8(s, RNG_PICK(s->r, op));
}

/* MOVS, CMPS, STOS, LODS, SCAS from one odd place to another. */
static void try_string(struct slot *s)
{
	static const uint8_t op[] = { 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf };

	slot_load(s, DI, slot_address(s->r));
	slot_load(s, SI, slot_address(s->r));
	slot_load(s, CX, rng_below(s->r, 64));
	slot_put8(s, rng_one_in(s->r, 4) ? 0xfd : 0xfc);
	if (s->bits == 16)
		slot_put8(s, 0x67);
	if (s->bits == 64 && rng_one_in(s->r, 4))
		PUT(s, 0xf3, 0x48);
	else
		slot_put8(s, rng_one_in(s->r, 4) ? 0xf2 : 0xf3);
	slot_put8(s, RNG_PICK(s->r, op));
}

/* INT n; a far return to another code segment, and so another mode. */
static void try_transfer(struct slot *s)
{
	static const uint8_t selector[] = { MODES_CODE64, MODES_CODE32, MODES_USER32,
					    MODES_USER64, MODES_DATA,	0,
					    0x38,	  0x4b };

	if (rng_one_in(s->r, 2)) {
		PUT(s, 0xcd, rng_below(s->r, 256));
		return;
	}
	PUT(s, 0x6a, RNG_PICK(s->r, selector));
	if (s->bits == 16) {
		PUT(s, 0x68, (s->at + 16) & 0xff, (s->at + 16) >> 8 & 0xff, 0xcb);
		return;
	}
	slot_put8(s, 0x68);
	slot_put32(s, s->at + 16);
	if (s->bits == 64)
		slot_put8(s, 0x48);
	slot_put8(s, 0xcb);
}

static void try_control(struct slot *s)
{
	static const uint8_t which[] = { 0, 0, 2, 3, 4, 4, 8 };
	unsigned int n = RNG_PICK(s->r, which);
	uint64_t toggled = 1ull << rng_below(s->r, 32);

	if (s->bits == 64 && n == 8) {
		slot_load(s, AX, rng_below(s->r, 20));
		PUT(s, 0x44, 0x0f, 0x22, 0xc0);
		return;
	}
	n &= 7;
	if (rng_one_in(s->r, 4)) {
		slot_load(s, AX, n == 3 ? slot_address(s->r) : rng_odd(s->r));
	} else {
		/* mov eax, crN; xor eax, toggled */
		PUT(s, 0x0f, 0x20, 0xc0 | n << 3);
		if (s->bits == 16)
			slot_put8(s, 0x66);
		slot_put8(s, 0x35);
		slot_put32(s, toggled);
	}
	PUT(s, 0x0f, 0x22, 0xc0 | n << 3);
}

static void try_debug(struct slot *s)
{
	/* Not DR7, nor DR5, which is the same: see spare_qemu. */
	static const uint8_t which[] = { 0, 1, 2, 3, 4, 6 };
	bool write = rng_one_in(s->r, 2);
	unsigned int n = write ? RNG_PICK(s->r, which) : rng_below(s->r, 8);

	slot_load(s, AX, rng_one_in(s->r, 2) ? slot_address(s->r) : rng_odd(s->r));
	PUT(s, 0x0f, write ? 0x23 : 0x21, 0xc0 | n << 3);
}

static void try_xsetbv(struct slot *s)
{
	slot_load(s, CX, rng_one_in(s->r, 4) ? rng_odd(s->r) : 0);
	slot_load(s, AX, rng_below(s->r, 16));
	slot_load(s, DX, rng_one_in(s->r, 4) ? rng_odd(s->r) : 0);
	PUT(s, 0x0f, 0x01, 0xd1);
}

/* Plain stores and loads to the local APIC's page. */
static void try_apic(struct slot *s)
{
	uint64_t at = LAPIC_AT + rng_below(s->r, 0x40) * 16;

	if (rng_one_in(s->r, 3)) {
		if (s->bits == 16)
			PUT(s, 0x67, 0x66);
		slot_put8(s, 0x8b);
		absolute(s, 0, at);
	} else {
		slot_store32(s, at, rng_odd(s->r));
	}
}

/* Any other kind of access to an odd place. */
static void try_access(struct slot *s)
{
	static const uint8_t op[] = { 0x00, 0x01, 0x02, 0x08, 0x31, 0x38, 0x86, 0x87, 0x88,
				      0x89, 0x8a, 0x8b, 0x8f, 0xc6, 0xc7, 0xf6, 0xfe, 0xff };
	static const uint8_t two[] = { 0x10, 0x11, 0x18, 0x29, 0xa3, 0xab, 0xb0, 0xb1, 0xb6,
				       0xb7, 0xbe, 0xc0, 0xc1, 0xc7, 0xae, 0x7f, 0xd6, 0xe7 };

	prefixes(s);
	if (rng_one_in(s->r, 3)) {
		slot_put8(s, 0x0f);
		slot_put8(s, RNG_PICK(s->r, two));
	} else {
		slot_put8(s, RNG_PICK(s->r, op));
	}
	absolute(s, rng_below(s->r, 8), slot_address(s->r));
	slot_put32(s, rng_odd(s->r));
}

/* An entry of some table, or half of one, and the translation thrown away or not. */
static void try_tables(struct slot *s)
{
	static const uint32_t table[] = {
		MODES_PML4,
		MODES_PDPT,
		MODES_PD,
		MODES_PAE_PDPT,
		MODES_DIRECTORY,
		MODES_PD + (WINDOWS_AT >> 21) * 8,
		MODES_PD + (WINDOWS_AT >> 21) * 8,
		MODES_DIRECTORY + (WINDOWS_AT >> 22) * 4,
	};
	uint64_t at = RNG_PICK(s->r, table) + rng_below(s->r, 16) * 4;

	slot_store32(s, at, rng_one_in(s->r, 2) ? rng_odd(s->r) : slot_address(s->r) | 0x87);
	if (rng_one_in(s->r, 3))
		PUT(s, 0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8); /* mov eax, cr3; mov cr3, eax */
}

static void try_descriptors(struct slot *s)
{
	static const uint8_t group[][2] = { { 0x01, 2 }, { 0x01, 3 }, { 0x00, 2 }, { 0x01, 6 },
					    { 0x01, 7 }, { 0x01, 0 }, { 0x01, 1 } };
	unsigned int n = rng_below(s->r, 7);

	if (s->bits == 16)
		PUT(s, 0x67, 0x66);
	PUT(s, 0x0f, group[n][0]);
	absolute(s, group[n][1], slot_address(s->r));
}

static void try_flags(struct slot *s)
{
	static const uint8_t back[] = { 0x9d, 0x9d, 0x9d, 0xcf };

	if (s->bits == 16)
		slot_put8(s, 0x66);
	slot_put8(s, 0x68);
	slot_put32(s, rng_odd(s->r));
	if (s->bits == 16)
		slot_put8(s, 0x66);
	slot_put8(s, RNG_PICK(s->r, back));
}

/* Instructions without operands to choose. */
static void try_single(struct slot *s)
{
	static const uint8_t code[][4] = {
		{ 1, 0xfb },
		{ 1, 0xfa },
		{ 1, 0xcc },
		{ 1, 0xf1 },
		{ 1, 0xce },
		{ 2, 0x0f, 0x0b },
		{ 2, 0x0f, 0xaa },
		{ 2, 0x0f, 0x05 },
		{ 2, 0x0f, 0x07 },
		{ 2, 0x0f, 0x34 },
		{ 2, 0x0f, 0x35 },
		{ 2, 0x0f, 0x08 },
		{ 2, 0x0f, 0x09 },
		{ 2, 0x0f, 0x33 },
		{ 2, 0x0f, 0x31 },
		{ 2, 0x0f, 0x06 },
		{ 2, 0x0f, 0x37 },
		{ 3, 0x0f, 0x01, 0xd8 },
		{ 3, 0x0f, 0x01, 0xda },
		{ 3, 0x0f, 0x01, 0xdb },
		{ 3, 0x0f, 0x01, 0xdc },
		{ 3, 0x0f, 0x01, 0xdd },
		{ 3, 0x0f, 0x01, 0xde },
		{ 3, 0x0f, 0x01, 0xdf },
		{ 3, 0x0f, 0x01, 0xc8 },
		{ 3, 0x0f, 0x01, 0xc9 },
		{ 3, 0x0f, 0x01, 0xd0 },
		{ 3, 0x0f, 0x01, 0xf8 },
		{ 3, 0x0f, 0x01, 0xf9 },
		{ 3, 0x0f, 0x01, 0xfd },
		{ 3, 0x0f, 0x01, 0xfe },
		{ 2, 0xcd, 0x02 },
		{ 2, 0xcd, 0x80 },
		{ 2, 0x0f, 0xa2 },
		{ 1, 0xf4 },
		{ 2, 0xfb, 0xf4 },
		{ 2, 0x0f, 0x77 },
		{ 1, 0x9b },
		{ 3, 0x0f, 0xc7, 0xf0 },
		{ 3, 0x0f, 0xc7, 0xf8 },
		{ 3, 0x0f, 0x01, 0xfa },
		{ 3, 0x0f, 0x01, 0xfb },
		{ 3, 0x0f, 0x01, 0xfc },
		{ 3, 0x0f, 0x01, 0xff },
		{ 3, 0x0f, 0x01, 0xca },
		{ 3, 0x0f, 0x01, 0xcb },
		{ 3, 0x0f, 0x01, 0xee },
		{ 3, 0x0f, 0x01, 0xef },
		{ 2, 0xf3, 0x90 },
	};
	const uint8_t *c = RNG_PICK(s->r, code);

	slot_put(s, c + 1, c[0]);
}

/* Extended state, valid or not. */
static void try_state(struct slot *s)
{
	/* 0f ae /n: FXSAVE FXRSTOR LDMXCSR STMXCSR XSAVE XRSTOR XSAVEOPT; 0f c7 /3 … /5: XSAVES */
	bool supervisor = rng_one_in(s->r, 4);

	slot_load(s, AX, rng_odd(s->r));
	slot_load(s, DX, rng_one_in(s->r, 3) ? rng_odd(s->r) : 0);
	slot_store32(s, SCRATCH_AT + 512 + rng_below(s->r, 4) * 4, rng_odd(s->r) & 0xff);
	if (s->used > 16)
		s->used = 12; /* no room: without the store */
	if (s->bits == 16)
		slot_put8(s, 0x67);
	PUT(s, 0x0f, supervisor ? 0xc7 : 0xae);
	absolute(s, rng_below(s->r, 8), SCRATCH_AT + rng_below(s->r, 2) * 8);
}

static void try_self_modify(struct slot *s)
{
	/* CPUID, VMMCALL, IN, WRMSR, HLT, MOV from CR0, a jump */
	static const uint32_t code[] = { 0x9090a20f, 0x90d9010f, 0x909090ec, 0x9090300f,
					 0x909090f4, 0x90c0200f, 0x9090feeb };
	uint64_t at = SLOTS_AT + rng_below(s->r, PROGRAM_SLOTS * SLOT_BYTES);

	slot_store32(s, at, RNG_PICK(s->r, code));
}

static void try_noise(struct slot *s)
{
	for (unsigned int n = rng_below(s->r, 15) + 1; n > 0; n--)
		slot_put8(s, (uint8_t)rng_next(s->r));
}

static void (*const tries[])(struct slot *s) = {
	try_cpuid,     try_rdmsr,	try_wrmsr,	 try_wrmsr,   try_efer,	  try_io,
	try_io,	       try_string,	try_string,	 try_debug,   try_xsetbv, try_apic,
	try_apic,      try_access,	try_access,	 try_access,  try_flags,  try_single,
	try_single,    try_state,	try_noise,	 try_control, try_tables, try_transfer,
	try_hypercall, try_hypercall,	try_hypercall,	 try_timer,   try_ipi,	  try_synthetic,
	try_synthetic, try_self_modify, try_descriptors,
};

void slot_fill(struct slot *s)
{
	RNG_PICK(s->r, tries)(s);
}
