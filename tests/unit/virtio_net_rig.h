/* SPDX-License-Identifier: MIT */
/* A network card on a tap that is a socket pair, and its driver. */
#ifndef TESTS_VIRTIO_NET_RIG_H
#define TESTS_VIRTIO_NET_RIG_H

#include "virtio_rig.h"
#include "vmm/virtio/net.h"

#define SLOT	     1u
#define TX_DATA	     0x100000u
#define RX_DATA	     0x200000u
#define HEADER_BYTES (unsigned int)sizeof(struct virtio_net_hdr)
#define F(name)	     BIT64(VIRTIO_NET_F_##name)
#define EVENT_IDX    BIT64(VIRTIO_F_EVENT_IDX)
#define INDIRECT     BIT64(VIRTIO_F_INDIRECT_DESC)

struct fake_tap {
	int wire[TAP_QUEUES_MAX]; /* our end of each queue */
	const char *name;
	int open_error;
	int adopted[TAP_QUEUES_MAX];
	unsigned int adopted_count;
	uint64_t offloads; /* as last set */
	int offload_error;
	unsigned int used; /* queues */
};

extern struct fake_tap fake_tap;

struct fixture {
	struct rig rig;
	struct vm_config *vm;
	struct virtio_net *net;
	struct driver rx, tx, control, rx1, tx1;
	uint16_t next_rx;
};

/* A card as @c says whose driver has chosen @features, and started its queues. */
struct fixture *net_make(const struct nic_config *c, uint64_t features);
/* The same, without a driver. */
struct fixture *net_make_card(const struct nic_config *c);
void net_start(struct fixture *f, uint64_t features);
/* cmocka's: one pair, mergeable buffers, all of the ring's features or none. */
int setup(void **state);
int setup_plain(void **state);
int teardown(void **state);

/* Bytes that differ along a packet and from packet to packet. */
void net_fill(void *to, size_t n, unsigned int seed);
bool net_same(const void *p, size_t n, unsigned int seed);

/* A packet of @n bytes behind its header comes over the wire. */
void wire_send(unsigned int queue, size_t n, unsigned int seed);
/* The next packet that went out, without its header: its bytes; -1: none in @ms. */
int wire_receive(unsigned int queue, void *to, size_t room, int ms);

/* Offer @count receive buffers of @bytes each, and say so. */
void rx_add(struct fixture *f, unsigned int count, uint32_t bytes);
/* The next packet the driver gets, @bytes without header and filled as above. */
void rx_expect(struct fixture *f, size_t bytes, unsigned int seed, unsigned int buffers);
bool rx_nothing(struct fixture *f, int ms);

/* Have the driver of @tx send @n bytes behind an empty header, in @pieces. */
void tx_add(struct driver *tx, size_t n, unsigned int seed, unsigned int pieces);

/* One control request; the answer. */
uint8_t control(struct fixture *f, uint8_t class, uint8_t command, const void *data, uint32_t n);

#define T(f)	   cmocka_unit_test_setup_teardown(f, setup, teardown)
#define T_PLAIN(f) cmocka_unit_test_setup_teardown(f, setup_plain, teardown)

#endif
