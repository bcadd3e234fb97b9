/* SPDX-License-Identifier: MIT */
/*
 * Network device. Virtio 1.2, "Network Device".
 */
#ifndef ABI_VIRTIO_NET_H
#define ABI_VIRTIO_NET_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* "Feature bits": bit numbers. GUEST_: the driver takes such packets; HOST_: we do. */
#define VIRTIO_NET_F_CSUM		 0
#define VIRTIO_NET_F_GUEST_CSUM		 1
#define VIRTIO_NET_F_CTRL_GUEST_OFFLOADS 2
#define VIRTIO_NET_F_MTU		 3
#define VIRTIO_NET_F_MAC		 5
#define VIRTIO_NET_F_GUEST_TSO4		 7
#define VIRTIO_NET_F_GUEST_TSO6		 8
#define VIRTIO_NET_F_GUEST_ECN		 9
#define VIRTIO_NET_F_HOST_TSO4		 11
#define VIRTIO_NET_F_HOST_TSO6		 12
#define VIRTIO_NET_F_HOST_ECN		 13
#define VIRTIO_NET_F_MRG_RXBUF		 15
#define VIRTIO_NET_F_STATUS		 16
#define VIRTIO_NET_F_CTRL_VQ		 17
#define VIRTIO_NET_F_CTRL_RX		 18
#define VIRTIO_NET_F_CTRL_VLAN		 19
#define VIRTIO_NET_F_CTRL_RX_EXTRA	 20
#define VIRTIO_NET_F_GUEST_ANNOUNCE	 21
#define VIRTIO_NET_F_MQ			 22
#define VIRTIO_NET_F_CTRL_MAC_ADDR	 23
#define VIRTIO_NET_F_GUEST_USO4		 54
#define VIRTIO_NET_F_GUEST_USO6		 55
#define VIRTIO_NET_F_HOST_USO		 56

#define VIRTIO_NET_MAC_BYTES		 6

/* "Device configuration layout" */
struct virtio_net_config {
	uint8_t mac[VIRTIO_NET_MAC_BYTES];
	uint16_t status;
	uint16_t max_virtqueue_pairs;
	uint16_t mtu;
};
static_assert(sizeof(struct virtio_net_config) == 12, "virtio_net_config");

#define VIRTIO_NET_S_LINK_UP 1

/* "Device Operation": before each packet, in both directions. */
struct virtio_net_hdr {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
	uint16_t num_buffers; /* that hold the packet; from the device only */
};
static_assert(sizeof(struct virtio_net_hdr) == 12, "virtio_net_hdr");

/* "Control Virtqueue": a request is this, data, and a byte for the answer. */
struct virtio_net_ctrl_hdr {
	uint8_t class;
	uint8_t command;
};

#define VIRTIO_NET_OK			   0
#define VIRTIO_NET_ERR			   1

#define VIRTIO_NET_CTRL_RX		   0
#define VIRTIO_NET_CTRL_RX_PROMISC	   0
#define VIRTIO_NET_CTRL_RX_NOBCAST	   5 /* the last; one byte each, 0 or 1 */

#define VIRTIO_NET_CTRL_MAC		   1
#define VIRTIO_NET_CTRL_MAC_TABLE_SET	   0 /* twice: uint32_t count, addresses */
#define VIRTIO_NET_CTRL_MAC_ADDR_SET	   1

#define VIRTIO_NET_CTRL_VLAN		   2
#define VIRTIO_NET_CTRL_VLAN_ADD	   0 /* uint16_t */
#define VIRTIO_NET_CTRL_VLAN_DEL	   1

#define VIRTIO_NET_CTRL_ANNOUNCE	   3
#define VIRTIO_NET_CTRL_ANNOUNCE_ACK	   0

#define VIRTIO_NET_CTRL_MQ		   4
#define VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET	   0 /* uint16_t */

#define VIRTIO_NET_CTRL_GUEST_OFFLOADS	   5
#define VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET 0 /* uint64_t of feature bits */

#endif
