/* SPDX-License-Identifier: MIT */
#include "hypervisor/mem/rootmem.h"

#include "hypervisor/cpu.h"
#include "hypervisor/hw/lapic.h"
#include "hypervisor/launch.h"
#include "hypervisor/lock.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/nested.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/mem/paging.h"

#define GIB	      BIT64(30)
#define RW	      (NESTED_PRESENT | NESTED_WRITE)

#define ENTRIES	      512u /* of a table */
/* What the root may still see: its page, which it has given away; zeros for its own. */
#define SHOOT_DOWN_US 1000u
#define ZEROS_US      100000u

static struct nested table;
static void *zeros;  /* what the root reads where it has deposited */
#define ZEROS (virt_to_phys(zeros) | NESTED_PRESENT | NESTED_USER | NESTED_NX)
static struct lock rootmem_lock;
static uint64_t built_end; /* below it a hole is no oversight */
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

	built_end = ALIGN_UP(MAX(boot_info.ram_top, 4 * GIB), GIB);
	has_1g = paging_has_1g();
	zeros = page_alloc();
	if (!zeros || !nested_init(&table, alloc))
		return false;
	for (uint64_t gpa = 0; gpa < built_end; gpa += GIB) {
		if (!map_gib(gpa))
			return false;
	}
	/* Reads of the local APIC go straight to it, writes come to us. */
	return hide(boot_info.image.base, boot_info.image.size) &&
	       hide(boot_info.pool.base, boot_info.pool.size) &&
	       hide(boot_info.trampoline, PAGE_SIZE) &&
	       nested_map(&table, LAPIC_BASE, LAPIC_BASE, NESTED_PRESENT, NESTED_4K);
}

uint64_t rootmem_table(void)
{
	return virt_to_phys(table.root);
}

/*
 * Processors of the root that run leave it, dropping their old translations; those
 * that are in here or run a guest drop them before they enter the root again. One
 * that has interrupts off cannot be made to leave, and it may wait for this one
 * (Linux does when a processor comes online): it is given up on after @us and drops
 * its translations at its next exit.
 */
static void shoot_down(uint32_t us)
{
	uint64_t start = rdtsc(), patience = clock_ticks_of_us(us);

	for (unsigned int i = 0; i < cpu_count; i++)
		__atomic_store_n(&cpus[i]->root_flush, 1, __ATOMIC_SEQ_CST);
	for (unsigned int i = 0; i < cpu_count; i++) {
		if (cpus[i]->in_root)
			lapic_kick(cpus[i]);
		while (cpus[i]->in_root && cpus[i]->root_flush && rdtsc() - start < patience)
			cpu_relax();
	}
}

/*
 * Set the leaves of @count pages of ours to @flags, 0: none. False: no memory, nothing is
 * set. Translations that took something from the root, or showed it zeros, go at once.
 */
static bool set(const uint64_t *pfn, uint32_t count, uint64_t flags)
{
	uint64_t *leaves = NULL;
	bool stale = false;
	uint32_t i;

	lock_take(&rootmem_lock);
	/* First the tables, which may be refused. They are never freed, so this is repeatable. */
	for (i = 0; i < count; i++) {
		if (!i || (pfn[i] ^ pfn[i - 1]) / ENTRIES)
			leaves = nested_leaves(&table, pfn[i] << PAGE_SHIFT);
		if (!leaves)
			break;
	}
	for (uint32_t n = 0; leaves && n < count; n++) {
		uint64_t *leaf;

		if (!n || (pfn[n] ^ pfn[n - 1]) / ENTRIES)
			leaves = nested_leaves(&table, pfn[n] << PAGE_SHIFT);
		leaf = &leaves[pfn[n] % ENTRIES];
		stale |= *leaf == ZEROS;
		WRITE_ONCE(*leaf, flags ? pfn[n] << PAGE_SHIFT | flags | NESTED_USER : 0);
	}
	lock_drop(&rootmem_lock);
	if (leaves && (stale || !flags))
		shoot_down(stale ? ZEROS_US : SHOOT_DOWN_US);
	return leaves;
}

bool rootmem_share(void *page, bool writable)
{
	uint64_t pfn = virt_to_phys(page) >> PAGE_SHIFT;

	return set(&pfn, 1, writable ? RW : NESTED_PRESENT);
}

bool rootmem_hide(const uint64_t *pfn, uint32_t count)
{
	return set(pfn, count, 0);
}

void rootmem_show(const uint64_t *pfn, uint32_t count)
{
	/* Their tables are there since they were hidden. */
	if (count)
		CHECK(set(pfn, count, RW));
}

/*
 * Linux reads names by words (load_unaligned_zeropad), past their end into the next
 * page, and expects zeros if that is not there; it cannot know that it is ours.
 */
static bool show_zeros(uint64_t gpa)
{
	uint64_t *leaves = page_deposited(gpa) ? nested_leaves(&table, gpa) : NULL;

	if (leaves)
		WRITE_ONCE(leaves[(gpa >> PAGE_SHIFT) % ENTRIES], ZEROS);
	return leaves;
}

bool rootmem_fault(uint64_t gpa, bool read)
{
	bool ok;

	if (gpa >> paging_address_bits())
		return false;
	lock_take(&rootmem_lock);
	/* Another processor may have been first; then this changes nothing. */
	ok = nested_lookup(&table, gpa, NULL) ||
	     (gpa >= built_end ? map_gib(ALIGN_DOWN(gpa, GIB)) : read && show_zeros(gpa));
	lock_drop(&rootmem_lock);
	return ok;
}
