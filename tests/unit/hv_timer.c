/* SPDX-License-Identifier: MIT */
/* hypervisor/hw/timer.c and hv/stimer.c over a LAPIC of paper and the real TSC. */
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
#include "hypervisor/hv/stimer.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/hw/lapic.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"

#define TSC_HZ	     2000000000u
#define TSC_PER_UNIT (TSC_HZ / 10000000)
#define LONG	     ((uint64_t)TSC_HZ * 100)

/* --- the rest of the hypervisor --- */

struct cpu *cpus[HV_CPUS_MAX];
unsigned int cpu_count = 1;

static struct cpu cpu;
static uint32_t initial_count, lvt;
static unsigned int self_ipis;
static uint8_t last_vector;

uint64_t clock_tsc_hz(void)
{
	return TSC_HZ;
}

uint64_t clock_apic_hz(void)
{
	return TSC_HZ / 2;
}

uint64_t clock_reference(void)
{
	return rdtsc() / TSC_PER_UNIT;
}

uint64_t clock_tsc_of_reference(uint64_t ref)
{
	return ref * TSC_PER_UNIT;
}

void lapic_write(unsigned int reg, uint32_t val)
{
	if (reg == LAPIC_TIMER_INITIAL)
		initial_count = val;
	else if (reg == LAPIC_LVT_TIMER)
		lvt = val;
}

void lapic_send(struct cpu *target, uint8_t vector)
{
	assert_ptr_equal(target, &cpu);
	self_ipis++;
	last_vector = vector;
}

void *page_alloc(void)
{
	void *p = aligned_alloc(PAGE_SIZE, PAGE_SIZE);

	memset(p, 0, PAGE_SIZE);
	return p;
}

void panic(const char *fmt, ...)
{
	fail_msg("panic: %s", fmt);
	abort();
}

static int setup(void **state)
{
	(void)state;
	memset(&cpu, 0, sizeof(cpu));
	cpus[0] = &cpu;
	cpu.self = &cpu;
	initial_count = lvt = 0;
	self_ipis = 0;
	assert_int_equal(syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu), 0);
	assert_true(stimer_create(&cpu));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(cpu.stimers);
	return 0;
}

/* --- timers --- */

static unsigned int order, fired_a, fired_b;

static void fire_a(struct timer *t)
{
	assert_null(t->cpu);
	fired_a = ++order;
}

static void fire_b(struct timer *t)
{
	(void)t;
	fired_b = ++order;
}

static void test_far_deadline(void **state)
{
	struct timer a = { .fire = fire_a };

	(void)state;
	order = fired_a = 0;
	timer_arm(&a, rdtsc() + LONG / 100);
	/* A second is 10^9 ticks of this LAPIC; some TSC went by meanwhile. */
	assert_in_range(initial_count, 900000000, 1000000100);
	assert_int_equal(lvt, cpu.timer_vector);
	assert_int_equal(self_ipis, 0);
	assert_false(timer_due());
	timer_run();
	assert_int_equal(fired_a, 0);
	timer_cancel(&a);
	assert_int_equal(initial_count, 0);
}

/* What 32 bits of counter cannot hold is approached in steps. */
static void test_very_far_deadline(void **state)
{
	struct timer a = { .fire = fire_a };

	(void)state;
	timer_arm(&a, UINT64_MAX);
	assert_int_equal(initial_count, 0x7fffffff);
	timer_cancel(&a);
}

static void test_past_deadline_is_not_lost(void **state)
{
	struct timer a = { .fire = fire_a };

	(void)state;
	order = fired_a = 0;
	timer_arm(&a, 1);
	assert_int_equal(self_ipis, 1);
	assert_int_equal(last_vector, cpu.timer_vector);
	assert_true(timer_due());
	timer_interrupt();
	assert_int_equal(fired_a, 1);
	assert_null(cpu.timers);
}

static void test_order(void **state)
{
	struct timer a = { .fire = fire_a }, b = { .fire = fire_b };

	(void)state;
	order = fired_a = fired_b = 0;
	timer_arm(&a, 2000);
	timer_arm(&b, 1000);
	timer_run();
	assert_int_equal(fired_b, 1);
	assert_int_equal(fired_a, 2);
}

static void test_rearm_moves(void **state)
{
	struct timer a = { .fire = fire_a }, b = { .fire = fire_b };

	(void)state;
	order = fired_a = fired_b = 0;
	timer_arm(&a, 1000);
	timer_arm(&b, rdtsc() + LONG);
	timer_arm(&a, rdtsc() + 2 * LONG);
	timer_run();
	assert_int_equal(order, 0);
	assert_ptr_equal(cpu.timers, &b);
	assert_ptr_equal(b.next, &a);
	timer_cancel(&b);
	timer_cancel(&a);
	timer_cancel(&a);
	assert_null(cpu.timers);
}

static struct timer *again;

