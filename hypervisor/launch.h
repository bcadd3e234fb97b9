/* SPDX-License-Identifier: MIT */
/*
 * What the firmware-time half (efi/) hands to the resident half (main.c) at
 * launch. Filled while boot services live, read once after ExitBootServices;
 * lives in the hypervisor's own memory.
 */
#ifndef HYPERVISOR_LAUNCH_H
#define HYPERVISOR_LAUNCH_H

#include "base/base.h"

#define HV_CPUS_MAX	   64
#define HV_RAM_RANGES_MAX  128

/* Private pages: tables and per-CPU state; below 4 GiB (a starting AP loads CR3 in 32 bits). */
#define HV_POOL_SIZE	   (UINT64_C(8) << 20)
/* At most, for tables of the root: 128 GiB could be cut into small pages. */
#define HV_POOL_TABLES_MAX (UINT64_C(256) << 20)

struct mshv_launch_return; /* abi/mshv_efi.h */

struct boot_range {
	uint64_t base; /* physical, bytes */
	uint64_t size;
};

struct boot_info {
	struct boot_range image; /* this PE image, as loaded */
	struct boot_range pool;	 /* private pages, page aligned */
	uint64_t trampoline;	 /* one page below 640 KiB for AP start-up */
	uint64_t ram_top;	 /* first byte above the memory map's highest range */

	/*
	 * RAM by the firmware's memory map, whatever its use (all types but
	 * reserved, MMIO and unusable), sorted, neighbours merged; what may be
	 * a hypercall page or guest memory. Excludes nothing of ours.
	 */
	unsigned int ram_count;
	struct boot_range ram[HV_RAM_RANGES_MAX];

	unsigned int processor_count; /* enabled in the MADT, in MADT order */
	uint32_t apic_id[HV_CPUS_MAX];

	uint16_t pm1a_cnt, pm1b_cnt; /* FADT ports, 0 if absent */
	uint16_t pm_timer;	     /* FADT port, 0 if absent */
};

/* First byte above RAM, which may be far below reserved ranges. */
static inline uint64_t boot_ram_end(const struct boot_info *info)
{
	const struct boot_range *last = info->ram + info->ram_count - 1;

	return info->ram_count ? last->base + last->size : 0;
}

/*
 * The caller of launch_hv, as launch.S found it. SSE registers are not here:
 * the hypervisor never touches them, so the root simply keeps them. asm.h has
 * the offsets.
 */
struct launch_context {
	uint64_t rbx, rbp, rsi, rdi, r12, r13, r14, r15;
	uint64_t rip; /* return address into the caller */
	uint64_t rsp; /* as it is after the return */
	uint64_t rflags;
	uint64_t cr0, cr3, cr4;
	uint16_t gdt_limit;
	uint8_t gdt_base[8]; /* unaligned, as SGDT stores it */
	uint8_t pad1[6];
	uint16_t idt_limit;
	uint8_t idt_base[8];
	uint8_t pad2[6];
	uint16_t es, cs, ss, ds, fs, gs;
	uint8_t pad3[4];
};

enum launch_status {
	LAUNCH_OK = 0,
	LAUNCH_AGAIN,	  /* called a second time */
	LAUNCH_LA57,	  /* caller uses 5-level paging */
	LAUNCH_NO_MEMORY, /* private pool too small */
	LAUNCH_AP_SILENT, /* a processor did not answer INIT/SIPI */
	LAUNCH_SVM,	  /* a processor refused SVM */
};

/* Filled by efi/, read by hv_launch; in the image, so ours alone after the launch. */
extern struct boot_info boot_info;

/*
 * launch.S: goes into the launch protocol's table as launch_hv, for what calls
 * it must not lie in the hypervisor's memory: the root continues right behind
 * the call. Saves the caller in a launch_context and calls hv_launch. Returns
 * once: as the root partition's first virtual processor with
 * ret->launch_status = LAUNCH_OK, or on the bare machine with the reason.
 * Interrupts in any state; after ExitBootServices only.
 */
void hv_launch_enter(void *context, struct mshv_launch_return *ret);

/*
 * efi/message.c: one line for the user, to be fetched through the protocol's
 * get_next_log_msg: by the launcher while firmware lives, by Linux's stub
 * after a failed launch. No firmware is used; bootstrap processor only.
 */
void launch_message(const char *format, ...) __printf(1, 2);
/* "rootstock: @why: hypervisor not started" */
void launch_refused(const char *why);
const uint16_t *launch_message_next(uint64_t *cursor);

/*
 * main.c: the launch, step by step, on the bootstrap processor. Returns with
 * the reason in ret->launch_status if it failed; on success it does not return
 * (svm/root.c continues @ctx inside the root partition).
 */
void hv_launch(struct launch_context *ctx, struct mshv_launch_return *ret);

#endif
