/* SPDX-License-Identifier: MIT */
/* What --stats prints is what was counted, by all processors together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/device.h"
#include "vmm/irq.h"
#include "vmm/log.h"
#include "vmm/stats.h"

static struct irq_counts irqs;

void irq_count(struct irq *q, struct irq_counts *c)
{
	(void)q;
	*c = irqs;
}

static const struct bus_ops ops = { 0 };

static struct bus *make_bus(const char *first, uint64_t at)
{
	struct bus *b = bus_create("test");
	const struct bus_range range[] = {
		{ first, at, 8, &ops, NULL },
		{ "clock", at + 8, 2, &ops, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(range); i++)
		assert_int_equal(bus_add(b, &range[i]), i);
	return b;
}

/* What was written to standard error. */
static const char *printed(const struct vcpu_stats *s, unsigned int count, const struct machine *m,
			   uint64_t us)
{
	static char text[4096];
	int file = memfd_create("stderr", 0), saved = dup(STDERR_FILENO);
	ssize_t n;

	dup2(file, STDERR_FILENO);
	stats_print(s, count, m, us);
	dup2(saved, STDERR_FILENO);
	n = pread(file, text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	close(file);
	close(saved);
	return text;
}

static void test_sums(void **state)
{
	struct machine m = { .ports = make_bus("serial", 0x3f8),
			     .mmio = make_bus("ioapic", 0x1000) };
	struct vcpu_stats *s = stats_create(3);

	(void)state;
	/* Whatever else is left out of the log, this was asked for. */
	log_set_level(LOG_ERROR);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal((uintptr_t)&s[i] % 64, 0);
	assert_string_equal(printed(s, 3, &m, 0), "");
	for (unsigned int i = 0; i < 3; i++) {
		stats_count(&s[i], STATS_EXIT_PORT);
		stats_count(&s[i], STATS_EXIT_MEMORY);
		stats_count(&s[i], STATS_EMULATED);
		stats_access(&s[i].ports, m.ports, 0x3f8 + i, true);
		stats_access(&s[i].mmio, m.mmio, 0x1008, false);
	}
	stats_count(NULL, STATS_EXIT_PORT);
	stats_count(&s[1], STATS_EXIT_EOI);
	stats_count(&s[2], STATS_KICKED);
	stats_access(&s[1].ports, m.ports, 0x80, true);
	stats_access(&s[1].ports, m.ports, 0x80, false);
	irqs = (struct irq_counts){ 5, 6 };
	assert_string_equal(printed(s, 3, &m, 77),
			    "vmm: stats: 7 exits\n"
			    "vmm: stats: 3 exits, port\n"
			    "vmm: stats: 3 exits, memory\n"
			    "vmm: stats: 1 exits, end of interrupt\n"
			    "vmm: stats: 3 instructions emulated\n"
			    "vmm: stats: 1 runs ended by a signal\n"
			    "vmm: stats: 3 port written, serial\n"
			    "vmm: stats: 1 port read, nobody\n"
			    "vmm: stats: 1 port written, nobody\n"
			    "vmm: stats: 3 memory read, clock\n"
			    "vmm: stats: 5 interrupts, asserted\n"
			    "vmm: stats: 6 interrupts, by eventfd\n"
			    "vmm: stats: 77 us until all processors stood still\n");
	/* The first processor alone. */
	irqs = (struct irq_counts){ 0 };
	assert_non_null(strstr(printed(s, 1, &m, 0), "vmm: stats: 2 exits\n"));
	bus_destroy(m.ports);
	bus_destroy(m.mmio);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
