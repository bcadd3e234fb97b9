/* SPDX-License-Identifier: MIT */
#include "tests/root/lib/program.h"

#include <stdbool.h>
#include <string.h>

#define SLOTS_AT   0x4000u
#define SLOT_BYTES 32u
#define SLOT_ROOM  27u /* then a jump to PROGRAM_NEXT */
#define GDT_AT	   0x8000u
#define IDT_AT	   0x9000u
#define COUNTER_AT 0xb800u
#define TSS_AT	   0xb000u
#define STACK_TOP  0x10000u
#define PML4_AT	   0x11000u
#define PDPT_AT	   0x12000u
#define PD_AT	   0x13000u /* four of them: 4 GiB in 2 MiB pages */
#define SCRATCH_AT 0x20000u
#define RAM_END	   0x100000u
#define LAPIC_AT   0xfee00000u

#define GDT_CODE64 0x00af9b000000ffffull
#define GDT_CODE32 0x00cf9b000000ffffull
#define GDT_DATA   0x00cf93000000ffffull
#define SEL_CODE   8u
#define SEL_DATA   16u

/* What a slot is written through: stops quietly where it is full. */
struct slot {
	struct rng *r;
	unsigned int mode;
	uint8_t *byte;
	unsigned int used;
};

static void put(struct slot *s, const void *bytes, unsigned int count)
{
	if (s->used + count <= SLOT_ROOM)
		memcpy(s->byte + s->used, bytes, count);
	s->used += count;
}

static void put8(struct slot *s, unsigned int b)
{
	uint8_t v = (uint8_t)b;

	put(s, &v, 1);
}

static void put32(struct slot *s, uint64_t v)
{
	uint32_t low = (uint32_t)v;

	put(s, &low, 4);
}

