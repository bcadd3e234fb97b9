/* SPDX-License-Identifier: MIT */
/*
 * Reference time of a partition (TLFS "Reference Counter") and the two pages a
 * guest has once per partition: hypercall code and reference TSC.
 */
#ifndef HYPERVISOR_HV_GUESTTIME_H
#define HYPERVISOR_HV_GUESTTIME_H

#include "base/base.h"

struct partition;
struct vp;

/* 100 ns units since the partition was created; stands still while frozen. */
uint64_t guesttime_reference(const struct partition *p);
/* Host TSC at which it will be @reference: never too early; 0: frozen. */
uint64_t guesttime_host_tsc(const struct partition *p, uint64_t reference);
/* partition.lock held. */
void guesttime_set(struct partition *p, uint64_t reference);
/*
 * The VMM gives a processor its TSC. VMMs do that for one after the other: values
 * within a second of what the partition's TSC says are meant to be it. Another one
 * becomes the partition's, and reference time, in the guest's page also, goes on as
 * it was. run_lock held.
 */
void guesttime_set_tsc(struct vp *vp, uint64_t val);
void guesttime_freeze(struct partition *p, bool frozen);

#define GUEST_PAGE_HYPERCALL BIT32(0)
#define GUEST_PAGE_TSC	     BIT32(1)
/* These pages have to be written before the guest goes on. Any CPU. */
void guesttime_stale(struct partition *p, uint32_t pages);
/*
 * Before an entry of @vp: write them. run_lock held, no other; what the root has
 * to populate first is left in vp->missing.
 */
void guesttime_pages(struct vp *vp);

#endif
