/* SPDX-License-Identifier: MIT */
/* Socket device. Virtio 1.2, "Socket Device". */
#ifndef ABI_VIRTIO_VSOCK_H
#define ABI_VIRTIO_VSOCK_H

#include <assert.h>
#include <stdint.h>

/* "Feature bits": bit numbers */
#define VIRTIO_VSOCK_F_STREAM	 0
#define VIRTIO_VSOCK_F_SEQPACKET 1

/* "Virtqueues" */
enum virtio_vsock_queue {
	VIRTIO_VSOCK_RX,
	VIRTIO_VSOCK_TX,
	VIRTIO_VSOCK_EVENT,
	VIRTIO_VSOCK_QUEUES,
};

/* "Device configuration layout" */
struct virtio_vsock_config {
	uint64_t guest_cid; /* 32 bits of it are used */
} __attribute__((packed));

static_assert(sizeof(struct virtio_vsock_config) == 8, "virtio_vsock_config");

#endif
