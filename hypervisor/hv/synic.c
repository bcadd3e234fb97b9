/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/synic.h"

#include "hypervisor/counters.h"
#include "hypervisor/cpu.h"
#include "hypervisor/fault.h"
#include "hypervisor/hv/rootmsr.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/hw/lapic.h"
#include "hypervisor/hw/timer.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/mem/rootmem.h"
#include "hypervisor/options.h"
#include "hypervisor/trace.h"
#include "lib/mem.h"

/*
 * Linux reads slot 0 only, so every message goes to SINT 0, whatever it is
 * about. Messages are composed when the slot is free, from what there is to
 * tell then: VPs to wake, linked through themselves, and rings with news. So
 * nothing is queued that could overflow. If the slot is taken the root writes
 * EOM afterwards, having seen the "pending" flag.
 *
 * News wait at a processor that takes messages, if there is one: they move when
 * it stops (Linux takes it offline), and to the first that starts.
 */
#define MESSAGE_SINT	0u
#define OVERFLOW_MAX	256u
#define KICKS_LATE	300u /* that part of a second, with options.kicks */

struct doorbell {
	uint32_t port_id;
	uint32_t sint;
};

struct synic {
	struct lock lock; /* two of them: the lower processor's first */
	uint64_t assist, scontrol, siefp, simp, sirbp;
	uint64_t sint[HV_SINT_COUNT];

	struct synic_signal *signals, **signals_end; /* oldest first */
	uint32_t rings;				     /* with news, by SINT */
	bool told_rings;			     /* by the last message */

	/* Doorbells: where the next port id goes, and those that found no place. */
	uint8_t ring_next[HV_SINT_COUNT];
	struct doorbell overflow[OVERFLOW_MAX];
	unsigned int overflow_count;

	struct timer late; /* late_kicks */
};

#define SYNIC_PAGES ((sizeof(struct synic) + PAGE_SIZE - 1) / PAGE_SIZE)

/* --- messages --- */

static bool can_take(const struct synic *s)
{
	return (s->scontrol & HV_SCONTROL_ENABLE) && (s->simp & HV_MSR_PAGE_ENABLE) &&
	       !(s->sint[MESSAGE_SINT] & HV_SINT_MASKED);
}

static struct hv_message *slot_of(const struct synic *s)
{
	return (struct hv_message *)phys_to_virt(s->simp & PAGE_MASK) + MESSAGE_SINT;
}

/* Lock held; the list keeps the VP in existence (synic_cancel). */
static void unlink(struct synic *s, struct synic_signal **at)
{
	struct synic_signal *sig = *at;

	*at = sig->next;
	if (!*at)
		s->signals_end = at;
	__atomic_store_n(&sig->cpu, NULL, __ATOMIC_RELEASE);
}

static void link_signals(struct cpu *cpu, struct synic_signal *list)
{
	struct synic *s = cpu->synic;

	for (*s->signals_end = list; list; list = list->next) {
		WRITE_ONCE(list->cpu, cpu);
		s->signals_end = &list->next;
	}
}

/* The next message into @m, all but its type, which is returned. */
static enum hv_message_type compose(struct synic *s, struct hv_message *m)
{
	struct hv_scheduler_signal_pair *pair = (void *)m->payload;
	uint8_t n = 0;

	memset(m->payload, 0, sizeof(m->payload));
	m->header.sender = 0;
	/* In turns: a guest that rings all the time must not hold up the others. */
	s->told_rings = s->rings && !(s->told_rings && s->signals);
	if (s->told_rings) {
		struct hv_sint_intercept *intercept = (void *)m->payload;

		intercept->sint = (uint32_t)__builtin_ctz(s->rings);
		m->header.payload_size = sizeof(*intercept);
		s->rings &= s->rings - 1;
		return HV_MESSAGE_SYNIC_SINT_INTERCEPT;
	}
	for (; s->signals && n < HV_SIGNAL_PAIRS_MAX; n++) {
		pair->partition_id[n] = s->signals->partition_id;
		pair->vp_index[n] = s->signals->vp_index;
		unlink(s, &s->signals);
	}
	pair->vp_count = n;
	m->header.payload_size = sizeof(*pair);
	return HV_MESSAGE_SCHEDULER_VP_SIGNAL_PAIR;
}

