/* SPDX-License-Identifier: MIT */
/*
 * Split virtqueues as they lie in guest memory. Virtio 1.2, "Split
 * Virtqueues". All fields are little-endian; so are the machines we run on.
 *
 * Three areas, each physically contiguous, placed by the driver:
 *
 *   descriptor table   16 * size bytes      read-only for the device
 *   available ring      6 + 2 * size bytes  read-only for the device
 *   used ring           6 + 8 * size bytes  written by the device
 */
#ifndef ABI_VIRTIO_RING_H
#define ABI_VIRTIO_RING_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* "The Virtqueue Descriptor Table" */
struct virtq_desc {
	uint64_t addr; /* guest physical */
	uint32_t len;
	uint16_t flags;
	uint16_t next; /* index, if VIRTQ_DESC_F_NEXT */
};
static_assert(sizeof(struct virtq_desc) == 16, "virtq_desc");

#define VIRTQ_DESC_F_NEXT     1
#define VIRTQ_DESC_F_WRITE    2 /* device writes; else device reads */
#define VIRTQ_DESC_F_INDIRECT 4 /* the buffer is a table of descriptors */

/* "The Virtqueue Available Ring"; uint16_t used_event follows ring[size]. */
struct virtq_avail {
	uint16_t flags;
	uint16_t idx; /* where the driver puts the next entry, mod 65536 */
	uint16_t ring[];
};
static_assert(offsetof(struct virtq_avail, ring) == 4, "virtq_avail");

#define VIRTQ_AVAIL_F_NO_INTERRUPT 1

/* "The Virtqueue Used Ring"; uint16_t avail_event follows ring[size]. */
struct virtq_used_elem {
	uint32_t id;  /* head of the chain that was used */
	uint32_t len; /* bytes written into its writable part */
};
static_assert(sizeof(struct virtq_used_elem) == 8, "virtq_used_elem");

struct virtq_used {
	uint16_t flags;
	uint16_t idx;
	struct virtq_used_elem ring[];
};
static_assert(offsetof(struct virtq_used, ring) == 4, "virtq_used");

#define VIRTQ_USED_F_NO_NOTIFY	1

/* Alignment each area must have. "Split Virtqueues", table of alignments. */
#define VIRTQ_DESC_ALIGN	16
#define VIRTQ_AVAIL_ALIGN	2
#define VIRTQ_USED_ALIGN	4

#define VIRTQ_AVAIL_BYTES(size) (6 + 2 * (uint64_t)(size))
#define VIRTQ_USED_BYTES(size)	(6 + 8 * (uint64_t)(size))
#define VIRTQ_DESC_BYTES(size)	(16 * (uint64_t)(size))

#endif
