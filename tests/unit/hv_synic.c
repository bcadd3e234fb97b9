/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/hv/synic.c with a root that behaves like Linux (mshv_isr): look at
 * slot 0, act, clear the type, and write EOM only if the pending flag was set.
 */
#include <asm/prctl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "abi/hv/msr.h"
#include "hypervisor/cpu.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/options.h"
#include "hypervisor/hv/synic.h"
#include "hypervisor/hw/lapic.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/mem/rootmem.h"
#include "hypervisor/trace.h"

#define CPUS   3u
#define VECTOR 0xf3u

/* --- the rest of the hypervisor --- */

struct cpu *cpus[HV_CPUS_MAX];
unsigned int cpu_count = CPUS;

static struct cpu cpu[CPUS];
static unsigned int interrupts[CPUS];

/* From here on %gs points to a struct cpu, as in the hypervisor. */
static void become(struct cpu *c)
{
	c->self = c;
	assert_int_equal(syscall(SYS_arch_prctl, ARCH_SET_GS, c), 0);
}

void *pages_alloc(unsigned int count)
{
	void *p = aligned_alloc(PAGE_SIZE, count * PAGE_SIZE);

	memset(p, 0, count * PAGE_SIZE);
	return p;
}

void *page_alloc(void)
{
	return pages_alloc(1);
}

bool rootmem_share(void *page, bool writable)
{
	return page && writable;
}

void lapic_send(struct cpu *target, uint8_t vector)
{
	assert_int_equal(vector, VECTOR);
	interrupts[target->index]++;
}

bool trace_on;

void trace_add(enum hv_trace_kind kind, uint64_t partition, uint32_t vp, uint64_t code, uint64_t a,
	       uint64_t b)
{
	fail_msg("trace %u %llu.%u %llu %llu %llu", kind, (unsigned long long)partition, vp,
		 (unsigned long long)code, (unsigned long long)a, (unsigned long long)b);
}

static struct timer *armed;

void timer_arm(struct timer *t, uint64_t deadline)
{
	assert_true(deadline > rdtsc());
	assert_null(t->cpu);
	t->cpu = &cpu[0];
	armed = t;
}

uint64_t clock_tsc_hz(void)
{
	return UINT64_C(1) << 40; /* late is years from now, so that no test is too slow */
}

void log_line(const char *fmt, ...)
{
	(void)fmt;
}

void panic(const char *fmt, ...)
{
	fail_msg("panic: %s", fmt);
	abort();
}

/* --- the root --- */

static uint64_t msr(struct cpu *c, uint32_t n)
{
	uint64_t v;

	assert_true(synic_msr_read(c, n, &v));
	return v;
}

static void set(struct cpu *c, uint32_t n, uint64_t v)
{
	assert_true(synic_msr_write(c, n, v));
}

/* mshv_synic_cpu_init */
static void root_starts(struct cpu *c)
{
	set(c, HV_MSR_SIMP, msr(c, HV_MSR_SIMP) | HV_MSR_PAGE_ENABLE);
	set(c, HV_MSR_SIEFP, msr(c, HV_MSR_SIEFP) | HV_MSR_PAGE_ENABLE);
	set(c, HV_MSR_SIRBP, msr(c, HV_MSR_SIRBP) | HV_MSR_PAGE_ENABLE);
	set(c, HV_MSR_SINT0, VECTOR);
	set(c, HV_MSR_SINT0 + 5, VECTOR);
	set(c, HV_MSR_SCONTROL, 1);
}

static struct hv_message *slot(struct cpu *c)
{
	return (struct hv_message *)(uintptr_t)(msr(c, HV_MSR_SIMP) & PAGE_MASK);
}

static struct hv_event_ring *ring(struct cpu *c)
{
	return (struct hv_event_ring *)(uintptr_t)(msr(c, HV_MSR_SIRBP) & PAGE_MASK) + 5;
}

struct heard {
	unsigned int messages;
	unsigned int kicks;
	uint64_t last_partition;
	uint32_t last_vp;
	unsigned int doorbells; /* messages of that type */
};

