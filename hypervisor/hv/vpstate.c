/* SPDX-License-Identifier: MIT */
/*
 * GET/SET_VP_STATE: state that is more than a register. Types with bit 31 move
 * through pages of the root listed in the variable header; the others are
 * inline.
 */
#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/fpu.h"
#include "hypervisor/hv/guestsynic.h"
#include "hypervisor/hv/vp.h"
#include "hypervisor/mem/pages.h"
#include "lib/mem.h"

#define TYPE_PAGES	BIT32(31)
/* The first page of the list; NULL if there is none or it is not the root's. */
static void *first_page(const struct hvcall *c)
{
	const struct hv_input_vp_state *in = c->in;
	uint64_t pfn;

	if (c->varhead < 1)
		return NULL;
	pfn = *(const uint64_t *)(in + 1);
	if (pfn >= BIT64(52 - PAGE_SHIFT) ||
	    !phys_is_root_ram(pfn << PAGE_SHIFT, PAGE_SIZE))
		return NULL;
	return phys_to_virt(pfn << PAGE_SHIFT);
}

enum hv_status hvcall_get_vp_state(struct hvcall *c)
{
	const struct hv_input_vp_state *in = c->in;
	void *page = in->type & TYPE_PAGES ? first_page(c) : NULL;
	struct hv_stimer_state *timer = c->out;
	struct vp *vp = c->vp;

	if ((in->type & TYPE_PAGES) && !page)
		return HV_STATUS_INVALID_PARAMETER;
	switch (in->type) {
	case HV_VP_STATE_LAPIC: {
		struct hv_local_apic_state s;

		lock_take(&vp->lock);
		vlapic_get_state(vp, &s);
		lock_drop(&vp->lock);
		memcpy(page, &s, sizeof(s));
		return HV_STATUS_SUCCESS;
	}
	case HV_VP_STATE_XSAVE:
		fpu_get_compacted(&vp->cpu, in->xsave_states, page);
		return HV_STATUS_SUCCESS;
	case HV_VP_STATE_SIMP:
	case HV_VP_STATE_SIEFP:
		guestsynic_get_page(vp, in->type == HV_VP_STATE_SIEFP, page);
		return HV_STATUS_SUCCESS;
	case HV_VP_STATE_SYNTHETIC_TIMERS: {
		lock_scope(&vp->lock);
		for (unsigned int i = 0; i < HV_STIMER_COUNT; i++)
			guesttimer_get_state(vp, i, &timer[i]);
		return HV_STATUS_SUCCESS;
	}
	default:
		return HV_STATUS_INVALID_PARAMETER;
	}
}

enum hv_status hvcall_set_vp_state(struct hvcall *c)
{
	const struct hv_input_vp_state *in = c->in;
	const struct hv_stimer_state *timer = (const void *)(in + 1);
	struct vp *vp = c->vp;
	uint8_t *copy = c->out; /* private, so that what is checked is what is used */
	bool ok = true;

	if (in->type & TYPE_PAGES) {
		const void *page = first_page(c);

		if (!page)
			return HV_STATUS_INVALID_PARAMETER;
		memcpy(copy, page, PAGE_SIZE);
	}
	switch (in->type) {
	case HV_VP_STATE_LAPIC:
		lock_take(&vp->lock);
		vlapic_set_state(vp, (const void *)copy);
		lock_drop(&vp->lock);
		break;
	case HV_VP_STATE_XSAVE:
		ok = fpu_set_compacted(&vp->cpu, copy);
		break;
	case HV_VP_STATE_SIMP:
	case HV_VP_STATE_SIEFP:
		guestsynic_set_page(vp, in->type == HV_VP_STATE_SIEFP, copy);
		break;
	case HV_VP_STATE_SYNTHETIC_TIMERS:
		if (c->varhead * 8 < HV_STIMER_STATE_BYTES)
			return HV_STATUS_INVALID_PARAMETER;
		lock_take(&vp->lock);
		for (unsigned int i = 0; i < HV_STIMER_COUNT; i++)
			guesttimer_set_state(vp, i, &timer[i]);
		lock_drop(&vp->lock);
		break;
	default:
		return HV_STATUS_INVALID_PARAMETER;
	}
	return ok ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PARAMETER;
}
