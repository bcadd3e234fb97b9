/* SPDX-License-Identifier: MIT */
/*
 * Memory balloon device. Virtio 1.2, "Traditional Memory Balloon Device".
 */
#ifndef ABI_VIRTIO_BALLOON_H
#define ABI_VIRTIO_BALLOON_H

#include <assert.h>
#include <stdint.h>

/* "Feature bits": bit numbers */
#define VIRTIO_BALLOON_F_DEFLATE_ON_OOM 2
#define VIRTIO_BALLOON_F_REPORTING	5

/* Pages of the balloon, in page numbers of 32 bits, whatever pages the guest has. */
#define VIRTIO_BALLOON_PAGE_SHIFT	12

/* "Device configuration layout", as far as we offer it */
struct virtio_balloon_config {
	uint32_t num_pages; /* we want it to hold so many */
	uint32_t actual;    /* it holds so many: the driver's */
} __attribute__((packed));

static_assert(sizeof(struct virtio_balloon_config) == 8, "virtio_balloon_config");

#endif
