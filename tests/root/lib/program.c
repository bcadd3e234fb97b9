/* SPDX-License-Identifier: MIT */
#include "tests/root/lib/program.h"

#include <string.h>

#include "tests/root/lib/slot.h"

#define NEXT	     0xa000u /* the handler of all vectors: goes on with the next slot */
#define BACK	     0xa100u /* gets there where a jump would be in the wrong mode */
#define BACK_VECTOR  0xf0u
#define RFLAGS_USER  0x3002u /* IOPL 3 */
#define RFLAGS_VM    0x20000u
#define HYPERCALL_ON (HYPERCALL_AT | 1)
#define WINDOWS	     8u /* of 2 MiB each, in WINDOWS_AT's 16 MiB */

/* --- handlers --- */

static const uint8_t next_16[] = {
	0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xd0, /* xor ax, ax; mov ds, ax; mov ss, ax */
	0xbc, 0xf0, 0xff,		    /* mov sp, MODES_STACK - 16 */
	0xff, 0x06, 0x00, 0xb8,		    /* inc word [COUNTER_AT] */
	0xa1, 0x00, 0xb8,		    /* mov ax, [COUNTER_AT] */
	0xc1, 0xe0, 0x05,		    /* shl ax, 5 */
	0x05, 0x00, 0x40,		    /* add ax, SLOTS_AT */
	0xff, 0xe0,			    /* jmp ax */
};
static const uint8_t next_32[] = {
	0xbc, 0x00, 0x00, 0x01, 0x00,	    /* mov esp, MODES_STACK */
	0x66, 0xb8, 0x00, 0x00,		    /* mov ax, (data) */
	0x8e, 0xd8, 0x8e, 0xc0,		    /* mov ds, ax; mov es, ax */
	0xff, 0x05, 0x00, 0xb8, 0x00, 0x00, /* inc dword [COUNTER_AT] */
	0xa1, 0x00, 0xb8, 0x00, 0x00,	    /* mov eax, [COUNTER_AT] */
	0xc1, 0xe0, 0x05,		    /* shl eax, 5 */
	0x05, 0x00, 0x40, 0x00, 0x00,	    /* add eax, SLOTS_AT */
};
#define NEXT_32_DATA 7u /* where the selector is */
static const uint8_t next_64[] = {
	0xbc, 0x00, 0x00, 0x01, 0x00,		  /* mov esp, MODES_STACK */
	0xff, 0x04, 0x25, 0x00, 0xb8, 0x00, 0x00, /* inc dword [COUNTER_AT] */
	0x8b, 0x04, 0x25, 0x00, 0xb8, 0x00, 0x00, /* mov eax, [COUNTER_AT] */
	0xc1, 0xe0, 0x05,			  /* shl eax, 5 */
	0x05, 0x00, 0x40, 0x00, 0x00,		  /* add eax, SLOTS_AT */
};
static const uint8_t jump[] = { 0xff, 0xe0 }; /* jmp eax or rax */

/* Does code of this mode not run in the handler's? */
static bool indirect(enum mode m)
{
	return m == MODE_COMPAT || mode_user(m);
}

static uint8_t *append(uint8_t *to, const void *bytes, size_t size)
{
	memcpy(to, bytes, size);
	return to + size;
}

/* push imm32 */
static uint8_t *push(uint8_t *to, uint32_t value)
{
	*to = 0x68;
	return append(to + 1, &value, 4);
}

/* To EAX by IRET, which changes mode. */
static void leave(uint8_t *to, enum mode m)
{
	static const uint8_t wide[] = { 0x50, 0x48, 0xcf }, narrow[] = { 0x50, 0xcf };
	uint32_t code = m == MODE_USER64 ? MODES_USER64 : MODES_USER32, data = MODES_USER_DATA;
	uint32_t flags = RFLAGS_USER;

	if (m == MODE_COMPAT) {
		code = MODES_CODE32;
		data = MODES_DATA;
		flags = 2;
	} else if (m == MODE_VM86) {
		code = data = 0;
		flags |= RFLAGS_VM;
		for (unsigned int i = 0; i < 4; i++) /* GS … ES */
			to = push(to, 0);
	}
	to = push(to, data);
	to = push(to, MODES_STACK - 16);
	to = push(to, flags);
	to = push(to, code);
	if (mode_handler_bits(m) == 64)
		append(to, wide, sizeof(wide));
	else
		append(to, narrow, sizeof(narrow));
}

static void make_handler(enum mode m, uint8_t *ram)
{
	static const uint8_t back[] = { 0xcd, BACK_VECTOR };
	uint8_t *at = ram + NEXT;

	switch (mode_handler_bits(m)) {
	case 16:
		append(at, next_16, sizeof(next_16));
		return;
	case 32:
		at = append(at, next_32, sizeof(next_32));
		ram[NEXT + NEXT_32_DATA] = mode_user(m) ? MODES_USER_DATA : MODES_DATA;
		break;
	default:
		at = append(at, next_64, sizeof(next_64));
		break;
	}
	if (indirect(m))
		leave(at, m);
	else
		append(at, jump, sizeof(jump));
	append(ram + BACK, back, sizeof(back));
}

/* --- tables that are odd where nothing else is --- */

