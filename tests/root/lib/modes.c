/* SPDX-License-Identifier: MIT */
#include "tests/root/lib/modes.h"

#include <string.h>

#define PRESENT_WRITE_USER 0x7u
#define LARGE		   0x80u
#define GATE_INTERRUPT	   0xee00u /* a 32- or 64-bit one, for ring 3 too */
#define RFLAGS_FIXED	   0x2u
#define RFLAGS_IOPL3	   0x3000u
#define RFLAGS_VM	   0x20000u
#define CR0_PROTECTED	   0x33u
#define CR0_PAGED	   0x80000033u
#define CR4_FXSR	   0x600u
#define CR4_PAE_PSE	   0x30u
#define CR4_OSXSAVE	   0x40000u
#define EFER_LONG	   0x500u

static const uint64_t gdt[] = {
	0,
	0x00af9b000000ffff, /* CODE64 */
	0x00cf93000000ffff, /* DATA */
	0x00cf9b000000ffff, /* CODE32 */
	0x00cffb000000ffff, /* USER32 */
	0x00cff3000000ffff, /* USER_DATA */
	0x00affb000000ffff, /* USER64 */
};

static bool is_long(enum mode m)
{
	return m == MODE_LONG || m == MODE_COMPAT || m == MODE_USER64 || m == MODE_USER_COMPAT;
}

unsigned int mode_bits(enum mode m)
{
	if (m == MODE_REAL || m == MODE_VM86)
		return 16;
	return m == MODE_LONG || m == MODE_USER64 ? 64 : 32;
}

unsigned int mode_handler_bits(enum mode m)
{
	if (m == MODE_REAL)
		return 16;
	return is_long(m) ? 64 : 32;
}

static void put(uint8_t *ram, uint32_t at, uint64_t value, unsigned int size)
{
	memcpy(ram + at, &value, size);
}

void mode_gate(enum mode m, uint8_t *ram, uint8_t vector, uint32_t handler)
{
	uint64_t selector = is_long(m) ? MODES_CODE64 : MODES_CODE32;
	uint64_t gate = (handler & 0xffff) | selector << 16 | (uint64_t)GATE_INTERRUPT << 32 |
			(uint64_t)(handler >> 16) << 48;

	if (m == MODE_REAL) {
		put(ram, vector * 4u, handler & 0xffff, 4);
	} else if (is_long(m)) {
		put(ram, MODES_IDT + vector * 16u, gate, 8);
		put(ram, MODES_IDT + vector * 16u + 8, 0, 8);
	} else {
		put(ram, MODES_IDT + vector * 8u, gate, 8);
	}
}

static void page_tables(uint8_t *ram)
{
	put(ram, MODES_PML4, MODES_PDPT | PRESENT_WRITE_USER, 8);
	for (uint32_t i = 0; i < 4; i++) {
		put(ram, MODES_PDPT + i * 8, (MODES_PD + i * 0x1000) | PRESENT_WRITE_USER, 8);
		/* With PAE, bits of these that mean something elsewhere are reserved. */
		put(ram, MODES_PAE_PDPT + i * 8, (MODES_PD + i * 0x1000) | 1, 8);
	}
	for (uint32_t i = 0; i < 4 * 512; i++)
		put(ram, MODES_PD + i * 8, (uint64_t)i << 21 | LARGE | PRESENT_WRITE_USER, 8);
	for (uint32_t i = 0; i < 1024; i++)
		put(ram, MODES_DIRECTORY + i * 4, i << 22 | LARGE | PRESENT_WRITE_USER, 4);
}

void mode_tables(enum mode m, uint8_t *ram, uint32_t handler)
{
	memcpy(ram + MODES_GDT, gdt, sizeof(gdt));
	memset(ram + MODES_TSS, 0, 0x68);
	/* RSP0, or ESP0 and SS0. */
	put(ram, MODES_TSS + 4, MODES_STACK, 8);
	if (!is_long(m))
		put(ram, MODES_TSS + 8, MODES_DATA, 2);
	page_tables(ram);
	for (unsigned int i = 0; i < 256; i++)
		mode_gate(m, ram, (uint8_t)i, handler);
}

/* --- registers --- */

struct list {
	struct hv_register_assoc *reg;
	uint32_t count;
};

static union hv_register_value *add(struct list *l, uint32_t name, uint64_t value)
{
	struct hv_register_assoc *a = &l->reg[l->count++];

