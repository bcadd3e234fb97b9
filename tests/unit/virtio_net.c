/* SPDX-License-Identifier: MIT */
/* The network card under a driver that is right: packets both ways, and the control queue. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/mac.h"
#include "virtio_net_rig.h"

static void test_config(void **state)
{
	struct fixture *f = *state;
	struct virtio_net_config c;
	uint8_t mac[MAC_BYTES];

	for (unsigned int i = 0; i < sizeof(c); i++)
		((uint8_t *)&c)[i] = (uint8_t)rig_read(&f->rig, f->rx.device + i, 1);
	assert_int_equal(c.status, VIRTIO_NET_S_LINK_UP);
	assert_int_equal(c.mtu, 1500);
	assert_int_equal(c.max_virtqueue_pairs, 1);
	/* From the guest's name, the same in every run. */
	mac_of_name("guest", 0, mac);
	assert_memory_equal(c.mac, mac, sizeof(mac));
	assert_int_equal(fake_tap.used, 1);
	assert_int_equal(fake_tap.offloads, F(GUEST_CSUM) | F(GUEST_TSO4));
}

static void test_transmit(void **state)
{
	struct fixture *f = *state;
	struct virtq_used_elem e;
	uint8_t got[2000];

	for (unsigned int i = 0; i < 300; i++) {
		size_t n = 14 + i * 5;

		tx_add(&f->tx, n, i, 1 + i % 6);
		driver_notify(&f->tx);
		assert_int_equal(wire_receive(0, got, sizeof(got), 5000), n);
		assert_true(net_same(got, n, i));
		assert_true(driver_used(&f->tx, &e));
		assert_int_equal(e.len, 0);
	}
}

/* A wire that is full stops the ring, and nothing is lost when it moves again. */
static void test_full_wire(void **state)
{
	struct fixture *f = *state;
	struct virtq_used_elem e;
	uint8_t got[2000];
	unsigned int sent = 0, used = 0;

	for (unsigned int received = 0; received < 1000; received++) {
		while (sent < 1000 && sent - used < 40) {
			tx_add(&f->tx, 1400, sent++, 2);
			driver_notify(&f->tx);
		}
		/* As many as the driver wants to know of; the rest waits in the ring. */
		assert_int_equal(wire_receive(0, got, sizeof(got), 5000), 1400);
		assert_true(net_same(got, 1400, received));
		if (sent - used == 40 || received >= 960) {
			assert_true(driver_used(&f->tx, &e));
			used++;
		}
	}
	assert_int_equal(wire_receive(0, got, sizeof(got), 20), -1);
}

/* The same with nobody listening for long: the card neither drops nor turns in circles. */
static void test_stuck_wire(void **state)
{
	struct fixture *f = *state;
	struct timespec before, after;
	uint8_t got[2000];

	for (unsigned int i = 0; i < 120; i++)
		tx_add(&f->tx, 1500, i, 1);
	/* Twice: for the socket takes about as many as the ring has. */
	driver_notify(&f->tx);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	poll(NULL, 0, 300);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_true((after.tv_sec - before.tv_sec) * 1000 +
			    (after.tv_nsec - before.tv_nsec) / 1000000 <
		    150);
	for (unsigned int i = 0; i < 120; i++) {
		assert_int_equal(wire_receive(0, got, sizeof(got), 5000), 1500);
		assert_true(net_same(got, 1500, i));
	}
}

static void test_receive(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 300; i++) {
		size_t n = 14 + i * 5;

		rx_add(f, 1, 1536);
		wire_send(0, n, i);
		rx_expect(f, n, i, 1);
	}
}

/* One interrupt for the driver that waits for one, each time. */
static void test_interrupts(void **state)
{
	struct fixture *f = *state;

	rx_add(f, 20, 1536);
	for (unsigned int i = 0; i < 20; i++) {
		wire_send(0, 100, i);
		assert_true(rig_interrupted(&f->rig, 0, 5000));
		rx_expect(f, 100, i, 1);
	}
}

/* Packets before buffers, and the other way round. */
static void test_waiting(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 10; i++)
		wire_send(0, 500, i);
	assert_true(rx_nothing(f, 20));
	rx_add(f, 4, 1536);
	for (unsigned int i = 0; i < 4; i++)
		rx_expect(f, 500, i, 1);
	assert_true(rx_nothing(f, 20));
	rx_add(f, 10, 1536);
	for (unsigned int i = 4; i < 10; i++)
		rx_expect(f, 500, i, 1);
	wire_send(0, 60, 77);
	rx_expect(f, 60, 77, 1);
}