static uint64_t some_entry(struct rng *r)
{
	uint64_t flags =
		rng_one_in(r, 2) ? 0x7 | (rng_one_in(r, 2) ? 0x80 : 0) : rng_next(r) & 0xfff;
	uint64_t at = rng_one_in(r, 3) ? rng_odd(r) :
		      rng_one_in(r, 2) ? rng_below(r, RAM_END) :
					 slot_address(r);

	/* Reserved bits and NX now and then; above the machine's memory; nowhere. */
	at &= rng_one_in(r, 4) ? ~0ull : 0xffffffffffull;
	return (at & ~0xfffull) | flags;
}

static void make_windows(uint8_t *ram, struct rng *r)
{
	for (uint32_t i = 0; i < WINDOWS; i++) {
		uint64_t entry = some_entry(r);

		memcpy(ram + MODES_PD + (WINDOWS_AT >> 21) * 8 + i * 8, &entry, 8);
		entry = some_entry(r);
		memcpy(ram + MODES_DIRECTORY + (WINDOWS_AT >> 22) * 4 + i / 2 * 4, &entry, 4);
	}
}

/* --- slots --- */

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

static void make_slot(struct program *p, unsigned int n, struct rng *r)
{
	uint8_t *byte = p->code + n * SLOT_BYTES;
	unsigned int bits = mode_bits(p->mode);
	uint32_t at = SLOTS_AT + n * SLOT_BYTES;
	uint32_t distance = NEXT - (at + SLOT_ROOM + (bits == 16 ? 3 : 5));
	struct slot s = { .r = r, .bits = bits, .at = at, .byte = byte };

	memset(byte, 0x90, SLOT_BYTES);
	if (n == PROGRAM_SLOTS)
		PUT(&s, 0xe6, PROGRAM_DONE_PORT, 0xeb, 0xfc); /* and again */
	else
		slot_fill(&s);
	spare_qemu(byte);
	if (indirect(p->mode)) {
		byte[SLOT_ROOM] = 0xcd;
		byte[SLOT_ROOM + 1] = BACK_VECTOR;
	} else {
		byte[SLOT_ROOM] = 0xe9;
		memcpy(byte + SLOT_ROOM + 1, &distance, bits == 16 ? 2 : 4);
	}
}

/* --- registers --- */

static void make_registers(struct program *p)
{
	struct hv_register_assoc *a;

	p->register_count = mode_registers(p->mode, p->resume, p->reg);
	if (!p->synthetic)
		return;
	a = &p->reg[p->register_count];
	a[0] = (struct hv_register_assoc){ .name = HV_REGISTER_GUEST_OS_ID, .value.reg64 = 1 };
	a[1] = (struct hv_register_assoc){ .name = HV_X64_REGISTER_HYPERCALL,
					   .value.reg64 = HYPERCALL_ON };
	p->register_count += 2;
}

/* To a state that no program can reach. */
static void twist(struct program *p, struct rng *r)
{
	for (unsigned int n = rng_below(r, 4); n > 0; n--) {
		struct hv_register_assoc *a = &p->reg[rng_below(r, p->register_count)];
		uint8_t *byte = (uint8_t *)&a->value + rng_below(r, 16);

		if (a->name != HV_X64_REGISTER_TR && a->name != HV_X64_REGISTER_DR7)
			*byte ^= (uint8_t)(1u << rng_below(r, 8));
	}
}

/* --- all of it --- */

static void make_surroundings(struct program *p, uint8_t *ram, struct rng *r)
{
	mode_tables(p->mode, ram, NEXT);
	make_windows(ram, r);
	make_handler(p->mode, ram);
	slot_inputs(ram, r);
	memcpy(ram + SLOTS_AT, p->code, sizeof(p->code));
}

enum mode program_mode(struct rng *r)
{
	static const enum mode often[] = { MODE_REAL, MODE_FLAT, MODE_LONG, MODE_LONG, MODE_LONG };

	return rng_one_in(r, 2) ? RNG_PICK(r, often) : (enum mode)rng_below(r, MODES);
}

void program_make(struct program *p, enum mode mode, bool synthetic, uint8_t *ram, struct rng *r)
{
	/* One before the first slot; in 16 bits only the low half counts. */
	uint32_t before;

	memset(p, 0, sizeof(*p));
	p->mode = mode;
	p->synthetic = synthetic;
	p->resume = indirect(p->mode) ? BACK : NEXT;
	for (unsigned int n = 0; n <= PROGRAM_SLOTS; n++)
		make_slot(p, n, r);
	make_surroundings(p, ram, r);
	before = p->mode == MODE_REAL ? 0xffff : 0xffffffff;
	memcpy(ram + COUNTER_AT, &before, sizeof(before));
	make_registers(p);
	if (rng_one_in(r, 4))
		twist(p, r);
}

void program_repair(struct program *p, uint8_t *ram, struct rng *r)
{
	make_surroundings(p, ram, r);
	make_registers(p);
}

uint32_t program_reached(const uint8_t *ram)
{
	uint32_t n;

	memcpy(&n, ram + COUNTER_AT, sizeof(n));
	if (n == 0xffff || n == 0xffffffff) /* not begun */
		return 0;
	return n < PROGRAM_SLOTS ? n : PROGRAM_SLOTS;
}
