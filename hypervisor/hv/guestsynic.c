/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/guestsynic.h"

#include "abi/hv/guest.h"
#include "abi/hv/message.h"
#include "abi/hv/msr.h"
#include "hypervisor/counters.h"
#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/gpa.h"
#include "hypervisor/hv/guesttime.h"
#include "hypervisor/hv/vp.h"
#include "lib/mem.h"

#define FIRST_VECTOR	16u
#define SLOT_SIZE	256u /* of a SINT in either page */

void guestsynic_reset(struct vp *vp)
{
	for (unsigned int i = 0; i < HV_SINT_COUNT; i++)
		vp->sint[i] = HV_SINT_MASKED;
}

/* Edge-triggered; lost if the SINT is masked. */
static void interrupt(struct vp *vp, unsigned int sint)
{
	lock_scope(&vp->lock);
	if (!(vp->sint[sint] & (HV_SINT_MASKED | HV_SINT_POLLING))) {
		vlapic_accept(vp, (uint8_t)vp->sint[sint], false);
		count(vp->stats, VP_COUNTER_SYNTHETIC_INTERRUPTS);
	}
	vp_wake(vp);
}

/* GPA of @sint's part of page MSR @msr; false: SynIC or page disabled. */
static bool slot(const struct vp *vp, uint64_t msr, unsigned int sint, uint64_t *gpa)
{
	*gpa = (msr & PAGE_MASK) + sint * SLOT_SIZE;
	return (vp->scontrol & HV_SCONTROL_ENABLE) && (msr & HV_MSR_PAGE_ENABLE);
}

/* Guest memory that only the root's populating it keeps from us. */
static bool reached(struct vp *vp, uint64_t gpa, enum gpa_result r)
{
	if (r == GPA_NO_ACCESS)
		vp_missing(vp, gpa, true);
	return r == GPA_OK;
}

/* --- messages --- */

static enum hv_status post(struct vp *vp, unsigned int sint, const struct hv_message *m)
{
	struct hv_message_header old;
	uint64_t gpa;

	if (!slot(vp, vp->simp, sint, &gpa))
		return HV_STATUS_INVALID_SYNIC_STATE;
	if (!reached(vp, gpa, gpa_read(vp->partition, gpa, &old, sizeof(old))))
		return HV_STATUS_INSUFFICIENT_BUFFERS;
	if (old.type != HV_MESSAGE_NONE) {
		/* The guest will write EOM. */
		old.flags |= HV_MESSAGE_FLAG_PENDING;
		gpa_write(vp->partition, gpa + offsetof(struct hv_message_header, flags),
			  &old.flags, sizeof(old.flags));
		return HV_STATUS_INSUFFICIENT_BUFFERS;
	}
	if (!reached(vp, gpa,
		     gpa_write(vp->partition, gpa, m, sizeof(m->header) + m->header.payload_size)))
		return HV_STATUS_INSUFFICIENT_BUFFERS;
	interrupt(vp, sint);
	return HV_STATUS_SUCCESS;
}

static void timer_message(struct vp *vp, unsigned int n)
{
	struct hv_message m = {
		.header = { .type = HV_MESSAGE_TIMER_EXPIRED,
			    .payload_size = sizeof(struct hv_timer_message) },
	};
	struct hv_timer_message *payload = (void *)m.payload;
	uint64_t config;

	lock_take(&vp->lock);
	config = vp->stimer[n].config;
	payload->timer_index = n;
	payload->expiration = vp->stimer[n].expired;
	/* First, so that what expires meanwhile is not forgotten. */
	vp->undelivered &= (uint8_t)~BIT32(n);
	lock_drop(&vp->lock);

	payload->delivery = guesttime_reference(vp->partition);
	if (post(vp, config >> HV_STIMER_SINT_SHIFT & 15, &m) == HV_STATUS_SUCCESS)
		return;
	lock_take(&vp->lock);
	vp->undelivered |= (uint8_t)BIT32(n);
	vp->stimer[n].expired = payload->expiration;
	lock_drop(&vp->lock);
}

