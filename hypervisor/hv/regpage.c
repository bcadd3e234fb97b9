/* SPDX-License-Identifier: MIT */
/*
 * The register page: one page per VP that the VMM maps, so that an IO exit
 * costs it no hypercall. We write everything at every intercept and clear the
 * dirty mask; the VMM changes fields and marks their class; whoever looks at
 * the VP next loads exactly those. VMMs mark the general class when they
 * changed one register only, so all of its values are always current.
 */
#include "hypervisor/hv/fpu.h"
#include "hypervisor/hv/vp.h"

void regpage_publish(struct vp *vp)
{
	struct hv_register_page *page = vp->reg_page;
	const struct vcpu *v = &vp->cpu;
	union hv_register_value value;

	if (!page)
		return;
	page->version = HV_REGISTER_PAGE_VERSION;
	for (unsigned int i = 0; i < 16; i++)
		page->gpr[i] = v->gpr[i];
	page->rip = v->rip;
	page->rflags = v->rflags;
	for (unsigned int i = 0; i < ARRAY_SIZE(page->xmm); i++)
		fpu_get(v, HV_X64_REGISTER_XMM0 + i, page->xmm[i]);
	for (unsigned int i = 0; i < ARRAY_SIZE(page->segment); i++)
		page->segment[i] = v->seg[i];
	page->cr0 = v->cr0;
	page->cr3 = v->cr3;
	page->cr4 = v->cr4;
	page->cr8 = vp->apic.tpr >> 4;
	page->efer = v->efer;
	page->dr7 = v->dr7;
	page->xfem = v->xcr0;
	if (regs_get(vp, HV_REGISTER_PENDING_INTERRUPTION, &value) == HV_STATUS_SUCCESS)
		page->pending_interruption = value.reg64;
	if (regs_get(vp, HV_REGISTER_INTERRUPT_STATE, &value) == HV_STATUS_SUCCESS)
		page->interrupt_state = value.reg64;
	page->instruction_emulation_hints = 0;
	page->dirty = 0;
	page->is_valid = 1;
}

void regpage_load(struct vp *vp)
{
	struct hv_register_page *page = vp->reg_page;
	struct vcpu *v = &vp->cpu;
	uint32_t dirty;

	if (!page)
		return;
	dirty = READ_ONCE(page->dirty);
	if (!dirty)
		return;
	if (dirty & HV_REGISTER_PAGE_GENERAL)
		for (unsigned int i = 0; i < 16; i++)
			v->gpr[i] = page->gpr[i];
	if (dirty & HV_REGISTER_PAGE_RIP) {
		union hv_register_value rip = { .reg64 = page->rip };

		regs_set(vp, HV_X64_REGISTER_RIP, &rip);
	}
	if (dirty & HV_REGISTER_PAGE_RFLAGS) {
		union hv_register_value rflags = { .reg64 = page->rflags };

		regs_set(vp, HV_X64_REGISTER_RFLAGS, &rflags);
	}
	if (dirty & HV_REGISTER_PAGE_XMM)
		for (unsigned int i = 0; i < ARRAY_SIZE(page->xmm); i++)
			fpu_set(v, HV_X64_REGISTER_XMM0 + i, page->xmm[i]);
	if (dirty & HV_REGISTER_PAGE_SEGMENT)
		for (unsigned int i = 0; i < ARRAY_SIZE(page->segment); i++)
			v->seg[i] = page->segment[i];
	page->dirty = 0;
}
