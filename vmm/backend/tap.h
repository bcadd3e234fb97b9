/* SPDX-License-Identifier: MIT */
/*
 * A tap: the host's end of a guest's network cable. One file descriptor for
 * each pair of queues; a packet is one readv() or writev(), with a struct
 * virtio_net_hdr before it. "Universal TUN/TAP device driver" in the kernel's
 * documentation.
 *
 * Everything is opened at creation. Later there are reads and writes by whoever
 * has the descriptors, and the ioctls of the functions below, which may be
 * called on any thread.
 */
#ifndef VMM_BACKEND_TAP_H
#define VMM_BACKEND_TAP_H

#include "base/base.h"

#define TAP_QUEUES_MAX 8

struct tap {
	unsigned int queues;
	int fd[TAP_QUEUES_MAX]; /* not blocking */
	char name[16];
};

/*
 * Open @queues queues of the tap @name, which comes into being if it does not
 * exist. That and a tap that belongs to somebody else want CAP_NET_ADMIN.
 * 0 or -errno: -EBUSY: another program has it.
 */
int tap_open(struct tap *t, const char *name, unsigned int queues);

/*
 * Take over the @queues descriptors in @fd, each a queue of one tap with
 * IFF_NO_PI and IFF_VNET_HDR. 0, or -errno with nothing closed: -EBADFD: one is
 * something else.
 */
int tap_adopt(struct tap *t, const int *fd, unsigned int queues);

void tap_close(struct tap *t);

/* Its MTU, in bytes without Ethernet's header; 0: not known. Before the guest runs. */
unsigned int tap_mtu(const struct tap *t);

/*
 * What the guest takes (bits VIRTIO_NET_F_GUEST_*): the host then leaves it to
 * the guest to check sums and to cut large packets. 0 or -errno.
 */
int tap_set_offloads(struct tap *t, uint64_t guest_features);

/*
 * Have the host spread packets over the first @count queues; those of the
 * others are dropped. 0 or -errno.
 */
int tap_use_queues(struct tap *t, unsigned int count);

#endif