#define PUT(s, ...) \
	put(s, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

enum { AX, CX, DX, BX, SP, BP, SI, DI };

/* mov r32, imm32 */
static void load(struct slot *s, unsigned int reg, uint64_t value)
{
	if (s->mode == 16)
		put8(s, 0x66);
	put8(s, 0xb8 + reg);
	put32(s, value);
}

/* The modrm of "/n [disp32]" and the address, behind an opcode; in 16 bits after a 67 prefix. */
static void absolute(struct slot *s, unsigned int n, uint64_t address)
{
	put8(s, (s->mode == 64 ? 4 : 5) | n << 3);
	if (s->mode == 64)
		put8(s, 0x25);
	put32(s, address);
}

/* Prefixes of an access through absolute(). */
static void prefixes(struct slot *s)
{
	if (s->mode == 16)
		PUT(s, 0x67, 0x66);
	if (rng_one_in(s->r, 8))
		put8(s, 0x66);
	if (rng_one_in(s->r, 12))
		put8(s, 0xf0);
	if (s->mode == 64 && rng_one_in(s->r, 8))
		put8(s, 0x48);
}

static void store32(struct slot *s, uint64_t address, uint64_t value)
{
	if (s->mode == 16)
		PUT(s, 0x67, 0x66);
	put8(s, 0xc7);
	absolute(s, 0, address);
	put32(s, value);
}

static uint64_t some_address(struct rng *r)
{
	switch (rng_below(r, 7)) {
	case 0:
		return LAPIC_AT + rng_below(r, 0x400);
	case 1:
		return RAM_END - rng_below(r, 16);
	case 2:
		return PML4_AT + rng_below(r, 0x6000);
	case 3:
		return SLOTS_AT + rng_below(r, PROGRAM_SLOTS * SLOT_BYTES);
	case 4:
		return rng_odd(r);
	default:
		return rng_below(r, RAM_END);
	}
}

/* --- things to try --- */

static void try_cpuid(struct slot *s)
{
	static const uint32_t base[] = { 0, 0, 0x40000000, 0x80000000, 0x80000000 };

	load(s, AX, RNG_PICK(s->r, base) + rng_below(s->r, 0x24));
	load(s, CX, rng_odd(s->r));
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
	load(s, CX, some_msr(s->r));
	PUT(s, 0x0f, 0x32);
}

static void try_wrmsr(struct slot *s)
{
	uint64_t value =
		rng_one_in(s->r, 3) ? some_address(s->r) | rng_below(s->r, 2) : rng_odd(s->r);

	load(s, CX, some_msr(s->r));
	load(s, AX, value);
	load(s, DX, value >> 32);
	PUT(s, 0x0f, 0x30);
}

static void try_io(struct slot *s)
{
	static const uint8_t op[] = { 0xec, 0xed, 0xee, 0xef, 0x6c, 0x6d, 0x6e, 0x6f };

	load(s, DX, rng_below(s->r, 0x10000));
	load(s, DI, some_address(s->r));
	load(s, SI, some_address(s->r));
	if (rng_one_in(s->r, 3)) {
		load(s, CX, rng_below(s->r, 5));
		put8(s, rng_one_in(s->r, 2) ? 0xf3 : 0xf2);
	}
	if (rng_one_in(s->r, 3))
		put8(s, 0x66);
	put8(s, RNG_PICK(s->r, op));
}

static void try_hypercall(struct slot *s)
{
	uint64_t control = rng_below(s->r, 0x110) | (rng_odd(s->r) << 16);

	if (s->mode == 64) {
		PUT(s, 0x48, 0xb9);
		put(s, &control, 8);
		load(s, DX, some_address(s->r));
		PUT(s, 0x41, 0xb8);
		put32(s, some_address(s->r));
	} else {
		load(s, AX, control);
		load(s, BX, some_address(s->r));
		load(s, CX, some_address(s->r));
	}
	PUT(s, 0x0f, 0x01, rng_one_in(s->r, 4) ? 0xc1 : 0xd9);
}

static void try_control(struct slot *s)
{
	static const uint8_t which[] = { 0, 0, 2, 3, 4, 4, 8 };
	unsigned int n = RNG_PICK(s->r, which);
	uint64_t toggled = 1ull << rng_below(s->r, 32);

	if (s->mode == 64 && n == 8) {
		load(s, AX, rng_below(s->r, 20));
		PUT(s, 0x44, 0x0f, 0x22, 0xc0);
		return;
	}
	n &= 7;
	if (rng_one_in(s->r, 4)) {
		load(s, AX, n == 3 ? some_address(s->r) : rng_odd(s->r));
	} else {
		/* mov eax, crN; xor eax, toggled */
		PUT(s, 0x0f, 0x20, 0xc0 | n << 3);
		if (s->mode == 16)
			put8(s, 0x66);
		put8(s, 0x35);
		put32(s, toggled);
	}
	PUT(s, 0x0f, 0x22, 0xc0 | n << 3);
}

static void try_debug(struct slot *s)
{
	/* Not DR7, nor DR5, which is the same: see spare_qemu. */
	static const uint8_t which[] = { 0, 1, 2, 3, 4, 6 };
	bool write = rng_one_in(s->r, 2);
	unsigned int n = write ? RNG_PICK(s->r, which) : rng_below(s->r, 8);

	load(s, AX, rng_one_in(s->r, 2) ? some_address(s->r) : rng_odd(s->r));
	PUT(s, 0x0f, write ? 0x23 : 0x21, 0xc0 | n << 3);
}

static void try_xsetbv(struct slot *s)
{
	load(s, CX, rng_one_in(s->r, 4) ? rng_odd(s->r) : 0);
	load(s, AX, rng_below(s->r, 16));
	load(s, DX, rng_one_in(s->r, 4) ? rng_odd(s->r) : 0);
	PUT(s, 0x0f, 0x01, 0xd1);
}

/* Plain stores and loads to the local APIC's page. */
static void try_apic(struct slot *s)
{
	uint64_t at = LAPIC_AT + rng_below(s->r, 0x40) * 16;

	if (rng_one_in(s->r, 3)) {
		if (s->mode == 16)
			PUT(s, 0x67, 0x66);
		put8(s, 0x8b);
		absolute(s, 0, at);
	} else {
		store32(s, at, rng_odd(s->r));
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
		put8(s, 0x0f);
		put8(s, RNG_PICK(s->r, two));
	} else {
		put8(s, RNG_PICK(s->r, op));
	}
	absolute(s, rng_below(s->r, 8), some_address(s->r));
	put32(s, rng_odd(s->r));
}

static void try_tables(struct slot *s)
{
	static const uint32_t table[] = { PML4_AT, PDPT_AT, PD_AT, PD_AT, PD_AT };
	uint64_t at = RNG_PICK(s->r, table) + rng_below(s->r, 8) * 4;

	store32(s, at, rng_one_in(s->r, 2) ? rng_odd(s->r) : some_address(s->r) | 0x87);
	if (rng_one_in(s->r, 2))
		PUT(s, 0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8); /* mov eax, cr3; mov cr3, eax */
}

static void try_descriptors(struct slot *s)
{
	static const uint8_t group[][2] = { { 0x01, 2 }, { 0x01, 3 }, { 0x00, 2 }, { 0x01, 6 },
					    { 0x01, 7 }, { 0x01, 0 }, { 0x01, 1 } };
	unsigned int n = rng_below(s->r, 7);

	if (s->mode == 16)
		PUT(s, 0x67, 0x66);
	PUT(s, 0x0f, group[n][0]);
	absolute(s, group[n][1], some_address(s->r));
}

static void try_flags(struct slot *s)
{
	static const uint8_t back[] = { 0x9d, 0x9d, 0x9d, 0xcf };

	if (s->mode == 16)
		put8(s, 0x66);
	put8(s, 0x68);
	put32(s, rng_odd(s->r));
	if (s->mode == 16)
		put8(s, 0x66);
	put8(s, RNG_PICK(s->r, back));
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
	};
	const uint8_t *c = RNG_PICK(s->r, code);

	put(s, c + 1, c[0]);
}