	*a = (struct hv_register_assoc){ .name = name, .value.reg64 = value };
	return &a->value;
}

static void add_segment(struct list *l, uint32_t name, uint16_t selector, uint32_t limit,
			uint16_t attributes)
{
	add(l, name, 0)->segment = (struct hv_segment_register){ .limit = limit,
								 .selector = selector,
								 .attributes = attributes };
}

static void add_table(struct list *l, uint32_t name, uint64_t base, uint16_t limit)
{
	add(l, name, 0)->table = (struct hv_table_register){ .limit = limit, .base = base };
}

static void add_segments(struct list *l, enum mode m)
{
	uint16_t ring3 = mode_user(m) ? 0x60 : 0, selector, code, data;
	uint32_t limit = mode_bits(m) == 16 ? 0xffff : 0xffffffff;

	switch (mode_bits(m)) {
	case 64:
		selector = mode_user(m) ? MODES_USER64 : MODES_CODE64;
		code = 0xa09b | ring3;
		data = 0xc093 | ring3;
		break;
	case 32:
		selector = mode_user(m) ? MODES_USER32 : MODES_CODE32;
		code = 0xc09b | ring3;
		data = 0xc093 | ring3;
		break;
	default:
		selector = 0;
		code = m == MODE_VM86 ? 0xf3 : 0x9b;
		data = 0x93 | ring3;
		break;
	}
	add_segment(l, HV_X64_REGISTER_CS, selector, limit, code);
	if (selector)
		selector = mode_user(m) ? MODES_USER_DATA : MODES_DATA;
	for (uint32_t n = HV_X64_REGISTER_ES; n <= HV_X64_REGISTER_GS; n++) {
		if (n != HV_X64_REGISTER_CS)
			add_segment(l, n, selector, limit, data);
	}
}

static uint64_t cr3(enum mode m)
{
	if (is_long(m))
		return MODES_PML4;
	return m == MODE_PAE ? MODES_PAE_PDPT : MODES_DIRECTORY;
}

uint32_t mode_registers(enum mode m, uint64_t rip, struct hv_register_assoc *reg)
{
	struct list l = { .reg = reg };
	bool paged = m != MODE_REAL && m != MODE_FLAT;

	add(&l, HV_REGISTER_INTERNAL_ACTIVITY_STATE, 0);
	add(&l, HV_REGISTER_PENDING_INTERRUPTION, 0);
	add(&l, HV_REGISTER_INTERRUPT_STATE, 0);
	add(&l, HV_X64_REGISTER_CR3, cr3(m));
	/* PSE for MODE_PAGED, PAE for all that is deeper. */
	add(&l, HV_X64_REGISTER_CR4,
	    CR4_FXSR | CR4_OSXSAVE |
		    (is_long(m) || m == MODE_PAE ? CR4_PAE_PSE :
		     paged			 ? 0x10 :
						   0));
	add(&l, HV_X64_REGISTER_EFER, is_long(m) ? EFER_LONG : 0);
	add(&l, HV_X64_REGISTER_CR0,
	    paged	   ? CR0_PAGED :
	    m == MODE_REAL ? CR0_PROTECTED & ~1u :
			     CR0_PROTECTED);
	add(&l, HV_X64_REGISTER_RFLAGS,
	    RFLAGS_FIXED | (mode_user(m) ? RFLAGS_IOPL3 : 0) | (m == MODE_VM86 ? RFLAGS_VM : 0));
	add(&l, HV_X64_REGISTER_RIP, rip);
	add(&l, HV_X64_REGISTER_RSP, MODES_STACK - 16);
	add(&l, HV_X64_REGISTER_DR7, 0x400);
	add_segments(&l, m);
	add_table(&l, HV_X64_REGISTER_GDTR, MODES_GDT, sizeof(gdt) - 1);
	add_table(&l, HV_X64_REGISTER_IDTR, m == MODE_REAL ? 0 : MODES_IDT, 0xfff);
	/* Not "busy", as LTR leaves it: QEMU ends itself where it needs one that is. */
	add(&l, HV_X64_REGISTER_TR, 0)->segment = (struct hv_segment_register){
		.base = MODES_TSS, .limit = 0x67, .selector = 0x38, .attributes = 0x89
	};
	return l.count;
}
