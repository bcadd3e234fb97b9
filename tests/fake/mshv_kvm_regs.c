/* SPDX-License-Identifier: MIT */
/* Registers over KVM: the register page, and by the interface's names. */
#include <errno.h>
#include <sys/ioctl.h>

#include "tests/fake/mshv_kvm.h"

static const uint8_t kvm_gpr_order[16] = {
	0, 2, 3, 1, 6, 7, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15,
}; /* rax rcx rdx rbx rsp rbp rsi rdi … in struct kvm_regs (rax rbx rcx rdx rsi rdi rsp rbp) */

uint64_t *gpr(struct kvm_regs *r, unsigned int i)
{
	return (uint64_t *)(void *)r + kvm_gpr_order[i];
}

static struct hv_segment_register from_kvm(const struct kvm_segment *s)
{
	return (struct hv_segment_register){
		.base = s->base,
		.limit = s->limit,
		.selector = s->selector,
		.attributes = (uint16_t)(s->type | s->s << 4 | s->dpl << 5 | s->present << 7 |
					 s->avl << 12 | s->l << 13 | s->db << 14 | s->g << 15),
	};
}

static struct kvm_segment to_kvm(const struct hv_segment_register *s)
{
	return (struct kvm_segment){
		.base = s->base,
		.limit = s->limit,
		.selector = s->selector,
		.type = s->attributes & 15,
		.s = s->attributes >> 4 & 1,
		.dpl = s->attributes >> 5 & 3,
		.present = s->attributes >> 7 & 1,
		.avl = s->attributes >> 12 & 1,
		.l = s->attributes >> 13 & 1,
		.db = s->attributes >> 14 & 1,
		.g = s->attributes >> 15 & 1,
		.unusable = !(s->attributes >> 7 & 1),
	};
}

static struct kvm_segment *segment(struct kvm_sregs *s, uint32_t name)
{
	struct kvm_segment *const all[] = {
		&s->es, &s->cs, &s->ss, &s->ds, &s->fs, &s->gs, &s->ldt, &s->tr,
	};

	return all[name - HV_X64_REGISTER_ES];
}

int load_page(struct mshv_vp *vp, struct kvm_regs *r, struct kvm_sregs *s)
{
	struct hv_register_page *g = &vp->page;

	if (ioctl(vp->fd, KVM_GET_REGS, r) || ioctl(vp->fd, KVM_GET_SREGS, s))
		return -errno;
	for (unsigned int i = 0; i < 16; i++)
		g->gpr[i] = *gpr(r, i);
	for (uint32_t i = 0; i < 6; i++)
		g->segment[i] = from_kvm(segment(s, HV_X64_REGISTER_ES + i));
	g->rip = r->rip;
	g->rflags = r->rflags;
	g->cr0 = s->cr0;
	g->cr3 = s->cr3;
	g->cr4 = s->cr4;
	g->efer = s->efer;
	g->version = HV_REGISTER_PAGE_VERSION;
	g->is_valid = 1;
	g->dirty = 0;
	return 0;
}

int store_page(struct mshv_vp *vp)
{
	struct kvm_regs r;

	if (!vp->loaded || !vp->page.dirty)
		return 0;
	for (unsigned int i = 0; i < 16; i++)
		*gpr(&r, i) = vp->page.gpr[i];
	r.rip = vp->page.rip;
	r.rflags = vp->page.rflags;
	vp->page.dirty = 0;
	return ioctl(vp->fd, KVM_SET_REGS, &r) ? -errno : 0;
}

/* --- registers by name --- */

static uint64_t *control(struct kvm_sregs *s, uint32_t name)
{
	switch (name) {
	case HV_X64_REGISTER_CR0:
		return (uint64_t *)&s->cr0;
	case HV_X64_REGISTER_CR2:
		return (uint64_t *)&s->cr2;
	case HV_X64_REGISTER_CR3:
		return (uint64_t *)&s->cr3;
	case HV_X64_REGISTER_CR4:
		return (uint64_t *)&s->cr4;
	case HV_X64_REGISTER_EFER:
		return (uint64_t *)&s->efer;
	default:
		return NULL;
	}
}

