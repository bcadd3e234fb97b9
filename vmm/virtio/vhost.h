/* SPDX-License-Identifier: MIT */
/*
 * vhost: queues that the kernel serves. It takes the doorbell's eventfd as kick
 * and the interrupt's as call, so that nothing of the data path comes by here:
 * no exit, no system call, no thread of ours. What is left to us is to start
 * and to stop. linux/vhost.h; the kernel's drivers/vhost.
 *
 * A device has one struct vhost for each two queues, and
 * sets the back end by an ioctl of its own kind.
 *
 * Opened before the guest runs; the calls after that make ioctls on fd only.
 * Not for two threads at once: the caller has the device's lock.
 *
 * Where vhost works it has a thread in this process, of the kernel's: it shares
 * our memory, and never runs our code. It comes with the first vhost_begin(),
 * for the sandbox wants a process without any.
 */
#ifndef VMM_VIRTIO_VHOST_H
#define VMM_VIRTIO_VHOST_H

#include "base/base.h"
#include "vmm/memory.h"
#include "vmm/virtio/queue.h"

struct vhost {
	int fd;		   /* -1: not open */
	uint64_t features; /* that it knows: VIRTIO_F_* and those of its kind */
	const struct memory *memory;
	bool owned; /* ours, and it has its thread and the memory */
};

/* Open @path, to serve rings in @memory. 0 or -errno. */
int vhost_open(struct vhost *h, const char *path, const struct memory *memory);
/* Whatever it was doing has ended then. */
void vhost_close(struct vhost *h);

/*
 * Begin to work, with @features as far as vhost has a say in them. While no queue
 * is started, and before the first one is each time. 0 or -errno.
 */
int vhost_begin(struct vhost *h, uint64_t features);

/*
 * Serve @q, which is enabled, as the @index-th queue of @h, from next_avail on:
 * when @kick is signalled, look; signal @call for an interrupt (-1: none is
 * wanted), @error when the rings make no sense. The back end is set after that.
 * 0 or -errno.
 */
int vhost_start(struct vhost *h, unsigned int index, const struct virtq *q, int kick, int call,
		int error);

/* Another eventfd to interrupt with; any time after vhost_start(). */
int vhost_set_call(struct vhost *h, unsigned int index, int call);

/* After the back end was taken away: nothing touches the rings any more. */
void vhost_stop(struct vhost *h, unsigned int index, struct virtq *q);

#endif
