/* SPDX-License-Identifier: MIT */
/*
 * The guest's page tables: none, 32 bit, PAE, four and five levels. AMD64
 * Architecture Programmer's Manual, volume 2, "Page Translation and
 * Protection".
 *
 * Tables are read as they are in memory. The processor may still use an older
 * translation from its TLB; a guest that relies on that is wrong anyway. PAE
 * page directory pointers are read from memory, too, not from where the
 * processor keeps them since the last write to CR3.
 */
#include "vmm/insn/emulator.h"

#define CR0_WP	     BIT64(16)
#define CR0_PG	     BIT64(31)
#define CR4_PSE	     BIT64(4)
#define CR4_PAE	     BIT64(5)
#define CR4_SMEP     BIT64(20)
#define CR4_SMAP     BIT64(21)
#define EFER_LMA     BIT64(10)
#define EFER_NXE     BIT64(11)

#define PTE_PRESENT  BIT64(0)
#define PTE_WRITE    BIT64(1)
#define PTE_USER     BIT64(2)
#define PTE_ACCESSED BIT64(5)
#define PTE_DIRTY    BIT64(6)
#define PTE_LARGE    BIT64(7)
#define PTE_NX	     BIT64(63)
#define PTE_ADDRESS  0x000ffffffffff000ULL

#define PF_PRESENT   BIT32(0)
#define PF_WRITE     BIT32(1)
#define PF_USER	     BIT32(2)
#define PF_RESERVED  BIT32(3)
#define PF_FETCH     BIT32(4)

#define LEVELS_MAX   5
/* Other processors may change an entry while we look at it. */
#define RETRIES	     8

/* One kind of tables. */
struct format {
	unsigned int levels;
	unsigned int entry_bytes;
	unsigned int index_bits;
	bool pae_top; /* level 3 entries have no rights, no A bit */
};

struct step {
	uint64_t gpa; /* of the entry */
	uint64_t entry;
};

enum insn_result raise_fault(struct emulator *e, uint8_t vector, uint32_t error)
{
	*e->fault = (struct insn_fault){
		.vector = vector,
		.has_error = vector >= FAULT_SS && (e->cpu->cr0 & CR0_PE),
		.error = error,
	};
	return INSN_FAULT;
}

static enum insn_result page_fault(struct emulator *e, uint64_t linear, enum walk_access access,
				   uint32_t error)
{
	if (access == WALK_WRITE)
		error |= PF_WRITE;
	if (access == WALK_FETCH && ((e->cpu->efer & EFER_NXE) || (e->cpu->cr4 & CR4_SMEP)))
		error |= PF_FETCH;
	if (e->cpu->cpl == 3)
		error |= PF_USER;
	raise_fault(e, FAULT_PF, error);
	e->fault->address = linear;
	return INSN_FAULT;
}

static struct format table_format(const struct insn_cpu *cpu)
{
	if (cpu->efer & EFER_LMA)
		return (struct format){ cpu->cr4 & CR4_LA57 ? 5 : 4, 8, 9, false };
	if (cpu->cr4 & CR4_PAE)
		return (struct format){ 3, 8, 9, true };
	return (struct format){ 2, 4, 10, false };
}

static unsigned int level_shift(const struct format *f, unsigned int level)
{
	return PAGE_SHIFT + (level - 1) * f->index_bits;
}

static bool read_entry(struct emulator *e, const struct format *f, uint64_t gpa, uint64_t *entry)
{
	void *p = e->bus->ram(e->bus->arg, gpa, f->entry_bytes);

	if (!p)
		return false;
	if (f->entry_bytes == 8)
		*entry = __atomic_load_n((uint64_t *)p, __ATOMIC_RELAXED);
	else
		*entry = __atomic_load_n((uint32_t *)p, __ATOMIC_RELAXED);
	return true;
}

