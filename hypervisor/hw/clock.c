/* SPDX-License-Identifier: MIT */
#include "hypervisor/hw/clock.h"

#include "hypervisor/hw/lapic.h"
#include "hypervisor/lock.h"
#include "hypervisor/log.h"
#include "hypervisor/x86.h"

#define REFERENCE_HZ   10000000u /* 100 ns */

/* ACPI "Power Management Timer": at least 24 bits. */
#define PM_HZ	       3579545u
#define PM_MASK	       0xffffffu

/* 8254: channel 2 counts down behind port 61h's gate. */
#define PIT_HZ	       1193182u
#define PIT_CHANNEL2   0x42u
#define PIT_COMMAND    0x43u
#define PIT_C2_LATCH   0x80u
#define PIT_C2_MODE0   0xb0u /* low and high byte, count to terminal */
#define PORT_B	       0x61u
#define PORT_B_GATE2   0x01u
#define PORT_B_SPEAKER 0x02u

#define MEASURE_MS     10u
/* A reading during which the machine was away for longer is thrown away. */
#define READ_TRIES     20u

static uint64_t tsc_hz, apic_hz;
static uint64_t tsc_start, ref_start; /* the launch, as TSC and as TSC * scale */
static uint64_t scale;		      /* 100 ns units per TSC tick, 64 fraction bits */

static uint64_t mul_hi(uint64_t a, uint64_t b)
{
	return (uint64_t)((unsigned __int128)a * b >> 64);
}

/* a * b / c without a 128-bit division, which would be a library call; result must fit. */
static uint64_t mul_div(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t high, low, quotient, rest;

	__asm__("mulq %3" : "=a"(low), "=d"(high) : "a"(a), "rm"(b));
	__asm__("divq %4" : "=a"(quotient), "=d"(rest) : "a"(low), "d"(high), "rm"(c));
	return quotient;
}

/* --- reference counters --- */

static uint16_t pm_port;

static uint32_t pm_count(void)
{
	return inl(pm_port) & PM_MASK;
}

static uint32_t pit_count(void)
{
	uint32_t lo;

	outb(PIT_COMMAND, PIT_C2_LATCH);
	lo = inb(PIT_CHANNEL2);
	/* Counts down; callers want up. */
	return 0xffffu - (lo | (uint32_t)inb(PIT_CHANNEL2) << 8);
}

static void pit_start(void)
{
	outb(PORT_B, (uint8_t)((inb(PORT_B) & ~PORT_B_SPEAKER) | PORT_B_GATE2));
	outb(PIT_COMMAND, PIT_C2_MODE0);
	outb(PIT_CHANNEL2, 0xff);
	outb(PIT_CHANNEL2, 0xff);
}

struct counter {
	uint32_t (*read)(void);
	uint32_t mask;
	uint32_t hz;
};

struct sample {
	uint64_t tsc;
	uint32_t count;
	uint32_t apic;
};

/* The tightest of several readings: emulators and SMIs may be away in between. */
static struct sample sample(const struct counter *c)
{
	struct sample best = { 0 };
	uint64_t best_width = UINT64_MAX;

	for (unsigned int i = 0; i < READ_TRIES; i++) {
		uint64_t before = rdtsc();
		uint32_t count = c->read();
		uint64_t after = rdtsc();
		uint32_t apic = lapic_read(LAPIC_TIMER_CURRENT);

		if (after - before < best_width) {
			best_width = after - before;
			best = (struct sample){ before + best_width / 2, count, apic };
		}
	}
	return best;
}

void clock_init(uint16_t pm_timer_port)
{
	struct counter counter = { pit_count, 0xffff, PIT_HZ };
	struct sample first, last;
	uint32_t wanted, passed;

	if (pm_timer_port) {
		pm_port = pm_timer_port;
		counter = (struct counter){ pm_count, PM_MASK, PM_HZ };
	} else {
		pit_start();
	}

	/* Masked: nothing is delivered, the count runs all the same. */
	lapic_write(LAPIC_TIMER_DIVIDE, LAPIC_DIVIDE_1);
	lapic_write(LAPIC_LVT_TIMER, LAPIC_LVT_MASKED);
	lapic_write(LAPIC_TIMER_INITIAL, UINT32_MAX);

	first = sample(&counter);
	wanted = counter.hz / 1000 * MEASURE_MS;
	while (((counter.read() - first.count) & counter.mask) < wanted)
		cpu_relax();
	last = sample(&counter);
	lapic_write(LAPIC_TIMER_INITIAL, 0);

	passed = (last.count - first.count) & counter.mask;
	tsc_hz = mul_div(last.tsc - first.tsc, counter.hz, passed);
	apic_hz = mul_div(first.apic - last.apic, counter.hz, passed);
	tsc_start = rdtsc();
	/* TLFS "Reference TSC": scale = 10^7 * 2^64 / frequency. */
	scale = mul_div(REFERENCE_HZ, UINT64_MAX, tsc_hz);
	ref_start = mul_hi(tsc_start, scale);
	CHECK(tsc_hz > REFERENCE_HZ && apic_hz > 0);
}

uint64_t clock_tsc_hz(void)
{
	return tsc_hz;
}

uint64_t clock_apic_hz(void)
{
	return apic_hz;
}

uint64_t clock_reference_of_tsc(uint64_t tsc)
{
	/* As the TSC page has the root compute it, so that both always agree. */
	return mul_hi(tsc, scale) - ref_start;
}

uint64_t clock_ticks_of_us(uint32_t us)
{
	return clock_tsc_hz() / 1000000 * us;
}

uint64_t clock_reference_units(uint64_t ticks)
{
	return mul_hi(ticks, scale);
}

uint64_t clock_reference(void)
{
	return clock_reference_of_tsc(rdtsc());
}

uint64_t clock_tsc_of_reference(uint64_t ref)
{
	/* Far futures (a timer set to "never") must not overflow the division. */
	if (ref > UINT64_MAX / 2 / (tsc_hz / REFERENCE_HZ + 1))
		return UINT64_MAX;
	/* One unit more: rounding must not let a timer fire before its time. */
	return tsc_start + mul_div(ref + 1, tsc_hz, REFERENCE_HZ);
}

void clock_tsc_page(uint64_t *out_scale, int64_t *out_offset)
{
	*out_scale = scale;
	*out_offset = -(int64_t)ref_start;
}

void clock_delay_us(uint32_t us)
{
	uint64_t until = rdtsc() + clock_ticks_of_us(us);

	while (rdtsc() < until)
		cpu_relax();
}
