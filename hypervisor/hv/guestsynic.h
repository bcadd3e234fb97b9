/* SPDX-License-Identifier: MIT */
/*
 * A guest processor's synthetic interrupt controller (TLFS "Inter-Partition
 * Communication") and its VP assist page.
 *
 * The pages are the guest's own memory, not overlays. Only the VP's dispatch
 * (or a call that took the VP out of guest mode) writes to them, so the guest
 * never runs meanwhile. What cannot be written because the root has not
 * populated the page waits: vp->missing makes the dispatch ask for it.
 */
#ifndef HYPERVISOR_HV_GUESTSYNIC_H
#define HYPERVISOR_HV_GUESTSYNIC_H

#include "base/base.h"

struct vp;

void guestsynic_reset(struct vp *vp);

/*
 * VP_ASSIST_PAGE, SCONTROL … SINT15 and the synthetic timers, as the guest writes
 * them; false: no such register, or #GP. VP's run_lock held, no other.
 */
bool guestsynic_msr_write(struct vp *vp, uint32_t msr, uint64_t val);

/*
 * Before an entry: clear pages just enabled, deliver messages owed, finish EOI
 * assist. run_lock held, no other.
 */
void guestsynic_work(struct vp *vp);

/* Is @vector a SINT's with AutoEOI? VP's lock held. */
bool guestsynic_auto_eoi(const struct vp *vp, uint8_t vector);

/*
 * EOI assist (TLFS "EOI Assist"): told "no EOI required", the guest ends the
 * interrupt in service by clearing that bit. Armed with the VP's lock held and
 * the VP opened; settled after the exit.
 */
void guestsynic_assist_arm(struct vp *vp);
void guestsynic_assist_settle(struct vp *vp);

/* The SIM (or SIEF) page as GET/SET_VP_STATE move it. run_lock held. */
void guestsynic_get_page(struct vp *vp, bool events, void *page);
void guestsynic_set_page(struct vp *vp, bool events, const void *page);

#endif
