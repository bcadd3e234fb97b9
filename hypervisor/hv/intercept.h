/* SPDX-License-Identifier: MIT */
/*
 * Intercepts the VMM has to deal with, as messages in the VP's intercept page.
 * Each function fills the message and suspends the VP until the VMM dispatches
 * it with CLEAR_INTERCEPT_SUSPEND. run_lock held.
 */
#ifndef HYPERVISOR_HV_INTERCEPT_H
#define HYPERVISOR_HV_INTERCEPT_H

#include "abi/hv/hypercall.h"
#include "abi/hv/message.h"
#include "base/base.h"
#include "hypervisor/vcpu.h"

struct partition;
struct vp;

/* The instruction at RIP, when it matters: @count bytes, 0 if unknown. */
struct insn_bytes {
	unsigned int count;
	uint8_t byte[16];
};

void intercept_io(struct vp *vp, const struct vcpu_exit *exit,
		  const struct insn_bytes *insn);
/* @type: UNMAPPED_GPA or GPA_INTERCEPT. */
void intercept_memory(struct vp *vp, enum hv_message_type type,
		      const struct vcpu_exit *exit, const struct insn_bytes *insn);
/* Triple fault, or a state the processor refuses. */
void intercept_unrecoverable(struct vp *vp);
/* The guest ended a level-triggered interrupt. */
void intercept_apic_eoi(struct vp *vp, uint8_t vector);

/* What INSTALL_INTERCEPT asks for. @out: what the guest would get. */
void intercept_cpuid(struct vp *vp, const struct vcpu_exit *exit, const uint32_t out[4]);
void intercept_msr(struct vp *vp, const struct vcpu_exit *exit);
/* False: it was none of the VMM's; the guest goes on. */
bool intercept_exception(struct vp *vp, const struct vcpu_exit *exit);
/* The #DB behind a single-stepped instruction of vp_skip. False: the guest has it. */
bool intercept_step(struct vp *vp);

/* Is one for any of @access installed? Any CPU. */
bool intercept_installed(const struct partition *p, enum hv_intercept_type type,
			 uint32_t parameter, uint32_t access);

/*
 * The page of vp->missing: as if the guest had touched it. False: it is there by
 * now, nothing was sent.
 */
bool intercept_missing(struct vp *vp);

#endif
