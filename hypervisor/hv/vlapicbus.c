/* SPDX-License-Identifier: MIT */
/*
 * Messages between local APICs of one partition, and from the root
 * (ASSERT_VIRTUAL_INTERRUPT). Sender's locks are not held: the targets' are
 * taken one after the other.
 */
#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/vlapic.h"
#include "hypervisor/hv/vp.h"

/* Delivery modes of the ICR, same numbers as enum hv_interrupt_type 0 … 7. */
#define MODE_FIXED	0
#define MODE_LOWEST	1
#define MODE_NMI	4
#define MODE_INIT	5
#define MODE_STARTUP	6
#define MODE_EXTINT	7

#define ICR_LOGICAL	BIT64(11)
#define ICR_ASSERT	BIT64(14)
#define ICR_LEVEL	BIT64(15)

static bool addressed(const struct vlapic *a, uint32_t dest, bool logical)
{
	if (!logical)
		return dest == 0xffffffff || dest == a->id ||
		       (dest == 0xff && !vlapic_x2apic(a));
	if (vlapic_x2apic(a))
		return dest == 0xffffffff ||
		       (dest >> 16 == a->ldr >> 16 && (dest & a->ldr & 0xffff));
	if (a->dfr >> 28 == 0xf)
		return (a->ldr >> 24) & dest;
	return a->ldr >> 28 == (dest >> 4 & 0xf) && (a->ldr >> 24 & dest & 0xf);
}

static void deliver(struct vp *vp, unsigned int mode, bool level, uint8_t vector)
{
	struct vlapic *a = &vp->apic;

	lock_scope(&vp->lock);
	switch (mode) {
	case MODE_FIXED:
	case MODE_LOWEST:
		vlapic_accept(vp, vector, level);
		break;
	case MODE_NMI:
		a->nmi_pending = true;
		break;
	case MODE_INIT:
		a->init_pending = true;
		a->sipi_pending = false;
		break;
	case MODE_STARTUP:
		if (vp->wait_sipi || a->init_pending) {
			a->sipi_pending = true;
			a->sipi_vector = vector;
		}
		break;
	case MODE_EXTINT:
		a->extint_pending = true;
		a->extint_vector = vector;
		break;
	default:	/* SMI and remote read: guests have neither */
		break;
	}
	vp_wake(vp);
}

bool vlapic_message(struct partition *p, unsigned int mode, bool level,
		    bool logical, uint32_t dest, uint8_t vector)
{
	struct vp *least = NULL;
	bool found = false;

	if (mode <= MODE_LOWEST && vector < 16)
		return false;
	lock_scope(&p->lock);
	for_each_vp(vp, p) {
		if (!addressed(&vp->apic, dest, logical))
			continue;
		found = true;
		if (mode != MODE_LOWEST)
			deliver(vp, mode, level, vector);
		else if ((vp->apic.svr & VLAPIC_SVR_ENABLE) &&
			 (!least || vlapic_ppr(&vp->apic) < vlapic_ppr(&least->apic)))
			least = vp;
	}
	if (least)
		deliver(least, mode, level, vector);
	return found;
}

void vlapic_ipi(struct vp *vp, uint64_t icr)
{
	struct partition *p = vp->partition;
	unsigned int mode = (unsigned int)(icr >> 8 & 7);
	unsigned int shorthand = (unsigned int)(icr >> 18 & 3);
	uint32_t dest = (uint32_t)(icr >> 32);
	uint8_t vector = (uint8_t)icr;

	count(vp->stats, VP_COUNTER_IPIS_SENT);
	/* INIT level de-assert is for processors older than any we imitate. */
	if (mode == MODE_INIT && (icr & ICR_LEVEL) && !(icr & ICR_ASSERT))
		return;
	if (!vlapic_x2apic(&vp->apic))
		dest >>= 24;

	if (shorthand == 0) {
		vlapic_message(p, mode, false, icr & ICR_LOGICAL, dest, vector);
		return;
	}
	lock_scope(&p->lock);
	for_each_vp(to, p) {
		/* 1: self, 2: all, 3: all but self */
		if (shorthand == 2 || (shorthand == 1) == (to == vp))
			deliver(to, mode, false, vector);
	}
}

bool vlapic_finish(struct vp *vp, enum vlapic_todo todo)
{
	uint64_t icr = vp->apic.icr;

	lock_drop(&vp->lock);
	if (todo == VLAPIC_SEND_IPI)
		vlapic_ipi(vp, icr);
	return todo != VLAPIC_BAD;
}

/* --- from the root --- */

/* LINT pin @n of the addressed VPs: whatever their LVT makes of it. */
static void local_interrupt(struct partition *p, unsigned int n, bool logical,
			    uint32_t dest, uint8_t vector)
{
	lock_scope(&p->lock);
	for_each_vp(vp, p) {
		uint32_t lvt = vp->apic.lvt[VLAPIC_LVT_LINT0 + n];
		unsigned int mode = lvt >> 8 & 7;

		if (addressed(&vp->apic, dest, logical) && !(lvt & VLAPIC_LVT_MASKED))
			deliver(vp, mode, false, mode == MODE_EXTINT ? vector : (uint8_t)lvt);
	}
}

enum hv_status hvcall_assert_virtual_interrupt(struct hvcall *c)
{
	const struct hv_input_assert_virtual_interrupt *in = c->in;
	bool level = in->control & HV_INTERRUPT_CONTROL_LEVEL;
	bool logical = in->control & HV_INTERRUPT_CONTROL_LOGICAL;
	uint32_t dest = (uint32_t)in->dest_addr;
	uint8_t vector = (uint8_t)in->vector;

	if (in->vector > 0xff)
		return HV_STATUS_INVALID_PARAMETER;
	switch (in->interrupt_type) {
	case HV_INTERRUPT_TYPE_FIXED:
	case HV_INTERRUPT_TYPE_LOWEST:
		if (vector < 16)
			return HV_STATUS_INVALID_PARAMETER;
		__attribute__((fallthrough));
	case HV_INTERRUPT_TYPE_NMI:
	case HV_INTERRUPT_TYPE_INIT:
	case HV_INTERRUPT_TYPE_SIPI:
	case HV_INTERRUPT_TYPE_EXTINT:
		/* A message to nobody is lost, as on the real bus. */
		vlapic_message(c->partition, in->interrupt_type, level, logical, dest, vector);
		return HV_STATUS_SUCCESS;
	case HV_INTERRUPT_TYPE_LOCAL_INT0:
	case HV_INTERRUPT_TYPE_LOCAL_INT1:
		local_interrupt(c->partition, in->interrupt_type - HV_INTERRUPT_TYPE_LOCAL_INT0,
				logical, dest, vector);
		return HV_STATUS_SUCCESS;
	default:
		return HV_STATUS_INVALID_PARAMETER;
	}
}

/* A PIC has withdrawn its request: forget an ExtINT nobody has taken yet. */
enum hv_status hvcall_clear_virtual_interrupt(struct hvcall *c)
{
	lock_scope(&c->partition->lock);
	for_each_vp(vp, c->partition) {
		lock_scope(&vp->lock);
		vp->apic.extint_pending = false;
	}
	return HV_STATUS_SUCCESS;
}
