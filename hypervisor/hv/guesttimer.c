/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/guesttimer.h"

#include "hypervisor/hv/guesttime.h"
#include "hypervisor/hv/vp.h"

#define CONFIG_MASK 0xf1fffULL
#define PERIOD_MIN  1000u /* 100 us: a guest must not keep the host busy */
#define DEBT_MAX    8u	  /* four periods; what is missed beyond is lost */

static uint64_t later(uint64_t time, uint64_t by)
{
	return time + by < time ? UINT64_MAX : time + by;
}

void guesttimer_resync(struct vp *vp)
{
	uint64_t first = UINT64_MAX;

	for (unsigned int i = 0; i < HV_STIMER_COUNT; i++) {
		if (vp->stimer[i].expiry)
			first = MIN(first, vp->stimer[i].expiry);
	}
	vp->stimer_deadline = first == UINT64_MAX ? 0 : guesttime_host_tsc(vp->partition, first);
}

static void start(struct vp *vp, unsigned int n)
{
	struct guesttimer *t = &vp->stimer[n];

	vp->undelivered &= (uint8_t)~BIT32(n);
	t->debt = 0;
	t->expiry = 0;
	if ((t->config & HV_STIMER_ENABLE) && t->count) {
		t->expiry = t->count;
		if (t->config & HV_STIMER_PERIODIC)
			t->expiry = later(guesttime_reference(vp->partition),
					  MAX(t->count, PERIOD_MIN));
	}
	guesttimer_resync(vp);
}

uint64_t guesttimer_read(const struct vp *vp, unsigned int n)
{
	const struct guesttimer *t = &vp->stimer[n / 2];

	return n & 1 ? t->count : t->config;
}

void guesttimer_set(struct vp *vp, unsigned int n, uint64_t val)
{
	struct guesttimer *t = &vp->stimer[n / 2];

	if (n & 1)
		t->count = val;
	else
		t->config = val & CONFIG_MASK;
	start(vp, n / 2);
}

bool guesttimer_write(struct vp *vp, unsigned int n, uint64_t val)
{
	struct guesttimer *t = &vp->stimer[n / 2];
	uint64_t config = n & 1 ? t->config : val;

	if (n & 1) {
		if (!val)
			config &= ~HV_STIMER_ENABLE;
		else if (config & HV_STIMER_AUTO_ENABLE)
			config |= HV_STIMER_ENABLE;
		t->count = val;
	} else if ((config & HV_STIMER_DIRECT) &&
		   (!partition_has(vp->partition, HV_SYNTHETIC_DIRECT_TIMERS) ||
		    (uint8_t)(config >> HV_STIMER_VECTOR_SHIFT) < 16)) {
		return false;
	}
	/* "Not permitted to set SINTx to zero for an enabled timer": SINT 0 is ours. */
	if (!(config & HV_STIMER_DIRECT) && !(config >> HV_STIMER_SINT_SHIFT & 15))
		config &= ~HV_STIMER_ENABLE;
	guesttimer_set(vp, n & ~1u, config);
	return true;
}

static void expire(struct vp *vp, unsigned int n, uint64_t now)
{
	struct guesttimer *t = &vp->stimer[n];
	uint8_t vector = (uint8_t)(t->config >> HV_STIMER_VECTOR_SHIFT);
	uint64_t step = MAX(t->count, PERIOD_MIN);
	bool missed;

	if (t->config & HV_STIMER_DIRECT) {
		missed = vp->apic.irr[vector / 32] & BIT32(vector % 32);
		vlapic_accept(vp, vector, false);
	} else {
		missed = vp->undelivered & BIT32(n);
		if (!missed)
			t->expired = t->expiry;
		vp->undelivered |= (uint8_t)BIT32(n);
		vp->todo |= VP_TODO_MESSAGE;
	}
	if (!(t->config & HV_STIMER_PERIODIC)) {
		t->config &= ~HV_STIMER_ENABLE;
		t->expiry = 0;
		return;
	}
	/* TLFS "Periodic Timers": the period is shortened until the timer catches up. */
	if (missed && !(t->config & HV_STIMER_LAZY)) {
		t->debt = (uint8_t)MIN(t->debt + 2u, DEBT_MAX);
	} else if (!missed && t->debt) {
		t->debt--;
		step = MAX(step / 2, PERIOD_MIN);
	}
	t->expiry = later(t->expiry, step);
	if (t->expiry <= now)
		t->expiry = later(now, step - (now - t->expiry) % step);
}

bool guesttimer_poll(struct vp *vp, uint64_t now)
{
	uint64_t reference;

	if (!vp->stimer_deadline || (int64_t)(now - vp->stimer_deadline) < 0)
		return false;
	reference = guesttime_reference(vp->partition);
	for (unsigned int i = 0; i < HV_STIMER_COUNT; i++) {
		if (vp->stimer[i].expiry && vp->stimer[i].expiry <= reference)
			expire(vp, i, reference);
	}
	guesttimer_resync(vp);
	return true;
}

void guesttimer_get_state(const struct vp *vp, unsigned int n, struct hv_stimer_state *s)
{
	const struct guesttimer *t = &vp->stimer[n];

	*s = (struct hv_stimer_state){
		.undelivered = vp->undelivered >> n & 1,
		.config = t->config,
		.count = t->count,
		.adjustment = t->config & HV_STIMER_PERIODIC ? t->expiry : 0,
		.expiration = vp->undelivered >> n & 1 ? t->expired : 0,
	};
}

void guesttimer_set_state(struct vp *vp, unsigned int n, const struct hv_stimer_state *s)
{
	struct guesttimer *t = &vp->stimer[n];

	t->config = s->config & CONFIG_MASK;
	t->count = s->count;
	start(vp, n);
	/* A periodic timer goes on in step. */
	if (t->expiry && (t->config & HV_STIMER_PERIODIC) && s->adjustment)
		t->expiry = s->adjustment;
	if (s->undelivered & 1) {
		vp->undelivered |= (uint8_t)BIT32(n);
		t->expired = s->expiration;
	}
	guesttimer_resync(vp);
}
