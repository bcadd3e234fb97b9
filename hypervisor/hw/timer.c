/* SPDX-License-Identifier: MIT */
#include "hypervisor/hw/timer.h"

#include "hypervisor/cpu.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/hw/lapic.h"
#include "hypervisor/log.h"

/*
 * The list is the truth, the LAPIC timer a wake-up call: whenever one comes,
 * or by chance, timer_run() looks at the TSC. An early call costs one more
 * programming; a lost one cannot be, for due timers are never programmed but
 * called for by an interrupt to ourselves.
 *
 * cpu->timer_lock guards the list and timer->cpu. A timer is armed by one CPU
 * at a time (its owner's lock is held by the caller).
 */

/* The counter has 32 bits; later deadlines are approached in steps. */
#define COUNT_MAX 0x7fffffffull

static uint32_t ticks_until(uint64_t tsc_delta)
{
	uint64_t apic = clock_apic_hz(), tsc = clock_tsc_hz();
	uint64_t max = COUNT_MAX * (tsc / 1000) / (apic / 1000);
	uint64_t ticks;

	if (tsc_delta >= max)
		return (uint32_t)COUNT_MAX;
	/* Rounded up: rather one interrupt late by a tick than two. */
	ticks = tsc_delta * (apic / 1000) / (tsc / 1000) + 1;
	return (uint32_t)MIN(ticks, COUNT_MAX);
}

/* Timer lock held, current CPU. */
static void program(struct cpu *cpu)
{
	uint64_t deadline = cpu->timers ? cpu->timers->deadline : 0;
	uint64_t now;

	if (deadline == cpu->timer_programmed)
		return;
	cpu->timer_programmed = deadline;
	if (!deadline) {
		lapic_write(LAPIC_TIMER_INITIAL, 0);
		return;
	}
	now = rdtsc();
	if (deadline <= now) {
		lapic_write(LAPIC_TIMER_INITIAL, 0);
		lapic_send(cpu, cpu->timer_vector);
		return;
	}
	/*
	 * All three every time: disabling and enabling the APIC, or an INIT,
	 * leaves the LVT masked without our seeing it.
	 */
	lapic_write(LAPIC_TIMER_DIVIDE, LAPIC_DIVIDE_1);
	lapic_write(LAPIC_LVT_TIMER, cpu->timer_vector);
	lapic_write(LAPIC_TIMER_INITIAL, ticks_until(deadline - now));
}

static void unlink(struct cpu *cpu, struct timer *t)
{
	struct timer **p = &cpu->timers;

	while (*p && *p != t)
		p = &(*p)->next;
	CHECK(*p == t);
	*p = t->next;
	t->next = NULL;
	t->cpu = NULL;
}

/* Not on any list afterwards, unless another CPU arms it at this moment. */
static void disarm(struct timer *t)
{
	struct cpu *cpu;

	while ((cpu = READ_ONCE(t->cpu)) != NULL) {
		lock_take(&cpu->timer_lock);
		if (t->cpu == cpu)
			unlink(cpu, t);
		/* A remote CPU's hardware may now fire for nothing; that is harmless. */
		if (cpu == cpu_this())
			program(cpu);
		lock_drop(&cpu->timer_lock);
	}
}

void timer_arm(struct timer *t, uint64_t deadline_tsc)
{
	struct cpu *cpu = cpu_this();
	struct timer **p = &cpu->timers;

	disarm(t);
	lock_scope(&cpu->timer_lock);
	t->deadline = deadline_tsc ? deadline_tsc : 1; /* 0 means "stopped" */
	t->cpu = cpu;
	while (*p && (*p)->deadline <= t->deadline)
		p = &(*p)->next;
	t->next = *p;
	*p = t;
	program(cpu);
}

void timer_cancel(struct timer *t)
{
	disarm(t);
	/* Its callback may run elsewhere right now; see timer_run. */
	for (unsigned int i = 0; i < cpu_count; i++) {
		while (READ_ONCE(cpus[i]->timer_firing) == t)
			cpu_relax();
	}
}

bool timer_due(void)
{
	struct cpu *cpu = cpu_this();

	lock_scope(&cpu->timer_lock);
	return cpu->timers && cpu->timers->deadline <= rdtsc();
}

void timer_run(void)
{
	struct cpu *cpu = cpu_this();

	lock_take(&cpu->timer_lock);
	while (cpu->timers && cpu->timers->deadline <= rdtsc()) {
		struct timer *t = cpu->timers;

		WRITE_ONCE(cpu->timer_firing, t);
		unlink(cpu, t);
		lock_drop(&cpu->timer_lock);
		t->fire(t);
		WRITE_ONCE(cpu->timer_firing, NULL);
		lock_take(&cpu->timer_lock);
	}
	program(cpu);
	lock_drop(&cpu->timer_lock);
}

void timer_interrupt(void)
{
	/* The one-shot is spent, or was masked behind our back: program it anew. */
	cpu_this()->timer_programmed = 0;
	timer_run();
}