/* --- pages --- */

/* The page of @msr, if @todo; what of @todo is left to be done is returned. */
static uint8_t clear(struct vp *vp, uint64_t msr, uint8_t todo)
{
	static const uint8_t zero[SLOT_SIZE];
	enum gpa_result r = GPA_OK;
	uint64_t gpa = msr & PAGE_MASK;

	if (!todo)
		return 0;
	for (unsigned int i = 0; r == GPA_OK && i < PAGE_SIZE / SLOT_SIZE; i++)
		r = gpa_write(vp->partition, gpa + i * SLOT_SIZE, zero, SLOT_SIZE);
	reached(vp, gpa, r);
	return r == GPA_NO_ACCESS ? todo : 0;
}

/* A page newly enabled must be RAM; its content begins as zeros. */
static bool page_write(struct vp *vp, uint64_t *msr, uint64_t val, uint8_t todo)
{
	bool on = val & HV_MSR_PAGE_ENABLE;
	enum gpa_result r;

	if (on && (val ^ *msr) & (PAGE_MASK | HV_MSR_PAGE_ENABLE)) {
		r = gpa_probe(vp->partition, val & PAGE_MASK, true, false);
		if (r != GPA_OK && r != GPA_NO_ACCESS)
			return false;
	} else {
		on = false;
	}
	lock_scope(&vp->lock);
	*msr = val;
	vp->todo = (uint8_t)((vp->todo & ~todo) | (on ? todo : 0));
	return true;
}

void guestsynic_work(struct vp *vp)
{
	uint8_t todo, left = 0;

	guestsynic_assist_settle(vp);
	guesttime_pages(vp);
	if (!vp->todo && !vp->undelivered)
		return;
	lock_take(&vp->lock);
	todo = vp->todo;
	vp->todo = 0;
	lock_drop(&vp->lock);

	left |= clear(vp, vp->vp_assist, todo & VP_TODO_ASSIST);
	left |= clear(vp, vp->siefp, todo & VP_TODO_SIEFP);
	left |= clear(vp, vp->simp, todo & VP_TODO_SIMP);
	for (unsigned int i = 0; i < HV_STIMER_COUNT; i++) {
		if (vp->undelivered & BIT32(i))
			timer_message(vp, i);
	}
	if (left) {
		lock_take(&vp->lock);
		vp->todo |= left;
		lock_drop(&vp->lock);
	}
}

/*
 * The VMM moves guest memory, and with it these pages. A page that was out of
 * reach is saved as zeros; loading those must not undo what memory says.
 */
void guestsynic_get_page(struct vp *vp, bool events, void *page)
{
	uint64_t msr = events ? vp->siefp : vp->simp;

	memset(page, 0, PAGE_SIZE);
	if (msr & HV_MSR_PAGE_ENABLE)
		gpa_read(vp->partition, msr & PAGE_MASK, page, PAGE_SIZE);
}

void guestsynic_set_page(struct vp *vp, bool events, const void *page)
{
	uint64_t msr = events ? vp->siefp : vp->simp;
	const uint64_t *word = page;
	uint64_t any = 0;

	for (unsigned int i = 0; i < PAGE_SIZE / 8; i++)
		any |= word[i];
	if (any && (msr & HV_MSR_PAGE_ENABLE))
		gpa_write(vp->partition, msr & PAGE_MASK, page, PAGE_SIZE);
}

/* --- end of interrupt --- */

bool guestsynic_auto_eoi(const struct vp *vp, uint8_t vector)
{
	for (unsigned int i = 0; i < HV_SINT_COUNT; i++) {
		if ((vp->sint[i] & (HV_SINT_AUTO_EOI | HV_SINT_MASKED | HV_SINT_VECTOR_MASK)) ==
		    (HV_SINT_AUTO_EOI | vector))
			return true;
	}
	return false;
}

#define ASSIST_NO_EOI 1u

