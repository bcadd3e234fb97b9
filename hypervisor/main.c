/* SPDX-License-Identifier: MIT */
/*
 * The launch: from launch_hv's caller on the bare machine to the same caller
 * as the root partition's first virtual processor. Firmware is gone by now
 * (efi/ has left us boot_info), nothing else runs yet, interrupts are off.
 */
#include "abi/mshv_efi.h"
#include "hypervisor/cpu.h"
#include "hypervisor/hv/partition.h"
#include "hypervisor/hv/rootmsr.h"
#include "hypervisor/hv/stats.h"
#include "hypervisor/hv/stimer.h"
#include "hypervisor/hv/synic.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/hw/mtrr.h"
#include "hypervisor/hw/power.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/mem/paging.h"
#include "hypervisor/mem/rootmem.h"
#include "hypervisor/svm/root.h"
#include "hypervisor/svm/svm.h"
#include "hypervisor/vcpu.h"
#include "hypervisor/x86.h"

static bool launched; /* or tried to: there is one attempt */

static enum launch_status check_caller(void)
{
	if (launched)
		return LAUNCH_AGAIN;
	launched = true;
	/* Our page tables have four levels, and CR4.LA57 cannot change under paging. */
	if (read_cr4() & CR4_LA57)
		return LAUNCH_LA57;
	if (!svm_present())
		return LAUNCH_SVM;
	return LAUNCH_OK;
}

static enum launch_status memory_create(void)
{
	pages_init(boot_info.pool.base, boot_info.pool.size);
	if (!paging_build(boot_info.ram_top))
		return LAUNCH_NO_MEMORY;
	paging_load();
	return LAUNCH_OK;
}

static enum launch_status processors_create(void)
{
	if (!cpus_create())
		return LAUNCH_NO_MEMORY;
	cpu_load_tables(cpus[0]);
	return LAUNCH_OK;
}

static enum launch_status clocks_create(void)
{
	clock_init(boot_info.pm_timer);
	power_init(boot_info.pm1a_cnt, boot_info.pm1b_cnt);
	log_line("hypervisor: clocks (TSC %llu kHz, local APIC timer %llu kHz)",
		 LLU(clock_tsc_hz()) / 1000, LLU(clock_apic_hz()) / 1000);
	return LAUNCH_OK;
}

static enum launch_status svm_create(void)
{
	if (!svm_enable(cpus[0]))
		return LAUNCH_SVM;
	log_line("hypervisor: %u processors, AMD SVM revision %u (features %#x), %u address spaces",
		 cpu_count, svm_features.revision, svm_features.word, svm_features.asids);
	return LAUNCH_OK;
}

/* The root partition: its memory, and per processor what it finds there. */
static enum launch_status root_partition_create(void)
{
	if (!rootmem_build() || !rootmsr_create() || !pages_deposits_create())
		return LAUNCH_NO_MEMORY;
	for (unsigned int i = 0; i < cpu_count; i++) {
		if (!stats_create(cpus[i]) || !synic_create(cpus[i]) || !stimer_create(cpus[i]) ||
		    !root_create(cpus[i]))
			return LAUNCH_NO_MEMORY;
	}
	log_line("hypervisor: root partition (%u of %u pool pages left)", pages_free_count(),
		 (unsigned int)(boot_info.pool.size >> PAGE_SHIFT));
	return LAUNCH_OK;
}

/* On each other processor, from its trampoline. */
static void other_processor(struct cpu *cpu)
{
	mtrr_load();
	if (!svm_enable(cpu)) {
		cpu->failed = true;
		for (;;)
			cpu_relax();
	}
	cpu->ready = true;
	root_park(cpu);
}

static enum launch_status processors_start(void)
{
	mtrr_save();
	if (!cpus_start(other_processor))
		return LAUNCH_AP_SILENT;
	log_line("hypervisor: other processors parked");
	return LAUNCH_OK;
}

static enum launch_status guests_prepare(void)
{
	partition_init();
	return vcpu_init() ? LAUNCH_OK : LAUNCH_NO_MEMORY;
}

static enum launch_status (*const steps[])(void) = {
	memory_create,	       processors_create, clocks_create,    svm_create,
	root_partition_create, guests_prepare,	  processors_start,
};

/* For the stub to print. A silent processor has been named where it was found. */
static void say_why(enum launch_status status)
{
	static const char *const reasons[] = {
		[LAUNCH_AGAIN] = "it was launched before",
		[LAUNCH_LA57] = "5-level paging is on (CR4.LA57)",
		[LAUNCH_NO_MEMORY] = "its memory pool is too small for this machine",
		[LAUNCH_SVM] = "AMD SVM is off or locked on the first processor",
	};

	if (status < ARRAY_SIZE(reasons) && reasons[status])
		launch_refused(reasons[status]);
	log_line("hypervisor: launch failed (status %u)", status);
}

void hv_launch(struct launch_context *ctx, struct mshv_launch_return *ret)
{
	enum launch_status status;

	log_init();
	status = check_caller();
	if (status == LAUNCH_OK)
		root_capture(ctx);
	for (unsigned int i = 0; status == LAUNCH_OK && i < ARRAY_SIZE(steps); i++)
		status = steps[i]();
	ret->launch_status = status;
	if (status != LAUNCH_OK) {
		say_why(status);
		if (status != LAUNCH_AGAIN)
			svm_disable();
		return;
	}
	log_line("hypervisor: root partition continues at %#llx (TSC %llu)", LLU(ctx->rip),
		 LLU(rdtsc()));
	log_serial_off();
	root_resume(cpus[0]);
}