/* Extended state, valid or not. */
static void try_state(struct slot *s)
{
	/* 0f ae /n: FXSAVE FXRSTOR LDMXCSR STMXCSR XSAVE XRSTOR XSAVEOPT; 0f c7 /3 … /5: XSAVES */
	bool supervisor = rng_one_in(s->r, 4);

	load(s, AX, rng_odd(s->r));
	load(s, DX, rng_one_in(s->r, 3) ? rng_odd(s->r) : 0);
	store32(s, SCRATCH_AT + 512 + rng_below(s->r, 4) * 4, rng_odd(s->r) & 0xff);
	if (s->used > 16)
		s->used = 12; /* no room: without the store */
	if (s->mode == 16)
		put8(s, 0x67);
	PUT(s, 0x0f, supervisor ? 0xc7 : 0xae);
	absolute(s, rng_below(s->r, 8), SCRATCH_AT + rng_below(s->r, 2) * 8);
}

static void try_self_modify(struct slot *s)
{
	/* CPUID, VMMCALL, IN, WRMSR, HLT, MOV from CR0, a jump */
	static const uint32_t code[] = { 0x9090a20f, 0x90d9010f, 0x909090ec, 0x9090300f,
					 0x909090f4, 0x90c0200f, 0x9090feeb };
	uint64_t at = SLOTS_AT + rng_below(s->r, PROGRAM_SLOTS * SLOT_BYTES);

	store32(s, at, RNG_PICK(s->r, code));
}

static void try_noise(struct slot *s)
{
	for (unsigned int n = rng_below(s->r, 15) + 1; n > 0; n--)
		put8(s, (uint8_t)rng_next(s->r));
}

static void (*const tries[])(struct slot *s) = {
	try_cpuid,     try_rdmsr, try_wrmsr,  try_wrmsr,  try_io,    try_io,
	try_hypercall, try_debug, try_xsetbv, try_apic,	  try_apic,  try_access,
	try_access,    try_flags, try_single, try_single, try_state, try_noise,
};
/* What a program seldom survives, so that it comes to the others, too. */
static void (*const last_tries[])(struct slot *s) = {
	try_control, try_control, try_tables, try_descriptors, try_self_modify,
};

/* --- what is around the slots --- */

