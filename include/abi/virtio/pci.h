/* SPDX-License-Identifier: MIT */
/*
 * The PCI transport's layouts. Virtio 1.2, "Virtio Over PCI Bus".
 */
#ifndef ABI_VIRTIO_PCI_H
#define ABI_VIRTIO_PCI_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* "PCI Device Discovery" */
#define VIRTIO_PCI_VENDOR      0x1af4
#define VIRTIO_PCI_DEVICE_BASE 0x1040 /* + device type */
#define VIRTIO_PCI_REVISION    1      /* 1 or more: not transitional */

/* "Virtio Structure PCI Capabilities": a vendor capability each */
#define VIRTIO_PCI_CAP_COMMON  1
#define VIRTIO_PCI_CAP_NOTIFY  2
#define VIRTIO_PCI_CAP_ISR     3
#define VIRTIO_PCI_CAP_DEVICE  4
#define VIRTIO_PCI_CAP_PCI     5

struct virtio_pci_cap {
	uint8_t cap_vndr; /* PCI_CAP_ID_VENDOR */
	uint8_t cap_next;
	uint8_t cap_len;
	uint8_t cfg_type; /* VIRTIO_PCI_CAP_* */
	uint8_t bar;
	uint8_t id;
	uint8_t padding[2];
	uint32_t offset; /* within the BAR */
	uint32_t length;
};
static_assert(sizeof(struct virtio_pci_cap) == 16, "virtio_pci_cap");

/* "Notification structure layout" */
struct virtio_pci_notify_cap {
	struct virtio_pci_cap cap;
	uint32_t notify_off_multiplier;
};
static_assert(sizeof(struct virtio_pci_notify_cap) == 20, "notify cap");

/* "PCI configuration access capability" */
struct virtio_pci_cfg_cap {
	struct virtio_pci_cap cap;
	uint8_t pci_cfg_data[4];
};
static_assert(sizeof(struct virtio_pci_cfg_cap) == 20, "cfg cap");

/* "Common configuration structure layout" */
struct virtio_pci_common_cfg {
	/* the whole device */
	uint32_t device_feature_select;
	uint32_t device_feature;
	uint32_t driver_feature_select;
	uint32_t driver_feature;
	uint16_t config_msix_vector;
	uint16_t num_queues;
	uint8_t device_status;
	uint8_t config_generation;
	/* the queue that queue_select names */
	uint16_t queue_select;
	uint16_t queue_size;
	uint16_t queue_msix_vector;
	uint16_t queue_enable;
	uint16_t queue_notify_off;
	uint64_t queue_desc;
	uint64_t queue_driver; /* available ring */
	uint64_t queue_device; /* used ring */
	uint16_t queue_notify_data;
	uint16_t queue_reset;
} __attribute__((packed));
static_assert(sizeof(struct virtio_pci_common_cfg) == 60, "common cfg");
static_assert(offsetof(struct virtio_pci_common_cfg, device_status) == 20, "common cfg");
static_assert(offsetof(struct virtio_pci_common_cfg, queue_desc) == 32, "common cfg");
static_assert(offsetof(struct virtio_pci_common_cfg, queue_device) == 48, "common cfg");

#define VIRTIO_MSI_NO_VECTOR  0xffff

/* "ISR status capability": bits, cleared by reading */
#define VIRTIO_PCI_ISR_QUEUE  0x1
#define VIRTIO_PCI_ISR_CONFIG 0x2

#endif
