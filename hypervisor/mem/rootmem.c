/* SPDX-License-Identifier: MIT */
#include "hypervisor/mem/rootmem.h"

#include "hypervisor/hw/lapic.h"
#include "hypervisor/launch.h"
#include "hypervisor/lock.h"
#include "hypervisor/mem/nested.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/mem/paging.h"

#define GIB BIT64(30)
#define RW  (NESTED_PRESENT | NESTED_WRITE)

static struct nested table;
static struct lock rootmem_lock;
static bool has_1g;

static void *table_page_get(void *arg __maybe_unused)
{
	return page_alloc();
}

static void table_page_put(void *arg __maybe_unused, void *page)
{
	page_free(page);
}

static bool map_gib(uint64_t gpa)
{
	if (has_1g)
		return nested_map(&table, gpa, gpa, RW, NESTED_1G);
	for (uint64_t at = gpa; at < gpa + GIB; at += LARGE_PAGE_SIZE) {
		if (!nested_map(&table, at, at, RW, NESTED_2M))
			return false;
	}
	return true;
}

static bool hide(uint64_t base, uint64_t size)
{
	uint64_t at = ALIGN_DOWN(base, PAGE_SIZE);
	uint64_t end = ALIGN_UP(base + size, PAGE_SIZE);

	while (at < end) {
		bool large = IS_ALIGNED(at, LARGE_PAGE_SIZE) && end - at >= LARGE_PAGE_SIZE;

		if (!nested_unmap(&table, at, large ? NESTED_2M : NESTED_4K))
			return false;
		at += large ? LARGE_PAGE_SIZE : PAGE_SIZE;
	}
	return true;
}

bool rootmem_build(void)
{
	struct nested_alloc alloc = { table_page_get, table_page_put, NULL };
	uint64_t end = ALIGN_UP(MAX(boot_info.ram_top, 4 * GIB), GIB);

	has_1g = paging_has_1g();
	if (!nested_init(&table, alloc))
		return false;
	for (uint64_t gpa = 0; gpa < end; gpa += GIB) {
		if (!map_gib(gpa))
			return false;
	}
	/* Reads of the local APIC go straight to it, writes come to us. */
	return hide(boot_info.image.base, boot_info.image.size) &&
	       hide(boot_info.pool.base, boot_info.pool.size) &&
	       hide(boot_info.trampoline, PAGE_SIZE) &&
	       nested_map(&table, LAPIC_BASE, LAPIC_BASE, NESTED_PRESENT, NESTED_4K);
}

bool rootmem_share(void *page, bool writable)
{
	uint64_t pa = virt_to_phys(page);

	return nested_map(&table, pa, pa, writable ? RW : NESTED_PRESENT, NESTED_4K);
}

uint64_t rootmem_table(void)
{
	return virt_to_phys(table.root);
}

static bool is_ours(const struct boot_range *r, uint64_t pa)
{
	return pa >= ALIGN_DOWN(r->base, PAGE_SIZE) && pa < ALIGN_UP(r->base + r->size, PAGE_SIZE);
}

bool rootmem_fault(uint64_t gpa)
{
	struct boot_range trampoline = { boot_info.trampoline, PAGE_SIZE };
	bool ok;

	if (is_ours(&boot_info.image, gpa) || is_ours(&boot_info.pool, gpa) ||
	    is_ours(&trampoline, gpa) || gpa >> paging_address_bits())
		return false;
	lock_take(&rootmem_lock);
	/* Another processor may have been first; then this changes nothing. */
	ok = nested_lookup(&table, gpa, NULL) || map_gib(ALIGN_DOWN(gpa, GIB));
	lock_drop(&rootmem_lock);
	return ok;
}