/* One interrupt's worth, then EOM if asked for. False: nothing was there. */
static bool root_takes(struct cpu *c, struct heard *h)
{
	struct hv_message *m = slot(c);
	bool pending;

	if (m->header.type == HV_MESSAGE_NONE)
		return false;
	h->messages++;
	if (m->header.type == HV_MESSAGE_SCHEDULER_VP_SIGNAL_PAIR) {
		struct hv_scheduler_signal_pair *p = (void *)m->payload;

		assert_int_equal(m->header.payload_size, 240);
		assert_in_range(p->vp_count, 1, HV_SIGNAL_PAIRS_MAX);
		h->kicks += p->vp_count;
		h->last_partition = p->partition_id[p->vp_count - 1];
		h->last_vp = p->vp_index[p->vp_count - 1];
	} else if (m->header.type == HV_MESSAGE_SYNIC_SINT_INTERCEPT) {
		assert_int_equal(*(uint32_t *)(void *)m->payload, 5);
		h->doorbells++;
	}
	pending = m->header.flags & HV_MESSAGE_FLAG_PENDING;
	m->header.type = HV_MESSAGE_NONE;
	if (pending)
		set(c, HV_MSR_EOM, 0);
	return true;
}

static struct synic_signal vps[2000];

/* VP @vp of partition @partition has a reason to run; not again before it was told. */
static void kick(struct cpu *c, uint64_t partition, uint32_t vp)
{
	assert_in_range(vp, 0, ARRAY_SIZE(vps) - 1);
	assert_null(vps[vp].cpu);
	vps[vp].partition_id = partition;
	vps[vp].vp_index = vp;
	synic_signal_vp(c, &vps[vp]);
}

static int setup(void **state)
{
	(void)state;
	memset(cpu, 0, sizeof(cpu));
	memset(interrupts, 0, sizeof(interrupts));
	memset(vps, 0, sizeof(vps));
	for (unsigned int i = 0; i < CPUS; i++) {
		cpus[i] = &cpu[i];
		cpu[i].index = i;
		assert_true(synic_create(&cpu[i]));
	}
	become(&cpu[0]);
	options.kicks = 0;
	armed = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < CPUS; i++) {
		static const uint32_t pages[] = {
			HV_MSR_VP_ASSIST_PAGE,
			HV_MSR_SIMP,
			HV_MSR_SIEFP,
			HV_MSR_SIRBP,
		};

		for (size_t n = 0; n < ARRAY_SIZE(pages); n++) {
			free((void *)(uintptr_t)(msr(&cpu[i], pages[n]) & PAGE_MASK));
		}
		free(cpu[i].synic);
	}
	return 0;
}

static void test_pages_differ(void **state)
{
	(void)state;
	assert_int_not_equal(msr(&cpu[0], HV_MSR_SIMP), msr(&cpu[1], HV_MSR_SIMP));
	assert_int_not_equal(msr(&cpu[0], HV_MSR_SIMP), 0);
	assert_int_equal(msr(&cpu[0], HV_MSR_SINT0), HV_SINT_MASKED);
}

static void test_kick(void **state)
{
	struct heard h = { 0 };

	(void)state;
	root_starts(&cpu[0]);
	kick(&cpu[0], 7, 3);
	assert_int_equal(interrupts[0], 1);
	assert_true(root_takes(&cpu[0], &h));
	assert_int_equal(h.kicks, 1);
	assert_int_equal(h.last_partition, 7);
	assert_int_equal(h.last_vp, 3);
	assert_false(root_takes(&cpu[0], &h));
	assert_int_equal(interrupts[0], 1);
}

/* While the slot is taken, kicks gather in one message; none is lost or doubled. */
static void test_kicks_gather(void **state)
{
	struct heard h = { 0 };

	(void)state;
	root_starts(&cpu[0]);
	for (uint32_t i = 0; i < 1 + 2 * HV_SIGNAL_PAIRS_MAX; i++)
		kick(&cpu[0], 2, i);
	assert_int_equal(interrupts[0], 1);
	while (root_takes(&cpu[0], &h))
		;
	assert_int_equal(h.messages, 3);
	assert_int_equal(h.kicks, 1 + 2 * HV_SIGNAL_PAIRS_MAX);
	assert_int_equal(h.last_vp, 2 * HV_SIGNAL_PAIRS_MAX);
	assert_int_equal(interrupts[0], 3);
}

