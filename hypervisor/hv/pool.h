/* SPDX-License-Identifier: MIT */
/*
 * Deposited memory: pages the root gave for one partition (or for itself, as
 * SELF). A page is either free in its pool or in use by an object of its
 * partition; once every object is gone, all pages are free and WITHDRAW returns
 * each of them exactly once. TLFS "Memory Management", deposit and withdraw.
 *
 * Free pages are linked through their first word. The root cannot reach a page
 * from its deposit to its withdrawal, except while it is shared.
 */
#ifndef HYPERVISOR_HV_POOL_H
#define HYPERVISOR_HV_POOL_H

#include "base/base.h"
#include "hypervisor/lock.h"

struct pool_page;

struct pool {
	struct lock lock;		/* innermost: nothing is taken below it */
	struct pool_page *free;
	uint32_t free_count;
	uint32_t total;			/* deposited and not withdrawn */
	uint32_t granted;		/* with options.deposits: allocations left */
};

/* One zeroed page or NULL. Any CPU. */
void *pool_get(struct pool *p);
void pool_put(struct pool *p, void *page);
/* The same for a page that the root sees meanwhile. No lock held but VP run locks. */
void *pool_get_shared(struct pool *p);
void pool_put_shared(struct pool *p, void *page);

/*
 * Take all @count pages, given by frame number, or none: false if one of them
 * is not the root's memory, which also says: not any more, or twice in the list;
 * or if there is no memory for the root's tables.
 */
bool pool_deposit(struct pool *p, const uint64_t *pfn, uint32_t count);
/* Give back up to @count zeroed free pages; returns how many. */
uint32_t pool_withdraw(struct pool *p, uint64_t *pfn, uint32_t count);

#endif