/* Large packets over several buffers, small ones between them. */
static void test_merge(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 40; i++) {
		size_t n = i % 3 ? 65000 : 300;
		unsigned int buffers = (unsigned int)(HEADER_BYTES + n + 4095) / 4096;

		/* 16 places: as many as the largest needs. */
		rx_add(f, buffers, 4096);
		wire_send(0, n, i);
		rx_expect(f, n, i, buffers);
	}
}

/* A packet larger than what is there stays until there is more, and is not lost. */
static void test_merge_later(void **state)
{
	struct fixture *f = *state;

	for (unsigned int round = 0; round < 5; round++) {
		rx_add(f, 2, 1536);
		poll(NULL, 0, 10);
		wire_send(0, 9000, round);
		wire_send(0, 100, 50 + round);
		assert_true(rx_nothing(f, 20));
		rx_add(f, 2, 1536);
		assert_true(rx_nothing(f, 20));
		rx_add(f, 3, 1536);
		rx_expect(f, 9000, round, 6);
		rx_expect(f, 100, 50 + round, 1);
	}
}

static const struct nic_config plain = { .tap = "tap0", .vhost = NET_VHOST_OFF };

/* Without mergeable buffers a packet has one, or is dropped. */
static int setup_whole(void **state)
{
	*state = net_make(&plain, EVENT_IDX);
	return 0;
}

static void test_whole(void **state)
{
	struct fixture *f = *state;

	rx_add(f, 3, 1600);
	wire_send(0, 1500, 1);
	rx_expect(f, 1500, 1, 1);
	wire_send(0, 1600, 2); /* with its header too long by 12 bytes */
	wire_send(0, 60000, 3);
	wire_send(0, 1588, 4);
	rx_expect(f, 1588, 4, 1);
	wire_send(0, 20, 5);
	rx_expect(f, 20, 5, 1);
}

static void test_control(void **state)
{
	struct fixture *f = *state;
	const uint8_t on = 1, mac[] = { 2, 1, 2, 3, 4, 5 };
	const uint8_t none[8] = { 0 };
	const uint8_t tables[] = { 1, 0, 0, 0,	  2, 0, 0, 0,	 0,    1, 2, 0, 0,
				   0, 1, 0, 0x5e, 0, 0, 1, 0x33, 0x33, 0, 0, 0, 1 };
	const uint16_t vlan = 4095;
	const uint64_t offloads = F(GUEST_CSUM);
	const uint16_t pairs = 1;

	/* All that NetKVM and Linux send. */
	for (uint8_t i = 0; i <= 5; i++)
		assert_int_equal(control(f, VIRTIO_NET_CTRL_RX, i, &on, 1), VIRTIO_NET_OK);
	assert_int_equal(control(f, VIRTIO_NET_CTRL_MAC, 0, tables, sizeof(tables)), VIRTIO_NET_OK);
	assert_int_equal(control(f, VIRTIO_NET_CTRL_MAC, 0, none, 8), VIRTIO_NET_OK);
	assert_int_equal(control(f, VIRTIO_NET_CTRL_MAC, 1, mac, 6), VIRTIO_NET_OK);
	assert_int_equal(rig_read(&f->rig, f->rx.device + 5, 1), 5);
	assert_int_equal(control(f, VIRTIO_NET_CTRL_VLAN, 0, &vlan, 2), VIRTIO_NET_OK);
	assert_int_equal(control(f, VIRTIO_NET_CTRL_VLAN, 1, &vlan, 2), VIRTIO_NET_OK);
	assert_int_equal(control(f, VIRTIO_NET_CTRL_ANNOUNCE, 0, NULL, 0), VIRTIO_NET_OK);
	assert_int_equal(control(f, VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, &offloads, 8),
			 VIRTIO_NET_OK);
	assert_int_equal(fake_tap.offloads, F(GUEST_CSUM));
	/* Without VIRTIO_NET_F_MQ there is nothing to choose. */
	assert_int_equal(control(f, VIRTIO_NET_CTRL_MQ, 0, &pairs, 2), VIRTIO_NET_ERR);
	/* A reset forgets what the driver set. */
	driver_reset(&f->rx);
	assert_int_equal(rig_read(&f->rig, f->rx.device + 5, 1), f->net->mac[5]);
}

