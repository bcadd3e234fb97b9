/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/walk.h"

#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/gpa.h"
#include "hypervisor/hv/operand.h"
#include "hypervisor/hv/vp.h"
#include "lib/mem.h"

#define PTE_PRESENT	BIT64(0)
#define PTE_WRITE	BIT64(1)
#define PTE_USER	BIT64(2)
#define PTE_ACCESSED	BIT64(5)
#define PTE_DIRTY	BIT64(6)
#define PTE_LARGE	BIT64(7)
#define PTE_NX		BIT64(63)
#define PTE_ADDRESS	0x000ffffffffff000ULL
#define LEVELS_MAX	4

/* One of the four shapes a page table can have. */
struct mode {
	unsigned int levels;
	unsigned int index_bits;	/* per level */
	unsigned int entry_size;
};

static struct mode mode_of(const struct vcpu *v)
{
	if (v->efer & EFER_LMA)
		return (struct mode){ 4, 9, 8 };
	if (v->cr4 & CR4_PAE)
		return (struct mode){ 3, 9, 8 };
	return (struct mode){ 2, 10, 4 };
}

/* May a table entry of this level (1 = last) map a large page? */
static bool large_allowed(const struct vcpu *v, unsigned int level)
{
	if (level == 1)
		return false;
	if (v->efer & EFER_LMA)
		return level <= 3;
	return level == 2 && ((v->cr4 & CR4_PAE) || (v->cr4 & CR4_PSE));
}

static enum hv_translate_result read_entry(struct vp *vp, uint64_t at,
					   unsigned int size, uint64_t *entry)
{
	*entry = 0;
	switch (gpa_read(vp->partition, at, entry, size)) {
	case GPA_OK:
		return HV_TRANSLATE_SUCCESS;
	case GPA_NO_ACCESS:
		return HV_TRANSLATE_INTERCEPT;
	default:
		return HV_TRANSLATE_GPA_UNMAPPED;
	}
}

/* @rights: AND of W and U, OR of NX over all levels. */
static bool allowed(const struct vcpu *v, uint64_t rights, uint32_t how)
{
	bool user_page = rights & PTE_USER;

	if (how & WALK_EXEMPT)
		return true;
	if ((how & WALK_USER) && !user_page)
		return false;
	if ((how & WALK_WRITE) && !(rights & PTE_WRITE) &&
	    ((how & WALK_USER) || (v->cr0 & CR0_WP)))
		return false;
	if (how & WALK_EXECUTE) {
		if ((rights & PTE_NX) && (v->efer & EFER_NXE))
			return false;
		if (!(how & WALK_USER) && user_page && (v->cr4 & CR4_SMEP))
			return false;
	} else if (!(how & WALK_USER) && user_page && (v->cr4 & CR4_SMAP) &&
		   !(v->rflags & BIT64(18) /* AC */)) {
		return false;
	}
	return true;
}

enum hv_translate_result walk(struct vp *vp, uint64_t gva, uint32_t how, uint64_t *gpa)
{
	const struct vcpu *v = &vp->cpu;
	uint64_t rights = PTE_WRITE | PTE_USER, nx = 0;
	uint64_t at[LEVELS_MAX + 1], entry = 0, table, offset_mask;
	struct mode m = mode_of(v);
	unsigned int level;

	if (!(v->cr0 & CR0_PG)) {
		*gpa = gva & 0xffffffff;
		return HV_TRANSLATE_SUCCESS;
	}
	if (!(v->efer & EFER_LMA))
		gva &= 0xffffffff;
	else if ((uint64_t)((int64_t)(gva << 16) >> 16) != gva)
		return HV_TRANSLATE_PAGE_NOT_PRESENT;

	table = v->cr3 & PTE_ADDRESS;
	if (m.levels == 3)
		table = v->cr3 & 0xffffffe0;	/* 32-byte aligned pointers */
	if (m.levels == 2)
		table = v->cr3 & 0xfffff000;

	for (level = m.levels; ; level--) {
		unsigned int shift = PAGE_SHIFT + (level - 1) * m.index_bits;
		uint64_t index = gva >> shift & (BIT64(m.index_bits) - 1);
		enum hv_translate_result r;

		offset_mask = BIT64(shift) - 1;
		at[level] = table + index * m.entry_size;
		r = read_entry(vp, at[level], m.entry_size, &entry);
		if (r != HV_TRANSLATE_SUCCESS)
			return r;
		if (!(entry & PTE_PRESENT))
			return HV_TRANSLATE_PAGE_NOT_PRESENT;
		/* PAE's pointers carry no rights. */
		if (m.levels != 3 || level != 3) {
			rights &= entry;
			nx |= entry & PTE_NX;
		}
		if (level == 1)
			break;
		if (entry & PTE_LARGE) {
			if (large_allowed(v, level))
				break;
			if (m.entry_size == 8)
				return HV_TRANSLATE_INVALID_PAGE_TABLE_FLAGS;
		}
		table = entry & PTE_ADDRESS;
	}
	if (!allowed(v, rights | nx, how))
		return HV_TRANSLATE_PRIVILEGE_VIOLATION;

	if (how & WALK_SET_AD) {
		for (unsigned int l = level; l <= m.levels; l++) {
			uint64_t bits = PTE_ACCESSED;

			if (m.levels == 3 && l == 3)
				continue;
			if (l == level && (how & WALK_WRITE))
				bits |= PTE_DIRTY;
			/* gpa_or works on aligned quadwords. */
			gpa_or(vp->partition, at[l], bits << (at[l] & 4 ? 32 : 0), NULL);
		}
	}

