/* SPDX-License-Identifier: MIT */
/*
 * Synthetic timers of a guest processor (TLFS "Synthetic Timers"): four of them,
 * in reference time. One that expires asserts a vector (direct mode) or owes the
 * guest a message, which guestsynic.c delivers before the next entry.
 *
 * Ticks of a periodic timer never pile up: one that finds its predecessor not
 * taken yet is dropped (lazy), or made up for by a few shortened periods.
 *
 * VP's lock held throughout.
 */
#ifndef HYPERVISOR_HV_GUESTTIMER_H
#define HYPERVISOR_HV_GUESTTIMER_H

#include "abi/hv/hypercall.h"
#include "abi/hv/msr.h"
#include "base/base.h"

struct partition;
struct vp;

struct guesttimer {
	uint64_t config;
	uint64_t count;	  /* as written: absolute, or the period */
	uint64_t expiry;  /* reference time of the next, 0: stopped */
	uint64_t expired; /* expiry the undelivered message is about */
	uint8_t debt;	  /* shortened periods to come */
};

/* Register @n: 0, 2, 4, 6 configuration, 1, 3, 5, 7 count of a timer. */
uint64_t guesttimer_read(const struct vp *vp, unsigned int n);
/* As the guest writes it; false: #GP. */
bool guesttimer_write(struct vp *vp, unsigned int n, uint64_t val);
/* As the VMM writes it: the value counts, whatever it would do to the guest. */
void guesttimer_set(struct vp *vp, unsigned int n, uint64_t val);

/* The blob of GET/SET_VP_STATE: one timer. */
void guesttimer_get_state(const struct vp *vp, unsigned int n, struct hv_stimer_state *s);
void guesttimer_set_state(struct vp *vp, unsigned int n, const struct hv_stimer_state *s);

/* Expire what is due at host TSC @now. True: something was. */
bool guesttimer_poll(struct vp *vp, uint64_t now);
/*
 * Compute vp->stimer_deadline anew; it counts from the next vp_sync_timer on.
 */
void guesttimer_resync(struct vp *vp);

#endif
