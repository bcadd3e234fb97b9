/* SPDX-License-Identifier: MIT */
/*
 * virtio-blk: a disk image as a PCI function. One request queue; discard,
 * write-zeroes, flush; write-through if the driver does not know flush.
 */
#ifndef VMM_VIRTIO_BLK_H
#define VMM_VIRTIO_BLK_H

#include "vmm/device.h"

struct virtio_blk;

struct disk_config {
	const char *path;
	const char *serial; /* NULL: none */
	bool readonly;
};

extern const struct device_kind virtio_blk_device;

/*
 * Open the image @c names and add the device to @m, before the first VP runs.
 * NULL after an error, which has been logged; errno tells its kind.
 */
struct virtio_blk *virtio_blk_create(struct machine *m, const struct disk_config *c);

/*
 * After the last VP and the device thread have ended. Waits for requests in
 * flight, so that what the guest saw written is.
 */
void virtio_blk_destroy(struct virtio_blk *b);

#endif
