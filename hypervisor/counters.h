/* SPDX-License-Identifier: MIT */
/*
 * Counting for statistics pages (include/abi/hv/stats.h; hv/stats.h hands the pages
 * out). A page has one writer, the processor that runs the VP or is the LP, so
 * nothing is locked. NULL: nobody can look, nothing is counted.
 */
#ifndef HYPERVISOR_COUNTERS_H
#define HYPERVISOR_COUNTERS_H

#include "abi/hv/stats.h"
#include "base/base.h"
#include "hypervisor/hw/clock.h"

struct counters {
	uint64_t value[HV_COUNTERS_MAX]; /* what the root reads */
	uint64_t ticks[HV_COUNTERS_MAX]; /* times, in TSC ticks: values are rounded once */
};

_Static_assert(sizeof(struct counters) == PAGE_SIZE, "one page");

static inline void count(struct counters *c, unsigned int i)
{
	if (c)
		c->value[i]++;
}

/* Add @ticks of the TSC to time @i. */
static inline void count_time(struct counters *c, unsigned int i, uint64_t ticks)
{
	if (c) {
		c->ticks[i] += ticks;
		c->value[i] = clock_reference_units(c->ticks[i]);
	}
}

/* One more of @i, whose time is @i + 1. */
static inline void count_timed(struct counters *c, unsigned int i, uint64_t ticks)
{
	count(c, i);
	count_time(c, i + 1, ticks);
}

#endif