static uint64_t *general(struct kvm_regs *r, uint32_t name)
{
	if (name == HV_X64_REGISTER_RIP)
		return (uint64_t *)&r->rip;
	if (name == HV_X64_REGISTER_RFLAGS)
		return (uint64_t *)&r->rflags;
	if (name >= HV_X64_REGISTER_RAX && name <= HV_X64_REGISTER_R15)
		return gpr(r, name - HV_X64_REGISTER_RAX);
	return NULL;
}

int mshv_vp_get(struct mshv_vp *vp, struct hv_register_assoc *regs, unsigned int count)
{
	struct kvm_sregs s;
	struct kvm_regs r;

	if (ioctl(vp->fd, KVM_GET_REGS, &r) || ioctl(vp->fd, KVM_GET_SREGS, &s))
		return -errno;
	for (unsigned int i = 0; i < count; i++) {
		uint32_t name = regs[i].name;

		if (general(&r, name))
			regs[i].value.reg64 = *general(&r, name);
		else if (control(&s, name))
			regs[i].value.reg64 = *control(&s, name);
		else if (name >= HV_X64_REGISTER_ES && name <= HV_X64_REGISTER_TR)
			regs[i].value.segment = from_kvm(segment(&s, name));
		else
			return -EINVAL;
	}
	return 0;
}

static int inject(struct mshv_vp *vp, uint64_t pending)
{
	struct kvm_vcpu_events ev;

	if (ioctl(vp->fd, KVM_GET_VCPU_EVENTS, &ev))
		return -errno;
	ev.exception.injected = 1;
	ev.exception.nr = (uint8_t)(pending >> HV_PENDING_VECTOR_SHIFT);
	ev.exception.has_error_code = (pending & HV_PENDING_DELIVER_ERROR) != 0;
	ev.exception.error_code = (uint32_t)(pending >> HV_PENDING_ERROR_SHIFT);
	return ioctl(vp->fd, KVM_SET_VCPU_EVENTS, &ev) ? -errno : 0;
}

static int set_msr(struct mshv_vp *vp, uint32_t index, uint64_t data)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry = { .index = index, .data = data } };

	return ioctl(vp->fd, KVM_SET_MSRS, &m) == 1 ? 0 : -EINVAL;
}

int mshv_vp_set(struct mshv_vp *vp, const struct hv_register_assoc *regs, unsigned int count)
{
	uint64_t pending = 0;
	struct kvm_sregs s;
	struct kvm_regs r;

	if (store_page(vp) || ioctl(vp->fd, KVM_GET_REGS, &r) || ioctl(vp->fd, KVM_GET_SREGS, &s))
		return -errno;
	for (unsigned int i = 0; i < count; i++) {
		uint32_t name = regs[i].name;
		const union hv_register_value *v = &regs[i].value;

		if (general(&r, name))
			*general(&r, name) = v->reg64;
		else if (control(&s, name))
			*control(&s, name) = v->reg64;
		else if (name >= HV_X64_REGISTER_ES && name <= HV_X64_REGISTER_TR)
			*segment(&s, name) = to_kvm(&v->segment);
		else if (name == HV_X64_REGISTER_GDTR || name == HV_X64_REGISTER_IDTR)
			*(name == HV_X64_REGISTER_GDTR ? &s.gdt : &s.idt) =
				(struct kvm_dtable){ .base = v->table.base,
						     .limit = v->table.limit };
		else if (name == HV_X64_REGISTER_MTRR_DEF_TYPE)
			set_msr(vp, 0x2ff, v->reg64);
		else if (name == HV_REGISTER_PENDING_INTERRUPTION)
			pending = v->reg64;
		else
			return -EINVAL;
	}
	if (ioctl(vp->fd, KVM_SET_SREGS, &s) || ioctl(vp->fd, KVM_SET_REGS, &r))
		return -errno;
	vp->loaded = false;
	return pending & HV_PENDING_INTERRUPTION ? inject(vp, pending) : 0;
}
