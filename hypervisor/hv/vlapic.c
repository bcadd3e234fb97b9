/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/vlapic.h"

#include "hypervisor/hv/vp.h"
#include "hypervisor/hw/clock.h"
#include "lib/mem.h"

#define VERSION			0x50014		/* 6 LVT entries, integrated */
#define LVT_TIMER_MODE(v)	(((v) >> 17) & 3u)
#define TIMER_ONE_SHOT		0
#define TIMER_PERIODIC		1
#define TIMER_DEADLINE		2
#define ESR_SEND_ILLEGAL	BIT32(5)
#define ESR_RECEIVE_ILLEGAL	BIT32(6)
#define DFR_FLAT		0xffffffffu

/* Writable bits of each LVT entry. */
static const uint32_t lvt_mask[VLAPIC_LVTS] = {
	[VLAPIC_LVT_TIMER] = 0x700ff,
	[VLAPIC_LVT_THERMAL] = 0x107ff,
	[VLAPIC_LVT_PERF] = 0x107ff,
	[VLAPIC_LVT_LINT0] = 0x1a7ff,
	[VLAPIC_LVT_LINT1] = 0x1a7ff,
	[VLAPIC_LVT_ERROR] = 0x100ff,
	[VLAPIC_LVT_CMCI] = VLAPIC_LVT_MASKED,		/* absent: no vector in it */
};

static int highest(const uint32_t set[8])
{
	for (int i = 7; i >= 0; i--)
		if (set[i])
			return i * 32 + 31 - __builtin_clz(set[i]);
	return -1;
}

static void set_bit(uint32_t set[8], uint8_t n)
{
	set[n / 32] |= BIT32(n % 32);
}

static void clear_bit(uint32_t set[8], uint8_t n)
{
	set[n / 32] &= ~BIT32(n % 32);
}

static bool test_bit(const uint32_t set[8], uint8_t n)
{
	return set[n / 32] & BIT32(n % 32);
}

/* In x2APIC mode the logical id follows from the id. */
static uint32_t x2apic_ldr(uint32_t id)
{
	return (id >> 4) << 16 | BIT32(id & 15);
}

void vlapic_init(struct vp *vp)
{
	struct vlapic *a = &vp->apic;
	uint64_t base = a->base_msr;
	uint32_t id = a->id;

	*a = (struct vlapic){
		.base_msr = base, .id = id, .dfr = DFR_FLAT, .svr = 0xff,
		.sipi_pending = a->sipi_pending, .sipi_vector = a->sipi_vector,
	};
	for (unsigned int i = 0; i < VLAPIC_LVTS; i++)
		a->lvt[i] = VLAPIC_LVT_MASKED;
	a->eoi_vector = -1;
	if (vlapic_x2apic(a))
		a->ldr = x2apic_ldr(id);
}

void vlapic_reset(struct vp *vp)
{
	vp->apic.base_msr = APIC_BASE_DEFAULT | APIC_BASE_ENABLE;
	if (vp->index == 0)
		vp->apic.base_msr |= APIC_BASE_BSP;
	vp->apic.id = (uint32_t)vp->apic_id;
	vp->apic.sipi_pending = false;
	vlapic_init(vp);
}

/* --- interrupts --- */

uint8_t vlapic_ppr(const struct vlapic *a)
{
	int isr = highest(a->isr);
	uint8_t service = isr < 0 ? 0 : (uint8_t)(isr & 0xf0);

	return (a->tpr & 0xf0) >= service ? (uint8_t)a->tpr : service;
}

int vlapic_requested(struct vp *vp)
{
	return highest(vp->apic.irr);
}

int vlapic_deliverable(struct vp *vp)
{
	int irr = highest(vp->apic.irr);

	return irr >= 0 && (irr & 0xf0) > (vlapic_ppr(&vp->apic) & 0xf0) ? irr : -1;
}

void vlapic_take(struct vp *vp, uint8_t vector)
{
	clear_bit(vp->apic.irr, vector);
	set_bit(vp->apic.isr, vector);
}