static const uint8_t next_64[] = {
	0xbc, 0x00, 0x00, 0x01, 0x00,		  /* mov esp, STACK_TOP */
	0xff, 0x04, 0x25, 0x00, 0xb8, 0x00, 0x00, /* inc dword [COUNTER_AT] */
	0x8b, 0x04, 0x25, 0x00, 0xb8, 0x00, 0x00, /* mov eax, [COUNTER_AT] */
	0xc1, 0xe0, 0x05,			  /* shl eax, 5 */
	0x05, 0x00, 0x40, 0x00, 0x00,		  /* add eax, SLOTS_AT */
	0xff, 0xe0,				  /* jmp rax */
};
static const uint8_t next_32[] = {
	0xbc, 0x00, 0x00, 0x01, 0x00, 0xff, 0x05, 0x00, 0xb8, 0x00, 0x00, 0xa1, 0x00,
	0xb8, 0x00, 0x00, 0xc1, 0xe0, 0x05, 0x05, 0x00, 0x40, 0x00, 0x00, 0xff, 0xe0,
};
static const uint8_t next_16[] = {
	0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xd0, /* xor ax, ax; mov ds, ax; mov ss, ax */
	0xbc, 0xf0, 0xff, 0xff, 0x06, 0x00, 0xb8, 0xa1, 0x00,
	0xb8, 0xc1, 0xe0, 0x05, 0x05, 0x00, 0x40, 0xff, 0xe0,
};

static void put_quad(uint8_t *ram, uint32_t at, uint64_t value)
{
	memcpy(ram + at, &value, sizeof(value));
}

static void make_tables(const struct program *p, uint8_t *ram)
{
	put_quad(ram, GDT_AT + SEL_CODE, p->mode == 64 ? GDT_CODE64 : GDT_CODE32);
	put_quad(ram, GDT_AT + SEL_DATA, GDT_DATA);
	put_quad(ram, PML4_AT, PDPT_AT | 7);
	for (uint32_t i = 0; i < 4; i++)
		put_quad(ram, PDPT_AT + i * 8, (PD_AT + i * 0x1000) | 7);
	for (uint32_t i = 0; i < 4 * 512; i++)
		put_quad(ram, PD_AT + i * 8, (uint64_t)i << 21 | 0x87);
	for (uint32_t i = 0; i < 256; i++) {
		uint64_t gate = (PROGRAM_NEXT & 0xffff) | SEL_CODE << 16 | 0x8e0000000000ull;

		if (p->mode == 64)
			put_quad(ram, IDT_AT + i * 16, gate);
		else if (p->mode == 32)
			put_quad(ram, IDT_AT + i * 8, gate);
		else
			memcpy(ram + i * 4, (const uint16_t[]){ PROGRAM_NEXT, 0 }, 4);
	}
	if (p->mode == 64)
		memcpy(ram + PROGRAM_NEXT, next_64, sizeof(next_64));
	else if (p->mode == 32)
		memcpy(ram + PROGRAM_NEXT, next_32, sizeof(next_32));
	else
		memcpy(ram + PROGRAM_NEXT, next_16, sizeof(next_16));
}

/*
 * What ends QEMU 7.2 itself: LTR takes a null selector, and an interrupt that then
 * needs that TSS is an "invalid tss", so no SLDT … VERW, to which it belongs; VMRUN
 * loads DR7 without its breakpoints, which the next write to it takes for granted.
 */
static void spare_qemu(uint8_t *slot)
{
	for (unsigned int i = 0; i + 2 < SLOT_ROOM; i++) {
		if (slot[i] == 0x0f &&
		    (slot[i + 1] == 0 || (slot[i + 1] == 0x23 && (slot[i + 2] & 0x28) == 0x28)))
			slot[i] = 0x90;
	}
}

static void make_slot(const struct program *p, uint8_t *ram, unsigned int n, struct rng *r)
{
	uint32_t at = SLOTS_AT + n * SLOT_BYTES;
	uint32_t back = PROGRAM_NEXT - (at + SLOT_ROOM + (p->mode == 16 ? 3 : 5));
	struct slot s = { .r = r, .mode = p->mode, .byte = ram + at };

	memset(ram + at, 0x90, SLOT_ROOM);
	ram[at + SLOT_ROOM] = 0xe9;
	memcpy(ram + at + SLOT_ROOM + 1, &back, p->mode == 16 ? 2 : 4);
	if (n == PROGRAM_SLOTS)
		PUT(&s, 0xe6, PROGRAM_DONE_PORT, 0xeb, 0xfc); /* and again */
	else if (rng_one_in(r, 25))
		RNG_PICK(r, last_tries)(&s);
	else
		RNG_PICK(r, tries)(&s);
	spare_qemu(ram + at);
}

