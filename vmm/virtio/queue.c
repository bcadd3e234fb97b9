/* SPDX-License-Identifier: MIT */
/*
 * Split virtqueues, device side. Read queue.h first. Section titles in quotes
 * are those of the virtio 1.2 specification.
 */
#include "vmm/virtio/queue.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

static int virtq_break(struct virtq *q, const char *why)
{
	if (!q->broken)
		q->broken = why;
	return -EPROTO;
}

void virtq_init(struct virtq *q, const struct memory *memory, uint16_t size)
{
	*q = (struct virtq){ .memory = memory, .size = size };
}

bool virtq_enable(struct virtq *q)
{
	uint16_t size = q->size;

	/* Alignment: "Split Virtqueues", requirements on the driver. */
	if (!IS_ALIGNED(q->desc_gpa.v, VIRTQ_DESC_ALIGN) ||
	    !IS_ALIGNED(q->avail_gpa.v, VIRTQ_AVAIL_ALIGN) ||
	    !IS_ALIGNED(q->used_gpa.v, VIRTQ_USED_ALIGN)) {
		virtq_break(q, "ring is not aligned");
		return false;
	}

	q->desc = memory_at(q->memory, q->desc_gpa, VIRTQ_DESC_BYTES(size));
	q->avail = memory_at(q->memory, q->avail_gpa, VIRTQ_AVAIL_BYTES(size));
	q->used = memory_at(q->memory, q->used_gpa, VIRTQ_USED_BYTES(size));
	if (!q->desc || !q->avail || !q->used) {
		virtq_break(q, "ring is not in memory");
		return false;
	}
	q->enabled = true;
	return true;
}

/*
 * The event words behind the rings. Both exist whether or not EVENT_IDX was
 * negotiated; virtq_enable checked that they are in memory.
 */
static uint16_t used_event(const struct virtq *q)
{
	return READ_ONCE(q->avail->ring[q->size]);
}

static void set_avail_event(struct virtq *q, uint16_t idx)
{
	uint16_t *word = (uint16_t *)(void *)&q->used->ring[q->size];

	WRITE_ONCE(*word, idx);
}

/* How many chains the driver offers, or -EPROTO. */
static int virtq_offered(struct virtq *q)
{
	/*
	 * Acquire, so that the ring entry and the descriptors are read after
	 * idx. Partner: the driver's write barrier between filling the entry
	 * and advancing idx ("Updating idx").
	 */
	uint16_t idx = atomic_load_explicit((const _Atomic uint16_t *)&q->avail->idx,
					    memory_order_acquire);
	uint16_t count = (uint16_t)(idx - q->next_avail);

	/*
	 * Chains not yet given back still occupy descriptors, so together
	 * with those offered there are never more than the ring has.
	 */
	if (count + q->in_flight > q->size)
		return virtq_break(q, "more chains offered than descriptors exist");
	return count;
}

/*
 * Where the rest of a chain is: the ring's own table or an indirect one. The
 * table is guest memory; entries are copied out one at a time.
 */
struct table {
	const uint8_t *at; /* an indirect one need not be aligned */
	uint32_t count;
	bool indirect;
};

static struct virtq_desc desc_copy(const struct table *t, uint32_t i)
{
	struct virtq_desc d;

	memcpy(&d, t->at + sizeof(d) * i, sizeof(d));
	/*
	 * The compiler must not go back to guest memory for what it has in d:
	 * what is checked is what is used, whatever the guest does meanwhile.
	 */
	atomic_signal_fence(memory_order_seq_cst);
	return d;
}

