/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/synic.h"

#include "abi/hv/msr.h"
#include "hypervisor/cpu.h"
#include "hypervisor/hw/lapic.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/mem/rootmem.h"
#include "lib/mem.h"

/*
 * Linux reads slot 0 only, so every message goes to SINT 0, whatever it is
 * about. A message that finds the slot taken waits in the queue; the root then
 * writes EOM, having seen the "pending" flag.
 *
 * The queue's bound: kicks are at most one per blocked VP and 19 to a message,
 * doorbells one message however many.
 */
#define QUEUE_MAX	64u
#define MESSAGE_SINT	0u
#define OVERFLOW_MAX	256u
#define SCONTROL_ENABLE 1u

struct synic {
	struct lock lock;
	uint64_t assist, scontrol, siefp, simp, sirbp;
	uint64_t sint[HV_SINT_COUNT];

	struct hv_message queue[QUEUE_MAX];
	unsigned int head, count;

	/* Doorbells: where the next port id goes, and those that found no place. */
	uint8_t ring_next[HV_SINT_COUNT];
	uint32_t overflow[OVERFLOW_MAX];
	unsigned int overflow_count;
};

#define SYNIC_PAGES ((sizeof(struct synic) + PAGE_SIZE - 1) / PAGE_SIZE)

struct sint_intercept { /* payload of SYNIC_SINT_INTERCEPT */
	uint32_t sint;
	uint32_t reserved;
};

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
	cpu->synic = s;
	return root_page(&s->assist) && root_page(&s->siefp) && root_page(&s->simp) &&
	       root_page(&s->sirbp);
}

/* --- messages --- */

static bool can_take(const struct synic *s)
{
	return (s->scontrol & SCONTROL_ENABLE) && (s->simp & HV_MSR_PAGE_ENABLE) &&
	       !(s->sint[MESSAGE_SINT] & HV_SINT_MASKED);
}

static struct hv_message *slot_of(const struct synic *s)
{
	return (struct hv_message *)phys_to_virt(s->simp & PAGE_MASK) + MESSAGE_SINT;
}

/* Move the queue's head to the slot if both exist. Lock held. */
static void deliver(struct cpu *cpu)
{
	struct synic *s = cpu->synic;
	struct hv_message *slot, *m;

	if (s->count == 0 || !can_take(s))
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
	m = &s->queue[s->head];
	s->head = (s->head + 1) % QUEUE_MAX;
	s->count--;
	memcpy(slot->payload, m->payload, sizeof(slot->payload));
	slot->header.payload_size = m->header.payload_size;
	slot->header.flags = s->count ? HV_MESSAGE_FLAG_PENDING : 0;
	slot->header.sender = m->header.sender;
	__atomic_store_n(&slot->header.type, m->header.type, __ATOMIC_RELEASE);
	lapic_send(cpu, (uint8_t)(s->sint[MESSAGE_SINT] & HV_SINT_VECTOR_MASK));
}

static struct hv_message *queue_tail(struct synic *s)
{
	return s->count ? &s->queue[(s->head + s->count - 1) % QUEUE_MAX] : NULL;
}

/* A new message at the queue's end, zeroed. Lock held. */
static struct hv_message *queue_add(struct cpu *cpu)
{
	struct synic *s = cpu->synic;
	struct hv_message *m;

	if (s->count == QUEUE_MAX)
		panic("synic: message queue of processor %u overflows", cpu->index);
	m = &s->queue[(s->head + s->count++) % QUEUE_MAX];
	memset(m, 0, sizeof(*m));
	return m;
}

/* @target if it takes messages, else one that does, else @target, which keeps them. */
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

void synic_post(struct cpu *target, const struct hv_message *m)
{
	struct cpu *cpu = receiver(target);

	lock_take(&cpu->synic->lock);
	memcpy(queue_add(cpu), m, sizeof(*m));
	deliver(cpu);
	lock_drop(&cpu->synic->lock);
}