static union hv_register_value *add(struct program *p, uint32_t name, uint64_t value)
{
	struct hv_register_assoc *a = &p->reg[p->register_count++];

	*a = (struct hv_register_assoc){ .name = name, .value.reg64 = value };
	return &a->value;
}

static void add_segment(struct program *p, uint32_t name, uint16_t selector, uint16_t attributes)
{
	*add(p, name, 0) = (union hv_register_value){
		.segment = { .limit = p->mode == 16 ? 0xffff : 0xffffffff,
			     .selector = p->mode == 16 ? 0 : selector,
			     .attributes = attributes },
	};
}

static void add_table(struct program *p, uint32_t name, uint64_t base, uint16_t limit)
{
	*add(p, name, 0) = (union hv_register_value){ .table = { .limit = limit, .base = base } };
}

static void make_registers(struct program *p, struct rng *r)
{
	const uint16_t code = p->mode == 64 ? 0xa09b : p->mode == 32 ? 0xc09b : 0x9b;
	const uint16_t data = p->mode == 16 ? 0x93 : 0xc093;

	add(p, HV_REGISTER_INTERNAL_ACTIVITY_STATE, 0);
	add(p, HV_REGISTER_PENDING_INTERRUPTION, 0);
	add(p, HV_REGISTER_INTERRUPT_STATE, 0);
	add(p, HV_X64_REGISTER_CR3, PML4_AT);
	add(p, HV_X64_REGISTER_CR4, p->mode == 64 ? 0x40620 : 0x600);
	add(p, HV_X64_REGISTER_EFER, p->mode == 64 ? 0x500 : 0);
	add(p, HV_X64_REGISTER_CR0, p->mode == 64 ? 0x80000033 : p->mode == 32 ? 0x33 : 0x32);
	add(p, HV_X64_REGISTER_RFLAGS, 2);
	add(p, HV_X64_REGISTER_RIP, PROGRAM_NEXT);
	add(p, HV_X64_REGISTER_RSP, STACK_TOP - 16);
	add(p, HV_X64_REGISTER_DR7, 0x400);
	add_segment(p, HV_X64_REGISTER_CS, SEL_CODE, code);
	for (uint32_t n = HV_X64_REGISTER_ES; n <= HV_X64_REGISTER_GS; n++) {
		if (n != HV_X64_REGISTER_CS)
			add_segment(p, n, SEL_DATA, data);
	}
	add_table(p, HV_X64_REGISTER_GDTR, GDT_AT, 0xff);
	/* Not "busy", as LTR leaves it: QEMU ends itself where it needs one that is. */
	*add(p, HV_X64_REGISTER_TR, 0) = (union hv_register_value){
		.segment = { .base = TSS_AT, .limit = 0x67, .selector = 24, .attributes = 0x89 },
	};
	add_table(p, HV_X64_REGISTER_IDTR, p->mode == 16 ? 0 : IDT_AT, 0xfff);
	/* Now and then from a state that no program can reach. */
	for (unsigned int n = rng_one_in(r, 4) ? rng_below(r, 4) : 0; n > 0; n--) {
		struct hv_register_assoc *a = &p->reg[rng_below(r, p->register_count)];
		union hv_register_value *v = &a->value;

		if (a->name == HV_X64_REGISTER_TR || a->name == HV_X64_REGISTER_DR7)
			continue;

		((uint8_t *)v)[rng_below(r, 16)] ^= (uint8_t)(1u << rng_below(r, 8));
	}
}

void program_make(struct program *p, uint8_t *ram, struct rng *r)
{
	static const uint8_t modes[] = { 64, 64, 64, 32, 16 };

	memset(p, 0, sizeof(*p));
	p->mode = RNG_PICK(r, modes);
	make_tables(p, ram);
	for (unsigned int n = 0; n <= PROGRAM_SLOTS; n++)
		make_slot(p, ram, n, r);
	/* One before the first slot; in 16 bits only the low half counts. */
	put_quad(ram, COUNTER_AT, p->mode == 16 ? 0xffff : 0xffffffff);
	make_registers(p, r);
}

uint32_t program_reached(const uint8_t *ram)
{
	uint32_t n;

	memcpy(&n, ram + COUNTER_AT, sizeof(n));
	return n <= PROGRAM_SLOTS ? n : 0;
}