/* The root clears the slot before it could see the flag: then nobody writes EOM. */
/* Held back and turned round, but each is told once. */
static void test_kicks_late(void **state)
{
	struct heard h = { 0 };

	(void)state;
	root_starts(&cpu[0]);
	options.kicks = 1;
	for (uint32_t i = 0; i < 3; i++)
		kick(&cpu[0], 9, i);
	assert_int_equal(interrupts[0], 0);
	assert_false(root_takes(&cpu[0], &h));
	assert_non_null(armed);

	armed->cpu = NULL;
	armed->fire(armed);
	assert_int_equal(interrupts[0], 1);
	assert_true(root_takes(&cpu[0], &h));
	assert_int_equal(h.kicks, 3);
	assert_int_equal(h.last_vp, vps[0].vp_index);
	assert_false(root_takes(&cpu[0], &h));
	/* The next one is held back as well. */
	kick(&cpu[0], 9, 1);
	assert_int_equal(interrupts[0], 1);
	assert_non_null(armed->cpu);
}

static void test_flag_set_too_late(void **state)
{
	struct heard h = { 0 };

	(void)state;
	root_starts(&cpu[0]);
	kick(&cpu[0], 2, 0);
	assert_int_equal(slot(&cpu[0])->header.flags, 0);
	slot(&cpu[0])->header.type = HV_MESSAGE_NONE;
	kick(&cpu[0], 2, 1);
	assert_true(root_takes(&cpu[0], &h));
	assert_int_equal(h.last_vp, 1);
	assert_int_equal(interrupts[0], 2);
}

static void test_other_processor_takes_over(void **state)
{
	struct heard h = { 0 };

	(void)state;
	root_starts(&cpu[1]);
	kick(&cpu[0], 2, 9);
	assert_int_equal(interrupts[0], 0);
	assert_true(root_takes(&cpu[1], &h));
	assert_int_equal(h.last_vp, 9);
}

/* Nobody listens: kept until somebody does. */
static void test_kept_while_masked(void **state)
{
	struct heard h = { 0 };

	(void)state;
	kick(&cpu[0], 2, 9);
	assert_int_equal(interrupts[0], 0);
	root_starts(&cpu[0]);
	assert_int_equal(interrupts[0], 1);
	assert_true(root_takes(&cpu[0], &h));
	assert_int_equal(h.kicks, 1);
}

/* Linux at reboot: masks, disables, unmaps; a late interrupt would be an oops. */
static void test_late_interrupt_unwanted(void **state)
{
	(void)state;
	root_starts(&cpu[0]);
	assert_true(synic_wants_vector(&cpu[0], VECTOR));
	assert_true(synic_wants_vector(&cpu[0], 0x41));
	set(&cpu[0], HV_MSR_SINT0, VECTOR | HV_SINT_MASKED);
	set(&cpu[0], HV_MSR_SINT0 + 5, VECTOR | HV_SINT_MASKED);
	assert_false(synic_wants_vector(&cpu[0], VECTOR));
	assert_true(synic_wants_vector(&cpu[0], 0x41));
	set(&cpu[0], HV_MSR_SINT0, VECTOR);
	set(&cpu[0], HV_MSR_SIMP, 0);
	assert_false(synic_wants_vector(&cpu[0], VECTOR));
	kick(&cpu[0], 2, 1);
	assert_int_equal(interrupts[0], 0);
}

static void test_doorbells(void **state)
{
	struct heard h = { 0 };

	(void)state;
	root_starts(&cpu[0]);
	synic_ring(&cpu[0], 5, 77);
	synic_ring(&cpu[0], 5, 78);
	assert_int_equal(ring(&cpu[0])->data[0], 77);
	assert_int_equal(ring(&cpu[0])->data[1], 78);
	while (root_takes(&cpu[0], &h))
		;
	assert_in_range(h.doorbells, 1, 2);
}

