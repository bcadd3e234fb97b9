/* SPDX-License-Identifier: MIT */
/*
 * Model-specific registers of a guest that the processor does not keep itself,
 * the synthetic ones included, and guest time.
 */
#ifndef HYPERVISOR_HV_GUESTMSR_H
#define HYPERVISOR_HV_GUESTMSR_H

#include "base/base.h"

struct partition;
struct vp;

enum guestmsr_result {
	GUESTMSR_FAULT,			/* inject #GP */
	GUESTMSR_DONE,
	/*
	 * Done, but for the guest's page that @val names: the root has not
	 * populated it. Writing again once it has makes up for it.
	 */
	GUESTMSR_NO_PAGE,
};

/*
 * RDMSR and WRMSR by the guest; VP's run_lock held, no other (a write may send
 * IPIs). False: inject #GP.
 */
bool guestmsr_read(struct vp *vp, uint32_t msr, uint64_t *val);
enum guestmsr_result guestmsr_write(struct vp *vp, uint32_t msr, uint64_t val);

/* EFER by instruction or VMM; false: #GP. */
bool guestmsr_set_efer(struct vp *vp, uint64_t val);

/* Reference time of the partition, 100 ns; stops while frozen. */
uint64_t guesttime_reference(const struct partition *p);
void guesttime_set(struct partition *p, uint64_t reference);
void guesttime_freeze(struct partition *p, bool frozen);

#endif
