/* SPDX-License-Identifier: MIT */
/*
 * virtio-blk: a disk image as a PCI function. Several request queues, one thread
 * per disk; flush, discard, write-zeroes; a write cache that the driver may
 * switch off, and that is off for one that knows no flush; rate limits.
 */
#ifndef VMM_VIRTIO_BLK_H
#define VMM_VIRTIO_BLK_H

#include "vmm/device.h"

struct virtio_blk;

struct disk_config {
	const char *path;
	const char *serial; /* NULL: none */
	bool readonly;
	uint32_t queues;    /* 0: as many as processors, up to BLK_QUEUES_DEFAULT */
	uint32_t iops;	    /* requests per second; 0: no limit */
	uint64_t bandwidth; /* bytes per second, read and written; 0: no limit */
};

#define BLK_QUEUES_DEFAULT 4u
#define BLK_QUEUES_MAX	   VMMCTL_DISK_QUEUES_MAX

extern const struct device_kind virtio_blk_device;

/*
 * Open the image @c names and add the device to @m, before the first VP runs.
 * NULL after an error, which has been logged; errno tells its kind.
 */
struct virtio_blk *virtio_blk_create(struct machine *m, const struct disk_config *c);

/*
 * After the last VP has ended. Waits for requests in flight.
 */
void virtio_blk_destroy(struct virtio_blk *b);

#endif