static void error(struct vp *vp, uint32_t bit)
{
	struct vlapic *a = &vp->apic;
	uint32_t lvt = a->lvt[VLAPIC_LVT_ERROR];

	a->esr_latched |= bit;
	if (!(lvt & VLAPIC_LVT_MASKED) && (lvt & 0xff) >= 16)
		set_bit(a->irr, (uint8_t)lvt);
}

void vlapic_accept(struct vp *vp, uint8_t vector, bool level)
{
	struct vlapic *a = &vp->apic;

	if (!(a->base_msr & APIC_BASE_ENABLE) || !(a->svr & VLAPIC_SVR_ENABLE))
		return;
	if (vector < 16) {
		error(vp, ESR_RECEIVE_ILLEGAL);
		return;
	}
	set_bit(a->irr, vector);
	if (level)
		set_bit(a->tmr, vector);
	else
		clear_bit(a->tmr, vector);
}

void vlapic_eoi(struct vp *vp)
{
	struct vlapic *a = &vp->apic;
	int vector = highest(a->isr);

	if (vector < 0)
		return;
	clear_bit(a->isr, (uint8_t)vector);
	if (test_bit(a->tmr, (uint8_t)vector))
		a->eoi_vector = vector;
}

bool vlapic_eoi_is_plain(struct vp *vp)
{
	const struct vlapic *a = &vp->apic;
	int vector = highest(a->isr);

	return vector >= 0 && highest(a->irr) < 0 && !test_bit(a->tmr, (uint8_t)vector);
}

/* --- timer: counts at the TSC's rate --- */

static unsigned int timer_mode(const struct vlapic *a)
{
	return LVT_TIMER_MODE(a->lvt[VLAPIC_LVT_TIMER]);
}

static uint64_t timer_period(const struct vlapic *a)
{
	unsigned int code = (a->divide & 3) | (a->divide >> 1 & 4);
	unsigned int shift = (code + 1) & 7;	/* 0 → 2, …, 6 → 128, 7 → 1 */

	return a->expired ? 0 : (uint64_t)a->initial_count << shift;
}

/* Before the mode or the divider changes: a count that has run out stays so. */
static void timer_settle(struct vlapic *a, uint64_t now)
{
	if (timer_mode(a) == TIMER_ONE_SHOT && a->initial_count)
		a->expired = now - a->count_start >= timer_period(a);
}

static uint32_t timer_count(const struct vlapic *a, uint64_t now)
{
	uint64_t period = timer_period(a);
	uint64_t gone = now - a->count_start;

	if (!period || timer_mode(a) == TIMER_DEADLINE)
		return 0;
	if (gone >= period) {
		if (timer_mode(a) != TIMER_PERIODIC)
			return 0;
		gone %= period;
	}
	return (uint32_t)((period - gone) / (period / a->initial_count));
}

/* The count is @left now and goes on from there; 0: it has run out. */
static void timer_resume(struct vlapic *a, uint32_t left, uint64_t now)
{
	a->count_start = now;
	if (a->initial_count)
		a->count_start -= timer_period(a) / a->initial_count * (a->initial_count - left);
}

/* What the registers say now about the next expiry. */
static void timer_rearm(struct vp *vp, uint64_t now)
{
	struct vlapic *a = &vp->apic;
	uint64_t period = timer_period(a);

	a->deadline = 0;
	if (a->lvt[VLAPIC_LVT_TIMER] & VLAPIC_LVT_MASKED)
		return;
	switch (timer_mode(a)) {
	case TIMER_DEADLINE:
		if (a->deadline_msr) {
			uint64_t guest_now = now + vp->cpu.tsc_offset;
			uint64_t left = a->deadline_msr > guest_now ?
						a->deadline_msr - guest_now : 0;

			/* "Never" must not wrap around into the past. */
			a->deadline = now + MIN(left, BIT64(62));
		}
		break;
	case TIMER_PERIODIC:
		if (period) {
			/* A guest must not keep the host busy with its ticks. */
			period = MAX(period, clock_tsc_hz() / 10000);
			if (now - a->count_start >= period)
				a->count_start += (now - a->count_start) / period * period;
			a->deadline = a->count_start + period;
		}
		break;
	default:
		if (period && now - a->count_start < period)
			a->deadline = a->count_start + period;
		break;
	}
}