static void test_wrong_control(void **state)
{
	struct fixture *f = *state;
	const uint8_t two = 2, mac[7] = { 2 };
	const uint8_t short_table[] = { 2, 0, 0, 0, 2, 0, 0, 0, 0, 1 };
	const uint8_t huge_table[] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0 };
	const uint16_t vlan = 4096;
	const uint64_t offloads = F(GUEST_TSO6);
	uint8_t large[0x2000] = { 0 };

	assert_int_equal(control(f, VIRTIO_NET_CTRL_RX, 0, &two, 1), VIRTIO_NET_ERR);
	assert_int_equal(control(f, VIRTIO_NET_CTRL_RX, 6, mac, 1), VIRTIO_NET_ERR);
	assert_int_equal(control(f, VIRTIO_NET_CTRL_RX, 0, NULL, 0), VIRTIO_NET_ERR);
	assert_int_equal(control(f, VIRTIO_NET_CTRL_MAC, 1, mac, 7), VIRTIO_NET_ERR);
	assert_int_equal(control(f, VIRTIO_NET_CTRL_MAC, 2, mac, 6), VIRTIO_NET_ERR);
	assert_int_equal(control(f, VIRTIO_NET_CTRL_MAC, 0, short_table, sizeof(short_table)),
			 VIRTIO_NET_ERR);
	assert_int_equal(control(f, VIRTIO_NET_CTRL_MAC, 0, huge_table, sizeof(huge_table)),
			 VIRTIO_NET_ERR);
	assert_int_equal(control(f, VIRTIO_NET_CTRL_MAC, 0, large, sizeof(large)), VIRTIO_NET_ERR);
	assert_int_equal(control(f, VIRTIO_NET_CTRL_VLAN, 0, &vlan, 2), VIRTIO_NET_ERR);
	/* Not negotiated. */
	assert_int_equal(control(f, VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, &offloads, 8),
			 VIRTIO_NET_ERR);
	assert_int_equal(control(f, 99, 0, NULL, 0), VIRTIO_NET_ERR);
	/* And none of it kept a packet from passing. */
	rx_add(f, 1, 1536);
	wire_send(0, 100, 1);
	rx_expect(f, 100, 1, 1);
}

static int setup_pairs(void **state)
{
	const struct nic_config c = { .tap = "fd:3:4:5:6", .queues = 4, .vhost = NET_VHOST_OFF };

	*state = net_make(&c, EVENT_IDX | F(MRG_RXBUF) | F(CTRL_VQ) | F(MQ));
	return 0;
}

static void test_pairs(void **state)
{
	struct fixture *f = *state;
	const int fds[] = { 3, 4, 5, 6 };
	uint16_t pairs;
	uint8_t got[200];

	assert_int_equal(fake_tap.adopted_count, 4);
	assert_memory_equal(fake_tap.adopted, fds, sizeof(fds));
	assert_int_equal(fake_tap.used, 1);
	pairs = 2;
	assert_int_equal(control(f, VIRTIO_NET_CTRL_MQ, 0, &pairs, 2), VIRTIO_NET_OK);
	assert_int_equal(fake_tap.used, 2);
	pairs = 0;
	assert_int_equal(control(f, VIRTIO_NET_CTRL_MQ, 0, &pairs, 2), VIRTIO_NET_ERR);
	pairs = 5;
	assert_int_equal(control(f, VIRTIO_NET_CTRL_MQ, 0, &pairs, 2), VIRTIO_NET_ERR);
	assert_int_equal(fake_tap.used, 2);

	for (unsigned int i = 0; i < 20; i++) {
		tx_add(&f->tx1, 100, i, 2);
		driver_notify(&f->tx1);
		assert_int_equal(wire_receive(1, got, sizeof(got), 5000), 100);
		assert_true(net_same(got, 100, i));
	}
	driver_add(&f->rx1, &(struct buffer){ RX_DATA, 2000, true }, 1);
	driver_notify(&f->rx1);
	wire_send(1, 333, 3);
	assert_true(rig_interrupted(&f->rig, 3, 5000));

	driver_reset(&f->rx);
	assert_int_equal(fake_tap.used, 1);
}