/* A message into the slot, if there is news and the slot is free. Lock held. */
static void deliver(struct cpu *cpu)
{
	struct synic *s = cpu->synic;
	enum hv_message_type type;
	struct hv_message *slot;

	if (!(s->signals || s->rings) || !can_take(s))
		return;
	slot = slot_of(s);
	if (__atomic_load_n(&slot->header.type, __ATOMIC_ACQUIRE) != HV_MESSAGE_NONE) {
		__atomic_or_fetch(&slot->header.flags, HV_MESSAGE_FLAG_PENDING, __ATOMIC_SEQ_CST);
		/*
		 * The root clears the type first and looks at the flag then
		 * (Linux: mshv_isr); if it did so in between, nobody will come.
		 */
		if (__atomic_load_n(&slot->header.type, __ATOMIC_SEQ_CST) != HV_MESSAGE_NONE)
			return;
	}
	type = compose(s, slot);
	slot->header.flags = s->signals || s->rings ? HV_MESSAGE_FLAG_PENDING : 0;
	__atomic_store_n(&slot->header.type, type, __ATOMIC_RELEASE);
	trace(HV_TRACE_MESSAGE, 1, cpu->index, 0, type, 0);
	count(cpu_this()->vp_stats, VP_COUNTER_SYNTHETIC_INTERRUPTS);
	lapic_send(cpu, (uint8_t)(s->sint[MESSAGE_SINT] & HV_SINT_VECTOR_MASK));
}

/* --- doorbells --- */

static struct hv_event_ring *ring_of(const struct synic *s, unsigned int sint)
{
	return (struct hv_event_ring *)phys_to_virt(s->sirbp & PAGE_MASK) + sint;
}

/* False: the ring is full. Lock held. */
static bool ring_put(struct synic *s, unsigned int sint, uint32_t port_id)
{
	uint32_t *entry = &ring_of(s, sint)->data[s->ring_next[sint]];

	/* The root frees an entry by zeroing it. */
	if (__atomic_load_n(entry, __ATOMIC_ACQUIRE))
		return false;
	__atomic_store_n(entry, port_id, __ATOMIC_RELEASE);
	s->ring_next[sint] = (uint8_t)((s->ring_next[sint] + 1) % HV_EVENT_RING_ENTRIES);
	return true;
}

/* The youngest port id the root has not taken, out of the ring again; 0: none. Lock held. */
static uint32_t ring_unput(struct synic *s, unsigned int sint)
{
	uint8_t last = (uint8_t)((s->ring_next[sint] + HV_EVENT_RING_ENTRIES - 1) %
				 HV_EVENT_RING_ENTRIES);
	uint32_t id;

	if (!(s->sirbp & HV_MSR_PAGE_ENABLE))
		return 0;
	id = __atomic_exchange_n(&ring_of(s, sint)->data[last], 0, __ATOMIC_ACQ_REL);
	if (id)
		s->ring_next[sint] = last;
	return id;
}

/* True: added; false: there already, or lost. */
static bool overflow_add(struct synic *s, unsigned int sint, uint32_t port_id)
{
	for (unsigned int i = 0; i < s->overflow_count; i++) {
		if (s->overflow[i].port_id == port_id)
			return false; /* a doorbell rung twice rings */
	}
	if (s->overflow_count == OVERFLOW_MAX) {
		log_line("synic: doorbell %u lost, %u others wait", port_id, OVERFLOW_MAX);
		return false;
	}
	s->overflow[s->overflow_count++] = (struct doorbell){ port_id, sint };
	return true;
}

/* Lock held. */
static void ring_add(struct synic *s, unsigned int sint, uint32_t port_id)
{
	if (!(s->sirbp & HV_MSR_PAGE_ENABLE) || (s->sint[sint] & HV_SINT_MASKED)) {
		overflow_add(s, sint, port_id);
	} else if (!ring_put(s, sint, port_id)) {
		bool added = overflow_add(s, sint, port_id);

		WRITE_ONCE(ring_of(s, sint)->ring_full, 1);
		/* It may have emptied the ring before it could see that flag. */
		if (added && ring_put(s, sint, port_id))
			s->overflow_count--;
	}
	/* The root wants to hear of it, once until it was told. */
	if (!READ_ONCE(ring_of(s, sint)->signal_masked))
		s->rings |= BIT32(sint);
}

