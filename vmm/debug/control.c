/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/clock.h"
#include "vmm/debug/control_state.h"
#include "vmm/debug/look.h"
#include "vmm/log.h"
#include "vmm/mshv.h"
#include "vmm/vcpu.h"

#define VECTOR_DB     1
#define VECTOR_BP     3

/* PENDING_INTERRUPTION: hardware exception */
#define EXCEPTION     3ULL

#define RFLAGS_TF     BIT64(8)
#define DR6_NOTHING   UINT64_C(0xffff0ff0)
#define DR6_BS	      BIT64(14)
#define DR6_POINTS    UINT64_C(0xf)
#define EFER_LMA      BIT64(10)
#define ATTR_LONG     BIT32(13)

/* --- one register --- */

static int get_one(struct vcpu *v, uint32_t name, uint64_t *val)
{
	struct hv_register_assoc r = { .name = name };
	int ret = mshv_vp_get(v->vp, &r, 1);

	*val = r.value.reg64;
	return ret;
}

static int set_one(struct vcpu *v, uint32_t name, uint64_t val)
{
	struct hv_register_assoc r = { .name = name, .value.reg64 = val };

	return mshv_vp_set(v->vp, &r, 1);
}

/* --- steps --- */

static int step_begin(struct control *c, unsigned int vp)
{
	struct hv_register_assoc r[] = {
		{ .name = HV_X64_REGISTER_RFLAGS },
		{ .name = HV_X64_REGISTER_DR6 },
		{ .name = HV_REGISTER_INTERRUPT_STATE },
	};
	struct held *h = &c->held[vp];
	struct vcpu *v = &c->vcpu[vp];
	int ret = mshv_vp_get(v->vp, r, ARRAY_SIZE(r));

	if (ret)
		return ret;
	h->had_tf = r[0].value.reg64 & RFLAGS_TF;
	h->dr6 = r[1].value.reg64;
	r[0].value.reg64 |= RFLAGS_TF;
	r[1].value.reg64 = DR6_NOTHING;
	/* No interrupt before it: whoever steps wants to see the next instruction. */
	r[2].value.reg64 |= HV_INTERRUPT_SHADOW;
	ret = mshv_vp_set(v->vp, r, ARRAY_SIZE(r));
	if (ret)
		return ret;
	h->stepping = true;
	return 0;
}

/* It is done, or given up because all are to stand. */
static void step_end(struct control *c, struct vcpu *v)
{
	struct held *h = &c->held[v->index];
	uint64_t rflags;
	int ret;

	h->stepping = false;
	ret = get_one(v, HV_X64_REGISTER_RFLAGS, &rflags);
	if (!ret)
		ret = set_one(v, HV_X64_REGISTER_DR6, h->dr6);
	if (!(rflags & RFLAGS_TF))
		h->owed = true;
	else if (!ret && !h->had_tf)
		ret = set_one(v, HV_X64_REGISTER_RFLAGS, rflags & ~RFLAGS_TF);
	if (ret)
		log_error("debugger: step cannot be ended (%s)", strerror(-ret));
}

/* --- events, on the processor's thread --- */

static void stand(struct control *c, struct vcpu *v, const struct gdb_stop *stop)
{
	struct held *h = &c->held[v->index];
	uint64_t one = 1;
	ssize_t n;

	pthread_mutex_lock(&c->lock);
	h->event = *stop;
	h->has_event = true;
	atomic_fetch_or(&v->stop, VCPU_HOLD);
	pthread_mutex_unlock(&c->lock);
	n = write(c->notify, &one, sizeof(one));
	(void)n;
}

/* The guest's own, and DR6 is as it is. */
static void reflect(struct vcpu *v, uint8_t vector)
{
	int ret = set_one(v, HV_REGISTER_PENDING_INTERRUPTION,
			  HV_PENDING_INTERRUPTION | EXCEPTION << HV_PENDING_TYPE_SHIFT |
				  (uint64_t)vector << HV_PENDING_VECTOR_SHIFT);

	if (ret)
		log_error("debugger: exception cannot be injected (%s)", strerror(-ret));
}

/* The end of a step that was given up: is this it? Then nobody hears of it. */
static bool forget_owed(struct vcpu *v, struct held *h)
{
	uint64_t rflags;

	if (!h->owed)
		return false;
	h->owed = false;
	if (!get_one(v, HV_X64_REGISTER_RFLAGS, &rflags))
		set_one(v, HV_X64_REGISTER_RFLAGS, rflags & ~RFLAGS_TF);
	return true;
}

