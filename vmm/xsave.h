/* SPDX-License-Identifier: MIT */
/*
 * Vector registers in what the hypervisor says of a processor's x87, SSE and AVX state:
 * XSAVE's compacted format (Intel's Software Developer's Manual, volume 1, 13.4), a page.
 */
#ifndef VMM_XSAVE_H
#define VMM_XSAVE_H

#include "vmm/insn/insn.h"

struct xsave {
	uint8_t x87[24];
	uint32_t mxcsr, mxcsr_mask;
	uint8_t st[128];
	uint8_t xmm[INSN_VECTORS][16];
	uint8_t reserved1[96];
	uint64_t xstate_bv, xcomp_bv;
	uint8_t reserved2[48];
	uint8_t ymm_high[INSN_VECTORS][16]; /* behind the header, if xcomp_bv has it */
	uint8_t rest[PAGE_SIZE - 832];
};

_Static_assert(sizeof(struct xsave) == PAGE_SIZE, "a page");

/* Registers that the processor left in their initial state are zero. v->xcr0 stays. */
void xsave_get_vectors(const struct xsave *x, struct insn_vectors *v);
/* Upper halves only where there is room for them; the other state stays as it is. */
void xsave_put_vectors(struct xsave *x, const struct insn_vectors *v);

#endif
