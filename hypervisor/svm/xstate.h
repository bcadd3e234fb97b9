/* SPDX-License-Identifier: MIT */
/*
 * State that VMRUN does not switch: x87, SSE, AVX, XCR0, XSS and TSC_AUX. The
 * root's stay in the processor while the hypervisor runs (it uses none of
 * them) and are exchanged for a guest's around each DISPATCH_VP.
 */
#ifndef HYPERVISOR_SVM_XSTATE_H
#define HYPERVISOR_SVM_XSTATE_H

#include "base/base.h"

struct vcpu;

/* Once, by vcpu_init. False: no memory, or state beyond a page. */
bool xstate_init(void);

/* The attached guest's XCR0 as it is after an exit. */
void xstate_store(struct vcpu *v);
/* Attached guest's TSC_AUX as it is now; cheap if unchanged. */
void xstate_tsc_aux(uint64_t val);

#endif
