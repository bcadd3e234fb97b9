/* SPDX-License-Identifier: MIT */
/*
 * A block device, as the two files that make it share it: blk.c sets it up,
 * blk_request.c does the work.
 */
#ifndef VMM_VIRTIO_BLK_STATE_H
#define VMM_VIRTIO_BLK_STATE_H

#include "abi/virtio/blk.h"
#include "vmm/backend/disk.h"
#include "vmm/rate.h"
#include "vmm/ring.h"
#include "vmm/thread.h"
#include "vmm/virtio/blk.h"
#include "vmm/virtio/device.h"
#include "vmm/virtio/pci.h"

#define BLK_QUEUE_SIZE	      128u
/* Requests in work at the same time, whatever the number of queues. */
#define BLK_REQUESTS_1	      BLK_QUEUE_SIZE
#define BLK_REQUESTS	      (2 * BLK_QUEUE_SIZE)

/* Of one discard or write-zeroes request: 2 GiB. */
#define BLK_RANGE_SECTORS_MAX (1u << 22)

struct blk_request {
	struct disk_request io;
	struct virtio_blk *blk;
	struct blk_request *next_free;
	uint16_t queue;
	uint16_t head;	 /* of the chain */
	uint8_t *status; /* in guest memory */
	uint64_t room;	 /* writable bytes before the status byte */
	uint64_t filled; /* how many of them we write if all goes well */
	struct iovec iov[BLK_QUEUE_SIZE];
};

struct virtio_blk {
	struct virtio_device v;
	struct virtio_pci pci;
	struct ring *ring;
	struct thread thread; /* runs the ring */
	struct disk *disk;
	bool readonly;
	unsigned int errors_logged;
	char id[VIRTIO_BLK_ID_BYTES]; /* padded with zeros, maybe not terminated */
	struct virtio_blk_config config;
	struct ring_watch kick[BLK_QUEUES_MAX];

	/* The lock's, but only the disk's thread touches them. */
	uint32_t pushed;   /* queues, by bit, that got something back this turn */
	uint32_t starved;  /* queues in which chains were left: look again */
	unsigned int turn; /* the queue that was looked at last then */

	bool limited;
	bool paused; /* by a limit, until the alarm */
	struct rate ops, bytes;
	struct __kernel_timespec pause;
	struct ring_event alarm;

	/* The free one used last is taken first, so that a quiet guest touches few. */
	struct blk_request *free;
	struct blk_request request[];
};

/* Have @requests of them, and limits as in @c. Before the thread runs. */
void blk_requests_init(struct virtio_blk *b, const struct disk_config *c, unsigned int requests);

/* struct virtio_kind's. */
void blk_process(struct virtio_device *v, unsigned int queue);

/* The ring's hooks: a turn holds the device's lock. */
void blk_begin_turn(void *arg);
void blk_end_turn(void *arg);
/* @w is one of kick. */
void blk_kicked(struct ring_watch *w);

#endif