/* The doorbells of all SINTs that found no place before. Lock held. */
static void ring_refill(struct synic *s)
{
	unsigned int count = s->overflow_count;

	s->overflow_count = 0;
	for (unsigned int i = 0; i < count; i++)
		ring_add(s, s->overflow[i].sint, s->overflow[i].port_id);
}

void synic_ring_empty(unsigned int sint)
{
	struct cpu *cpu = cpu_this();
	struct synic *s = cpu->synic;

	lock_scope(&s->lock);
	WRITE_ONCE(ring_of(s, sint)->ring_full, 0);
	ring_refill(s);
	deliver(cpu);
}

/* --- who is told --- */

/* @target if it takes messages, else one that does, else @target. A hint without its lock. */
static struct cpu *receiver(struct cpu *target)
{
	if (can_take(target->synic))
		return target;
	for (unsigned int i = 0; i < cpu_count; i++) {
		if (can_take(cpus[i]->synic))
			return cpus[i];
	}
	return target;
}

/* All news of @from, told or not, to @to. Both locks held. */
static void take_over(struct cpu *to, struct cpu *from)
{
	struct synic *s = from->synic;
	struct synic_signal *list = s->signals;
	uint32_t id;

	s->signals = NULL;
	s->signals_end = &s->signals;
	link_signals(to, list);

	s->rings = 0;
	for (unsigned int sint = 0; sint < HV_SINT_COUNT; sint++) {
		while ((id = ring_unput(s, sint)) != 0)
			ring_add(to->synic, sint, id);
	}
	for (unsigned int i = 0; i < s->overflow_count; i++)
		ring_add(to->synic, s->overflow[i].sint, s->overflow[i].port_id);
	s->overflow_count = 0;
	deliver(to);
}

/*
 * If @from takes no messages, its news go to a processor that does. Called after
 * news came to it and after anybody's SynIC went on or off, without a lock: so
 * one of the two callers sees what the other did.
 */
static void move_news(struct cpu *from)
{
	struct cpu *to;

	while ((to = receiver(from)) != from) {
		struct cpu *first = to->index < from->index ? to : from;
		struct cpu *second = first == to ? from : to;

		lock_take(&first->synic->lock);
		lock_take(&second->synic->lock);
		if (!can_take(from->synic))
			take_over(to, from);
		lock_drop(&second->synic->lock);
		lock_drop(&first->synic->lock);
		from = to; /* it may have stopped, too */
	}
}

/* options.kicks: what this processor held back goes now, unless other news took it along. */
static void late_kicks(struct timer *t __maybe_unused)
{
	for (unsigned int i = 0; i < cpu_count; i++) {
		lock_take(&cpus[i]->synic->lock);
		deliver(cpus[i]);
		lock_drop(&cpus[i]->synic->lock);
		move_news(cpus[i]);
	}
}

void synic_signal_vp(struct cpu *target, struct synic_signal *sig)
{
	struct timer *late = &cpu_this()->synic->late;

	lock_take(&target->synic->lock);
	sig->next = NULL;
	if (options.kicks) {
		struct synic_signal *others = target->synic->signals;

		/* The youngest goes first. */
		target->synic->signals_end = &target->synic->signals;
		link_signals(target, sig);
		link_signals(target, others);
	} else {
		link_signals(target, sig);
		deliver(target);
	}
	lock_drop(&target->synic->lock);
	if (options.kicks) {
		fault_done(FAULT_KICK);
		if (!late->cpu)
			timer_arm(late, rdtsc() + clock_tsc_hz() / KICKS_LATE);
		return;
	}
	move_news(target);
}

void synic_cancel(struct synic_signal *sig)
{
	struct cpu *cpu;

	/* It may move to another processor, or be told, meanwhile. */
	while ((cpu = __atomic_load_n(&sig->cpu, __ATOMIC_ACQUIRE)) != NULL) {
		struct synic *s = cpu->synic;
		struct synic_signal **at = &s->signals;

		lock_take(&s->lock);
		while (*at && *at != sig)
			at = &(*at)->next;
		if (*at)
			unlink(s, at);
		lock_drop(&s->lock);
	}
}

void synic_ring(struct cpu *target, unsigned int sint, uint32_t port_id)
{
	lock_take(&target->synic->lock);
	ring_add(target->synic, sint, port_id);
	deliver(target);
	lock_drop(&target->synic->lock);
	move_news(target);
}

