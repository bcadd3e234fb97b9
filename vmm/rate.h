/* SPDX-License-Identifier: MIT */
/*
 * A limit to how much of something may pass in a second: bytes, requests.
 *
 * A budget fills with time, up to a burst. Something may pass while there is
 * any budget left, whatever its size: a large piece leaves a debt, which time
 * pays before the next one. So over any time the mean is what was asked for,
 * and nothing is ever too large to pass.
 *
 * No lock and no timer in here: the caller has both.
 */
#ifndef VMM_RATE_H
#define VMM_RATE_H

#include "base/base.h"

#define RATE_MAX (UINT64_C(1) << 40) /* units a second */

struct rate {
	uint64_t per_s; /* 0: no limit */
	int64_t burst;
	int64_t budget; /* below 0: a debt */
	uint64_t rest;	/* millionths of a unit on top */
	uint64_t now_us;
};

/*
 * @per_s up to RATE_MAX. The burst is what passes in 50 ms, but at least
 * @burst_min. @now_ns: CLOCK_MONOTONIC, here and below.
 */
void rate_init(struct rate *r, uint64_t per_s, uint64_t burst_min, uint64_t now_ns);

/*
 * 0: go on. Else nanoseconds to wait, until a part of the burst is there again:
 * whoever waits is not woken for every small piece.
 */
uint64_t rate_wait(struct rate *r, uint64_t now_ns);

/* @n units have passed. */
static inline void rate_spend(struct rate *r, uint64_t n)
{
	if (r->per_s)
		r->budget -= (int64_t)n;
}

#endif