static void test_full_ring(void **state)
{
	struct heard h = { 0 };
	unsigned int before;

	(void)state;
	root_starts(&cpu[0]);
	for (uint32_t i = 1; i <= HV_EVENT_RING_ENTRIES + 5; i++)
		synic_ring(&cpu[0], 5, i);
	/* Rung again while it waits: still once. */
	synic_ring(&cpu[0], 5, HV_EVENT_RING_ENTRIES + 5);
	assert_int_equal(ring(&cpu[0])->ring_full, 1);
	while (root_takes(&cpu[0], &h))
		;
	before = h.doorbells;

	/* The root empties the ring and says so. */
	memset(ring(&cpu[0])->data, 0, sizeof(ring(&cpu[0])->data));
	synic_ring_empty(5);
	assert_int_equal(ring(&cpu[0])->ring_full, 0);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(ring(&cpu[0])->data[i], HV_EVENT_RING_ENTRIES + 1 + i);
	assert_int_equal(ring(&cpu[0])->data[5], 0);
	while (root_takes(&cpu[0], &h))
		;
	assert_true(h.doorbells > before);
}

static void test_bad_writes(void **state)
{
	uint64_t v;

	(void)state;
	assert_false(synic_msr_write(&cpu[0], HV_MSR_SINT0, 0x0f));
	assert_false(synic_msr_write(&cpu[0], HV_MSR_SIMP, 0x123000 | HV_MSR_PAGE_ENABLE));
	assert_false(synic_msr_write(&cpu[0], HV_MSR_SVERSION, 2));
	assert_false(synic_msr_write(&cpu[0], 0x400000a0, 0));
	assert_false(synic_msr_read(&cpu[0], 0x400000a0, &v));
	assert_int_equal(msr(&cpu[0], HV_MSR_SIMP) & HV_MSR_PAGE_ENABLE, 0);
}

/* Everybody at once, and the root is slow: no bound, none lost, all in order. */
static void test_any_number_of_kicks(void **state)
{
	struct heard h = { 0 };

	(void)state;
	root_starts(&cpu[0]);
	for (uint32_t i = 0; i < ARRAY_SIZE(vps); i++) {
		kick(&cpu[0], 2, i);
		if (i % 100 == 0)
			synic_ring(&cpu[0], 5, 1 + i / 100);
	}
	while (root_takes(&cpu[0], &h))
		assert_int_equal(h.last_vp, h.kicks - 1);
	assert_int_equal(h.kicks, ARRAY_SIZE(vps));
	assert_true(h.doorbells > 0);
}

/* A guest that rings for ever does not keep other guests' kicks from the root. */
static void test_doorbells_and_kicks_alternate(void **state)
{
	struct heard h = { 0 };

	(void)state;
	root_starts(&cpu[0]);
	for (uint32_t i = 0; i < 5 * HV_SIGNAL_PAIRS_MAX; i++)
		kick(&cpu[0], 2, i);
	for (unsigned int i = 0; i < 20; i++) {
		synic_ring(&cpu[0], 5, 1 + i);
		assert_true(root_takes(&cpu[0], &h));
	}
	assert_int_equal(h.kicks, 5 * HV_SIGNAL_PAIRS_MAX);
	assert_int_equal(h.doorbells, 20 - h.kicks / HV_SIGNAL_PAIRS_MAX - 1);
}

/* Linux takes a processor offline, by each of the three registers. */
static void test_moved_when_it_stops(void **state)
{
	static const struct {
		uint32_t msr;
		uint64_t value;
	} stop[] = {
		{ HV_MSR_SCONTROL, 0 },
		{ HV_MSR_SIMP, 0 },
		{ HV_MSR_SINT0, VECTOR | HV_SINT_MASKED },
	};

	for (size_t n = 0; n < ARRAY_SIZE(stop); n++) {
		struct heard h = { 0 }, other = { 0 };
		uint32_t i;

		root_starts(&cpu[0]);
		root_starts(&cpu[2]);
		for (i = 0; i < 1 + 3 * HV_SIGNAL_PAIRS_MAX; i++)
			kick(&cpu[2], 2, i);
		set(&cpu[2], stop[n].msr, stop[n].value);
		while (root_takes(&cpu[0], &other))
			;
		assert_int_equal(other.kicks, 3 * HV_SIGNAL_PAIRS_MAX);
		/* The one in the slot is the root's already. */
		assert_true(root_takes(&cpu[2], &h));
		assert_false(root_takes(&cpu[2], &h));
		assert_int_equal(h.kicks, 1);
		/* Later ones find their way too. */
		kick(&cpu[2], 2, 7);
		assert_true(root_takes(&cpu[0], &other));
		assert_int_equal(other.last_vp, 7);
		teardown(state);
		setup(state);
	}
}

