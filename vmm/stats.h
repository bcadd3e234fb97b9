/* SPDX-License-Identifier: MIT */
/*
 * --stats: what a machine did, counted while it runs and printed when it ends.
 *
 * Each processor counts for itself, in cache lines that no other thread writes;
 * the sums are made at the end. Without --stats there is nothing to count in
 * (NULL), and counting is a test of a pointer.
 */
#ifndef VMM_STATS_H
#define VMM_STATS_H

#include "base/base.h"
#include "vmm/bus.h"

struct irq;
struct machine;

enum stats_event {
	/* Why the hypervisor came to us. */
	STATS_EXIT_PORT,
	STATS_EXIT_MEMORY,
	STATS_EXIT_EOI,
	STATS_EXIT_DEBUG,
	STATS_EXIT_END, /* the guest crashed */
	/* What became of it. */
	STATS_EMULATED,
	STATS_INJECTED,
	STATS_RAM_LATE, /* of the exits for memory: RAM the kernel could not bring in */
	STATS_KICKED,	/* RUN_VP ended by a signal */
	STATS_EVENTS
};

/* Accesses by range of a bus (its id; the last one: nothing there), read and written. */
struct stats_bus {
	uint64_t count[BUS_RANGES_MAX + 1][2];
};

struct vcpu_stats {
	uint64_t event[STATS_EVENTS];
	struct stats_bus ports, mmio;
} __aligned(64);

/* For @count processors, zeroed; NULL: no memory. */
struct vcpu_stats *stats_create(unsigned int count);

/* On the processor's thread. @s may be NULL. */
static inline void stats_count(struct vcpu_stats *s, enum stats_event e)
{
	if (s)
		s->event[e]++;
}

static inline void stats_access(struct stats_bus *s, struct bus *b, uint64_t addr, bool write)
{
	int id = bus_find(b, addr);

	s->count[id < 0 ? BUS_RANGES_MAX : id][write]++;
}

/*
 * After all processors stopped: a line per figure that is not zero, "stats: NUMBER
 * WHAT". @stop_us: how long stopping them took.
 */
void stats_print(const struct vcpu_stats *s, unsigned int count, const struct machine *m,
		 uint64_t stop_us);

#endif