bool vlapic_timer_poll(struct vp *vp, uint64_t host_tsc)
{
	struct vlapic *a = &vp->apic;

	if (!a->deadline || (int64_t)(host_tsc - a->deadline) < 0)
		return false;
	if (timer_mode(a) == TIMER_DEADLINE)
		a->deadline_msr = 0;
	vlapic_accept(vp, (uint8_t)a->lvt[VLAPIC_LVT_TIMER], false);
	timer_rearm(vp, host_tsc);
	return true;
}

uint64_t vlapic_tsc_deadline(const struct vp *vp)
{
	return timer_mode(&vp->apic) == TIMER_DEADLINE ? vp->apic.deadline_msr : 0;
}

void vlapic_tsc_deadline_write(struct vp *vp, uint64_t val)
{
	if (timer_mode(&vp->apic) != TIMER_DEADLINE)
		return;
	vp->apic.deadline_msr = val;
	timer_rearm(vp, rdtsc());
}

void vlapic_set_tsc_offset(struct vp *vp, uint64_t offset)
{
	lock_scope(&vp->lock);
	vp->cpu.tsc_offset = offset;
	if (timer_mode(&vp->apic) == TIMER_DEADLINE)
		timer_rearm(vp, rdtsc());
}

/* --- registers --- */

/* Registers that are read as they are kept, from @reg on at steps of 16. */
static const struct {
	uint16_t reg;
	uint8_t count, offset;
} kept[] = {
#define KEPT(reg_, n_, field_) { reg_, n_, offsetof(struct vlapic, field_) }
	KEPT(0x080, 1, tpr), KEPT(0x0d0, 1, ldr), KEPT(0x0e0, 1, dfr), KEPT(0x0f0, 1, svr),
	KEPT(0x100, 8, isr), KEPT(0x180, 8, tmr), KEPT(0x200, 8, irr), KEPT(0x280, 1, esr),
	KEPT(0x300, 2, icr), KEPT(0x320, 6, lvt), KEPT(0x380, 1, initial_count),
	KEPT(0x3e0, 1, divide),
#undef KEPT
};

enum vlapic_todo vlapic_read(struct vp *vp, unsigned int reg, uint32_t *val)
{
	struct vlapic *a = &vp->apic;

	*val = 0;
	switch (reg) {
	case 0x020:
		*val = vlapic_x2apic(a) ? a->id : a->id << 24;
		return VLAPIC_DONE;
	case 0x030:
		*val = VERSION;
		return VLAPIC_DONE;
	case 0x090:	/* arbitration priority: absent on every processor with x2APIC */
	case 0x0c0:	/* remote read */
		return VLAPIC_DONE;
	case 0x0a0:
		*val = vlapic_ppr(a);
		return VLAPIC_DONE;
	case 0x390:
		*val = timer_count(a, rdtsc());
		return VLAPIC_DONE;
	default:
		break;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(kept); i++) {
		unsigned int n = (reg - kept[i].reg) >> 4;

		if (reg < kept[i].reg || n >= kept[i].count || (reg & 15))
			continue;
		memcpy(val, (const uint8_t *)a + kept[i].offset + n * sizeof(*val), sizeof(*val));
		return VLAPIC_DONE;
	}
	return VLAPIC_BAD;
}

