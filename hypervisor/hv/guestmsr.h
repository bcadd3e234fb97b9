/* SPDX-License-Identifier: MIT */
/*
 * Model-specific registers of a guest that the processor does not keep itself,
 * the synthetic ones included.
 */
#ifndef HYPERVISOR_HV_GUESTMSR_H
#define HYPERVISOR_HV_GUESTMSR_H

#include "base/base.h"

struct vp;

/*
 * RDMSR and WRMSR by the guest; VP's run_lock held, no other (a write may send
 * IPIs). False: inject #GP, or leave it to the VMM if vp->unknown_msr.
 */
bool guestmsr_read(struct vp *vp, uint32_t msr, uint64_t *val);
bool guestmsr_write(struct vp *vp, uint32_t msr, uint64_t val);

/* The value of @msr, whether the guest may have it or not; false: no such MSR. */
bool guestmsr_get(struct vp *vp, uint32_t msr, uint64_t *val);

/* A synthetic register that belongs to the partition, as the VMM loads it. */
bool guestmsr_synthetic_write(struct vp *vp, uint32_t msr, uint64_t val);

#endif
