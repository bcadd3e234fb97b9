/* SPDX-License-Identifier: MIT */
#include "virtio_net_rig.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/config.h"

#define CONTROL_DATA 0x0f0000u

struct fixture *net_make_card(const struct nic_config *c)
{
	struct fixture *f = calloc(1, sizeof(*f));

	fake_tap = (struct fake_tap){ .used = 0 };
	rig_init(&f->rig);
	f->vm = calloc(1, sizeof(*f->vm));
	f->vm->name = "guest";
	f->rig.machine.config = f->vm;
	f->net = virtio_net_create(&f->rig.machine, c);
	assert_non_null(f->net);
	rig_start(&f->rig);
	driver_probe(&f->rx, &f->rig, SLOT);
	return f;
}

void net_start(struct fixture *f, uint64_t features)
{
	driver_start(&f->rx, features);
	driver_start_queue(&f->tx, &f->rx, 1);
	driver_start_queue(&f->control, &f->rx, features & F(MQ) ? 2 * f->net->pairs : 2);
	if (features & F(MQ)) {
		driver_start_queue(&f->rx1, &f->rx, 2);
		driver_start_queue(&f->tx1, &f->rx, 3);
	}
	f->next_rx = 0;
}

struct fixture *net_make(const struct nic_config *c, uint64_t features)
{
	struct fixture *f = net_make_card(c);

	net_start(f, features);
	return f;
}

static const struct nic_config plain = { .tap = "tap0", .vhost = NET_VHOST_OFF };

#define CONTROL_FEATURES                                                                \
	(F(CTRL_VQ) | F(CTRL_RX) | F(CTRL_RX_EXTRA) | F(CTRL_VLAN) | F(CTRL_MAC_ADDR) | \
	 F(CTRL_GUEST_OFFLOADS) | F(GUEST_ANNOUNCE) | F(GUEST_CSUM) | F(GUEST_TSO4))

int setup(void **state)
{
	*state = net_make(&plain, EVENT_IDX | INDIRECT | F(MRG_RXBUF) | F(STATUS) | F(MAC) |
					  CONTROL_FEATURES);
	return 0;
}

int setup_plain(void **state)
{
	*state = net_make(&plain, F(MRG_RXBUF) | CONTROL_FEATURES);
	return 0;
}

int teardown(void **state)
{
	struct fixture *f = *state;

	rig_stop(&f->rig);
	virtio_net_destroy(f->net);
	rig_destroy(&f->rig);
	free(f->vm);
	free(f);
	return 0;
}

static uint8_t byte_at(size_t i, unsigned int seed)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7 + seed * 101);
}

void net_fill(void *to, size_t n, unsigned int seed)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)to)[i] = byte_at(i, seed);
}

bool net_same(const void *p, size_t n, unsigned int seed)
{
	for (size_t i = 0; i < n; i++)
		if (((const uint8_t *)p)[i] != byte_at(i, seed))
			return false;
	return true;
}

void wire_send(unsigned int queue, size_t n, unsigned int seed)
{
	uint8_t *packet = calloc(1, HEADER_BYTES + n);

	net_fill(packet + HEADER_BYTES, n, seed);
	assert_int_equal(send(fake_tap.wire[queue], packet, HEADER_BYTES + n, 0), HEADER_BYTES + n);
	free(packet);
}

int wire_receive(unsigned int queue, void *to, size_t room, int ms)
{
	struct pollfd p = { .fd = fake_tap.wire[queue], .events = POLLIN };
	struct virtio_net_hdr header;
	struct iovec iov[] = { { &header, sizeof(header) }, { to, room } };
	ssize_t n;

	if (poll(&p, 1, ms) != 1)
		return -1;
	n = readv(p.fd, iov, 2);
	assert_true(n >= (ssize_t)sizeof(header));
	return (int)n - (int)sizeof(header);
}

static uint64_t rx_buffer(unsigned int n)
{
	return RX_DATA + n % 16 * 0x10000u;
}

void rx_add(struct fixture *f, unsigned int count, uint32_t bytes)
{
	for (unsigned int i = 0; i < count; i++)
		driver_add(&f->rx, &(struct buffer){ rx_buffer(f->rx.next_desc), bytes, true }, 1);
	driver_notify(&f->rx);
}

void rx_expect(struct fixture *f, size_t bytes, unsigned int seed, unsigned int buffers)
{
	uint8_t *got = calloc(1, HEADER_BYTES + bytes);
	struct virtio_net_hdr header;
	size_t at = 0;

	for (unsigned int i = 0; i < buffers; i++) {
		struct virtq_used_elem e;

		assert_true(driver_used(&f->rx, &e));
		assert_true(at + e.len <= HEADER_BYTES + bytes);
		/* Heads are handed out in turn, as the buffers are. */
		memcpy(got + at, memory_at(&f->rig.memory, gpa(rx_buffer(e.id)), e.len), e.len);
		at += e.len;
	}
	assert_int_equal(at, HEADER_BYTES + bytes);
	memcpy(&header, got, sizeof(header));
	assert_int_equal(header.num_buffers, buffers);
	assert_true(net_same(got + HEADER_BYTES, bytes, seed));
	free(got);
}

bool rx_nothing(struct fixture *f, int ms)
{
	const struct virtq_used *used = memory_at(&f->rig.memory, gpa(f->rx.used), 4);

	poll(NULL, 0, ms);
	return READ_ONCE(used->idx) == f->rx.used_seen;
}

void tx_add(struct driver *tx, size_t n, unsigned int seed, unsigned int pieces)
{
	/* A place for each chain that may be in the ring. */
	uint64_t at = TX_DATA + tx->avail_idx % 128 * 0x800u;
	uint8_t *p = memory_at(&tx->rig->memory, gpa(at), HEADER_BYTES + n);
	struct buffer b[16];
	uint64_t left = HEADER_BYTES + n;

	memset(p, 0, HEADER_BYTES);
	net_fill(p + HEADER_BYTES, n, seed);
	for (unsigned int i = 0; i < pieces; i++) {
		uint32_t part = (uint32_t)(i + 1 < pieces ? MIN(left - 1, 5) : left);

		b[i] = (struct buffer){ at, part, false };
		at += part;
		left -= part;
	}
	driver_add(tx, b, pieces);
}

uint8_t control(struct fixture *f, uint8_t class, uint8_t command, const void *data, uint32_t n)
{
	struct virtio_net_ctrl_hdr header = { class, command };
	uint8_t *p = memory_at(&f->rig.memory, gpa(CONTROL_DATA), 0x4000);
	struct buffer b[3] = { { CONTROL_DATA, sizeof(header), false } };
	unsigned int count = 1;
	struct virtq_used_elem e;

	memcpy(p, &header, sizeof(header));
	if (n) {
		memcpy(p + 16, data, n);
		b[count++] = (struct buffer){ CONTROL_DATA + 16, n, false };
	}
	b[count++] = (struct buffer){ CONTROL_DATA + 0x3000, 1, true };
	p[0x3000] = 0x77;
	driver_add(&f->control, b, count);
	driver_notify(&f->control);
	assert_true(driver_used(&f->control, &e));
	assert_int_equal(e.len, 1);
	return p[0x3000];
}