static void lvt_write(struct vp *vp, enum vlapic_lvt n, uint32_t val)
{
	struct vlapic *a = &vp->apic;
	uint32_t old = a->lvt[n];

	if (n == VLAPIC_LVT_TIMER)
		timer_settle(a, rdtsc());
	val &= lvt_mask[n];
	if (!(a->svr & VLAPIC_SVR_ENABLE))
		val |= VLAPIC_LVT_MASKED;
	a->lvt[n] = val;
	if (n != VLAPIC_LVT_TIMER)
		return;
	/* To or from deadline mode: both kinds of timer stop (SDM "TSC-Deadline Mode"). */
	if ((LVT_TIMER_MODE(old) == TIMER_DEADLINE) !=
	    (LVT_TIMER_MODE(val) == TIMER_DEADLINE)) {
		a->deadline_msr = 0;
		a->initial_count = 0;
	}
	timer_rearm(vp, rdtsc());
}

static void svr_write(struct vp *vp, uint32_t val)
{
	struct vlapic *a = &vp->apic;

	a->svr = val & 0x3ff;
	if (a->svr & VLAPIC_SVR_ENABLE)
		return;
	for (unsigned int i = 0; i < VLAPIC_LVTS; i++)
		a->lvt[i] |= VLAPIC_LVT_MASKED;
	timer_rearm(vp, rdtsc());
}

enum vlapic_todo vlapic_write(struct vp *vp, unsigned int reg, uint32_t val)
{
	struct vlapic *a = &vp->apic;
	uint64_t now = rdtsc();
	uint32_t left;

	switch (reg) {
	case 0x020:
		a->id = val >> 24;
		break;
	case 0x080:
		a->tpr = val & 0xff;
		break;
	case 0x0b0:
		count(vp->stats, VP_COUNTER_APIC_EOI);
		vlapic_eoi(vp);
		break;
	case 0x0d0:
		a->ldr = val & 0xff000000;
		break;
	case 0x0e0:
		a->dfr = val | 0x0fffffff;
		break;
	case 0x0f0:
		svr_write(vp, val);
		break;
	case 0x280:
		a->esr = a->esr_latched;
		a->esr_latched = 0;
		break;
	case 0x300:
		a->icr = (a->icr & ~0xffffffffULL) | (val & 0xccfff);
		if ((val & 0x700) == 0 && (val & 0xff) < 16) {
			error(vp, ESR_SEND_ILLEGAL);
			break;
		}
		return VLAPIC_SEND_IPI;
	case 0x310:
		a->icr = (a->icr & 0xffffffff) | (uint64_t)val << 32;
		break;
	case 0x320 ... 0x370:
		lvt_write(vp, (enum vlapic_lvt)((reg - 0x320) >> 4), val);
		break;
	case 0x380:
		if (timer_mode(a) == TIMER_DEADLINE)
			break;
		a->initial_count = val;
		a->expired = false;
		a->count_start = now;
		timer_rearm(vp, now);
		break;
	case 0x3e0:
		timer_settle(a, now);
		left = timer_count(a, now);
		a->divide = val & 0xb;
		timer_resume(a, left, now);
		timer_rearm(vp, now);
		break;
	default:
		return VLAPIC_BAD;
	}
	return VLAPIC_DONE;
}

enum vlapic_todo vlapic_msr_read(struct vp *vp, uint32_t msr, uint64_t *val)
{
	unsigned int reg = (msr - 0x800) << 4;
	enum vlapic_todo todo;
	uint32_t low;

	*val = 0;
	if (!vlapic_x2apic(&vp->apic))
		return VLAPIC_BAD;
	switch (reg) {
	case 0x300:
		*val = vp->apic.icr;
		return VLAPIC_DONE;
	case 0x090:
	case 0x0b0:	/* write only */
	case 0x0c0:
	case 0x0e0:
	case 0x310:
	case 0x3f0:
		return VLAPIC_BAD;
	default:
		todo = vlapic_read(vp, reg, &low);
		*val = low;
		return todo;
	}
}

enum vlapic_todo vlapic_msr_write(struct vp *vp, uint32_t msr, uint64_t val)
{
	unsigned int reg = (msr - 0x800) << 4;