#define RUNG (HV_EVENT_RING_ENTRIES + 5)

static void test_doorbells_move_when_it_stops(void **state)
{
	struct heard h = { 0 }, other = { 0 };
	unsigned int sum = 0;

	(void)state;
	root_starts(&cpu[0]);
	root_starts(&cpu[1]);
	kick(&cpu[1], 2, 0);
	for (uint32_t i = 1; i <= RUNG; i++)
		synic_ring(&cpu[1], 5, i);
	set(&cpu[1], HV_MSR_SINT0, VECTOR | HV_SINT_MASKED);
	while (root_takes(&cpu[0], &other))
		;
	assert_true(other.doorbells > 0);
	assert_int_equal(ring(&cpu[0])->ring_full, 1);
	/* The root empties the ring: each has come once. */
	for (unsigned int i = 0; i < HV_EVENT_RING_ENTRIES; i++)
		sum += ring(&cpu[0])->data[i];
	memset(ring(&cpu[0])->data, 0, sizeof(ring(&cpu[0])->data));
	synic_ring_empty(5);
	for (unsigned int i = 0; i < HV_EVENT_RING_ENTRIES; i++)
		sum += ring(&cpu[0])->data[i];
	assert_int_equal(sum, RUNG * (RUNG + 1) / 2);
	/* Back again: Linux goes on reading where it was, at the first free entry. */
	assert_true(root_takes(&cpu[1], &h));
	assert_int_equal(ring(&cpu[1])->data[0], 0);
	set(&cpu[1], HV_MSR_SINT0, VECTOR);
	synic_ring(&cpu[1], 5, 99);
	assert_int_equal(ring(&cpu[1])->data[0], 99);
}

/* Nobody listened when it came; whoever listens first gets it. */
static void test_first_to_start_takes_all(void **state)
{
	struct heard h = { 0 };

	(void)state;
	kick(&cpu[0], 2, 1);
	kick(&cpu[1], 2, 2);
	kick(&cpu[2], 2, 3);
	synic_ring(&cpu[0], 5, 44);
	root_starts(&cpu[1]);
	while (root_takes(&cpu[1], &h))
		;
	assert_int_equal(h.kicks, 3);
	assert_int_equal(h.doorbells, 1);
	assert_int_equal(ring(&cpu[1])->data[0], 44);
}

/* A VP that is deleted is no longer told of, wherever its kick waits. */
static void test_cancelled(void **state)
{
	struct heard h = { 0 };

	(void)state;
	root_starts(&cpu[0]);
	for (uint32_t i = 0; i < 5; i++)
		kick(&cpu[0], 2, i);
	synic_cancel(&vps[0]); /* told already */
	synic_cancel(&vps[2]);
	synic_cancel(&vps[4]);
	kick(&cpu[0], 2, 5);
	assert_true(root_takes(&cpu[0], &h));
	assert_true(root_takes(&cpu[0], &h));
	assert_false(root_takes(&cpu[0], &h));
	assert_int_equal(h.kicks, 4);
	assert_int_equal(h.last_vp, 5);
	synic_cancel(&vps[5]);
	kick(&cpu[0], 2, 2); /* and may come back */
	assert_true(root_takes(&cpu[0], &h));
	assert_int_equal(h.last_vp, 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_pages_differ),
		T(test_kick),
		T(test_kicks_gather),
		T(test_kicks_late),
		T(test_flag_set_too_late),
		T(test_other_processor_takes_over),
		T(test_kept_while_masked),
		T(test_late_interrupt_unwanted),
		T(test_doorbells),
		T(test_full_ring),
		T(test_bad_writes),
		T(test_any_number_of_kicks),
		T(test_doorbells_and_kicks_alternate),
		T(test_moved_when_it_stops),
		T(test_doorbells_move_when_it_stops),
		T(test_first_to_start_takes_all),
		T(test_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
