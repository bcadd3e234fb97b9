/* SPDX-License-Identifier: MIT */
/*
 * What CPUID tells a guest about its topology and caches. Everything else is the
 * hypervisor's answer, untouched: features, XSAVE (leaf 0xd must fit what it
 * switches), its own leaves from 0x40000000, APIC ids (a VP's index).
 *
 * Leaves as in the AMD64 Architecture Programmer's Manual, volume 3, appendix E, and
 * Intel's SDM, volume 2, "CPUID".
 */
#ifndef VMM_CPUID_H
#define VMM_CPUID_H

#include "base/base.h"
#include "lib/cpus.h"

struct mshv_vp;

/* What is the same for all processors of a machine. */
struct cpuid {
	const struct cpus *cpus;
	bool amd;
	uint32_t max_basic, max_extended; /* leaves that the hypervisor offers */
};

/* Ask the hypervisor, by any processor of the machine. 0 or -errno. */
int cpuid_init(struct cpuid *c, const struct cpus *cpus, struct mshv_vp *vp);

/* Set the leaves of processor @index, before it runs. 0 or -errno. */
int cpuid_set(const struct cpuid *c, struct mshv_vp *vp, uint32_t index);

#endif