	if (!vlapic_x2apic(&vp->apic))
		return VLAPIC_BAD;
	if (reg == 0x300) {
		vp->apic.icr = val & ~0xffffffffULL;
		return vlapic_write(vp, reg, (uint32_t)val);
	}
	if (val >> 32)
		return VLAPIC_BAD;
	switch (reg) {
	case 0x020:
	case 0x0d0:
	case 0x0e0:
	case 0x310:
		return VLAPIC_BAD;
	case 0x0b0:
	case 0x280:
		if (val)
			return VLAPIC_BAD;
		return vlapic_write(vp, reg, 0);
	case 0x3f0:	/* self IPI */
		vlapic_accept(vp, (uint8_t)val, false);
		return VLAPIC_DONE;
	default:
		return vlapic_write(vp, reg, (uint32_t)val);
	}
}

bool vlapic_base_write(struct vp *vp, uint64_t val)
{
	struct vlapic *a = &vp->apic;
	const uint64_t x2apic = APIC_BASE_X2APIC | APIC_BASE_ENABLE;
	uint64_t mode = val & x2apic, old = a->base_msr & x2apic;

	if (val & ~(APIC_BASE_ADDRESS | mode | APIC_BASE_BSP))
		return false;
	/* SDM "x2APIC State Transitions": x2APIC alone is invalid, and only off leads back. */
	if (mode == APIC_BASE_X2APIC || (old == x2apic && mode == APIC_BASE_ENABLE) ||
	    (old == 0 && mode == x2apic))
		return false;

	a->base_msr = val;
	if (mode == old)
		return true;
	if (mode == x2apic) {
		a->id = (uint32_t)vp->apic_id;
		a->ldr = x2apic_ldr(a->id);
	} else if (!mode) {
		vlapic_init(vp);
	}
	return true;
}

/* --- state blob --- */

void vlapic_get_state(struct vp *vp, struct hv_local_apic_state *s)
{
	const struct vlapic *a = &vp->apic;

	*s = (struct hv_local_apic_state){
		.id = vlapic_x2apic(a) ? a->id : a->id << 24,
		.version = VERSION,
		.ldr = a->ldr, .dfr = a->dfr, .spurious = a->svr,
		.esr = a->esr,
		.icr_high = (uint32_t)(a->icr >> 32), .icr_low = (uint32_t)a->icr,
		.error_status = a->esr_latched,
		.initial_count = a->initial_count,
		.counter = timer_count(a, rdtsc()),
		.divide = a->divide,
	};
	memcpy(s->lvt, a->lvt, sizeof(s->lvt));
	memcpy(s->isr, a->isr, sizeof(s->isr));
	memcpy(s->tmr, a->tmr, sizeof(s->tmr));
	memcpy(s->irr, a->irr, sizeof(s->irr));
}

void vlapic_set_state(struct vp *vp, const struct hv_local_apic_state *s)
{
	struct vlapic *a = &vp->apic;
	uint64_t now = rdtsc();

	a->id = vlapic_x2apic(a) ? s->id : s->id >> 24;
	a->ldr = s->ldr;
	a->dfr = s->dfr | 0x0fffffff;
	a->svr = s->spurious & 0x3ff;
	a->esr = s->esr;
	a->esr_latched = s->error_status;
	a->icr = (uint64_t)s->icr_high << 32 | (s->icr_low & 0xccfff);
	for (unsigned int i = 0; i < VLAPIC_LVTS; i++)
		a->lvt[i] = s->lvt[i] & lvt_mask[i];
	memcpy(a->isr, s->isr, sizeof(a->isr));
	memcpy(a->tmr, s->tmr, sizeof(a->tmr));
	memcpy(a->irr, s->irr, sizeof(a->irr));
	/* Vectors 0 … 15 cannot be requested. */
	a->isr[0] &= 0xffff0000;
	a->irr[0] &= 0xffff0000;
	a->divide = s->divide & 0xb;
	a->initial_count = s->initial_count;
	a->expired = false;
	timer_resume(a, MIN(s->counter, s->initial_count), now);
	timer_settle(a, now);
	timer_rearm(vp, now);
}
