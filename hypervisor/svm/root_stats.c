/* SPDX-License-Identifier: MIT */
/* What the root's exits leave in statistics pages. */
#include "hypervisor/counters.h"
#include "hypervisor/cpu.h"
#include "hypervisor/svm/root.h"

static unsigned int exit_counter(uint64_t code)
{
	switch (code) {
	case SVM_EXIT_INTR:
		return VP_COUNTER_EXTERNAL_INTERRUPTS;
	case SVM_EXIT_CPUID:
		return VP_COUNTER_CPUID;
	case SVM_EXIT_MSR:
		return VP_COUNTER_MSR;
	case SVM_EXIT_VMMCALL:
		return VP_COUNTER_HYPERCALLS;
	case SVM_EXIT_NPF:
		return VP_COUNTER_NESTED_FAULTS;
	case SVM_EXIT_HLT:
		return VP_COUNTER_HLT;
	default:
		return VP_COUNTER_OTHER_INTERCEPTS;
	}
}

uint64_t root_account(struct cpu *cpu, uint64_t code, uint64_t entered, uint64_t left,
		      uint64_t guests)
{
	uint64_t now = rdtsc();
	uint64_t ours = now - left - guests;

	count_timed(cpu->vp_stats, exit_counter(code), ours);
	count_time(cpu->vp_stats, VP_COUNTER_HYPERVISOR_RUN_TIME, ours);
	count_time(cpu->vp_stats, VP_COUNTER_TOTAL_RUN_TIME, now - entered - guests);
	count_time(cpu->lp_stats, LP_COUNTER_HYPERVISOR_RUN_TIME, ours);
	count_time(cpu->lp_stats, LP_COUNTER_TOTAL_RUN_TIME, now - entered);
	cpu->lp_stats->value[LP_COUNTER_GLOBAL_TIME] = clock_reference_of_tsc(now);
	return now;
}