/* Follow an indirect descriptor. "Indirect Descriptors" */
static int enter_indirect(struct virtq *q, const struct virtq_desc *d, struct table *t)
{
	if (!q->indirect)
		return virtq_break(q, "indirect descriptor was not negotiated");
	if (t->indirect)
		return virtq_break(q, "indirect descriptor inside an indirect table");
	if (d->flags & VIRTQ_DESC_F_NEXT)
		return virtq_break(q, "indirect descriptor with a next one");
	if (d->len == 0 || d->len % sizeof(struct virtq_desc) != 0)
		return virtq_break(q, "indirect table of odd length");

	t->at = memory_at(q->memory, gpa(d->addr), d->len);
	if (!t->at)
		return virtq_break(q, "indirect table is not in memory");
	t->count = d->len / (uint32_t)sizeof(struct virtq_desc);
	t->indirect = true;
	return 0;
}

static int add_buffer(struct virtq *q, struct virtq_chain *c, const struct virtq_desc *d)
{
	unsigned int n = c->read_count + c->write_count;
	void *host;

	/*
	 * A chain is never longer than the ring ("Driver Requirements: Indirect
	 * Descriptors" extends this to indirect tables), which also ends loops.
	 */
	if (n == q->size || n == c->iov_max)
		return virtq_break(q, "chain too long");
	if (d->len == 0)
		return virtq_break(q, "empty buffer");
	host = memory_at(q->memory, gpa(d->addr), d->len);
	if (!host)
		return virtq_break(q, "buffer is not in memory");

	if (d->flags & VIRTQ_DESC_F_WRITE) {
		c->write_count++;
		c->write_bytes += d->len;
	} else {
		/* "Message Framing": all readable before all writable. */
		if (c->write_count)
			return virtq_break(q, "readable buffer after a writable one");
		c->read_count++;
		c->read_bytes += d->len;
	}
	c->iov[n] = (struct iovec){ .iov_base = host, .iov_len = d->len };
	return 0;
}

static int virtq_walk(struct virtq *q, struct virtq_chain *c)
{
	struct table t = { .at = (const uint8_t *)q->desc, .count = q->size };
	uint32_t i = c->head;
	int err;

	for (;;) {
		struct virtq_desc d;

		if (i >= t.count)
			return virtq_break(q, "descriptor outside its table");
		d = desc_copy(&t, i);

		if (d.flags & VIRTQ_DESC_F_INDIRECT) {
			err = enter_indirect(q, &d, &t);
			if (err)
				return err;
			i = 0;
			continue;
		}
		err = add_buffer(q, c, &d);
		if (err)
			return err;
		if (!(d.flags & VIRTQ_DESC_F_NEXT))
			return 0;
		i = d.next;
	}
}

int virtq_pop(struct virtq *q, struct virtq_chain *c)
{
	int err;

	if (q->broken)
		return -EPROTO;
	if (!q->enabled)
		return 0;

	err = virtq_offered(q);
	if (err <= 0)
		return err;

	c->head = READ_ONCE(q->avail->ring[q->next_avail % q->size]);
	c->read_count = c->write_count = 0;
	c->read_bytes = c->write_bytes = 0;
	err = virtq_walk(q, c);
	if (err)
		return err;

	q->next_avail++;
	q->in_flight++;
	return 1;
}

void virtq_unpop(struct virtq *q, uint16_t count)
{
	if (q->broken || !q->enabled)
		return;
	q->next_avail -= count;
	q->in_flight -= count;
}

void virtq_fill(struct virtq *q, uint16_t head, uint32_t written)
{
	struct virtq_used_elem *e;

	if (q->broken || !q->enabled)
		return;

	e = &q->used->ring[q->used_idx % q->size];
	WRITE_ONCE(e->id, head);
	WRITE_ONCE(e->len, written);
	q->used_idx++;
	q->in_flight--;
}

void virtq_publish(struct virtq *q)
{
	if (q->broken || !q->enabled)
		return;
	/*
	 * Release, so that the entries and the data are visible before idx.
	 * Partner: the driver's read barrier between seeing idx and reading
	 * the entry ("Receiving Used Buffers From The Device").
	 */
	atomic_store_explicit((_Atomic uint16_t *)&q->used->idx, q->used_idx, memory_order_release);
}