/* Twice the burst takes the time that the second half needs. */
static int setup_rate(void **state)
{
	const struct nic_config c = { .tap = "tap0", .vhost = NET_VHOST_OFF, .rate = 1000000 };

	*state = net_make(&c, EVENT_IDX | F(MRG_RXBUF));
	return 0;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void test_rate(void **state)
{
	struct fixture *f = *state;
	struct virtq_used_elem e;
	double start = now_s();
	uint8_t got[2000];

	for (unsigned int i = 0; i < 130; i++) {
		tx_add(&f->tx, 1988, i, 1);
		driver_notify(&f->tx);
		assert_int_equal(wire_receive(0, got, sizeof(got), 5000), 1988);
		assert_true(net_same(got, 1988, i));
		assert_true(driver_used(&f->tx, &e));
	}
	/* 260,000 bytes, of which 65,536 at once. */
	assert_true(now_s() - start > 0.17);

	start = now_s();
	for (unsigned int i = 0; i < 130; i++) {
		rx_add(f, 1, 2000);
		wire_send(0, 1988, i);
		rx_expect(f, 1988, i, 1);
	}
	assert_true(now_s() - start > 0.17);
}

/* The driver resets with packets under way in both directions, again and again. */
static void test_reset(void **state)
{
	struct fixture *f = *state;
	const uint64_t features = f->rx.features;
	struct virtq_used_elem e;
	uint8_t got[2000];

	for (unsigned int round = 0; round < 15; round++) {
		rx_add(f, 10, 1536);
		for (unsigned int i = 0; i < 20; i++)
			wire_send(0, 1000 + 200 * (i % 5), i);
		for (unsigned int i = 0; i < 10; i++)
			tx_add(&f->tx, 1400, i, 1 + i % 3);
		driver_notify(&f->tx);
		if (round & 1)
			poll(NULL, 0, 1);
		net_start(f, features);
		/* What the wire still has comes first; then this does. */
		while (wire_receive(0, got, sizeof(got), 5) >= 0)
			;
		rx_add(f, 60, 1536);
		wire_send(0, 77, 9);
		do {
			assert_true(driver_used(&f->rx, &e));
		} while (e.len != HEADER_BYTES + 77);
		net_start(f, features);
		rx_add(f, 1, 1536);
		wire_send(0, 78, 10);
		rx_expect(f, 78, 10, 1);
	}
}

/* No bus master, no packets; they come when it is one again. */
static void test_no_master(void **state)
{
	struct fixture *f = *state;

	rx_add(f, 2, 1536);
	poll(NULL, 0, 10);
	rig_cfg_write(&f->rig, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	wire_send(0, 100, 1);
	assert_true(rx_nothing(f, 30));
	rig_cfg_write(&f->rig, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	rx_expect(f, 100, 1, 1);
}

static void test_tap_gone(void **state)
{
	struct fixture *f = *state;
	struct virtq_used_elem e;

	close(fake_tap.wire[0]);
	fake_tap.wire[0] = -1;
	assert_true(rig_interrupted(&f->rig, 1, 5000));
	assert_int_equal(rig_read(&f->rig, f->rx.device + 6, 2), 0);
	/* The card works on, as one without a cable does. */
	tx_add(&f->tx, 100, 1, 1);
	driver_notify(&f->tx);
	assert_true(driver_used(&f->tx, &e));
}

static void test_wrong_config(void **state)
{
	struct nic_config c = { .tap = "tap0", .vhost = NET_VHOST_ON, .rate = 5000 };
	static const char *const taps[] = { "fd:", "fd:3:", "fd:x", "fd:3:4", "fd:123456789" };
	struct fixture f = { .next_rx = 0 };

	(void)state;
	rig_init(&f.rig);
	assert_null(virtio_net_create(&f.rig.machine, &c));
	assert_int_equal(errno, EINVAL);
	c.rate = 0;
	c.vhost = NET_VHOST_OFF;
	for (size_t i = 0; i < ARRAY_SIZE(taps); i++) {
		c.tap = taps[i];
		assert_null(virtio_net_create(&f.rig.machine, &c));
		assert_int_equal(errno, EINVAL);
	}
	rig_destroy(&f.rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_config),
		T(test_transmit),
		T_PLAIN(test_transmit),
		T(test_full_wire),
		T_PLAIN(test_full_wire),
		T(test_stuck_wire),
		T_PLAIN(test_stuck_wire),
		T(test_receive),
		T_PLAIN(test_receive),
		T(test_interrupts),
		T_PLAIN(test_interrupts),
		T(test_waiting),
		T_PLAIN(test_waiting),
		T(test_merge),
		T_PLAIN(test_merge),
		T(test_merge_later),
		T_PLAIN(test_merge_later),
		cmocka_unit_test_setup_teardown(test_whole, setup_whole, teardown),
		T(test_control),
		T(test_wrong_control),
		cmocka_unit_test_setup_teardown(test_pairs, setup_pairs, teardown),
		cmocka_unit_test_setup_teardown(test_rate, setup_rate, teardown),
		T(test_reset),
		T_PLAIN(test_reset),
		T(test_no_master),
		T(test_tap_gone),
		cmocka_unit_test(test_wrong_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
