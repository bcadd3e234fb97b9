/* SPDX-License-Identifier: MIT */
/*
 * Partitions: the root (id 1, never created or deleted) and the guests it
 * creates. Ids are never used twice, because the root's kernel finds
 * partitions by id when a late message arrives.
 *
 *   created ── INITIALIZE ──> active ── FINALIZE ──> finalized ── DELETE ──> gone
 *      └────────────────────────── DELETE ─────────────────────────────────> gone
 *
 * Locks: table (list, reference counts) → partition.lock (state, vp[], ports)
 * → vp.lock; partition.gpa_lock (nested table, its pages, and every access to
 * guest memory) is taken alone or under partition.lock, under vp.lock only tried
 * for (gpa_exchange).
 */
#ifndef HYPERVISOR_HV_PARTITION_H
#define HYPERVISOR_HV_PARTITION_H

#include "abi/hv/guest.h"
#include "base/base.h"
#include "hypervisor/hv/pool.h"
#include "hypervisor/lock.h"
#include "hypervisor/mem/nested.h"

#define PARTITION_VPS_MAX	256
#define PARTITION_INTERCEPTS	64

struct counters;
struct port_page;
struct vp;

enum partition_state {
	PARTITION_CREATED,
	PARTITION_ACTIVE,
	PARTITION_FINALIZED,
};

struct partition {
	uint64_t id;
	struct partition *next;		/* table lock */
	uint32_t refs;			/* table lock */

	struct lock lock;
	enum partition_state state;
	struct pool pool;
	uint32_t withdrawn;		/* pages, for the log */

	/* Guest physical memory; see gpa.h. */
	struct lock gpa_lock;
	struct nested nested;
	void *limbo;			/* table pages until the next shoot-down */

	/* As created. */
	uint64_t flags;			/* HV_PARTITION_* */

	/* Properties (property.c). */
	uint64_t privileges;
	uint64_t synthetic_features;
	uint64_t suspend;
	uint64_t processors_per_socket;
	uint64_t access_tracking;
	uint64_t unimplemented_msr_ignore;

	/* Guest time (guestmsr.c). */
	uint64_t tsc_base;		/* host TSC when created */
	int64_t time_adjust;		/* 100 ns, added to the time since tsc_base */
	uint64_t time_frozen_at;	/* reference time while frozen */
	bool time_frozen;

	/* Synthetic MSRs that exist once per partition. */
	uint64_t guest_os_id;
	uint64_t hypercall_msr;
	uint64_t reference_tsc_msr;
	uint64_t tsc_invariant_control;
	uint32_t stale_pages;		/* to be written before an entry (guestmsr.c) */
	uint32_t tsc_sequence;		/* lock: the reference TSC page's last */

	struct port_page *ports;	/* doorbells, NULL: none */
	struct lock stats_lock;
	struct counters *stats;		/* stats.c; NULL: never mapped */
	uint64_t gpa_modifications, tlb_flushes;	/* gpa_lock */

	/* INSTALL_INTERCEPT (intercept.c): written under lock, each word by itself. */
	uint64_t intercept[PARTITION_INTERCEPTS];
	uint32_t intercepts;		/* entries ever used */
	uint32_t exceptions;		/* vectors intercepted, from the next dispatch on */

	uint32_t complaints;		/* of the guest's odd doings, in the log */

	uint32_t vp_limit;		/* highest index in use, plus one */
	uint32_t dying;			/* VPs on their way out, not yet free; atomic */
	struct vp *vp[PARTITION_VPS_MAX];
};

_Static_assert(sizeof(struct partition) <= PAGE_SIZE, "one deposited page");

/* partition.lock held. */
#define for_each_vp(vp_, p_)                                                             \
	for (struct vp **at_##vp_ = (p_)->vp, *vp_; at_##vp_ < (p_)->vp + (p_)->vp_limit; \
	     at_##vp_++)                                                                 \
		if ((vp_ = *at_##vp_) != NULL)

/* The synthetic features there are; a VMM may ask for more. */
#define PARTITION_FEATURES \
	(BIT64(HV_SYNTHETIC_PRESENT) | BIT64(HV_SYNTHETIC_HV1) | \
	 BIT64(HV_SYNTHETIC_REFERENCE_COUNTER) | BIT64(HV_SYNTHETIC_SYNIC) | \
	 BIT64(HV_SYNTHETIC_TIMERS) | BIT64(HV_SYNTHETIC_INTERRUPT_CONTROL) | \
	 BIT64(HV_SYNTHETIC_HYPERCALL) | BIT64(HV_SYNTHETIC_VP_INDEX) | \
	 BIT64(HV_SYNTHETIC_REFERENCE_TSC) | BIT64(HV_SYNTHETIC_GUEST_IDLE) | \
	 BIT64(HV_SYNTHETIC_FREQUENCY) | BIT64(HV_SYNTHETIC_DIRECT_TIMERS) | \
	 BIT64(HV_SYNTHETIC_PROCESSOR_MASKS) | BIT64(HV_SYNTHETIC_TLB_FLUSH) | \
	 BIT64(HV_SYNTHETIC_CLUSTER_IPI) | BIT64(HV_SYNTHETIC_LONG_SPIN_WAIT))

/* May the guest use @feature? */
static inline bool partition_has(const struct partition *p, enum hv_synthetic_feature feature)
{
	return (p->synthetic_features & PARTITION_FEATURES) >> feature & 1;
}

/* main.c, once, before the root runs. */
void partition_init(void);

/* The root partition; its vp[] is empty and it is never finalized. */
struct partition *partition_root(void);

/* By id, SELF is the root; with a reference. NULL if unknown. */
struct partition *partition_get(uint64_t id);
void partition_put(struct partition *p);

#endif
