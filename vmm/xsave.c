/* SPDX-License-Identifier: MIT */
#include "vmm/xsave.h"

#include <string.h>

#define SSE	      BIT64(1)
#define AVX	      BIT64(2)
#define MXCSR_DEFAULT 0x1f80

_Static_assert(offsetof(struct xsave, xmm) == 160 && offsetof(struct xsave, xstate_bv) == 512 &&
		       offsetof(struct xsave, ymm_high) == 576,
	       "as XSAVE has it");

void xsave_get_vectors(const struct xsave *x, struct insn_vectors *v)
{
	memset(v->reg, 0, sizeof(v->reg));
	for (unsigned int i = 0; i < INSN_VECTORS; i++) {
		if (x->xstate_bv & SSE)
			memcpy(v->reg[i], x->xmm[i], 16);
		if (x->xstate_bv & x->xcomp_bv & AVX)
			memcpy(v->reg[i] + 16, x->ymm_high[i], 16);
	}
}

void xsave_put_vectors(struct xsave *x, const struct insn_vectors *v)
{
	bool avx = x->xcomp_bv & AVX;

	/* It goes with XMM: what is there otherwise has no meaning. */
	if (!(x->xstate_bv & SSE))
		x->mxcsr = MXCSR_DEFAULT;
	for (unsigned int i = 0; i < INSN_VECTORS; i++) {
		memcpy(x->xmm[i], v->reg[i], 16);
		if (avx)
			memcpy(x->ymm_high[i], v->reg[i] + 16, 16);
	}
	x->xstate_bv |= SSE | (avx ? AVX : 0);
}
