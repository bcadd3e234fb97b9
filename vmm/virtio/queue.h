/* SPDX-License-Identifier: MIT */
/*
 * The virtqueue engine: one split virtqueue seen from the device.
 *
 * A virtqueue is three areas in guest memory:
 *
 *   descriptor table            available ring           used ring
 *   +-----------------------+   +------------------+     +-----------------+
 *   | addr len flags next   |   | flags            |     | flags           |
 *   | addr len flags next   |   | idx   -> driver  |     | idx   -> device |
 *   |   ...                 |   | ring: head       |     | ring: head, len |
 *   |                       |   |       head ...   |     |       ...       |
 *   +-----------------------+   | used_event       |     | avail_event     |
 *                               +------------------+     +-----------------+
 *
 * The driver builds a chain of descriptors, first those the device reads, then
 * those it writes, puts the index of the first (the head) into the available
 * ring and advances idx. The device takes the chain, does the work, puts the
 * head and the number of bytes it wrote into the used ring and advances that
 * idx. A chain may end in an indirect descriptor, whose buffer is a table with
 * the rest of the chain. used_event and avail_event say from which index on
 * the other side wants to be told (VIRTIO_F_EVENT_IDX).
 *
 *     avail.idx - next_avail   chains the driver offers and we have not taken
 *     next_avail - used_idx    chains taken and not given back: in_flight
 *
 * All of it is written by the guest, at any moment. The engine reads every
 * word once, into a copy, and judges the copy. What no correct driver can
 * produce breaks the queue: it hands out nothing more until it is reset, and
 * broken says why. Guest memory itself stays mapped for the VM's life, so the
 * pointers in a chain are safe to use at any time, also after a reset.
 *
 * A device works like this, under its own lock throughout (device.h has the
 * same functions for a queue of a device):
 *
 *	do {
 *		virtq_quiet(q);
 *		while (virtq_pop(q, &chain) > 0) {
 *			... work, now or later ...
 *			virtq_push(q, chain.head, bytes_written);
 *		}
 *	} while (virtq_listen(q));
 *	if (virtq_should_interrupt(q))
 *		... interrupt ...
 *
 * No lock in here: the caller has one. Only the guest is concurrent.
 */
#ifndef VMM_VIRTIO_QUEUE_H
#define VMM_VIRTIO_QUEUE_H

#include <sys/uio.h>

#include "abi/virtio/ring.h"
#include "base/base.h"
#include "vmm/memory.h"

/* The largest ring we offer; the spec's limit is 32768. */
#define VIRTQ_SIZE_MAX 1024

struct virtq {
	const struct memory *memory;

	/* Set by the transport while the queue is disabled. */
	uint16_t size; /* power of two */
	gpa_t desc_gpa, avail_gpa, used_gpa;
	bool event_idx; /* VIRTIO_F_EVENT_IDX was negotiated */
	bool indirect;	/* VIRTIO_F_INDIRECT_DESC was negotiated */

	/* Valid while enabled: the three areas, checked once by virtq_enable. */
	bool enabled;
	const struct virtq_desc *desc;
	const struct virtq_avail *avail;
	struct virtq_used *used;

	uint16_t next_avail; /* next slot of the available ring to take */
	uint16_t used_idx;   /* what we last stored to used->idx */
	uint16_t signalled;  /* used_idx when we last decided to interrupt or not */
	uint16_t in_flight;  /* chains popped and not pushed */

	const char *broken; /* NULL, or what the driver did wrong */
};

/*
 * A chain, as taken from the ring. The caller provides iov with room for
 * iov_max buffers; pop fills it, readable buffers first.
 *
 *   iov[0 .. read_count)                         the device reads these
 *   iov[read_count .. read_count + write_count)  the device writes these
 */
struct virtq_chain {
	struct iovec *iov;
	unsigned int iov_max;

	uint16_t head;
	unsigned int read_count, write_count;
	uint64_t read_bytes, write_bytes;
};

/* Back to the state after power-on: disabled, not broken, no addresses. @size: the ring offered. */
void virtq_init(struct virtq *q, const struct memory *memory, uint16_t size);

/*
 * Start using the rings at the three addresses. False, and broken set, if an
 * area is misaligned or not wholly in guest memory.
 */
bool virtq_enable(struct virtq *q);

/*
 * Take the next chain. 1: *c is filled; 0: none, or the queue is disabled;
 * -EPROTO: the queue is broken, now or already.
 */
int virtq_pop(struct virtq *q, struct virtq_chain *c);

/* The last @count chains taken were not: they come again. None of them was used. */
void virtq_unpop(struct virtq *q, uint16_t count);

/*
 * Give a chain back: the device wrote the first @written bytes of its writable
 * part. Visible to the driver at once. Does nothing on a broken queue.
 */
void virtq_push(struct virtq *q, uint16_t head, uint32_t written);

/*
 * The same in two steps, for chains that the driver must see all at once: fill
 * each, then publish.
 */
void virtq_fill(struct virtq *q, uint16_t head, uint32_t written);
void virtq_publish(struct virtq *q);

/*
 * Does the driver want an interrupt for what was pushed since the last call?
 * Call after the last push of a batch, and interrupt if true.
 */
bool virtq_should_interrupt(struct virtq *q);

/*
 * Notifications: quiet asks the driver not to notify (a hint), listen asks for
 * them again and returns true if a chain arrived meanwhile, which nobody will
 * announce: pop again.
 */
void virtq_quiet(struct virtq *q);
bool virtq_listen(struct virtq *q);

/*
 * Walking a chain as a stream of bytes: take @len bytes off the front of
 * @iov[0 .. *count), copying them to @dst (or from @src into the guest, or
 * nowhere if NULL). Entries shrink, used-up ones are dropped by moving *iov
 * and *count. False, with nothing taken, if fewer than @len bytes are left.
 */
bool iov_take(struct iovec **iov, unsigned int *count, void *dst, uint64_t len);
bool iov_put(struct iovec **iov, unsigned int *count, const void *src, uint64_t len);

/*
 * Cut the last byte off @iov[0 .. *count) and return where it is, or NULL if
 * there is none.
 */
uint8_t *iov_cut_last(struct iovec *iov, unsigned int *count);

#endif
