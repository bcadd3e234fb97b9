/* SPDX-License-Identifier: MIT */
/* What the two halves of vmm/mshv.h over KVM share: mshv_kvm.c has its story. */
#ifndef TESTS_MSHV_KVM_H
#define TESTS_MSHV_KVM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/mshv.h"

#define SLOTS 8
#define PINS  24

struct mshv_partition {
	int kvm, vm;
	struct {
		uint64_t gpa, size;
		uint8_t *host;
	} slot[SLOTS];
	unsigned int slot_count;
	struct kvm_irq_routing *routing; /* MSIs first, then level_count pins */
	unsigned int msi_count, level_count;
	uint8_t level_vector[PINS];
};

struct mshv_vp {
	struct mshv_partition *partition;
	int fd;
	uint32_t index;
	struct kvm_run *run;
	struct kvm_cpuid2 *cpuid; /* what KVM was given last */
	struct hv_register_page page;
	bool loaded; /* page holds the registers of an exit */
	bool no_page, no_bytes;
};

/* General register @i in the processor's own numbering. */
uint64_t *gpr(struct kvm_regs *r, unsigned int i);
/* Fill the register page, *r and *s from KVM; 0 or -errno. */
int load_page(struct mshv_vp *vp, struct kvm_regs *r, struct kvm_sregs *s);
/* Hand what was changed in the register page to KVM; 0 or -errno. */
int store_page(struct mshv_vp *vp);

#endif
