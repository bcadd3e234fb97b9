/* SPDX-License-Identifier: MIT */
/*
 * GET/SET_VP_REGISTERS. Most names are storage (vpregs.h); those with rules have a
 * case of their own. TLFS "Virtual Processor Register Formats".
 */
#include "abi/hv/msr.h"
#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/fpu.h"
#include "hypervisor/hv/guestcpuid.h"
#include "hypervisor/hv/guestmsr.h"
#include "hypervisor/hv/guesttime.h"
#include "hypervisor/hv/vp.h"
#include "hypervisor/hv/vpregs.h"
#include "lib/mem.h"

#define RFLAGS_ALLOWED	0x3f7fd5ULL
#define RFLAGS_FIXED	BIT64(1)

static uint64_t pending_interruption(const struct vcpu_event *e)
{
	if (!e->valid)
		return 0;
	return HV_PENDING_INTERRUPTION | (uint64_t)e->type << HV_PENDING_TYPE_SHIFT |
	       (e->has_error ? HV_PENDING_DELIVER_ERROR : 0) |
	       (uint64_t)e->vector << HV_PENDING_VECTOR_SHIFT |
	       (uint64_t)e->error << HV_PENDING_ERROR_SHIFT;
}

static enum hv_status set_pending_interruption(struct vcpu *v, uint64_t val)
{
	uint64_t vector = val >> HV_PENDING_VECTOR_SHIFT & 0xffff;
	unsigned int type = val >> HV_PENDING_TYPE_SHIFT & 7;

	if (!(val & HV_PENDING_INTERRUPTION)) {
		v->event.valid = false;
		return HV_STATUS_SUCCESS;
	}
	if (vector > 255)
		return HV_STATUS_INVALID_REGISTER_VALUE;
	switch (type) {
	case VCPU_EVENT_EXTERNAL:
	case VCPU_EVENT_NMI:
	case VCPU_EVENT_SOFTWARE:
		break;
	case 5:			/* INT1 and INT3/INTO: exceptions to the processor */
	case 6:
	case VCPU_EVENT_EXCEPTION:
		/* What the processor refuses to inject (APM "Event Injection"). */
		if (vector > 31 || vector == 2)
			return HV_STATUS_INVALID_REGISTER_VALUE;
		type = VCPU_EVENT_EXCEPTION;
		break;
	default:
		return HV_STATUS_INVALID_REGISTER_VALUE;
	}
	v->event = (struct vcpu_event){
		.valid = true, .type = (uint8_t)type, .vector = (uint8_t)vector,
		.has_error = val & HV_PENDING_DELIVER_ERROR,
		.error = (uint32_t)(val >> HV_PENDING_ERROR_SHIFT),
	};
	return HV_STATUS_SUCCESS;
}

static uint64_t activity_state(const struct vp *vp)
{
	return (vp->wait_sipi ? HV_ACTIVITY_STARTUP_SUSPEND : 0) |
	       (!vp->halted ? 0 : vp->idle ? HV_ACTIVITY_IDLE : HV_ACTIVITY_HALT);
}

static uint32_t apic_version(struct vp *vp)
{
	uint32_t version;

	vlapic_read(vp, 0x30, &version);
	return version;
}

enum hv_status regs_get(struct vp *vp, uint32_t name, union hv_register_value *v)
{
	const struct vp_register *r;
	struct vcpu *cpu = &vp->cpu;
	uint32_t leaf[4], n;

	memset(v, 0, sizeof(*v));
	switch (name) {
	case HV_REGISTER_INTERNAL_ACTIVITY_STATE:
		v->reg64 = activity_state(vp);
		break;
	case HV_REGISTER_HYPERVISOR_VERSION:
	case HV_REGISTER_PRIVILEGES_AND_FEATURES ... HV_REGISTER_HARDWARE_FEATURES:
		guestcpuid_get(vp,
			       name == HV_REGISTER_HYPERVISOR_VERSION ?
				       HV_CPUID_VERSION :
				       name - HV_REGISTER_PRIVILEGES_AND_FEATURES +
					       HV_CPUID_FEATURES,
			       0, leaf);
		memcpy(v, leaf, sizeof(leaf));
		break;
	case HV_REGISTER_PENDING_INTERRUPTION:
		v->reg64 = pending_interruption(&cpu->event);
		break;
	case HV_REGISTER_INTERRUPT_STATE:
		v->reg64 = (cpu->interrupt_shadow ? HV_INTERRUPT_SHADOW : 0) |
			   (cpu->nmi_masked ? HV_NMI_MASKED : 0);
		break;
	case HV_REGISTER_PENDING_EVENT0:	/* all of it is PENDING_INTERRUPTION */
	case HV_REGISTER_VP_RUNTIME:
		break;
	case HV_X64_REGISTER_XMM0 ... HV_X64_REGISTER_FP_MMX7:
		fpu_get(cpu, name, v->reg128);
		break;
	case HV_X64_REGISTER_FP_CONTROL_STATUS:
		fpu_get_control(cpu, &v->fp_control);
		break;
	case HV_X64_REGISTER_XMM_CONTROL_STATUS:
		fpu_get_xmm_control(cpu, &v->xmm_control);
		break;
	case HV_X64_REGISTER_CR8:
	case HV_X64_REGISTER_INTERMEDIATE_CR8:
		v->reg64 = vp->apic.tpr >> 4;
		break;
	case HV_X64_REGISTER_APIC_VERSION:
		v->reg64 = apic_version(vp);
		break;
	default:
		r = vpregs_by_name(name, &n);
		if (!r)
			return HV_STATUS_INVALID_PARAMETER;
		if (r->size)
			memcpy(v, vpregs_at(vp, r, n), r->size);
		else if (r->msr != VPREGS_NONE)
			guestmsr_get(vp, r->msr + n, &v->reg64);
		break;
	}
	return HV_STATUS_SUCCESS;
}

