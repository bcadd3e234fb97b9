/* SPDX-License-Identifier: MIT */
/*
 * virtio-vsock: sockets between the guest and its host, without a network. The
 * kernel carries what is sent (vhost-vsock); programs of the host find the guest
 * under its number (AF_VSOCK, cid), and the guest finds the host under 2.
 *
 * The event queue is there because the specification wants it. Its one event, that
 * connections were lost because the machine has moved, does not happen here: the
 * guest's number never changes, and vhost keeps connections while the device stands.
 *
 * No thread of ours: vhost has one of the kernel's. VP threads start and stop it.
 */
#ifndef VMM_VIRTIO_VSOCK_H
#define VMM_VIRTIO_VSOCK_H

#include "vmm/device.h"

/* --vsock */
struct vsock_config {
	uint32_t cid;
};

extern const struct device_kind virtio_vsock_device;

#endif
