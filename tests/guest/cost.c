/* SPDX-License-Identifier: MIT */
/*
 * make bench-hv: what a guest pays for an exit, in ticks of the TSC (of which the
 * rig makes instructions). Two processors. Each figure is the mean of COUNT.
 */
#include "abi/platform.h"
#include "tests/guest/lib/guest.h"

#define COUNT	    1000U
#define PATIENCE_MS 4000

#define V_PING	    0x41
#define V_PONG	    0x51

static volatile unsigned int pongs;

static void ping(struct guest_frame *f __maybe_unused)
{
	apic_send(0, ICR_ASSERT | V_PONG);
	apic_eoi();
}

static void pong(struct guest_frame *f __maybe_unused)
{
	pongs++;
	apic_eoi();
}

static void exit_cpuid(void)
{
	uint32_t r[4];

	cpuid(0, 0, r);
}

static void exit_port(void)
{
	in8(PLATFORM_PORT_PM + PLATFORM_PM_SLEEP_STATUS);
}

/* To the other processor, which sleeps, and back, asleep. */
static void ipi(void)
{
	unsigned int before = pongs;

	apic_send(1, ICR_ASSERT | V_PING);
	while (pongs == before)
		halt();
}

static void nothing(void)
{
}

static uint64_t mean(void (*fn)(void))
{
	uint64_t start;

	fn();
	start = rdtsc();
	for (unsigned int i = 0; i < COUNT; i++)
		fn();
	return (rdtsc() - start) / COUNT;
}

static void figure(const char *what, void (*fn)(void))
{
	say("%s %llu ticks", what, (unsigned long long)(mean(fn) - mean(nothing)));
}

void guest_main(void)
{
	guest_name = "cost";
	on_vector(V_PING, ping);
	on_vector(V_PONG, pong);
	cpu_start(1);
	check("processors", wait_for(cpus_up == 2, PATIENCE_MS), "up %#x", cpus_up);
	work_give(2, apic_to_x2apic);
	work_wait(PATIENCE_MS);
	apic_to_x2apic();
	figure("cpuid", exit_cpuid);
	figure("port", exit_port);
	figure("ipi", ipi);
}