void virtq_push(struct virtq *q, uint16_t head, uint32_t written)
{
	virtq_fill(q, head, written);
	virtq_publish(q);
}

bool virtq_should_interrupt(struct virtq *q)
{
	uint16_t old = q->signalled;
	uint16_t new = q->used_idx;

	if (q->broken || !q->enabled || old == new)
		return false;

	/*
	 * Our store of used->idx before our load of the driver's wish. Partner:
	 * the driver's barrier between storing its wish and re-checking
	 * used->idx. One of the two sees the other; without it both may sleep.
	 */
	atomic_thread_fence(memory_order_seq_cst);

	q->signalled = new;
	if (!q->event_idx)
		return !(READ_ONCE(q->avail->flags) & VIRTQ_AVAIL_F_NO_INTERRUPT);
	/*
	 * "Used Buffer Notification Suppression": interrupt when the entry
	 * at used_event was among those pushed, old <= used_event < new in
	 * arithmetic modulo 65536.
	 */
	return (uint16_t)(new - used_event(q) - 1) < (uint16_t)(new - old);
}

void virtq_quiet(struct virtq *q)
{
	/* With EVENT_IDX an avail_event left behind is quiet by itself. */
	if (!q->broken && q->enabled && !q->event_idx)
		WRITE_ONCE(q->used->flags, VIRTQ_USED_F_NO_NOTIFY);
}

bool virtq_listen(struct virtq *q)
{
	if (q->broken || !q->enabled)
		return false;

	if (q->event_idx)
		set_avail_event(q, q->next_avail);
	else
		WRITE_ONCE(q->used->flags, 0);

	/*
	 * Our wish before our load of avail->idx. Partner: the driver's barrier
	 * between advancing avail->idx and reading our wish ("Notifying The
	 * Device").
	 */
	atomic_thread_fence(memory_order_seq_cst);
	return virtq_offered(q) > 0;
}

static uint64_t iov_bytes(const struct iovec *iov, unsigned int count)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < count; i++)
		sum += iov[i].iov_len;
	return sum;
}

/* Take @n bytes off the first entry; returns where they are. */
static uint8_t *iov_advance(struct iovec **iov, unsigned int *count, uint64_t n)
{
	uint8_t *at = (*iov)->iov_base;

	(*iov)->iov_base = at + n;
	(*iov)->iov_len -= n;
	if ((*iov)->iov_len == 0) {
		(*iov)++;
		(*count)--;
	}
	return at;
}

bool iov_take(struct iovec **iov, unsigned int *count, void *dst, uint64_t len)
{
	uint8_t *to = dst;

	if (iov_bytes(*iov, *count) < len)
		return false;
	while (len) {
		uint64_t n = MIN(len, (*iov)->iov_len);
		const uint8_t *from = iov_advance(iov, count, n);

		if (to) {
			memcpy(to, from, n);
			to += n;
		}
		len -= n;
	}
	/* As in desc_copy: what was copied is what is used. */
	atomic_signal_fence(memory_order_seq_cst);
	return true;
}

bool iov_put(struct iovec **iov, unsigned int *count, const void *src, uint64_t len)
{
	const uint8_t *from = src;

	if (iov_bytes(*iov, *count) < len)
		return false;
	while (len) {
		uint64_t n = MIN(len, (*iov)->iov_len);

		memcpy(iov_advance(iov, count, n), from, n);
		from += n;
		len -= n;
	}
	return true;
}

uint8_t *iov_cut_last(struct iovec *iov, unsigned int *count)
{
	struct iovec *last;
	uint8_t *at;

	if (*count == 0)
		return NULL;
	last = &iov[*count - 1];
	at = (uint8_t *)last->iov_base + last->iov_len - 1;
	if (--last->iov_len == 0)
		(*count)--;
	return at;
}