static void fire_again(struct timer *t)
{
	if (++order < 3)
		timer_arm(t, 1000 + order);
	else
		timer_arm(again, rdtsc() + LONG);
}

static void test_rearm_in_callback(void **state)
{
	struct timer a = { .fire = fire_again };

	(void)state;
	order = 0;
	again = &a;
	timer_arm(&a, 1000);
	timer_run();
	assert_int_equal(order, 3);
	assert_ptr_equal(cpu.timers, &a);
	timer_cancel(&a);
}

/* --- the root's synthetic timer --- */

#define CONFIG HV_MSR_STIMER0_CONFIG
#define COUNT  HV_MSR_STIMER0_COUNT
#define DIRECT (HV_STIMER_DIRECT | 0xedull << HV_STIMER_VECTOR_SHIFT)

static void set(uint32_t msr, uint64_t v)
{
	assert_true(stimer_msr_write(&cpu, msr, v));
}

static uint64_t get(uint32_t msr)
{
	uint64_t v;

	assert_true(stimer_msr_read(&cpu, msr, &v));
	return v;
}

/* As Linux does it: hv_ce_set_oneshot, hv_ce_set_next_event. */
static void test_one_shot(void **state)
{
	(void)state;
	set(CONFIG, DIRECT | HV_STIMER_ENABLE | HV_STIMER_AUTO_ENABLE);
	assert_null(cpu.timers);
	set(COUNT, clock_reference() - 5);
	assert_int_equal(self_ipis, 1);
	assert_true(stimer_interrupt(&cpu));
	/* The acceptance itself is the interrupt: no second one. */
	assert_int_equal(self_ipis, 1);
	assert_int_equal(get(CONFIG) & HV_STIMER_ENABLE, 0);
	assert_false(stimer_interrupt(&cpu));

	set(COUNT, clock_reference() + 10000000);
	assert_true(get(CONFIG) & HV_STIMER_ENABLE);
	assert_non_null(cpu.timers);
	set(COUNT, 0);
	assert_null(cpu.timers);
	assert_int_equal(get(CONFIG) & HV_STIMER_ENABLE, 0);
}

/* A hypervisor timer that is due gives the root nothing. */
static void test_own_timer_is_not_the_roots(void **state)
{
	struct timer a = { .fire = fire_a };

	(void)state;
	order = 0;
	set(CONFIG, DIRECT | HV_STIMER_AUTO_ENABLE);
	set(COUNT, clock_reference() + 100000000);
	timer_arm(&a, 1);
	assert_false(stimer_interrupt(&cpu));
	assert_int_equal(order, 1);
	set(COUNT, 0);
}

/* Expired while a guest was being entered: the root's interrupt is sent for. */
static void test_expiry_outside_interrupt(void **state)
{
	(void)state;
	set(CONFIG, DIRECT | HV_STIMER_AUTO_ENABLE);
	set(COUNT, 1);
	self_ipis = 0;
	timer_run();
	assert_int_equal(self_ipis, 1);
	assert_int_equal(last_vector, 0xed);
	assert_true(stimer_interrupt(&cpu));
	assert_false(stimer_interrupt(&cpu));
}

static void test_periodic(void **state)
{
	(void)state;
	set(COUNT, 2000);
	set(CONFIG, DIRECT | HV_STIMER_ENABLE | HV_STIMER_PERIODIC);
	assert_non_null(cpu.timers);
	for (uint64_t until = rdtsc() + 4000 * TSC_PER_UNIT; rdtsc() < until;)
		;
	assert_true(stimer_interrupt(&cpu));
	assert_non_null(cpu.timers);
	assert_true(get(CONFIG) & HV_STIMER_ENABLE);
	set(CONFIG, 0);
	assert_null(cpu.timers);
}

static void test_vector_follows(void **state)
{
	(void)state;
	set(CONFIG, HV_STIMER_DIRECT | 0x55ull << HV_STIMER_VECTOR_SHIFT);
	assert_int_equal(cpu.timer_vector, 0x55);
	assert_false(stimer_msr_write(&cpu, CONFIG, HV_STIMER_DIRECT));
	assert_false(stimer_msr_write(&cpu, CONFIG, BIT64(40)));
	assert_false(stimer_msr_write(&cpu, CONFIG + 8, 0));
	/* Message mode is not offered: never enabled. */
	set(COUNT, 5);
	set(CONFIG, HV_STIMER_ENABLE | 3ull << HV_STIMER_SINT_SHIFT);
	assert_int_equal(get(CONFIG) & HV_STIMER_ENABLE, 0);
	assert_null(cpu.timers);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_far_deadline),
		T(test_very_far_deadline),
		T(test_past_deadline_is_not_lost),
		T(test_order),
		T(test_rearm_moves),
		T(test_rearm_in_callback),
		T(test_one_shot),
		T(test_own_timer_is_not_the_roots),
		T(test_expiry_outside_interrupt),
		T(test_periodic),
		T(test_vector_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
