/* SPDX-License-Identifier: MIT */
/*
 * What every virtio device has, whatever its kind and transport. Virtio 1.2,
 * "Basic Facilities of a Virtio Device", "Reserved Feature Bits", "Device
 * Types".
 */
#ifndef ABI_VIRTIO_CONFIG_H
#define ABI_VIRTIO_CONFIG_H

/* "Device Types" */
#define VIRTIO_ID_NET		  1
#define VIRTIO_ID_BLOCK		  2
#define VIRTIO_ID_CONSOLE	  3
#define VIRTIO_ID_ENTROPY	  4
#define VIRTIO_ID_BALLOON	  5
#define VIRTIO_ID_VSOCK		  19

/* "Device Status Field" */
#define VIRTIO_STATUS_ACKNOWLEDGE 0x01
#define VIRTIO_STATUS_DRIVER	  0x02
#define VIRTIO_STATUS_DRIVER_OK	  0x04
#define VIRTIO_STATUS_FEATURES_OK 0x08
#define VIRTIO_STATUS_NEEDS_RESET 0x40 /* set by the device only */
#define VIRTIO_STATUS_FAILED	  0x80

/* "Reserved Feature Bits": bit numbers */
#define VIRTIO_F_INDIRECT_DESC	  28
#define VIRTIO_F_EVENT_IDX	  29
#define VIRTIO_F_VERSION_1	  32

#endif
