/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/gpa.h"

#include "hypervisor/cpu.h"
#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/partition.h"
#include "hypervisor/hv/stats.h"
#include "hypervisor/hv/vp.h"
#include "hypervisor/hw/lapic.h"
#include "hypervisor/mem/nested.h"
#include "hypervisor/mem/pages.h"
#include "lib/mem.h"

#define PFN_LIMIT	BIT64(GPA_BITS - PAGE_SHIFT)
#define LARGE_PFNS	(LARGE_PAGE_SIZE >> PAGE_SHIFT)

/* What a call answers: accessed in bit 0, dirty in bit 1. */
_Static_assert(NESTED_DIRTY == 2 * NESTED_ACCESSED, "GET_GPA_PAGES_ACCESS_STATES");

static void *table_get(void *arg)
{
	struct partition *p = arg;

	return pool_get(&p->pool);
}

/*
 * A processor may still be walking a table that was just unlinked. It rests in
 * limbo until a shoot-down is over; its link, a page address, reads as a
 * non-present entry meanwhile.
 */
static void table_put(void *arg, void *page)
{
	struct partition *p = arg;

	*(void **)page = p->limbo;
	p->limbo = page;
}

static void release_limbo(struct partition *p)
{
	while (p->limbo) {
		void *page = p->limbo;

		p->limbo = *(void **)page;
		pool_put(&p->pool, page);
	}
}

enum hv_status gpa_prepare(struct partition *p)
{
	struct nested_alloc alloc = { table_get, table_put, p };

	if (p->nested.root)
		return HV_STATUS_SUCCESS;
	return nested_init(&p->nested, alloc) ? HV_STATUS_SUCCESS
					      : HV_STATUS_INSUFFICIENT_MEMORY;
}

bool gpa_destroy(struct partition *p)
{
	bool done;

	lock_scope(&p->gpa_lock);
	done = !p->nested.root || nested_destroy(&p->nested);
	release_limbo(p);
	return done;
}

uint64_t gpa_table(const struct partition *p)
{
	return virt_to_phys(p->nested.root);
}

static struct vp *chosen(struct partition *p, const uint64_t *vps, unsigned int i)
{
	return !vps || (vps[i / 64] & BIT64(i % 64)) ? p->vp[i] : NULL;
}

/*
 * A VP in guest mode is kicked and waited for; it needs no lock to leave (see
 * vcpu_open), so waiting with partition.lock and gpa_lock held is safe. A VP
 * outside drops its translations before it enters again. partition.lock held.
 */
