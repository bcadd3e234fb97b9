/* SPDX-License-Identifier: MIT */
/*
 * The guest's own page tables, walked by the hypervisor: to fetch the bytes of
 * an intercepted instruction and for TRANSLATE_VIRTUAL_ADDRESS. AMD64 APM
 * vol. 2 "Page Translation and Protection".
 */
#ifndef HYPERVISOR_HV_WALK_H
#define HYPERVISOR_HV_WALK_H

#include "abi/hv/hypercall.h"
#include "base/base.h"

struct vcpu;
struct vcpu_exit;
struct vp;

#define WALK_READ	BIT32(0)
#define WALK_WRITE	BIT32(1)
#define WALK_EXECUTE	BIT32(2)
#define WALK_USER	BIT32(3)	/* as CPL 3 would; else as supervisor */
#define WALK_EXEMPT	BIT32(4)	/* check no privilege */
#define WALK_SET_AD	BIT32(5)	/* set accessed and dirty bits */

/*
 * Guest virtual (linear) to guest physical address. HV_TRANSLATE_GPA_UNMAPPED
 * and _INTERCEPT speak of a page *table* that cannot be read; the final page
 * is not looked at. run_lock held, no other.
 */
enum hv_translate_result walk(struct vp *vp, uint64_t gva, uint32_t how, uint64_t *gpa);

/* The linear address of the instruction at RIP. */
uint64_t walk_rip(const struct vcpu *v);

enum walk_fetch { WALK_FETCHED, WALK_RETRY };

/*
 * Up to 16 bytes at CS:RIP; *count may be 0. WALK_RETRY: the bytes lie in RAM
 * the root has taken away meanwhile; entering the guest again makes its own
 * fetch fault and the root populates the page.
 */
enum walk_fetch walk_fetch(struct vp *vp, uint8_t bytes[16], unsigned int *count);
/* The same for what touched memory: from the processor, where it tells. */
enum walk_fetch walk_insn(struct vp *vp, const struct vcpu_exit *e, uint8_t bytes[16],
			  unsigned int *count);
/* Make good the length of an exit that says opcode_only. */
void walk_prefixes(struct vp *vp, struct vcpu_exit *e);

#endif