/* Set bits unless somebody changed the entry since we read it. */
static bool mark_entry(struct emulator *e, const struct format *f, const struct step *s,
		       uint64_t bits)
{
	void *p;

	if ((s->entry & bits) == bits)
		return true;
	p = e->bus->ram(e->bus->arg, s->gpa, f->entry_bytes);
	if (!p)
		return false;
	if (f->entry_bytes == 8) {
		uint64_t old = s->entry;

		return __atomic_compare_exchange_n((uint64_t *)p, &old, old | bits, false,
						   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	} else {
		uint32_t old = (uint32_t)s->entry;

		return __atomic_compare_exchange_n((uint32_t *)p, &old, old | (uint32_t)bits, false,
						   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	}
}

static bool is_leaf(const struct emulator *e, const struct format *f, unsigned int level,
		    uint64_t entry)
{
	if (level == 1)
		return true;
	if (!(entry & PTE_LARGE))
		return false;
	if (f->levels == 2)
		return e->cpu->cr4 & CR4_PSE;
	return level == 2 || (level == 3 && !f->pae_top);
}

static uint64_t leaf_address(const struct format *f, unsigned int level, uint64_t entry,
			     uint64_t linear)
{
	uint64_t offset = BIT64(level_shift(f, level)) - 1;
	uint64_t base = entry & PTE_ADDRESS;

	if (f->entry_bytes == 4 && level == 2) /* PSE-36: bits 39:32 in 20:13 */
		base = (entry & 0xffc00000U) | (entry >> 13 & 0xff) << 32;
	return (base & ~offset) | (linear & offset);
}

static bool allowed(const struct emulator *e, enum walk_access access, bool writable, bool user,
		    bool nx)
{
	const struct insn_cpu *cpu = e->cpu;
	bool from_user = cpu->cpl == 3;

	if (from_user && !user && access != WALK_LOOK)
		return false;
	switch (access) {
	case WALK_WRITE:
		if (!writable && (from_user || (cpu->cr0 & CR0_WP)))
			return false;
		break;
	case WALK_FETCH:
		return !nx && !(user && !from_user && (cpu->cr4 & CR4_SMEP));
	case WALK_READ:
		break;
	case WALK_LOOK:
		return true;
	}
	return !(user && !from_user && (cpu->cr4 & CR4_SMAP) && !(cpu->rflags & RFLAGS_AC));
}

/* One attempt; *again if an entry changed under us. */
static enum insn_result try_walk(struct emulator *e, const struct format *f, uint64_t linear,
				 enum walk_access access, uint64_t *gpa, bool *again)
{
	bool writable = true, user = true, nx = false;
	struct step step[LEVELS_MAX + 1];
	unsigned int level = f->levels;
	uint64_t table = e->cpu->cr3 & (f->pae_top ? 0xffffffe0U : PTE_ADDRESS);

	if (f->entry_bytes == 4)
		table &= 0xfffff000U;
	for (;; level--) {
		uint64_t index = linear >> level_shift(f, level) & (BIT64(f->index_bits) - 1);
		struct step *s = &step[level];
		bool top = f->pae_top && level == 3;

		if (top)
			index &= 3;
		s->gpa = table + index * f->entry_bytes;
		if (!read_entry(e, f, s->gpa, &s->entry))
			return INSN_UNKNOWN;
		if (!(s->entry & PTE_PRESENT))
			return page_fault(e, linear, access, 0);
		if (!top) {
			writable = writable && (s->entry & PTE_WRITE);
			user = user && (s->entry & PTE_USER);
			if (f->entry_bytes == 8 && (e->cpu->efer & EFER_NXE))
				nx = nx || (s->entry & PTE_NX);
		}
		if (is_leaf(e, f, level, s->entry))
			break;
		if (level > 3 && (s->entry & PTE_LARGE))
			return page_fault(e, linear, access, PF_PRESENT | PF_RESERVED);
		table = s->entry & (f->entry_bytes == 8 ? PTE_ADDRESS : 0xfffff000U);
	}
	if (!allowed(e, access, writable, user, nx))
		return page_fault(e, linear, access, PF_PRESENT);
	*gpa = leaf_address(f, level, step[level].entry, linear);
	if (access == WALK_LOOK)
		return INSN_DONE;
	for (unsigned int l = f->levels; l >= level; l--) {
		uint64_t bits = PTE_ACCESSED;

		if (f->pae_top && l == 3)
			continue;
		if (l == level && access == WALK_WRITE)
			bits |= PTE_DIRTY;
		if (!mark_entry(e, f, &step[l], bits)) {
			*again = true;
			break;
		}
	}
	return INSN_DONE;
}

enum insn_result walk(struct emulator *e, uint64_t linear, enum walk_access access, uint64_t *gpa)
{
	struct format f = table_format(e->cpu);
	enum insn_result r = INSN_UNKNOWN;

	if (!(e->cpu->cr0 & CR0_PG)) {
		*gpa = (uint32_t)linear;
		return INSN_DONE;
	}
	for (unsigned int i = 0; i < RETRIES; i++) {
		bool again = false;

		r = try_walk(e, &f, linear, access, gpa, &again);
		if (!again)
			return r;
	}
	/* Somebody plays with the tables all the time: the last answer holds. */
	return r;
}