static void breakpoint(struct control *c, struct vcpu *v)
{
	const struct hv_x64_intercept_header *h = (const void *)v->message.payload;
	const struct gdb_stop stop = {
		.thread = v->index,
		.signal = GDB_SIGTRAP,
		.point = true,
		.kind = GDB_SOFTWARE,
	};
	struct insn_cpu cpu;
	uint64_t base;
	uint8_t *at;
	size_t here;

	if (control_paging(v, &cpu)) {
		base = cpu.efer & EFER_LMA && h->cs.attributes & ATTR_LONG ? 0 : h->cs.base;
		at = look_at(v->machine->memory, &cpu, base + h->rip, 1, &here);
		if (at && points_has(&c->points, at)) {
			stand(c, v, &stop);
			return;
		}
	}
	/* A trap: it is told with the address of what follows the INT3. */
	vcpu_skip(v, h->rip + 1, NULL);
	reflect(v, VECTOR_BP);
}

static void debug_exception(struct control *c, struct vcpu *v)
{
	const struct hv_x64_exception_intercept *x = (const void *)v->message.payload;
	const struct point_hardware *hit = points_hit(&c->points, x->parameter);
	struct gdb_stop stop = { .thread = v->index, .signal = GDB_SIGTRAP };
	struct held *h = &c->held[v->index];

	if (hit) {
		set_one(v, HV_X64_REGISTER_DR6, x->parameter & ~DR6_POINTS);
		stop.point = true;
		stop.kind = hit->kind;
		stop.address = hit->address;
	}
	if (h->stepping && x->parameter & DR6_BS) {
		step_end(c, v);
		stand(c, v, &stop);
	} else if (hit) {
		stand(c, v, &stop);
	} else if (x->parameter & DR6_BS && forget_owed(v, h)) {
		set_one(v, HV_X64_REGISTER_DR6, x->parameter & ~DR6_BS);
	} else {
		reflect(v, VECTOR_DB);
	}
}

void control_exception(struct vcpu *v)
{
	const struct hv_x64_exception_intercept *x = (const void *)v->message.payload;

	if (x->vector == VECTOR_BP)
		breakpoint(v->control, v);
	else if (x->vector == VECTOR_DB)
		debug_exception(v->control, v);
	else
		reflect(v, (uint8_t)x->vector); /* we asked for no other */
}

void control_crash(struct vcpu *v)
{
	const struct gdb_stop stop = { .thread = v->index, .signal = GDB_SIGSEGV };
	struct control *c = v->control;
	bool attached;

	pthread_mutex_lock(&c->lock);
	attached = c->attached;
	pthread_mutex_unlock(&c->lock);
	if (!attached)
		return;
	stand(c, v, &stop);
	control_hold(v);
}

bool control_trap(struct vcpu *v)
{
	const struct gdb_stop stop = { .thread = v->index, .signal = GDB_SIGTRAP };
	struct control *c = v->control;
	struct held *h = &c->held[v->index];
	uint64_t state;

	if (h->stepping) {
		step_end(c, v);
		/* It was for one instruction. */
		if (!get_one(v, HV_REGISTER_INTERRUPT_STATE, &state))
			set_one(v, HV_REGISTER_INTERRUPT_STATE, state & ~HV_INTERRUPT_SHADOW);
		stand(c, v, &stop);
		return true;
	}
	return forget_owed(v, h);
}

/* --- standing and going --- */

/* Lock held, or before there are threads. */
static void note_held(struct control *c)
{
	uint64_t at = clock_ns();

	for (unsigned int i = 0; i < c->count; i++) {
		if (atomic_load(&c->vcpu[i].stop) & VCPU_HOLD)
			at = UINT64_MAX;
	}
	atomic_store(&c->machine->released_ns, at);
}

void control_enter(struct vcpu *v)
{
	struct control *c = v->control;

	pthread_mutex_lock(&c->lock);
	c->held[v->index].thread = pthread_self();
	c->held[v->index].begun = true;
	pthread_mutex_unlock(&c->lock);
}

bool control_hold(struct vcpu *v)
{
	struct control *c = v->control;
	struct held *h = &c->held[v->index];
	bool ending;

	pthread_mutex_lock(&c->lock);
	while ((atomic_load(&v->stop) & (VCPU_HOLD | VCPU_END)) == VCPU_HOLD && !c->ending) {
		if (!h->parked) {
			h->parked = true;
			c->parked++;
			pthread_cond_signal(&c->stood);
		}
		pthread_cond_wait(&c->go, &c->lock);
	}
	ending = c->ending;
	pthread_mutex_unlock(&c->lock);
	return !ending && !(atomic_load(&v->stop) & VCPU_END);
}

static void kick_those_who_run(struct control *c)
{
	for (unsigned int i = 0; i < c->count; i++) {
		if (c->held[i].begun && !c->held[i].parked)
			vcpu_kick(c->held[i].thread);
	}
}