	if (m.entry_size == 4 && level == 2)	/* PSE-36: bits 20:13 are 39:32 */
		*gpa = (entry & 0xffc00000) | (entry & 0x1fe000) << 19 | (gva & 0x3fffff);
	else
		*gpa = (entry & PTE_ADDRESS & ~offset_mask) | (gva & offset_mask);
	return HV_TRANSLATE_SUCCESS;
}

/* 64-bit code has no base, whatever the register holds (APM vol. 2, "Segmentation"). */
uint64_t walk_rip(const struct vcpu *v)
{
	return vcpu_long64(v) ? v->rip : (uint32_t)(v->seg[VCPU_CS].base + v->rip);
}

enum walk_fetch walk_fetch(struct vp *vp, uint8_t bytes[16], unsigned int *count)
{
	const struct vcpu *v = &vp->cpu;
	uint64_t linear = walk_rip(v);
	uint32_t how = WALK_EXECUTE | (vcpu_cpl(v) == 3 ? WALK_USER : 0);

	*count = 0;
	while (*count < 16) {
		unsigned int part = (unsigned int)(PAGE_SIZE - (linear & ~PAGE_MASK));
		enum hv_translate_result r;
		enum gpa_result g;
		uint64_t gpa;

		part = MIN(part, 16 - *count);
		r = walk(vp, linear, how, &gpa);
		if (r == HV_TRANSLATE_INTERCEPT && *count == 0)
			return WALK_RETRY;
		if (r != HV_TRANSLATE_SUCCESS)
			break;
		g = gpa_read(vp->partition, gpa, bytes + *count, part);
		if (g == GPA_NO_ACCESS && *count == 0)
			return WALK_RETRY;
		if (g != GPA_OK)
			break;
		*count += part;
		linear += part;
	}
	return WALK_FETCHED;
}

enum walk_fetch walk_insn(struct vp *vp, const struct vcpu_exit *e, uint8_t bytes[16],
			  unsigned int *count)
{
	if (!e->memory.insn_count)
		return walk_fetch(vp, bytes, count);
	*count = e->memory.insn_count;
	memcpy(bytes, e->memory.insn, *count);
	return WALK_FETCHED;
}

/*
 * Nearly always none. That is remembered of the last instructions, because looking
 * costs more than all else of an exit; a guest exits at a dozen of them mostly.
 */
void walk_prefixes(struct vp *vp, struct vcpu_exit *e)
{
	uint64_t at = walk_rip(&vp->cpu) + 1, cr3 = vp->cpu.cr3;
	unsigned int slot = (at ^ at >> 4) % BARE_INSTRUCTIONS, count, prefixes;
	uint8_t bytes[16];

	if (vp->bare[slot].at == at && vp->bare[slot].cr3 == cr3)
		return;
	/* Unreadable: another processor has taken it away since; then without. */
	if (walk_fetch(vp, bytes, &count) != WALK_FETCHED)
		return;
	prefixes = insn_prefixes(bytes, count, operand_mode(&vp->cpu));
	e->insn_len += (uint8_t)prefixes;
	vp->bare[slot].at = prefixes ? 0 : at;
	vp->bare[slot].cr3 = cr3;
}

/* --- TRANSLATE_VIRTUAL_ADDRESS --- */

#define TRANSLATE_SET_AD	BIT64(4)
#define TRANSLATE_SUPERVISOR	BIT64(6)
#define TRANSLATE_USER		BIT64(7)

static uint32_t walk_flags(const struct vcpu *v, uint64_t flags)
{
	uint32_t how = 0;

	how |= flags & HV_TRANSLATE_VALIDATE_READ ? WALK_READ : 0;
	how |= flags & HV_TRANSLATE_VALIDATE_WRITE ? WALK_WRITE : 0;
	how |= flags & HV_TRANSLATE_VALIDATE_EXECUTE ? WALK_EXECUTE : 0;
	how |= flags & HV_TRANSLATE_PRIVILEGE_EXEMPT ? WALK_EXEMPT : 0;
	how |= flags & TRANSLATE_SET_AD ? WALK_SET_AD : 0;
	if ((flags & TRANSLATE_USER) ||
	    (!(flags & TRANSLATE_SUPERVISOR) && vcpu_cpl(v) == 3))
		how |= WALK_USER;
	/* Nothing to validate: then the rights do not matter. */
	if (!(how & (WALK_READ | WALK_WRITE | WALK_EXECUTE)))
		how |= WALK_EXEMPT;
	return how;
}

/*
 * Success of the call says nothing about the translation: result_code does. What
 * lies at the final address does not matter: RAM not yet populated, a ROM or a
 * device are what a VMM emulates accesses to.
 */
enum hv_status hvcall_translate_virtual_address(struct hvcall *c)
{
	const struct hv_input_translate_virtual_address *in = c->in;
	struct hv_output_translate_virtual_address *out = c->out;
	uint64_t gpa = 0;

	out->result_code = walk(c->vp, in->gva_page << PAGE_SHIFT,
				walk_flags(&c->vp->cpu, in->control_flags), &gpa);
	out->cache_type = 6;		/* write-back */
	out->gpa_page = gpa >> PAGE_SHIFT;
	return HV_STATUS_SUCCESS;
}
