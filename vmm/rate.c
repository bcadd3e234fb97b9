/* SPDX-License-Identifier: MIT */
#include "vmm/rate.h"

#define NS_PER_US  1000u
#define US_PER_S   1000000u
/* Of a second, and of a burst. */
#define BURST_PART 20
#define WAIT_PART  4

void rate_init(struct rate *r, uint64_t per_s, uint64_t burst_min, uint64_t now_ns)
{
	int64_t burst = (int64_t)MAX(per_s / BURST_PART, burst_min);

	*r = (struct rate){
		.per_s = per_s,
		.burst = burst,
		.budget = burst,
		.now_us = now_ns / NS_PER_US,
	};
}

static void refill(struct rate *r, uint64_t now_us)
{
	/* A second fills any burst that burst_min did not make larger. */
	uint64_t us = MIN(now_us - r->now_us, US_PER_S);
	/* Whoever asks often must not lose what is less than a unit. */
	uint64_t gain = us * r->per_s + r->rest;

	r->budget = MIN(r->budget + (int64_t)(gain / US_PER_S), r->burst);
	r->rest = gain % US_PER_S;
	r->now_us = now_us;
}

uint64_t rate_wait(struct rate *r, uint64_t now_ns)
{
	uint64_t lack;

	if (!r->per_s)
		return 0;
	refill(r, now_ns / NS_PER_US);
	if (r->budget > 0)
		return 0;
	lack = (uint64_t)(r->burst / WAIT_PART - r->budget) + 1;
	/* In parts, because a debt may be large; whoever comes early waits again. */
	lack = MIN(lack, r->per_s);
	return lack * US_PER_S / r->per_s * NS_PER_US + NS_PER_US;
}