void guestsynic_assist_arm(struct vp *vp)
{
	if ((vp->vp_assist & HV_MSR_PAGE_ENABLE) && !(vp->todo & VP_TODO_ASSIST) &&
	    vlapic_eoi_is_plain(vp) &&
	    gpa_exchange(vp->partition, vp->vp_assist & PAGE_MASK, ASSIST_NO_EOI, false) >= 0)
		vp->assist_armed = vp->vp_assist;
}

void guestsynic_assist_settle(struct vp *vp)
{
	uint64_t gpa = vp->vp_assist & PAGE_MASK;
	int64_t old;

	/* In a page that it is not any more nothing is to be done. */
	if (vp->assist_armed != vp->vp_assist)
		vp->assist_armed = 0;
	if (!vp->assist_armed)
		return;
	old = gpa_exchange(vp->partition, gpa, 0, true);
	if (old < 0 && gpa_probe(vp->partition, gpa, true, false) == GPA_NO_ACCESS) {
		/* The guest may have ended the interrupt: ask, before it runs again. */
		vp_missing(vp, gpa, true);
		return;
	}
	vp->assist_armed = 0;
	if (old & ASSIST_NO_EOI)
		return;
	lock_scope(&vp->lock);
	vlapic_eoi(vp);
}

/* --- registers --- */

bool guestsynic_msr_write(struct vp *vp, uint32_t msr, uint64_t val)
{
	switch (msr) {
	case HV_MSR_VP_ASSIST_PAGE:
		return page_write(vp, &vp->vp_assist, val, VP_TODO_ASSIST);
	case HV_MSR_SIEFP:
		return page_write(vp, &vp->siefp, val, VP_TODO_SIEFP);
	case HV_MSR_SIMP:
		return page_write(vp, &vp->simp, val, VP_TODO_SIMP);
	case HV_MSR_EOM: /* every entry tries to deliver */
		return true;
	default:
		break;
	}
	lock_scope(&vp->lock);
	switch (msr) {
	case HV_MSR_SCONTROL:
		vp->scontrol = val;
		return true;
	case HV_MSR_SINT0 ... HV_MSR_SINT0 + HV_SINT_COUNT - 1:
		if (!(val & HV_SINT_MASKED) && (uint8_t)val < FIRST_VECTOR)
			return false;
		vp->sint[msr - HV_MSR_SINT0] = val;
		return true;
	case HV_MSR_STIMER0_CONFIG ... HV_MSR_STIMER3_COUNT:
		return guesttimer_write(vp, msr - HV_MSR_STIMER0_CONFIG, val);
	default:
		return false;
	}
}

/* --- from the root --- */

enum hv_status hvcall_post_message_direct(struct hvcall *c)
{
	const struct hv_input_post_message_direct *in = c->in;
	struct hv_message m;

	memcpy(&m, in->message, sizeof(m));
	if (in->vtl || in->sint >= HV_SINT_COUNT || m.header.type == HV_MESSAGE_NONE ||
	    m.header.payload_size > HV_MESSAGE_PAYLOAD_BYTES)
		return HV_STATUS_INVALID_PARAMETER;
	return post(c->vp, in->sint, &m);
}

#define EVENT_FLAGS (SLOT_SIZE * 8)

enum hv_status hvcall_signal_event_direct(struct hvcall *c)
{
	const struct hv_input_signal_event_direct *in = c->in;
	struct vp *vp = c->vp;
	uint8_t *newly = c->out;
	uint64_t gpa, old, bit = BIT64(in->flag % 64);

	if (in->vtl || in->sint >= HV_SINT_COUNT || in->flag >= EVENT_FLAGS)
		return HV_STATUS_INVALID_PARAMETER;
	if (!slot(vp, vp->siefp, in->sint, &gpa) || (vp->sint[in->sint] & HV_SINT_MASKED))
		return HV_STATUS_INVALID_SYNIC_STATE;
	if (!reached(vp, gpa, gpa_or(vp->partition, gpa + in->flag / 64 * 8, bit, &old)))
		return HV_STATUS_INSUFFICIENT_BUFFERS;
	if (!(old & bit)) {
		*newly = 1;
		interrupt(vp, in->sint);
	}
	return HV_STATUS_SUCCESS;
}
