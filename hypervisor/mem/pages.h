/* SPDX-License-Identifier: MIT */
/*
 * The private page pool: pages the firmware gave us, for what exists before
 * any deposit (own page tables, the root's nested tables, per-CPU pages).
 * Guests never draw from it: their memory comes from deposits (hv/pool.h).
 */
#ifndef HYPERVISOR_MEM_PAGES_H
#define HYPERVISOR_MEM_PAGES_H

#include "base/base.h"

void pages_init(uint64_t base, uint64_t size);

/* One zeroed page, physical = virtual address; NULL if exhausted. Any CPU. */
void *page_alloc(void);
/* @count adjacent zeroed pages. */
void *pages_alloc(unsigned int count);
void page_free(void *page);
unsigned int pages_free_count(void);

/*
 * The hypervisor's address space maps all physical memory 1:1 (below
 * boot_info.ram_top and the 4 GiB MMIO region).
 */
static inline void *phys_to_virt(uint64_t pa)
{
	return (void *)(uintptr_t)pa;
}

static inline uint64_t virt_to_phys(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/*
 * Is [@pa, @pa + @size) memory of the root partition: RAM, and not ours, which
 * is what firmware gave us and what the root has deposited?
 */
bool phys_is_root_ram(uint64_t pa, uint64_t size);

/*
 * Is all of it what a device has, or nobody: no RAM, not ours, and not the local APIC,
 * which is?
 */
bool phys_is_device(uint64_t pa, uint64_t size);

/* The books about deposits. Once, before the root runs. False: no memory. */
bool pages_deposits_create(void);
/* The root's page at @pa becomes ours. False: it is not the root's. Any CPU. */
bool page_deposit(uint64_t pa);
void page_withdraw(uint64_t pa);
/* Has it, and not had it back? */
bool page_deposited(uint64_t pa);

#endif
