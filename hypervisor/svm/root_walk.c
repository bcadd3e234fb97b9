/* SPDX-License-Identifier: MIT */
/* The root's virtual memory, for looking at its instructions. */
#include "hypervisor/mem/pages.h"
#include "hypervisor/svm/insn.h"
#include "hypervisor/svm/root.h"
#include "hypervisor/vcpu.h"
#include "lib/mem.h"

#define PTE_PRESENT BIT64(0)
#define PTE_ADDRESS 0x000ffffffffff000ull
#define PTE_LARGE   BIT64(7)

/* Long mode only: what a 64-bit root uses once it has left its trampolines. */
static bool translate(const struct root_vp *vp, uint64_t va, uint64_t *pa)
{
	uint64_t table = vp->vmcb->cr3 & PTE_ADDRESS;
	unsigned int shift = vp->vmcb->cr4 & CR4_LA57 ? 48 : 39;

	if (!(vp->vmcb->efer & EFER_LMA))
		return false;
	for (;; shift -= 9) {
		uint64_t at = table + (va >> shift & 511) * 8;
		uint64_t entry;

		if (!phys_is_root_ram(at, 8))
			return false;
		entry = READ_ONCE(*(uint64_t *)phys_to_virt(at));
		if (!(entry & PTE_PRESENT))
			return false;
		if (shift == PAGE_SHIFT || ((entry & PTE_LARGE) && shift <= 30)) {
			uint64_t mask = BIT64(shift) - 1;

			*pa = (entry & PTE_ADDRESS & ~mask) | (va & mask);
			return true;
		}
		table = entry & PTE_ADDRESS;
	}
}

unsigned int root_read_virtual(const struct root_vp *vp, uint64_t va, uint8_t *to,
			       unsigned int size)
{
	unsigned int done = 0;

	while (done < size) {
		uint64_t pa;
		unsigned int chunk =
			MIN(size - done, (unsigned int)(PAGE_SIZE - (va & ~PAGE_MASK)));

		if (!translate(vp, va, &pa) || !phys_is_root_ram(pa, chunk))
			break;
		memcpy(to + done, phys_to_virt(pa), chunk);
		done += chunk;
		va += chunk;
	}
	return done;
}

/*
 * The walk costs more than all else of an exit, so what it found is remembered of the
 * last instructions. The byte itself is read every time: kernels patch themselves.
 */
unsigned int root_prefixes(struct root_vp *vp)
{
	uint64_t va = vp->vmcb->cs.base + vp->vmcb->rip, cr3 = vp->vmcb->cr3, pa;
	unsigned int slot = (va ^ va >> 4) % ROOT_INSTRUCTIONS, count;
	uint8_t bytes[INSN_LENGTH_MAX];

	if (vp->insn[slot].va != va || vp->insn[slot].cr3 != cr3) {
		if (!translate(vp, va, &pa))
			return 0;
		vp->insn[slot].va = va;
		vp->insn[slot].cr3 = cr3;
		vp->insn[slot].pa = pa;
	}
	pa = vp->insn[slot].pa;
	/* One byte tells in all but odd cases; then the rest. */
	if (!phys_is_root_ram(pa, 1) || READ_ONCE(*(uint8_t *)phys_to_virt(pa)) == 0x0f)
		return 0;
	count = root_read_virtual(vp, va, bytes, sizeof(bytes));
	return insn_prefixes(bytes, count, INSN_64);
}
