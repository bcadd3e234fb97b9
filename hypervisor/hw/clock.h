/* SPDX-License-Identifier: MIT */
/*
 * Time. The TSC is the only clock; its rate is measured once at launch
 * against the ACPI PM timer (or the PIT). Reference time is 100 ns units
 * since launch, monotonic and equal on all CPUs (TLFS "Partition Reference
 * Time").
 */
#ifndef HYPERVISOR_HW_CLOCK_H
#define HYPERVISOR_HW_CLOCK_H

#include "base/base.h"

void clock_init(uint16_t pm_timer_port);
uint64_t clock_tsc_hz(void);
uint64_t clock_apic_hz(void);	/* LAPIC timer input */
uint64_t clock_reference(void); /* 100 ns since launch */
uint64_t clock_reference_of_tsc(uint64_t tsc);
uint64_t clock_ticks_of_us(uint32_t us);	/* duration in TSC ticks */
uint64_t clock_reference_units(uint64_t ticks); /* duration in 100 ns */
uint64_t clock_tsc_of_reference(uint64_t ref);	/* TSC value at reference time @ref */
/* TSC page parameters: ref = (tsc * scale >> 64) + offset. */
void clock_tsc_page(uint64_t *scale, int64_t *offset);

/* Busy wait; start-up only. */
void clock_delay_us(uint32_t us);

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

#endif
