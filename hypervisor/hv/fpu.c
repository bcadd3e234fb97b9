/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/fpu.h"

#include "hypervisor/vcpu.h"
#include "lib/mem.h"

#define X87		BIT64(0)
#define SSE		BIT64(1)
#define AVX		BIT64(2)
#define COMPACTED	BIT64(63)
#define MXCSR_DEFAULT	0x1f80u

struct xsave {
	uint16_t fcw, fsw;
	uint8_t ftw, reserved1;
	uint16_t fop;
	uint64_t fip, fdp;
	uint32_t mxcsr, mxcsr_mask;
	uint64_t st[8][2];
	uint64_t xmm[16][2];
	uint8_t reserved2[96];
	uint64_t xstate_bv, xcomp_bv;
	uint8_t reserved3[48];
};

_Static_assert(sizeof(struct xsave) == 576, "legacy area and header");

static void init_x87(struct xsave *x)
{
	x->fcw = 0x37f;
	x->fsw = 0;
	x->ftw = 0;
	x->fop = 0;
	x->fip = x->fdp = 0;
	memset(x->st, 0, sizeof(x->st));
}

/* Make component @bit's bytes meaningful before changing some of them. */
static struct xsave *touch(struct vcpu *v, uint64_t bit)
{
	struct xsave *x = v->xsave;

	if (!(x->xstate_bv & bit)) {
		if (bit == X87)
			init_x87(x);
		else
			memset(x->xmm, 0, sizeof(x->xmm));
		x->xstate_bv |= bit;
	}
	return x;
}

void fpu_reset(struct vcpu *v)
{
	struct xsave *x = v->xsave;

	memset(x, 0, sizeof(*x));
	init_x87(x);
	x->mxcsr = MXCSR_DEFAULT;
	x->mxcsr_mask = vcpu_mxcsr_mask();
}

static uint64_t component_of(uint32_t name)
{
	return name <= HV_X64_REGISTER_XMM15 ? SSE : X87;
}

static uint64_t *register_of(struct xsave *x, uint32_t name)
{
	return name <= HV_X64_REGISTER_XMM15 ? x->xmm[name - HV_X64_REGISTER_XMM0] :
					       x->st[name - HV_X64_REGISTER_FP_MMX0];
}

void fpu_get(const struct vcpu *v, uint32_t name, uint64_t val[2])
{
	struct xsave *x = v->xsave;
	const uint64_t *reg = register_of(x, name);
	bool init = !(x->xstate_bv & component_of(name));

	val[0] = init ? 0 : reg[0];
	val[1] = init ? 0 : reg[1];
}

void fpu_set(struct vcpu *v, uint32_t name, const uint64_t val[2])
{
	uint64_t component = component_of(name);
	uint64_t *reg = register_of(touch(v, component), name);

	reg[0] = val[0];
	reg[1] = component == SSE ? val[1] : val[1] & 0xffff;
}

void fpu_get_control(const struct vcpu *v, struct hv_fp_control_status *s)
{
	const struct xsave *x = v->xsave;

	*s = (struct hv_fp_control_status){ .fp_control = 0x37f };
	if (!(x->xstate_bv & X87))
		return;
	s->fp_control = x->fcw;
	s->fp_status = x->fsw;
	s->fp_tag = x->ftw;
	s->last_fp_op = x->fop;
	s->last_fp_rip = x->fip;
}

void fpu_set_control(struct vcpu *v, const struct hv_fp_control_status *s)
{
	struct xsave *x = touch(v, X87);

	x->fcw = s->fp_control;
	x->fsw = s->fp_status;
	x->ftw = s->fp_tag;
	x->fop = s->last_fp_op;
	x->fip = s->last_fp_rip;
}

void fpu_get_xmm_control(const struct vcpu *v, struct hv_xmm_control_status *s)
{
	const struct xsave *x = v->xsave;

	*s = (struct hv_xmm_control_status){
		.last_fp_rdp = x->xstate_bv & X87 ? x->fdp : 0,
		.xmm_status_control = x->mxcsr,
		.xmm_status_control_mask = x->mxcsr_mask,
	};
}

bool fpu_set_xmm_control(struct vcpu *v, const struct hv_xmm_control_status *s)
{
	struct xsave *x = v->xsave;

	/* XRSTOR would fault on it. */
	if (s->xmm_status_control & ~x->mxcsr_mask)
		return false;
	if (s->last_fp_rdp || (x->xstate_bv & X87))
		touch(v, X87)->fdp = s->last_fp_rdp;
	x->mxcsr = s->xmm_status_control;
	return true;
}

/*
 * Components from 2 of @mask that are in @used, from the standard format into the
 * compacted one (@pack) or back. Both images are a page long.
 */
static void move_components(uint8_t *to, const uint8_t *from, bool pack, uint64_t mask,
			    uint64_t used)
{
	uint32_t at = sizeof(struct xsave);

	for (unsigned int n = 2; n < 63; n++) {
		uint32_t leaf[4], size, standard;

		if (!(mask & BIT64(n)))
			continue;
		cpuid_native(0xd, n, leaf);
		size = leaf[0];
		standard = leaf[1];
		if (leaf[2] & 2)
			at = ALIGN_UP(at, 64u);
		if (at + size > PAGE_SIZE || standard + size > PAGE_SIZE)
			break;
		if (used & BIT64(n))
			memcpy(to + (pack ? at : standard), from + (pack ? standard : at), size);
		at += size;
	}
}

void fpu_get_compacted(const struct vcpu *v, uint64_t mask, uint8_t *buf)
{
	const struct xsave *x = v->xsave;
	struct xsave *to = (struct xsave *)(void *)buf;

	mask &= vcpu_xcr0_mask();
	memset(buf, 0, PAGE_SIZE);
	init_x87(to);
	if (x->xstate_bv & X87) {
		memcpy(buf, x, offsetof(struct xsave, mxcsr));
		memcpy(to->st, x->st, sizeof(to->st));
	}
	if (x->xstate_bv & SSE)
		memcpy(to->xmm, x->xmm, sizeof(to->xmm));
	to->mxcsr = x->mxcsr;
	to->mxcsr_mask = x->mxcsr_mask;
	/* In this format MXCSR goes with XMM: without the bit it is the default. */
	to->xstate_bv = (x->xstate_bv | (x->mxcsr != MXCSR_DEFAULT ? SSE : 0)) & mask;
	to->xcomp_bv = COMPACTED | mask;
	move_components(buf, v->xsave, true, mask, x->xstate_bv);
}

bool fpu_set_compacted(struct vcpu *v, const uint8_t *buf)
{
	const struct xsave *from = (const struct xsave *)(const void *)buf;
	struct xsave *x = v->xsave;
	uint64_t mask = from->xcomp_bv & ~COMPACTED;

	if (!(from->xcomp_bv & COMPACTED) || (mask & ~vcpu_xcr0_mask()) ||
	    (from->xstate_bv & ~mask) || (from->mxcsr & ~x->mxcsr_mask))
		return false;

	memcpy(x, from, offsetof(struct xsave, xstate_bv));
	if (!(from->xstate_bv & X87))
		init_x87(x);
	x->mxcsr_mask = vcpu_mxcsr_mask();
	x->xstate_bv = from->xstate_bv;
	x->xcomp_bv = 0;
	move_components(v->xsave, buf, false, mask, from->xstate_bv);
	return true;
}
