/* SPDX-License-Identifier: MIT */
/*
 * What the firmware-time half (efi/) hands to the resident half (main.c) at
 * launch. Filled while boot services live, read once after ExitBootServices;
 * lives in the hypervisor's own memory.
 */
#ifndef HYPERVISOR_LAUNCH_H
#define HYPERVISOR_LAUNCH_H

#include "base/base.h"

#define HV_CPUS_MAX		64
#define HV_RUNTIME_RANGES_MAX	64

struct boot_processor {
	uint32_t apic_id;
	uint32_t acpi_uid;
};

struct boot_range {
	uint64_t base;			/* physical, bytes */
	uint64_t size;
};

struct boot_info {
	struct boot_range image;	/* this PE image, as loaded */
	struct boot_range pool;		/* private pages, page aligned */
	uint64_t trampoline;		/* one page below 640 KiB for AP start-up */
	uint64_t ram_top;		/* first byte above the memory map's highest range */

	unsigned int processor_count;	/* enabled in the MADT, in MADT order */
	struct boot_processor processor[HV_CPUS_MAX];

	uint16_t pm1a_cnt, pm1b_cnt;	/* FADT ports, 0 if absent */
	uint16_t pm_timer;		/* FADT port, 0 if absent */
	uint64_t rsdp;

	unsigned int runtime_count;	/* UEFI runtime ranges registered by the stub */
	struct boot_range runtime[HV_RUNTIME_RANGES_MAX];
};

/* Registers of launch_hv's caller, as launch.S saved them (Microsoft x64 ABI). */
struct launch_context {
	uint64_t rbx, rbp, rsi, rdi, r12, r13, r14, r15;
	uint64_t rip;			/* return address into the caller */
	uint64_t rsp;			/* as it is after the return */
	uint64_t rflags;
	uint8_t xmm[10][16];		/* xmm6 … xmm15 are callee-saved */
};

enum launch_status {
	LAUNCH_OK = 0,
	LAUNCH_AGAIN,			/* called a second time */
	LAUNCH_LA57,			/* caller uses 5-level paging */
	LAUNCH_NO_MEMORY,		/* private pool too small */
	LAUNCH_AP_SILENT,		/* a processor did not answer INIT/SIPI */
	LAUNCH_SVM,			/* a processor refused SVM */
};

/*
 * launch.S: save the caller in a launch_context on the stack and call
 * hv_launch. Returns to its caller twice-looking-like-once: on success as
 * the root partition's first virtual processor with RAX = LAUNCH_OK, on
 * failure on the bare machine with the status. Called by efi/ with interrupts
 * in any state; after ExitBootServices only.
 */
uint64_t hv_launch_enter(struct boot_info *info);

/*
 * main.c: the launch, step by step, on the bootstrap processor. Does not
 * return on success (world.S resumes @ctx inside the root partition).
 */
uint64_t hv_launch(struct boot_info *info, struct launch_context *ctx);

#endif
