/* SPDX-License-Identifier: MIT */
/*
 * virtio-balloon: memory the guest does not need goes back to the host, what it
 * gives (the balloon) and what it only reports as free.
 */
#ifndef VMM_VIRTIO_BALLOON_H
#define VMM_VIRTIO_BALLOON_H

#include "base/base.h"

struct device_kind;

struct balloon_config {
	uint64_t size;	     /* bytes the balloon should hold */
	bool deflate_on_oom; /* the guest may take it back rather than kill a process */
	bool reporting;	     /* free pages are reported */
};

extern const struct device_kind virtio_balloon_device;

#endif