static void flush(struct partition *p, const uint64_t *vps)
{
	p->tlb_flushes++;
	for (unsigned int i = 0; i < p->vp_limit; i++) {
		struct vp *vp = chosen(p, vps, i);

		if (vp)
			__atomic_store_n(&vp->cpu.flush, 1, __ATOMIC_SEQ_CST);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (unsigned int i = 0; i < p->vp_limit; i++) {
		struct vp *vp = chosen(p, vps, i);
		uint32_t exits;

		if (!vp)
			continue;
		exits = vp->cpu.exits;
		if (!vp->cpu.in_guest)
			continue;
		lapic_kick(vp->cpu.host);
		while (vp->cpu.in_guest && vp->cpu.exits == exits)
			cpu_relax();
	}
}

void gpa_flush(struct partition *p, const uint64_t *vps)
{
	lock_take(&p->lock);
	flush(p, vps);
	lock_drop(&p->lock);
}

/* No processor uses an old translation or table once this returns. */
static void shoot_down(struct partition *p)
{
	flush(p, NULL);
	release_limbo(p);
}

static enum gpa_result check_entry(uint64_t entry, bool write, bool execute)
{
	if (!entry)
		return GPA_UNMAPPED;
	if (entry & NESTED_RESERVED)
		return GPA_NO_ACCESS;
	if (!(entry & NESTED_PRESENT))
		return GPA_UNMAPPED;
	if ((write && !(entry & NESTED_WRITE)) || (execute && (entry & NESTED_NX)))
		return GPA_RESTRICTED;
	return entry & NESTED_UNCACHED ? GPA_DEVICE : GPA_OK;
}

static uint64_t level_size(enum nested_level level)
{
	return PAGE_SIZE << (9 * level);
}

/*
 * The hypervisor's address of guest byte @gpa, good while gpa_lock is held, up
 * to the end of its page. Marks the page as the processor would.
 */
static enum gpa_result resolve(struct partition *p, uint64_t gpa, bool write,
			       uint8_t **at)
{
	enum nested_level level;
	uint64_t *entry = NULL;
	enum gpa_result r;

	if (p->nested.root && gpa >> GPA_BITS == 0)
		entry = nested_entry(&p->nested, gpa, &level);
	if (!entry)
		return GPA_UNMAPPED;
	r = check_entry(*entry, write, false);
	if (r != GPA_OK)
		return r;
	__atomic_fetch_or(entry, NESTED_ACCESSED | (write ? NESTED_DIRTY : 0),
			  __ATOMIC_RELAXED);
	*at = phys_to_virt((*entry & NESTED_ADDR & ~(level_size(level) - 1)) +
			   (gpa & (level_size(level) - 1)));
	return GPA_OK;
}

enum gpa_result gpa_probe(struct partition *p, uint64_t gpa, bool write, bool execute)
{
	enum gpa_result r = GPA_UNMAPPED;
	enum nested_level level;

	lock_take(&p->gpa_lock);
	if (p->nested.root && gpa >> GPA_BITS == 0)
		r = check_entry(nested_lookup(&p->nested, gpa, &level), write, execute);
	lock_drop(&p->gpa_lock);
	return r;
}

static enum gpa_result copy(struct partition *p, uint64_t gpa, uint8_t *buf,
			    uint32_t size, bool write)
{
	enum gpa_result r = GPA_OK;

	lock_take(&p->gpa_lock);
	while (size && r == GPA_OK) {
		uint32_t part = (uint32_t)(PAGE_SIZE - (gpa & ~PAGE_MASK));
		uint8_t *at;

		part = MIN(part, size);
		r = resolve(p, gpa, write, &at);
		if (r != GPA_OK)
			break;
		if (write)
			memcpy(at, buf, part);
		else
			memcpy(buf, at, part);
		gpa += part;
		buf += part;
		size -= part;
	}
	lock_drop(&p->gpa_lock);
	return r;
}

enum gpa_result gpa_read(struct partition *p, uint64_t gpa, void *buf, uint32_t size)
{
	return copy(p, gpa, buf, size, false);
}

enum gpa_result gpa_write(struct partition *p, uint64_t gpa, const void *buf, uint32_t size)
{
	/* Only read from when writing. */
	return copy(p, gpa, (uint8_t *)(uintptr_t)buf, size, true);
}

enum gpa_result gpa_or(struct partition *p, uint64_t gpa, uint64_t bits, uint64_t *old)
{
	enum gpa_result r;
	uint64_t was = 0;
	uint8_t *at;

	lock_take(&p->gpa_lock);
	r = resolve(p, gpa & ~7ULL, true, &at);
	if (r == GPA_OK)
		was = __atomic_fetch_or((uint64_t *)(void *)at, bits, __ATOMIC_SEQ_CST);
	lock_drop(&p->gpa_lock);
	if (old)
		*old = was;
	return r;
}

int64_t gpa_exchange(struct partition *p, uint64_t gpa, uint32_t val, bool wait)
{
	int64_t old = -1;
	uint8_t *at;

	if (wait)
		lock_take(&p->gpa_lock);
	else if (!lock_try(&p->gpa_lock))
		return -1;
	if (resolve(p, gpa & ~3ULL, true, &at) == GPA_OK)
		old = __atomic_exchange_n((uint32_t *)(void *)at, val, __ATOMIC_SEQ_CST);
	lock_drop(&p->gpa_lock);
	return old;
}

/* Map flags to entry bits; false: a combination that has no meaning. */
static bool entry_flags(uint32_t flags, uint64_t *bits)
{
	switch (flags >> HV_MAP_GPA_ACCESS_SHIFT & 3) {
	case 0:
		break;
	case 1:
		*bits = NESTED_RESERVED;
		return true;
	default:
		return false;
	}
	if (!(flags & HV_MAP_GPA_READABLE))
		return false;

	*bits = NESTED_PRESENT | NESTED_USER;
	if (flags & HV_MAP_GPA_WRITABLE)
		*bits |= NESTED_WRITE;
	if (!(flags & (HV_MAP_GPA_KERNEL_EXECUTABLE | HV_MAP_GPA_USER_EXECUTABLE)))
		*bits |= NESTED_NX;
	if (flags & HV_MAP_GPA_NOT_CACHED)
		*bits |= NESTED_UNCACHED;
	return true;
}

enum hv_status hvcall_map_gpa_pages(struct hvcall *c)
{
	const struct hv_input_map_gpa_pages *in = c->in;
	const uint64_t *pfn = (const uint64_t *)(in + 1);
	bool large = in->flags & HV_MAP_GPA_LARGE_PAGE;
	uint64_t step = large ? LARGE_PFNS : 1;
	enum nested_level level = large ? NESTED_2M : NESTED_4K;
	enum hv_status status = HV_STATUS_SUCCESS;
	struct partition *p = c->partition;
	uint64_t bits, *slot = NULL;
	bool stale = false;

	if (!entry_flags(in->flags, &bits) || in->gpa_pfn >= PFN_LIMIT ||
	    in->gpa_pfn + c->rep_count * step > PFN_LIMIT ||
	    !IS_ALIGNED(in->gpa_pfn, step))
		return HV_STATUS_INVALID_PARAMETER;

	lock_take(&p->lock);
	lock_take(&p->gpa_lock);
	if (p->state != PARTITION_FINALIZED)
		status = gpa_prepare(p);
	else if (bits != NESTED_RESERVED)
		status = HV_STATUS_INVALID_PARTITION_STATE;

	c->reps_done = c->rep_start;
	/* Finalized: no access is left that the root could take back. */
	if (status == HV_STATUS_SUCCESS && !p->nested.root)
		c->reps_done = c->rep_count;
	while (status == HV_STATUS_SUCCESS && c->reps_done < c->rep_count) {
		uint64_t page = in->gpa_pfn + c->reps_done * step;
		uint64_t frame = pfn[c->reps_done];

		if (bits == NESTED_RESERVED) {
			frame = 0;
		} else if (frame >= PFN_LIMIT || !IS_ALIGNED(frame, step) ||
			   !(phys_is_root_ram(frame << PAGE_SHIFT, step << PAGE_SHIFT) ||
			     ((bits & NESTED_UNCACHED) &&
			      phys_is_device(frame << PAGE_SHIFT, step << PAGE_SHIFT)))) {
			status = HV_STATUS_INVALID_PARAMETER;
			break;
		}
		/*
		 * The next entry, until the table ends: Linux maps all memory in small
		 * pages, without access, when a guest starts.
		 */
		if (slot && !IS_ALIGNED((uintptr_t)(slot + 1), PAGE_SIZE))
			slot++;
		else
			slot = nested_slot(&p->nested, page << PAGE_SHIFT, level);
		if (!slot) {
			status = HV_STATUS_INSUFFICIENT_MEMORY;
			break;
		}
		/* That of a table with small leaves is present, too. */
		stale |= *slot & NESTED_PRESENT;
		nested_set(&p->nested, slot, frame << PAGE_SHIFT, bits, level);
		c->reps_done++;
	}
	if (stale)
		shoot_down(p);
	p->gpa_modifications += c->reps_done - c->rep_start;
	lock_drop(&p->gpa_lock);
	lock_drop(&p->lock);
	stats_partition(p);
	return status;
}

/*
 * Linux never retries this call, so it must not need memory: if a large leaf
 * cannot be split all of it goes, which is harmless because Linux unmaps whole
 * regions.
 */
static void unmap_one(struct partition *p, uint64_t gpa, enum nested_level level)
{
	if (!nested_unmap(&p->nested, gpa, level))
		nested_unmap(&p->nested, gpa & ~(LARGE_PAGE_SIZE - 1), NESTED_2M);
}

enum hv_status hvcall_unmap_gpa_pages(struct hvcall *c)
{
	const struct hv_input_unmap_gpa_pages *in = c->in;
	bool large = in->flags & HV_UNMAP_GPA_LARGE_PAGE;
	uint64_t step = large ? LARGE_PFNS : 1;
	struct partition *p = c->partition;
	bool stale = false;

	if (in->gpa_pfn >= PFN_LIMIT || !IS_ALIGNED(in->gpa_pfn, step) ||
	    in->gpa_pfn + c->rep_count * step > PFN_LIMIT)
		return HV_STATUS_INVALID_PARAMETER;

	lock_take(&p->lock);
	lock_take(&p->gpa_lock);
	/* A finalized partition has no table: everything is unmapped already. */
	for (uint32_t i = c->rep_start; p->nested.root && i < c->rep_count; i++) {
		uint64_t gpa = (in->gpa_pfn + i * step) << PAGE_SHIFT;
		enum nested_level old_level;

		stale |= nested_lookup(&p->nested, gpa, &old_level) & NESTED_PRESENT;
		unmap_one(p, gpa, large ? NESTED_2M : NESTED_4K);
		stale |= p->limbo != NULL;
	}
	c->reps_done = c->rep_count;
	if (stale)
		shoot_down(p);
	p->gpa_modifications += c->reps_done - c->rep_start;
	lock_drop(&p->gpa_lock);
	lock_drop(&p->lock);
	stats_partition(p);
	return HV_STATUS_SUCCESS;
}

enum hv_status hvcall_get_gpa_pages_access_states(struct hvcall *c)
{
	const struct hv_input_gpa_access_states *in = c->in;
	uint8_t *state = c->out;
	uint64_t set = 0, clear = 0;
	struct partition *p = c->partition;

	if (in->gpa_pfn >= PFN_LIMIT || in->gpa_pfn + c->rep_count > PFN_LIMIT)
		return HV_STATUS_INVALID_PARAMETER;
	set |= in->flags & HV_ACCESS_STATE_SET_ACCESSED ? NESTED_ACCESSED : 0;
	set |= in->flags & HV_ACCESS_STATE_SET_DIRTY ? NESTED_DIRTY : 0;
	clear |= in->flags & HV_ACCESS_STATE_CLEAR_ACCESSED ? NESTED_ACCESSED : 0;
	clear |= in->flags & HV_ACCESS_STATE_CLEAR_DIRTY ? NESTED_DIRTY : 0;

	lock_take(&p->lock);
	lock_take(&p->gpa_lock);
	for (uint32_t i = c->rep_start; i < c->rep_count; i++) {
		uint64_t pfn = in->gpa_pfn + i, less;
		enum nested_level level;
		uint64_t *entry;

		entry = p->nested.root ? nested_entry(&p->nested, pfn << PAGE_SHIFT, &level) : NULL;
		if (!entry || !(*entry & NESTED_PRESENT))
			continue;
		if (level != NESTED_4K && (*entry & clear)) {
			uint64_t *leaves = nested_leaves(&p->nested, pfn << PAGE_SHIFT);

			/* Linux deposits nothing for this call. */
			if (leaves) {
				entry = &leaves[pfn % LARGE_PFNS];
				level = NESTED_4K;
			}
		}
		/* A large leaf is marked for all its pages: rather marked than lost. */
		less = level == NESTED_4K ? clear : 0;
		state[i] = (uint8_t)(__atomic_fetch_and(entry, ~less, __ATOMIC_SEQ_CST) /
				     NESTED_ACCESSED % 4);
		__atomic_fetch_or(entry, set, __ATOMIC_SEQ_CST);
	}
	c->reps_done = c->rep_count;
	if (clear)
		shoot_down(p);
	lock_drop(&p->gpa_lock);
	lock_drop(&p->lock);
	return HV_STATUS_SUCCESS;
}
