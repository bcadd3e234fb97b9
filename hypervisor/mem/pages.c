/* SPDX-License-Identifier: MIT */
#include "hypervisor/mem/pages.h"

#include "hypervisor/hw/lapic.h"
#include "hypervisor/launch.h"
#include "hypervisor/lock.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/paging.h"
#include "lib/mem.h"

/*
 * Fresh pages are cut off the pool's front, so that pages_alloc() finds
 * neighbours; freed pages form a list and are used first.
 */
struct free_page {
	struct free_page *next;
};

static struct lock pages_lock;
static uint64_t pool_next, pool_end;
static struct free_page *free_list;
static unsigned int free_count;

void pages_init(uint64_t base, uint64_t size)
{
	pool_next = ALIGN_UP(base, PAGE_SIZE);
	pool_end = ALIGN_DOWN(base + size, PAGE_SIZE);
	free_list = NULL;
	free_count = 0;
}

void *pages_alloc(unsigned int count)
{
	void *pages = NULL;

	lock_take(&pages_lock);
	if (count == 1 && free_list) {
		pages = free_list;
		free_list = free_list->next;
		free_count--;
	} else if (count <= (pool_end - pool_next) >> PAGE_SHIFT) {
		pages = phys_to_virt(pool_next);
		pool_next += count * PAGE_SIZE;
	}
	lock_drop(&pages_lock);
	if (pages)
		memset(pages, 0, count * PAGE_SIZE);
	return pages;
}

void *page_alloc(void)
{
	return pages_alloc(1);
}

void page_free(void *page)
{
	struct free_page *f = page;

	CHECK(IS_ALIGNED(virt_to_phys(page), PAGE_SIZE));
	lock_take(&pages_lock);
	f->next = free_list;
	free_list = f;
	free_count++;
	lock_drop(&pages_lock);
}

unsigned int pages_free_count(void)
{
	return free_count + (unsigned int)((pool_end - pool_next) >> PAGE_SHIFT);
}

/* --- deposits: one bit for each page of RAM --- */

static uint64_t *deposits;

bool pages_deposits_create(void)
{
	uint64_t bytes = ALIGN_UP(boot_ram_end(&boot_info) >> PAGE_SHIFT, BIT64(15)) / 8;

	deposits = pages_alloc((unsigned int)(bytes >> PAGE_SHIFT));
	return deposits;
}

static uint64_t deposit_bit(uint64_t pa)
{
	return BIT64(pa >> PAGE_SHIFT & 63);
}

static uint64_t *deposit_word(uint64_t pa)
{
	return &deposits[pa >> PAGE_SHIFT >> 6];
}

/* [@pa, @pa + @size) is RAM. */
static bool has_deposit(uint64_t pa, uint64_t size)
{
	for (uint64_t at = pa & PAGE_MASK; at < pa + size; at += PAGE_SIZE) {
		if (__atomic_load_n(deposit_word(at), __ATOMIC_RELAXED) & deposit_bit(at))
			return true;
	}
	return false;
}

bool page_deposit(uint64_t pa)
{
	return phys_is_root_ram(pa, PAGE_SIZE) &&
	       !(__atomic_fetch_or(deposit_word(pa), deposit_bit(pa), __ATOMIC_ACQUIRE) &
		 deposit_bit(pa));
}

void page_withdraw(uint64_t pa)
{
	__atomic_fetch_and(deposit_word(pa), ~deposit_bit(pa), __ATOMIC_RELEASE);
}

bool page_deposited(uint64_t pa)
{
	return pa < boot_ram_end(&boot_info) && has_deposit(pa, 1);
}

static bool overlaps(const struct boot_range *r, uint64_t pa, uint64_t size)
{
	return pa < r->base + r->size && r->base < pa + size;
}

/* Ours since the beginning. Also where @size leads nowhere. */
static bool is_ours(uint64_t pa, uint64_t size)
{
	const struct boot_range trampoline = { boot_info.trampoline, PAGE_SIZE };

	return size == 0 || pa + size < pa || overlaps(&boot_info.image, pa, size) ||
	       overlaps(&boot_info.pool, pa, size) || overlaps(&trampoline, pa, size);
}

bool phys_is_root_ram(uint64_t pa, uint64_t size)
{
	if (is_ours(pa, size))
		return false;
	for (unsigned int i = 0; i < boot_info.ram_count; i++) {
		const struct boot_range *r = &boot_info.ram[i];

		if (pa >= r->base && pa - r->base < r->size && size <= r->size - (pa - r->base))
			return !has_deposit(pa, size);
	}
	return false;
}

bool phys_is_device(uint64_t pa, uint64_t size)
{
	const struct boot_range lapic = { LAPIC_BASE, PAGE_SIZE };

	if (is_ours(pa, size) || overlaps(&lapic, pa, size) ||
	    (pa + size - 1) >> paging_address_bits())
		return false;
	for (unsigned int i = 0; i < boot_info.ram_count; i++) {
		if (overlaps(&boot_info.ram[i], pa, size))
			return false;
	}
	return true;
}