/* --- creation --- */

/* A page of ours that the root finds in MSR @msr. */
static bool root_page(uint64_t *msr)
{
	void *page = page_alloc();

	if (!page || !rootmem_share(page, true))
		return false;
	*msr = virt_to_phys(page);
	return true;
}

bool synic_create(struct cpu *cpu)
{
	struct synic *s = pages_alloc(SYNIC_PAGES);

	if (!s)
		return false;
	for (unsigned int i = 0; i < HV_SINT_COUNT; i++)
		s->sint[i] = HV_SINT_MASKED;
	s->signals_end = &s->signals;
	s->late.fire = late_kicks;
	cpu->synic = s;
	return root_page(&s->assist) && root_page(&s->siefp) && root_page(&s->simp) &&
	       root_page(&s->sirbp);
}

/* --- MSRs --- */

#define SVERSION     1u
#define FIRST_VECTOR 0x20u	 /* below are exceptions, which we could not tell apart */
#define SINT_KNOWN   0x1f00ffull /* vector, masked … proxy */

bool synic_wants_vector(struct cpu *cpu, uint8_t vector)
{
	const struct synic *s = cpu->synic;
	bool is_sint = false;

	for (unsigned int i = 0; i < HV_SINT_COUNT; i++) {
		if ((s->sint[i] & HV_SINT_VECTOR_MASK) != vector)
			continue;
		if (!(s->sint[i] & HV_SINT_MASKED) && (s->simp & HV_MSR_PAGE_ENABLE))
			return true;
		is_sint = true;
	}
	return !is_sint;
}

static bool sint_write(uint64_t *sint, uint64_t value)
{
	if (!(value & HV_SINT_MASKED) && (value & HV_SINT_VECTOR_MASK) < FIRST_VECTOR)
		return false;
	*sint = value & SINT_KNOWN;
	return true;
}

/* Where @msr is kept; NULL: nowhere. */
static uint64_t *kept(struct synic *s, uint32_t msr)
{
	switch (msr) {
	case HV_MSR_VP_ASSIST_PAGE:
		return &s->assist;
	case HV_MSR_SCONTROL:
		return &s->scontrol;
	case HV_MSR_SIEFP:
		return &s->siefp;
	case HV_MSR_SIMP:
		return &s->simp;
	case HV_MSR_SIRBP:
		return &s->sirbp;
	case HV_MSR_SINT0 ... HV_MSR_SINT0 + HV_SINT_COUNT - 1:
		return &s->sint[msr - HV_MSR_SINT0];
	default:
		return NULL;
	}
}

bool synic_msr_read(struct cpu *cpu, uint32_t msr, uint64_t *value)
{
	const uint64_t *at = kept(cpu->synic, msr);

	*value = at ? *at : msr == HV_MSR_SVERSION ? SVERSION : 0;
	return at || msr == HV_MSR_SVERSION || msr == HV_MSR_EOM;
}

static bool msr_write(struct synic *s, uint32_t msr, uint64_t value)
{
	uint64_t *at = kept(s, msr);

	switch (msr) {
	case HV_MSR_VP_ASSIST_PAGE:
		*at = value; /* which we never touch */
		return true;
	case HV_MSR_SCONTROL:
		*at = value & HV_SCONTROL_ENABLE;
		return true;
	case HV_MSR_SIEFP:
	case HV_MSR_SIMP:
	case HV_MSR_SIRBP:
		/* One of its own pages it could deposit meanwhile. */
		return rootmsr_page_write(at, value);
	case HV_MSR_EOM:
		return true;
	default:
		return at && sint_write(at, value);
	}
}

bool synic_msr_write(struct cpu *cpu, uint32_t msr, uint64_t value)
{
	struct synic *s = cpu->synic;
	bool ok, took, takes;

	lock_take(&s->lock);
	took = can_take(s);
	ok = msr_write(s, msr, value);
	takes = can_take(s);
	if (takes && !took)
		ring_refill(s);
	/* End of message, or enabled or unmasked just now: more may go. */
	if (ok)
		deliver(cpu);
	lock_drop(&s->lock);

	if (took && !takes)
		move_news(cpu);
	for (unsigned int i = 0; takes && !took && i < cpu_count; i++)
		move_news(cpus[i]);
	return ok;
}
