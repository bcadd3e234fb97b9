/* SPDX-License-Identifier: MIT */
/*
 * The control queue of virtio-net. "Control Virtqueue" and the sections below.
 *
 * Filters (receive mode, addresses, VLANs) are advice to the device, which may
 * always deliver more; the bridge already keeps back what is for others. So
 * they are checked and not kept: a wrong request is refused as a driver would
 * expect, and Windows' NetKVM, which sends all of them, finds each answered.
 */
#include "vmm/virtio/net.h"

#include <string.h>

#define VLANS	    4096u
/* More than a driver has; what exceeds it is a mistake. */
#define REQUEST_MAX 4096u

struct request {
	struct virtio_net_ctrl_hdr header;
	uint8_t data[REQUEST_MAX];
	uint32_t bytes; /* of data */
};

static uint16_t data_u16(const struct request *r)
{
	uint16_t val;

	memcpy(&val, r->data, sizeof(val));
	return val;
}

static bool rx_mode(const struct request *r)
{
	return r->header.command <= VIRTIO_NET_CTRL_RX_NOBCAST && r->bytes == 1 && r->data[0] <= 1;
}

/* Two tables, of one machine's and of groups' addresses. */
static bool mac_table(const struct request *r)
{
	uint64_t at = 0;

	for (int i = 0; i < 2; i++) {
		uint32_t count;

		if (r->bytes < at + sizeof(count))
			return false;
		memcpy(&count, &r->data[at], sizeof(count));
		at += sizeof(count) + (uint64_t)count * VIRTIO_NET_MAC_BYTES;
	}
	return at == r->bytes;
}

static bool mac(struct virtio_net *n, const struct request *r)
{
	if (r->header.command == VIRTIO_NET_CTRL_MAC_TABLE_SET)
		return mac_table(r);
	if (r->header.command != VIRTIO_NET_CTRL_MAC_ADDR_SET || r->bytes != VIRTIO_NET_MAC_BYTES)
		return false;
	memcpy(n->config.mac, r->data, VIRTIO_NET_MAC_BYTES);
	return true;
}

static bool vlan(const struct request *r)
{
	return r->header.command <= VIRTIO_NET_CTRL_VLAN_DEL && r->bytes == sizeof(uint16_t) &&
	       data_u16(r) < VLANS;
}

static bool queue_pairs(struct virtio_net *n, const struct request *r)
{
	if (r->header.command != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET || r->bytes != sizeof(uint16_t))
		return false;
	return data_u16(r) >= 1 && data_u16(r) <= n->pairs && !net_use_pairs(n, data_u16(r));
}

static bool offloads(struct virtio_net *n, const struct request *r)
{
	uint64_t wanted;

	if (r->header.command != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET || r->bytes != sizeof(wanted))
		return false;
	memcpy(&wanted, r->data, sizeof(wanted));
	/* "driver MUST NOT enable an offload [...] not negotiated" */
	return !(wanted & ~n->v.features) && !net_set_offloads(n, wanted);
}

static bool handle(struct virtio_net *n, const struct request *r)
{
	switch (r->header.class) {
	case VIRTIO_NET_CTRL_RX:
		return virtio_has(&n->v, VIRTIO_NET_F_CTRL_RX) && rx_mode(r);
	case VIRTIO_NET_CTRL_MAC:
		return virtio_has(&n->v, r->header.command == VIRTIO_NET_CTRL_MAC_ADDR_SET ?
						 VIRTIO_NET_F_CTRL_MAC_ADDR :
						 VIRTIO_NET_F_CTRL_RX) &&
		       mac(n, r);
	case VIRTIO_NET_CTRL_VLAN:
		return virtio_has(&n->v, VIRTIO_NET_F_CTRL_VLAN) && vlan(r);
	case VIRTIO_NET_CTRL_ANNOUNCE:
		return virtio_has(&n->v, VIRTIO_NET_F_GUEST_ANNOUNCE) &&
		       r->header.command == VIRTIO_NET_CTRL_ANNOUNCE_ACK && r->bytes == 0;
	case VIRTIO_NET_CTRL_MQ:
		return virtio_has(&n->v, VIRTIO_NET_F_MQ) && queue_pairs(n, r);
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
		return virtio_has(&n->v, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) && offloads(n, r);
	default:
		return false;
	}
}

/* Cut the chain into request and answer. False: too short or too long for one. */
static bool take(const struct virtq_chain *c, struct request *r)
{
	struct iovec *in = c->iov;
	unsigned int count = c->read_count;

	if (c->read_bytes < sizeof(r->header) ||
	    c->read_bytes > sizeof(r->header) + sizeof(r->data))
		return false;
	r->bytes = (uint32_t)(c->read_bytes - sizeof(r->header));
	iov_take(&in, &count, &r->header, sizeof(r->header));
	return iov_take(&in, &count, r->data, r->bytes);
}

void net_control_process(struct virtio_net *n, unsigned int queue)
{
	struct virtio_device *v = &n->v;
	struct iovec iov[NET_QUEUE_SIZE / 4];
	struct virtq_chain c = { .iov = iov, .iov_max = ARRAY_SIZE(iov) };
	struct request r;

	do {
		virtq_quiet(&v->queue[queue]);
		while (virtio_pop(v, queue, &c)) {
			uint8_t *answer = c.write_count ? iov[c.read_count].iov_base : NULL;

			if (!answer) {
				virtio_push(v, queue, c.head, 0);
				virtio_broken(v, queue,
					      "control request without room for an answer");
				break;
			}
			WRITE_ONCE(*answer,
				   take(&c, &r) && handle(n, &r) ? VIRTIO_NET_OK : VIRTIO_NET_ERR);
			virtio_push(v, queue, c.head, 1);
		}
	} while (virtio_listen(v, queue));
	virtio_end_batch(v, queue);
}