bool control_pause(struct control *c)
{
	struct timespec until;
	bool ok;

	pthread_mutex_lock(&c->lock);
	for (unsigned int i = 0; i < c->count; i++)
		atomic_fetch_or(&c->vcpu[i].stop, VCPU_HOLD);
	note_held(c);
	/* A kick that comes before the thread is in the kernel is lost. */
	while (c->parked < c->count && !c->ending) {
		kick_those_who_run(c);
		until = vcpu_kick_time();
		pthread_cond_timedwait(&c->stood, &c->lock, &until);
	}
	ok = !c->ending;
	pthread_mutex_unlock(&c->lock);
	for (unsigned int i = 0; i < c->count && ok; i++) {
		if (c->held[i].stepping)
			step_end(c, &c->vcpu[i]);
	}
	return ok;
}

/*
 * What happened on several processors at once is told one at a time, before any goes on.
 * An INT3 is none of that: if it is still there, it will be met again.
 */
static bool events_wait(struct control *c)
{
	bool any = false;

	for (unsigned int i = 0; i < c->count; i++) {
		struct held *h = &c->held[i];

		if (h->has_event && h->event.point && h->event.kind == GDB_SOFTWARE)
			h->has_event = false;
		any |= h->has_event;
	}
	return any;
}

void control_resume(struct control *c, const enum gdb_action *action)
{
	uint64_t one = 1;
	ssize_t n;

	pthread_mutex_lock(&c->lock);
	if (action && events_wait(c)) {
		pthread_mutex_unlock(&c->lock);
		n = write(c->notify, &one, sizeof(one));
		(void)n;
		return;
	}
	for (unsigned int i = 0; i < c->count; i++) {
		struct held *h = &c->held[i];
		int ret = 0;

		if (action && action[i] == GDB_STAY)
			continue;
		if (action && action[i] == GDB_STEP)
			ret = step_begin(c, i);
		if (ret)
			log_error("debugger: no step (%s)", strerror(-ret));
		h->has_event = false;
		atomic_fetch_and(&c->vcpu[i].stop, ~VCPU_HOLD);
		c->parked -= h->parked;
		h->parked = false;
	}
	note_held(c);
	pthread_cond_broadcast(&c->go);
	pthread_mutex_unlock(&c->lock);
}

bool control_event(struct control *c, struct gdb_stop *stop)
{
	bool found = false;

	pthread_mutex_lock(&c->lock);
	for (unsigned int i = 0; i < c->count && !found; i++) {
		found = c->held[i].has_event;
		if (found)
			*stop = c->held[i].event;
		c->held[i].has_event &= !found;
	}
	pthread_mutex_unlock(&c->lock);
	return found;
}

/* --- the whole --- */

static int intercept(struct control *c, bool on)
{
	int ret = mshv_exception_intercept(c->partition, VECTOR_DB, on);

	return ret ? ret : mshv_exception_intercept(c->partition, VECTOR_BP, on);
}

int control_attach(struct control *c)
{
	pthread_mutex_lock(&c->lock);
	c->attached = true;
	pthread_mutex_unlock(&c->lock);
	return intercept(c, true);
}

void control_detach(struct control *c)
{
	while (c->points.software_count)
		points_remove(&c->points, c->points.software[0].address);
	memset(c->points.hardware, 0, sizeof(c->points.hardware));
	for (unsigned int i = 0; i < c->count; i++)
		control_load_points(c, i);
	intercept(c, false);
	pthread_mutex_lock(&c->lock);
	c->attached = false;
	for (unsigned int i = 0; i < c->count; i++)
		c->held[i].has_event = false;
	pthread_mutex_unlock(&c->lock);
}

struct control *control_create(struct machine *m, struct mshv_partition *p, struct vcpu *vcpu,
			       unsigned int count, bool wait, int notify)
{
	struct control *c = calloc(1, sizeof(*c) + count * sizeof(c->held[0]));

	if (!c)
		return NULL;
	c->machine = m;
	c->partition = p;
	c->vcpu = vcpu;
	c->count = count;
	c->notify = notify;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->stood, NULL);
	pthread_cond_init(&c->go, NULL);
	for (unsigned int i = 0; i < count; i++) {
		vcpu[i].control = c;
		if (wait)
			atomic_fetch_or(&vcpu[i].stop, VCPU_HOLD);
	}
	if (wait)
		note_held(c);
	return c;
}

void control_end(struct control *c)
{
	pthread_mutex_lock(&c->lock);
	c->ending = true;
	pthread_cond_broadcast(&c->go);
	pthread_cond_signal(&c->stood);
	pthread_mutex_unlock(&c->lock);
}
