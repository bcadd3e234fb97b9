/* SPDX-License-Identifier: MIT */
/*
 * The first processor's state at the kernel's entry point, and the tables it
 * refers to.
 */
#include <errno.h>
#include <string.h>

#include "vmm/load/layout.h"
#include "vmm/load/load.h"

#define CR0_PE	       BIT64(0)
#define CR0_ET	       BIT64(4)
#define CR0_NE	       BIT64(5)
#define CR0_PG	       BIT64(31)
#define CR4_PAE	       BIT64(5)
#define EFER_LME       BIT64(8)
#define EFER_LMA       BIT64(10)
#define RFLAGS_FIXED   BIT64(1)
#define MTRR_ENABLE_WB (BIT64(11) | 6)

#define PTE_PRESENT    BIT64(0)
#define PTE_WRITE      BIT64(1)
#define PTE_LARGE      BIT64(7)
#define ENTRIES	       512
#define GIBS_MAPPED    4

/*
 * Selectors of the Linux boot protocol: __BOOT_CS 0x10, __BOOT_DS 0x18. TSS
 * and LDT are never used but must be in a state the processor accepts.
 */
#define SEL_CODE       0x10
#define SEL_DATA       0x18
#define SEL_TSS	       0x20

/* Attributes: type 3:0, S 4, DPL 6:5, P 7, L 13, D 14, G 15 */
#define ATTR_CODE64    0xa09b
#define ATTR_CODE32    0xc09b
#define ATTR_DATA      0xc093
#define ATTR_TSS       0x008b
#define ATTR_LDT       0x0082
#define LIMIT_FLAT     0xffffffffU
#define LIMIT_TSS      0x67

struct page_tables {
	uint64_t pml4[ENTRIES];
	uint64_t pdpt[ENTRIES];
	uint64_t pd[GIBS_MAPPED * ENTRIES];
};

/* A descriptor with base 0 and limit 4 GiB; @attr as above. */
static uint64_t flat_descriptor(uint16_t attr)
{
	return 0xffffULL | (uint64_t)0xf << 48 | (uint64_t)(attr & 0xff) << 40 |
	       (uint64_t)(attr >> 12) << 52;
}

/*
 * Linux on a hardware-reduced machine resets by EFI or, without EFI, by going
 * back to real mode and to the BIOS' entry point. That BIOS is this: pulse the
 * reset line of the keyboard controller (dev/reset.c).
 */
static const uint8_t reset_code[] = {
	0xb0, 0xfe, /* mov al, 0xfe */
	0xe6, 0x64, /* out 0x64, al */
	0xf4,	    /* hlt */
};

int boot_tables(const struct memory *m)
{
	const uint64_t flags = PTE_PRESENT | PTE_WRITE;
	struct page_tables *t;
	uint64_t *gdt;

	t = memory_at(m, gpa(LAYOUT_PAGE_TABLES), sizeof(*t));
	gdt = memory_at(m, gpa(LAYOUT_GDT), PAGE_SIZE);
	if (!t || !gdt)
		return -EFAULT;
	memset(t, 0, sizeof(*t));
	t->pml4[0] = (LAYOUT_PAGE_TABLES + offsetof(struct page_tables, pdpt)) | flags;
	for (unsigned int i = 0; i < GIBS_MAPPED; i++)
		t->pdpt[i] =
			(LAYOUT_PAGE_TABLES + offsetof(struct page_tables, pd) + i * PAGE_SIZE) |
			flags;
	for (unsigned int i = 0; i < GIBS_MAPPED * ENTRIES; i++)
		t->pd[i] = i * LARGE_PAGE_SIZE | flags | PTE_LARGE;
	/* BOOT_PROTECTED loads no selector from it before its own GDT. */
	memset(gdt, 0, PAGE_SIZE);
	gdt[SEL_CODE / 8] = flat_descriptor(ATTR_CODE64);
	gdt[SEL_DATA / 8] = flat_descriptor(ATTR_DATA);
	return memory_write(m, gpa(LAYOUT_RESET), reset_code, sizeof(reset_code));
}

static struct hv_register_assoc reg64(uint32_t name, uint64_t value)
{
	return (struct hv_register_assoc){ .name = name, .value.reg64 = value };
}

static struct hv_register_assoc segment(uint32_t name, uint16_t selector, uint32_t limit,
					uint16_t attr)
{
	return (struct hv_register_assoc){
		.name = name,
		.value.segment = { .limit = limit, .selector = selector, .attributes = attr },
	};
}

static struct hv_register_assoc table(uint32_t name, uint64_t base, uint16_t limit)
{
	return (struct hv_register_assoc){
		.name = name,
		.value.table = { .base = base, .limit = limit },
	};
}

unsigned int boot_registers(const struct boot_entry *e, unsigned int index,
			    struct hv_register_assoc reg[BOOT_REGISTERS_MAX])
{
	static const uint32_t data[] = {
		HV_X64_REGISTER_DS, HV_X64_REGISTER_ES, HV_X64_REGISTER_SS,
		HV_X64_REGISTER_FS, HV_X64_REGISTER_GS,
	};
	bool is_long = e->mode == BOOT_LONG;
	unsigned int n = 0;

	/*
	 * All memory write-back. With MTRRs off Linux takes everything for uncached
	 * and gives up PAT; it warns if processors differ.
	 */
	reg[n++] = reg64(HV_X64_REGISTER_MTRR_DEF_TYPE, MTRR_ENABLE_WB);
	if (index)
		return n;
	reg[n++] = reg64(HV_X64_REGISTER_CR4, is_long ? CR4_PAE : 0);
	reg[n++] = reg64(HV_X64_REGISTER_CR3, is_long ? LAYOUT_PAGE_TABLES : 0);
	reg[n++] = reg64(HV_X64_REGISTER_EFER, is_long ? EFER_LME | EFER_LMA : 0);
	reg[n++] = reg64(HV_X64_REGISTER_CR0, CR0_PE | CR0_ET | CR0_NE | (is_long ? CR0_PG : 0));
	reg[n++] = segment(HV_X64_REGISTER_CS, SEL_CODE, LIMIT_FLAT,
			   is_long ? ATTR_CODE64 : ATTR_CODE32);
	for (unsigned int i = 0; i < ARRAY_SIZE(data); i++)
		reg[n++] = segment(data[i], SEL_DATA, LIMIT_FLAT, ATTR_DATA);
	reg[n++] = segment(HV_X64_REGISTER_TR, SEL_TSS, LIMIT_TSS, ATTR_TSS);
	reg[n++] = segment(HV_X64_REGISTER_LDTR, 0, 0xffff, ATTR_LDT);
	reg[n++] = table(HV_X64_REGISTER_GDTR, LAYOUT_GDT, SEL_TSS - 1);
	reg[n++] = table(HV_X64_REGISTER_IDTR, 0, 0);
	reg[n++] = reg64(HV_X64_REGISTER_RFLAGS, RFLAGS_FIXED);
	reg[n++] = reg64(HV_X64_REGISTER_RIP, e->rip);
	reg[n++] = reg64(is_long ? HV_X64_REGISTER_RSI : HV_X64_REGISTER_RBX, e->argument);
	return n;
}
