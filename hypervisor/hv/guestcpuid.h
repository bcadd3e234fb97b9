/* SPDX-License-Identifier: MIT */
/*
 * CPUID of a guest: the processor's values, filtered to what a guest gets;
 * synthetic leaves 0x400000xx; results the VMM registered; and last the bits
 * that depend on the VP's state.
 */
#ifndef HYPERVISOR_HV_GUESTCPUID_H
#define HYPERVISOR_HV_GUESTCPUID_H

#include "base/base.h"

struct vp;

/* The driver's window of known builds is 27744 … 27751. */
#define CPUID_BUILD 27744u

/* Leaves 0x40000000 … 2, of anybody: who we are. @last: the last there is. Others: untouched. */
void guestcpuid_identity(uint32_t leaf, uint32_t last, uint32_t build, uint32_t out[4]);
/* eax, ebx, ecx, edx; true: as the VMM registered them. VP's run_lock held. */
bool guestcpuid_get(struct vp *vp, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
/* Does the guest have long mode, NX, … : mask of EFER bits it may set. */
uint64_t guestcpuid_efer_mask(void);
void guestcpuid_free(struct vp *vp);

#endif
