/* SPDX-License-Identifier: MIT */
/* All suites, on two fake processors of which this is the first. */
#include "tests/unit/hv_guest.h"

#include <asm/prctl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hypervisor/hv/stats.h"
#include "hypervisor/hv/synic.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/hw/power.h"
#include "hypervisor/trace.h"

/* The root's own calls are not made here. */
void synic_ring_empty(unsigned int sint)
{
	fail_msg("ring %u", sint);
}

uint64_t clock_reference(void)
{
	fail_msg("the root's time");
	return 0;
}

void power_set_s5(uint8_t pm1a, uint8_t pm1b)
{
	fail_msg("power %u %u", pm1a, pm1b);
}

void power_off(void)
{
	fail_msg("power off");
	abort();
}

#define SUITE(name_)                                      \
	{                                                 \
		name_##_tests, name_##_test_count, #name_ \
	}

int main(void)
{
	const struct {
		const struct CMUnitTest *tests;
		size_t count;
		const char *name;
	} suite[] = {
		SUITE(memory), SUITE(access), SUITE(lapic),	SUITE(run),
		SUITE(event),  SUITE(state),  SUITE(observe),	SUITE(synic),
		SUITE(timer),  SUITE(call),   SUITE(intercept), SUITE(page),
	};
	static _Alignas(4096) uint8_t input[4096];
	int failed = 0;

	for (unsigned int i = 0; i < cpu_count; i++) {
		cpus[i]->self = cpus[i];
		cpus[i]->index = i;
		cpus[i]->hvcall_in = input;
	}
	/* cpu_this() reads %gs:0; the host's programs do not use %gs. */
	if (syscall(SYS_arch_prctl, ARCH_SET_GS, cpus[0])) {
		perror("arch_prctl");
		return 1;
	}
	partition_init();
	for (unsigned int i = 0; i < cpu_count; i++) {
		if (!trace_create(cpus[i]) || !stats_create(cpus[i]))
			return 1;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(suite); i++)
		failed += _cmocka_run_group_tests(suite[i].name, suite[i].tests, suite[i].count,
						  NULL, NULL);
	return failed != 0;
}
