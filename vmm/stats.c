/* SPDX-License-Identifier: MIT */
#include "vmm/stats.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/device.h"
#include "vmm/irq.h"
#include "vmm/log.h"

static const char *const event_names[STATS_EVENTS] = {
	[STATS_EXIT_PORT] = "exits, port",
	[STATS_EXIT_MEMORY] = "exits, memory",
	[STATS_EXIT_EOI] = "exits, end of interrupt",
	[STATS_EXIT_DEBUG] = "exits, debugger",
	[STATS_EXIT_END] = "exits, crash",
	[STATS_EMULATED] = "instructions emulated",
	[STATS_INJECTED] = "exceptions injected",
	[STATS_RAM_LATE] = "accesses to memory that came late",
	[STATS_KICKED] = "runs ended by a signal",
};

struct vcpu_stats *stats_create(unsigned int count)
{
	size_t bytes = count * sizeof(struct vcpu_stats);
	void *s = aligned_alloc(_Alignof(struct vcpu_stats), bytes);

	if (s)
		memset(s, 0, bytes);
	return s;
}

/* As an error: asked for by name, so neither level nor limit leaves lines out. */
static void row(uint64_t count, const char *what, const char *whose)
{
	if (count)
		log_error("stats: %llu %s%s%s", (unsigned long long)count, what, *whose ? ", " : "",
			  whose);
}

static void add_bus(struct stats_bus *sum, const struct stats_bus *s)
{
	for (unsigned int i = 0; i <= BUS_RANGES_MAX; i++)
		for (unsigned int write = 0; write < 2; write++)
			sum->count[i][write] += s->count[i][write];
}

static void print_bus(const struct stats_bus *s, const struct bus *b, const char *const what[2])
{
	for (unsigned int i = 0; i <= BUS_RANGES_MAX; i++)
		for (unsigned int write = 0; write < 2; write++)
			row(s->count[i][write], what[write],
			    i == BUS_RANGES_MAX ? "nobody" : bus_name(b, i));
}

void stats_print(const struct vcpu_stats *s, unsigned int count, const struct machine *m,
		 uint64_t stop_us)
{
	static const char *const port[2] = { "port read", "port written" };
	static const char *const mmio[2] = { "memory read", "memory written" };
	struct vcpu_stats sum = { 0 };
	struct irq_counts irq;
	uint64_t exits = 0;

	for (unsigned int i = 0; i < count; i++) {
		for (unsigned int e = 0; e < STATS_EVENTS; e++)
			sum.event[e] += s[i].event[e];
		add_bus(&sum.ports, &s[i].ports);
		add_bus(&sum.mmio, &s[i].mmio);
	}
	for (unsigned int e = STATS_EXIT_PORT; e <= STATS_EXIT_END; e++)
		exits += sum.event[e];
	row(exits, "exits", "");
	for (unsigned int e = 0; e < STATS_EVENTS; e++)
		row(sum.event[e], event_names[e], "");
	print_bus(&sum.ports, m->ports, port);
	print_bus(&sum.mmio, m->mmio, mmio);
	irq_count(m->irq, &irq);
	row(irq.asserted, "interrupts, asserted", "");
	row(irq.fired, "interrupts, by eventfd", "");
	row(stop_us, "us until all processors stood still", "");
}