void synic_signal_vp(struct cpu *target, uint64_t partition_id, uint32_t vp_index)
{
	struct cpu *cpu = receiver(target);
	struct hv_scheduler_signal_pair *pair;
	struct hv_message *m;

	lock_take(&cpu->synic->lock);
	m = queue_tail(cpu->synic);
	pair = m ? (void *)m->payload : NULL;
	if (!m || m->header.type != HV_MESSAGE_SCHEDULER_VP_SIGNAL_PAIR ||
	    pair->vp_count == HV_SIGNAL_PAIRS_MAX) {
		m = queue_add(cpu);
		m->header.type = HV_MESSAGE_SCHEDULER_VP_SIGNAL_PAIR;
		m->header.payload_size = sizeof(*pair);
		pair = (void *)m->payload;
	}
	pair->partition_id[pair->vp_count] = partition_id;
	pair->vp_index[pair->vp_count++] = vp_index;
	deliver(cpu);
	lock_drop(&cpu->synic->lock);
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

/* True: added; false: there already, or lost. */
static bool overflow_add(struct synic *s, uint32_t port_id)
{
	for (unsigned int i = 0; i < s->overflow_count; i++) {
		if (s->overflow[i] == port_id)
			return false; /* a doorbell rung twice rings */
	}
	if (s->overflow_count == OVERFLOW_MAX) {
		log_line("synic: doorbell %u lost, %u others wait", port_id, OVERFLOW_MAX);
		return false;
	}
	s->overflow[s->overflow_count++] = port_id;
	return true;
}

/* Tell the root that ring @sint has entries, once until it has heard. Lock held. */
static void ring_notify(struct cpu *cpu, unsigned int sint)
{
	struct synic *s = cpu->synic;
	struct hv_message *m = queue_tail(s);

	if (READ_ONCE(ring_of(s, sint)->signal_masked))
		return;
	if (!m || m->header.type != HV_MESSAGE_SYNIC_SINT_INTERCEPT) {
		m = queue_add(cpu);
		m->header.type = HV_MESSAGE_SYNIC_SINT_INTERCEPT;
		m->header.payload_size = sizeof(struct sint_intercept);
		((struct sint_intercept *)(void *)m->payload)->sint = sint;
	}
	deliver(cpu);
}

void synic_ring(struct cpu *target, unsigned int sint, uint32_t port_id)
{
	struct cpu *cpu = receiver(target);
	struct synic *s = cpu->synic;

	lock_take(&s->lock);
	if (!(s->sirbp & HV_MSR_PAGE_ENABLE) || (s->sint[sint] & HV_SINT_MASKED)) {
		overflow_add(s, port_id);
	} else if (!ring_put(s, sint, port_id)) {
		bool added = overflow_add(s, port_id);

		WRITE_ONCE(ring_of(s, sint)->ring_full, 1);
		/* It may have emptied the ring before it could see that flag. */
		if (added && ring_put(s, sint, port_id))
			s->overflow_count--;
	}
	ring_notify(cpu, sint);
	lock_drop(&s->lock);
}

void synic_ring_empty(unsigned int sint)
{
	struct cpu *cpu = cpu_this();
	struct synic *s = cpu->synic;
	unsigned int moved = 0;

	lock_take(&s->lock);
	WRITE_ONCE(ring_of(s, sint)->ring_full, 0);
	while (moved < s->overflow_count && ring_put(s, sint, s->overflow[moved]))
		moved++;
	s->overflow_count -= moved;
	memmove(s->overflow, s->overflow + moved, s->overflow_count * sizeof(s->overflow[0]));
	if (s->overflow_count)
		WRITE_ONCE(ring_of(s, sint)->ring_full, 1);
	if (moved)
		ring_notify(cpu, sint);
	lock_drop(&s->lock);
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

/* The root keeps the pages it found; another address must be RAM of its own. */
static bool page_write(uint64_t *msr, uint64_t value)
{
	uint64_t page = value & PAGE_MASK;

	if ((value & HV_MSR_PAGE_ENABLE) && page != (*msr & PAGE_MASK) &&
	    !phys_is_root_ram(page, PAGE_SIZE))
		return false;
	*msr = (value & HV_MSR_PAGE_ENABLE) ? page | HV_MSR_PAGE_ENABLE :
					      (*msr & ~HV_MSR_PAGE_ENABLE);
	return true;
}

static bool sint_write(struct synic *s, unsigned int n, uint64_t value)
{
	if (!(value & HV_SINT_MASKED) && (value & HV_SINT_VECTOR_MASK) < FIRST_VECTOR)
		return false;
	s->sint[n] = value & SINT_KNOWN;
	return true;
}

static bool is_sint(uint32_t msr)
{
	return msr >= HV_MSR_SINT0 && msr < HV_MSR_SINT0 + HV_SINT_COUNT;
}

bool synic_msr_read(struct cpu *cpu, uint32_t msr, uint64_t *value)
{
	const struct synic *s = cpu->synic;

	switch (msr) {
	case HV_MSR_VP_ASSIST_PAGE:
		*value = s->assist;
		return true;
	case HV_MSR_SCONTROL:
		*value = s->scontrol;
		return true;
	case HV_MSR_SVERSION:
		*value = SVERSION;
		return true;
	case HV_MSR_SIEFP:
		*value = s->siefp;
		return true;
	case HV_MSR_SIMP:
		*value = s->simp;
		return true;
	case HV_MSR_EOM:
		*value = 0;
		return true;
	case HV_MSR_SIRBP:
		*value = s->sirbp;
		return true;
	default:
		if (!is_sint(msr))
			return false;
		*value = s->sint[msr - HV_MSR_SINT0];
		return true;
	}
}

static bool msr_write(struct synic *s, uint32_t msr, uint64_t value)
{
	switch (msr) {
	case HV_MSR_VP_ASSIST_PAGE:
		return page_write(&s->assist, value);
	case HV_MSR_SCONTROL:
		s->scontrol = value & SCONTROL_ENABLE;
		return true;
	case HV_MSR_SIEFP:
		return page_write(&s->siefp, value);
	case HV_MSR_SIMP:
		return page_write(&s->simp, value);
	case HV_MSR_EOM:
		return true;
	case HV_MSR_SIRBP:
		return page_write(&s->sirbp, value);
	default:
		return is_sint(msr) && sint_write(s, msr - HV_MSR_SINT0, value);
	}
}

bool synic_msr_write(struct cpu *cpu, uint32_t msr, uint64_t value)
{
	struct synic *s = cpu->synic;
	bool ok;

	lock_take(&s->lock);
	ok = msr_write(s, msr, value);
	/* End of message, or enabled or unmasked just now: more may go. */
	if (ok)
		deliver(cpu);
	lock_drop(&s->lock);
	return ok;
}
