/* SPDX-License-Identifier: MIT */
/*
 * The registers of a guest processor that are storage, in one table: where each is,
 * what the VMM calls it and what the guest. What else reading or writing does is in
 * regs.c (by name, for the VMM) and guestmsr.c (by MSR, for the guest).
 */
#ifndef HYPERVISOR_HV_VPREGS_H
#define HYPERVISOR_HV_VPREGS_H

#include "base/base.h"

struct vp;

struct vp_register {
	uint32_t name, msr;	/* of the first of @count; VPREGS_NONE: it has none */
	uint16_t offset;
	uint8_t count;		/* one behind the other */
	uint8_t size;		/* bytes; 0: no storage, guestmsr_get knows @msr; or zero */
	uint8_t rules;		/* VPREGS_* */
	uint8_t todo;		/* names a page: VP_TODO_* of it */
};

#define VPREGS_NONE	  (~0u)
/* Writing is no more than storing: */
#define VPREGS_VMM	  BIT32(0) /* to the VMM */
#define VPREGS_GUEST	  BIT32(1) /* to the guest */
#define VPREGS_ADDRESS	  BIT32(2) /* … if the address is canonical */
#define VPREGS_EVERY_2ND  BIT32(3) /* such MSRs alternate with others */
#define VPREGS_PARTITION  BIT32(4) /* @offset is one in struct partition */

/* The entry of register @name or MSR @msr, the @*n-th of its kind; NULL: none. */
const struct vp_register *vpregs_by_name(uint32_t name, uint32_t *n);
const struct vp_register *vpregs_by_msr(uint32_t msr, uint32_t *n);
/* Where the @n-th of @r is. */
void *vpregs_at(struct vp *vp, const struct vp_register *r, uint32_t n);

#endif
