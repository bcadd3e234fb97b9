/* SPDX-License-Identifier: MIT */
#include "hypervisor/mem/paging.h"

#include "hypervisor/mem/pages.h"
#include "hypervisor/x86.h"

#define PTE_PRESENT BIT64(0)
#define PTE_WRITE   BIT64(1)
#define PTE_LARGE   BIT64(7)

#define GIB	    BIT64(30)
#define ENTRIES	    512u

static uint64_t *pml4;

bool paging_has_1g(void)
{
	return cpuid(0x80000001, 0).edx & BIT32(26);
}

unsigned int paging_address_bits(void)
{
	/* Long mode implies leaf 80000008h on every processor with SVM. */
	return cpuid(0x80000008, 0).eax & 0xff;
}

/* Memory types come from the MTRRs, so large pages over the MMIO hole are right. */
static uint64_t *table_below(uint64_t *entry)
{
	uint64_t *table;

	if (*entry & PTE_PRESENT)
		return phys_to_virt(*entry & PAGE_MASK);
	table = page_alloc();
	if (table)
		*entry = virt_to_phys(table) | PTE_PRESENT | PTE_WRITE;
	return table;
}

static bool map_gib(uint64_t pa, bool has_1g)
{
	uint64_t *pdpt = table_below(&pml4[pa >> 39 & (ENTRIES - 1)]);
	uint64_t *entry, *pd;

	if (!pdpt)
		return false;
	entry = &pdpt[pa >> 30 & (ENTRIES - 1)];
	if (has_1g) {
		*entry = pa | PTE_PRESENT | PTE_WRITE | PTE_LARGE;
		return true;
	}
	pd = table_below(entry);
	if (!pd)
		return false;
	for (unsigned int i = 0; i < ENTRIES; i++)
		pd[i] = (pa + i * LARGE_PAGE_SIZE) | PTE_PRESENT | PTE_WRITE | PTE_LARGE;
	return true;
}

bool paging_build(uint64_t ram_top)
{
	uint64_t end = ALIGN_UP(MAX(ram_top, 4 * GIB), GIB);
	bool has_1g = paging_has_1g();

	pml4 = page_alloc();
	if (!pml4 || virt_to_phys(pml4) >> 32)
		return false;
	for (uint64_t pa = 0; pa < end; pa += GIB) {
		if (!map_gib(pa, has_1g))
			return false;
	}
	return true;
}

void paging_load(void)
{
	write_cr3(virt_to_phys(pml4));
}