/* CR0, CR3, CR4, EFER: VMMs set them unchanged on every exit. */
static enum hv_status set_control(struct vcpu *v, uint64_t *reg, uint64_t val,
				  uint64_t allowed)
{
	if (val & ~allowed)
		return HV_STATUS_INVALID_REGISTER_VALUE;
	if (*reg != val) {
		*reg = val;
		v->flush = 1;
	}
	return HV_STATUS_SUCCESS;
}

enum hv_status regs_set(struct vp *vp, uint32_t name, const union hv_register_value *v)
{
	const struct vp_register *r;
	struct vcpu *cpu = &vp->cpu;
	bool ok = true;
	uint64_t old;
	uint32_t n;

	if (name == HV_X64_REGISTER_TSC) { /* all of the partition's */
		guesttime_set_tsc(vp, v->reg64);
		return HV_STATUS_SUCCESS;
	}
	lock_scope(&vp->lock);
	switch (name) {
	case HV_REGISTER_EXPLICIT_SUSPEND:
		vp->explicit_suspend = v->reg64 & 1;
		break;
	case HV_REGISTER_INTERCEPT_SUSPEND:
		vp->intercept_suspend = v->reg64 & 1;
		break;
	case HV_REGISTER_DISPATCH_SUSPEND:
		vp->dispatch_suspend = v->reg64 & 1;
		break;
	case HV_REGISTER_INTERNAL_ACTIVITY_STATE:
		vp->wait_sipi = v->reg64 & HV_ACTIVITY_STARTUP_SUSPEND;
		vp->halted = v->reg64 & (HV_ACTIVITY_HALT | HV_ACTIVITY_IDLE);
		vp->idle = v->reg64 & HV_ACTIVITY_IDLE;
		break;
	case HV_REGISTER_PENDING_INTERRUPTION:
		return set_pending_interruption(cpu, v->reg64);
	case HV_REGISTER_INTERRUPT_STATE:
		cpu->interrupt_shadow = v->reg64 & HV_INTERRUPT_SHADOW;
		cpu->nmi_masked = v->reg64 & HV_NMI_MASKED;
		break;
	case HV_REGISTER_PENDING_EVENT0:
		/* pending 0, type 3:1 (0: exception), deliver error 8, vector 31:16 */
		if (!(v->reg64 & 1))
			break;
		n = v->reg64 >> 16 & 0xffff;
		if ((v->reg64 >> 1 & 7) || n > 31 || n == VECTOR_NMI)
			return HV_STATUS_INVALID_REGISTER_VALUE;
		vcpu_inject(cpu, (uint8_t)n, v->reg64 >> 8 & 1, (uint32_t)(v->reg64 >> 32));
		if (cpu->event.vector == VECTOR_PF)
			cpu->cr2 = v->reg128[1];
		break;
	case HV_X64_REGISTER_RIP:
		cpu->rip = v->reg64;
		cpu->interrupt_shadow = false;
		vp->halted = false;
		break;
	case HV_X64_REGISTER_RFLAGS:
		cpu->rflags = (v->reg64 & RFLAGS_ALLOWED) | RFLAGS_FIXED;
		break;
	case HV_X64_REGISTER_XMM0 ... HV_X64_REGISTER_FP_MMX7:
		fpu_set(cpu, name, v->reg128);
		break;
	case HV_X64_REGISTER_FP_CONTROL_STATUS:
		fpu_set_control(cpu, &v->fp_control);
		break;
	case HV_X64_REGISTER_XMM_CONTROL_STATUS:
		ok = fpu_set_xmm_control(cpu, &v->xmm_control);
		break;
	case HV_X64_REGISTER_CR0:
	case HV_X64_REGISTER_INTERMEDIATE_CR0:
		return set_control(cpu, &cpu->cr0, v->reg64 | BIT64(4), 0xe005003f);
	case HV_X64_REGISTER_CR3:
	case HV_X64_REGISTER_INTERMEDIATE_CR3:
		return set_control(cpu, &cpu->cr3, v->reg64, 0x000fffffffffffff);
	case HV_X64_REGISTER_CR4:
	case HV_X64_REGISTER_INTERMEDIATE_CR4:
		return set_control(cpu, &cpu->cr4, v->reg64, vcpu_cr4_mask());
	case HV_X64_REGISTER_EFER:
		return set_control(cpu, &cpu->efer, v->reg64, guestcpuid_efer_mask());
	case HV_X64_REGISTER_CR8:
	case HV_X64_REGISTER_INTERMEDIATE_CR8:
		if (v->reg64 > 15)
			return HV_STATUS_INVALID_REGISTER_VALUE;
		vp->apic.tpr = (uint32_t)v->reg64 << 4;
		break;
	case HV_X64_REGISTER_XFEM:
		ok = vcpu_xcr0_valid(v->reg64);
		if (ok)
			cpu->xcr0 = v->reg64;
		break;
	case HV_X64_REGISTER_DR6:
	case HV_X64_REGISTER_DR7:
		if (v->reg64 >> 32)
			return HV_STATUS_INVALID_REGISTER_VALUE;
		*(name == HV_X64_REGISTER_DR6 ? &cpu->dr6 : &cpu->dr7) = v->reg64;
		break;
	case HV_X64_REGISTER_APIC_BASE:
		/* The VMM may change the mode at once, a guest only step by step. */
		old = vp->apic.base_msr;
		if ((old ^ v->reg64) & (APIC_BASE_X2APIC | APIC_BASE_ENABLE))
			vp->apic.base_msr = (old & ~APIC_BASE_X2APIC) | APIC_BASE_ENABLE;
		ok = vlapic_base_write(vp, v->reg64);
		if (!ok)
			vp->apic.base_msr = old;
		break;
	case HV_X64_REGISTER_INITIAL_APIC_ID:
	case HV_X64_REGISTER_APIC_ID:
		if (v->reg64 > 0xfffffffe)
			return HV_STATUS_INVALID_REGISTER_VALUE;
		vp->apic_id = v->reg64;
		vp->apic.id = (uint32_t)v->reg64;
		break;
	case HV_REGISTER_STIMER0_CONFIG ... HV_REGISTER_STIMER3_COUNT:
		guesttimer_set(vp, name - HV_REGISTER_STIMER0_CONFIG, v->reg64);
		break;
	default:
		r = vpregs_by_name(name, &n);
		if (r && (r->rules & VPREGS_VMM)) {
			void *at = vpregs_at(vp, r, n);

			/* Another page: nothing is to be done in the old one any more. */
			if (memcmp(at, v, r->size))
				vp->todo &= ~r->todo;
			memcpy(at, v, r->size);
		} else if (r && (r->rules & VPREGS_PARTITION)) {
			ok = guestmsr_synthetic_write(vp, r->msr, v->reg64);
		} else if (r && !r->size && r->msr == VPREGS_NONE) {
			ok = !v->reg64;
		} else {
			return HV_STATUS_INVALID_PARAMETER;
		}
		break;
	}
	return ok ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_REGISTER_VALUE;
}

enum hv_status hvcall_get_vp_registers(struct hvcall *c)
{
	const struct hv_input_vp_registers *in = c->in;
	const uint32_t *name = (const uint32_t *)(in + 1);
	union hv_register_value *out = c->out;
	enum hv_status status = HV_STATUS_SUCCESS;

	for (uint32_t i = c->rep_start; i < c->rep_count && status == HV_STATUS_SUCCESS; i++) {
		status = regs_get(c->vp, name[i], &out[i]);
		c->reps_done += status == HV_STATUS_SUCCESS;
	}
	return status;
}

enum hv_status hvcall_set_vp_registers(struct hvcall *c)
{
	const struct hv_input_vp_registers *in = c->in;
	const struct hv_register_assoc *reg = (const struct hv_register_assoc *)(in + 1);
	enum hv_status status = HV_STATUS_SUCCESS;

	for (uint32_t i = c->rep_start; i < c->rep_count && status == HV_STATUS_SUCCESS; i++) {
		status = regs_set(c->vp, reg[i].name, &reg[i].value);
		c->reps_done += status == HV_STATUS_SUCCESS;
	}
	return status;
}
