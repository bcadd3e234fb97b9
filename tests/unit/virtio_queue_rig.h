/* SPDX-License-Identifier: MIT */
/* A virtqueue in memory of its own, and a driver that writes its rings by hand. */
#ifndef TESTS_VIRTIO_QUEUE_RIG_H
#define TESTS_VIRTIO_QUEUE_RIG_H

#include <sys/uio.h>

#include "vmm/virtio/queue.h"

#define SIZE  8u
#define DESC  0x1000u
#define AVAIL 0x2000u
#define USED  0x3000u
#define TABLE 0x4000u /* an indirect one */
#define DATA  0x8000u
#define END   0x10000u /* of guest memory */

struct fixture {
	struct memory memory;
	struct virtq q;
	struct virtq_desc *desc, *table;
	struct virtq_avail *avail;
	struct virtq_used *used;
	struct iovec iov[SIZE];
	struct virtq_chain c;
};

/* An enabled queue of @size entries with rings at DESC, AVAIL and USED. */
struct fixture *make(uint16_t size, bool event_idx, bool indirect);
/* cmocka's: without event index, with indirect descriptors. */
int setup(void **state);
int teardown(void **state);

struct virtq_desc buf(uint64_t addr, uint32_t len, uint16_t flags, uint16_t next);
/* Put @head into the available ring. */
void offer(struct fixture *f, uint16_t head);
/* @n chains of one buffer each, offered, taken and given back. */
void push_some(struct fixture *f, unsigned int n);

#endif
