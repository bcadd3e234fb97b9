/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/stimer.h"

#include "abi/hv/msr.h"
#include "hypervisor/cpu.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/hw/lapic.h"
#include "hypervisor/hw/timer.h"
#include "hypervisor/mem/pages.h"

#define DEFAULT_VECTOR 0xedu /* Linux: HYPERV_STIMER0_VECTOR */
#define PERIOD_MIN     1000u /* 100 µs: what a root may ask of us */
#define FIRST_VECTOR   0x20u /* below are exceptions */
#define CONFIG_MASK    0xf1fffull

struct stimer {
	struct timer timer;
	struct cpu *cpu;
	uint64_t config;
	uint64_t count;	 /* as written: absolute, or the period */
	uint64_t expiry; /* reference time */
	bool expired;	 /* interrupt owed to the root */
};

struct stimers {
	struct stimer stimer[HV_STIMER_COUNT];
	bool in_interrupt; /* the vector has been accepted already */
};

static uint8_t vector_of(const struct stimer *s)
{
	return (uint8_t)(s->config >> HV_STIMER_VECTOR_SHIFT);
}

static void arm(struct stimer *s)
{
	timer_arm(&s->timer, clock_tsc_of_reference(s->expiry));
}

static void fire(struct timer *t)
{
	struct stimer *s = container_of(t, struct stimer, timer);
	struct cpu *cpu = s->cpu;

	if (s->config & HV_STIMER_PERIODIC) {
		uint64_t now = clock_reference();

		/* Periods missed are not made up for (the "lazy" a root may ask for). */
		s->expiry += s->count;
		if (s->expiry <= now)
			s->expiry = now + s->count;
		arm(s);
	} else {
		s->config &= ~HV_STIMER_ENABLE;
	}
	s->expired = true;
	if (!cpu->stimers->in_interrupt || vector_of(s) != cpu->timer_vector)
		lapic_send(cpu, vector_of(s));
}

bool stimer_create(struct cpu *cpu)
{
	struct stimers *all = page_alloc();

	_Static_assert(sizeof(*all) <= PAGE_SIZE, "one page");
	if (!all)
		return false;
	for (unsigned int i = 0; i < HV_STIMER_COUNT; i++) {
		all->stimer[i].cpu = cpu;
		all->stimer[i].timer.fire = fire;
	}
	cpu->stimers = all;
	cpu->timer_vector = DEFAULT_VECTOR;
	return true;
}

bool stimer_interrupt(struct cpu *cpu)
{
	struct stimers *all = cpu->stimers;
	bool owed = false;

	all->in_interrupt = true;
	timer_interrupt();
	all->in_interrupt = false;
	for (unsigned int i = 0; i < HV_STIMER_COUNT; i++) {
		struct stimer *s = &all->stimer[i];

		if (s->expired && vector_of(s) == cpu->timer_vector) {
			s->expired = false;
			owed = true;
		}
	}
	return owed;
}

static void stop(struct stimer *s)
{
	timer_cancel(&s->timer);
	s->expired = false;
}

static void start(struct stimer *s)
{
	s->expiry = s->count;
	if (s->config & HV_STIMER_PERIODIC) {
		s->count = MAX(s->count, PERIOD_MIN);
		s->expiry = clock_reference() + s->count;
	}
	arm(s);
}

static bool config_write(struct stimer *s, uint64_t config)
{
	if ((config & ~CONFIG_MASK) || ((config & HV_STIMER_DIRECT) &&
					(config >> HV_STIMER_VECTOR_SHIFT & 0xff) < FIRST_VECTOR))
		return false;
	stop(s);
	/*
	 * Message mode is not offered: CPUID says direct mode, and a timer
	 * without it is one without a place to go, which stays disabled.
	 */
	if (!(config & HV_STIMER_DIRECT))
		config &= ~HV_STIMER_ENABLE;
	else if (s == s->cpu->stimers->stimer)
		s->cpu->timer_vector = (uint8_t)(config >> HV_STIMER_VECTOR_SHIFT);
	s->config = config;
	if ((config & HV_STIMER_ENABLE) && s->count)
		start(s);
	return true;
}

static void count_write(struct stimer *s, uint64_t count)
{
	stop(s);
	s->count = count;
	if (!count)
		s->config &= ~HV_STIMER_ENABLE;
	else if ((s->config & HV_STIMER_AUTO_ENABLE) && (s->config & HV_STIMER_DIRECT))
		s->config |= HV_STIMER_ENABLE;
	if (s->config & HV_STIMER_ENABLE)
		start(s);
}

/* CONFIG and COUNT of the four alternate. */
#define COUNT BIT32(0)

static struct stimer *timer_of(struct cpu *cpu, uint32_t msr)
{
	if (msr < HV_MSR_STIMER0_CONFIG || msr > HV_MSR_STIMER3_COUNT)
		return NULL;
	return &cpu->stimers->stimer[(msr - HV_MSR_STIMER0_CONFIG) / 2];
}

bool stimer_msr_read(struct cpu *cpu, uint32_t msr, uint64_t *value)
{
	const struct stimer *s = timer_of(cpu, msr);

	if (s)
		*value = msr & COUNT ? s->count : s->config;
	return s;
}

bool stimer_msr_write(struct cpu *cpu, uint32_t msr, uint64_t value)
{
	struct stimer *s = timer_of(cpu, msr);

	if (!s)
		return false;
	if (!(msr & COUNT))
		return config_write(s, value);
	count_write(s, value);
	return true;
}
