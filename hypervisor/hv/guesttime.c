/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/guesttime.h"

#include "abi/hv/msr.h"
#include "hypervisor/hv/gpa.h"
#include "hypervisor/hv/vp.h"
#include "hypervisor/hw/clock.h"

/* (tsc * scale) >> 64 with the clock's own scale. */
static uint64_t tsc_to_reference(uint64_t tsc)
{
	uint64_t scale;
	int64_t offset;

	clock_tsc_page(&scale, &offset);
	return (uint64_t)((unsigned __int128)tsc * scale >> 64);
}

static uint64_t running_reference(const struct partition *p)
{
	return tsc_to_reference(rdtsc() - p->tsc_base) + (uint64_t)p->time_adjust;
}

uint64_t guesttime_reference(const struct partition *p)
{
	return p->time_frozen ? p->time_frozen_at : running_reference(p);
}

#define REFERENCE_HZ 10000000u

uint64_t guesttime_host_tsc(const struct partition *p, uint64_t reference)
{
	uint64_t now = running_reference(p), hz = clock_tsc_hz();
	/* Rounded up, and "never" must not overflow. */
	uint64_t left = reference > now ? MIN(reference - now, BIT64(50)) + 1 : 0;

	if (p->time_frozen)
		return 0;
	return rdtsc() + left / REFERENCE_HZ * hz + left % REFERENCE_HZ * hz / REFERENCE_HZ;
}

/*
 * A guest's TSC starts at 0 with the partition, so its reference time is
 * tsc * scale plus whatever adjustment the VMM made. Its other processors read
 * meanwhile: invalid, values, valid; each write ends with a lock's release.
 */
static enum gpa_result write_tsc_page(struct partition *p)
{
	uint64_t gpa = p->reference_tsc_msr & PAGE_MASK;
	struct hv_tsc_page page = { 0 };
	enum gpa_result r;
	int64_t unused;

	/* Whoever writes last writes what is true last. */
	lock_scope(&p->lock);
	clock_tsc_page(&page.scale, &unused);
	page.offset = p->time_adjust;
	r = gpa_write(p, gpa, &page, sizeof(page.sequence));
	if (r == GPA_OK)
		r = gpa_write(p, gpa, &page, sizeof(page));
	if (r != GPA_OK || p->time_frozen)
		return r;
	if (!++p->tsc_sequence)
		p->tsc_sequence = 1;
	return gpa_write(p, gpa, &p->tsc_sequence, sizeof(p->tsc_sequence));
}

/* At the start of the page the guest chose. */
static enum gpa_result write_hypercall_page(struct partition *p)
{
	static const uint8_t code[] = HV_HYPERCALL_CODE;

	return gpa_write(p, p->hypercall_msr & PAGE_MASK, code, sizeof(code));
}

/* Write @page of those in @stale with @write, now or when the root has populated it. */
static void refresh(struct vp *vp, uint32_t stale, uint32_t page, uint64_t msr,
		    enum gpa_result (*write)(struct partition *p))
{
	if (!(stale & page) || !(msr & HV_MSR_PAGE_ENABLE) ||
	    write(vp->partition) != GPA_NO_ACCESS)
		return;
	guesttime_stale(vp->partition, page);
	vp_missing(vp, msr, true);
}

void guesttime_stale(struct partition *p, uint32_t pages)
{
	__atomic_fetch_or(&p->stale_pages, pages, __ATOMIC_SEQ_CST);
}

void guesttime_pages(struct vp *vp)
{
	struct partition *p = vp->partition;
	uint32_t pages;

	if (!READ_ONCE(p->stale_pages))
		return;
	pages = __atomic_exchange_n(&p->stale_pages, 0, __ATOMIC_SEQ_CST);
	refresh(vp, pages, GUEST_PAGE_HYPERCALL, p->hypercall_msr, write_hypercall_page);
	refresh(vp, pages, GUEST_PAGE_TSC, p->reference_tsc_msr, write_tsc_page);
}

/* Reference time jumped: tell the guest, and whoever waits for a time. */
static void time_changed(struct partition *p)
{
	guesttime_stale(p, GUEST_PAGE_TSC);
	for_each_vp(vp, p) {
		lock_scope(&vp->lock);
		guesttimer_resync(vp);
		vp->todo |= VP_TODO_TIMER;
		vp_wake(vp);
	}
}

void guesttime_set(struct partition *p, uint64_t reference)
{
	p->time_adjust += (int64_t)(reference - guesttime_reference(p));
	if (p->time_frozen)
		p->time_frozen_at = reference;
	time_changed(p);
}

void guesttime_set_tsc(struct vp *vp, uint64_t val)
{
	struct partition *p = vp->partition;
	uint64_t host = rdtsc(), base, second = clock_tsc_hz();

	lock_take(&p->lock);
	base = host - val;
	if (base - p->tsc_base + second > 2 * second) {
		p->time_adjust +=
			(int64_t)(tsc_to_reference(host - p->tsc_base) - tsc_to_reference(val));
		p->tsc_base = base;
		guesttime_stale(p, GUEST_PAGE_TSC);
	}
	base = p->tsc_base;
	lock_drop(&p->lock);
	vlapic_set_tsc_offset(vp, 0 - base);
}

void guesttime_freeze(struct partition *p, bool frozen)
{
	if (frozen == p->time_frozen)
		return;
	if (frozen) {
		p->time_frozen_at = running_reference(p);
		p->time_frozen = true;
	} else {
		p->time_adjust += (int64_t)(p->time_frozen_at - running_reference(p));
		p->time_frozen = false;
	}
	time_changed(p);
}
