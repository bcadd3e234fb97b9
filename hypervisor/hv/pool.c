/* SPDX-License-Identifier: MIT */
#include "hypervisor/fault.h"
#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/gpa.h"
#include "hypervisor/hv/partition.h"
#include "hypervisor/hv/pool.h"
#include "hypervisor/hv/stats.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/options.h"
#include "hypervisor/mem/rootmem.h"

struct pool_page {
	struct pool_page *next;
};

/* Words, not bytes: REP STOSB is slow where the processor is emulated. */
static void clear(void *page)
{
	uint64_t *word = page;

	for (unsigned int i = 0; i < PAGE_SIZE / sizeof(*word); i++)
		word[i] = 0;
}

void *pool_get(struct pool *p)
{
	struct pool_page *page;

	lock_take(&p->lock);
	page = p->free;
	if (page && options.deposits && !p->granted) {
		page = NULL;
		fault_done(FAULT_DEPOSIT);
	}
	if (page) {
		p->granted--;
		p->free = page->next;
		p->free_count--;
	}
	lock_drop(&p->lock);

	if (page)
		clear(page);
	return page;
}

void pool_put(struct pool *p, void *page)
{
	struct pool_page *free = page;

	lock_scope(&p->lock);
	free->next = p->free;
	p->free = free;
	p->free_count++;
	p->granted++;
	CHECK(p->free_count <= p->total);
}

void *pool_get_shared(struct pool *p)
{
	void *page = pool_get(p);

	/* Needs no table: the page has its own entry since it was taken. */
	if (page)
		CHECK(rootmem_share(page, true));
	return page;
}

void pool_put_shared(struct pool *p, void *page)
{
	uint64_t pfn = virt_to_phys(page) >> PAGE_SHIFT;

	CHECK(rootmem_hide(&pfn, 1));
	pool_put(p, page);
}

static void give_back(const uint64_t *pfn, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		page_withdraw(pfn[i] << PAGE_SHIFT);
}

bool pool_deposit(struct pool *p, const uint64_t *pfn, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (pfn[i] < BIT64(52 - PAGE_SHIFT) && page_deposit(pfn[i] << PAGE_SHIFT))
			continue;
		give_back(pfn, i);
		return false;
	}
	if (!rootmem_hide(pfn, count)) {
		give_back(pfn, count);
		return false;
	}
	lock_scope(&p->lock);
	for (uint32_t i = 0; i < count; i++) {
		struct pool_page *page = phys_to_virt(pfn[i] << PAGE_SHIFT);

		page->next = p->free;
		p->free = page;
	}
	p->free_count += count;
	p->total += count;
	p->granted++;
	return true;
}

uint32_t pool_withdraw(struct pool *p, uint64_t *pfn, uint32_t count)
{
	uint32_t done = 0;

	lock_take(&p->lock);
	while (done < count && p->free) {
		struct pool_page *page = p->free;

		p->free = page->next;
		p->free_count--;
		p->total--;
		clear(page);
		pfn[done++] = virt_to_phys(page) >> PAGE_SHIFT;
	}
	lock_drop(&p->lock);
	rootmem_show(pfn, done);
	give_back(pfn, done);
	return done;
}

/*
 * A failing deposit makes Linux free all pages of the call, whatever the rep
 * counter says: all or none.
 */
enum hv_status hvcall_deposit_memory(struct hvcall *c)
{
	const struct hv_input_deposit_memory *in = c->in;
	const uint64_t *pfn = (const uint64_t *)(in + 1);

	if (!pool_deposit(&c->partition->pool, pfn + c->rep_start, c->rep_count - c->rep_start))
		return HV_STATUS_INVALID_PARAMETER;
	c->reps_done = c->rep_count;
	stats_partition(c->partition);
	return HV_STATUS_SUCCESS;
}

/*
 * Ends with NO_RESOURCES, never with success and fewer pages than asked for. A
 * partition that was never initialized is not finalized either: its memory map
 * goes now, or its tables would stay behind.
 */
enum hv_status hvcall_withdraw_memory(struct hvcall *c)
{
	struct partition *p = c->partition;
	uint64_t *pfn = c->out;
	uint32_t done;

	lock_take(&p->lock);
	c->again = p->state == PARTITION_CREATED && !gpa_destroy(p);
	lock_drop(&p->lock);
	if (c->again)
		return HV_STATUS_SUCCESS;
	done = pool_withdraw(&p->pool, pfn + c->rep_start, c->rep_count - c->rep_start);
	p->withdrawn += done;
	c->reps_done = c->rep_start + done;
	stats_partition(p);
	return c->reps_done == c->rep_count ? HV_STATUS_SUCCESS : HV_STATUS_NO_RESOURCES;
}
