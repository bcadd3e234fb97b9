/* SPDX-License-Identifier: MIT */
/* The network card under a driver that is wrong: chains of any shape, in every queue. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "virtio_net_rig.h"
#include "vmm/log.h"

#define NEEDS_RESET VIRTIO_STATUS_NEEDS_RESET

static bool broken(struct fixture *f)
{
	for (int i = 0; i < 200; i++) {
		if (driver_status(&f->rx) & NEEDS_RESET)
			return true;
		poll(NULL, 0, 5);
	}
	return false;
}

/* After a reset the card works as ever. */
static void works(struct fixture *f)
{
	uint8_t got[200];

	if (driver_status(&f->rx) & NEEDS_RESET)
		net_start(f, f->rx.features);
	rx_add(f, 1, 1536);
	wire_send(0, 100, 3);
	rx_expect(f, 100, 3, 1);
	tx_add(&f->tx, 90, 4, 2);
	driver_notify(&f->tx);
	assert_int_equal(wire_receive(0, got, sizeof(got), 5000), 90);
	assert_true(net_same(got, 90, 4));
}

/* Chains that are no packet are given back, and nothing goes out. */
static void test_no_packets(void **state)
{
	struct fixture *f = *state;
	const struct buffer chains[][3] = {
		{ { TX_DATA, 1, false } },
		{ { TX_DATA, HEADER_BYTES, false } },
		{ { TX_DATA, HEADER_BYTES + 13, false } },
		{ { TX_DATA, 4000, true } },
		{ { TX_DATA, 5, false }, { TX_DATA, 5000, true } },
		{ { TX_DATA, 0x20000, false } },
		{ { 0, RIG_MEMORY, false }, { 0, RIG_MEMORY, false }, { 0, RIG_MEMORY, false } },
	};
	struct virtq_used_elem e;
	uint8_t got[200];

	for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
		unsigned int n = 0;

		while (n < 3 && chains[i][n].len)
			n++;
		driver_add(&f->tx, chains[i], n);
		driver_notify(&f->tx);
		assert_true(driver_used(&f->tx, &e));
		assert_int_equal(e.len, 0);
	}
	assert_int_equal(wire_receive(0, got, sizeof(got), 20), -1);
	assert_false(driver_status(&f->rx) & NEEDS_RESET);
	works(f);
}

/* The same bytes many times over are a packet like any other. */
static void test_overlap(void **state)
{
	struct fixture *f = *state;
	uint8_t *p = memory_at(&f->rig.memory, gpa(TX_DATA), 64);
	struct buffer b[100];
	struct virtq_used_elem e;
	uint8_t got[7000];

	memset(p, 0, 64);
	for (unsigned int i = 0; i < ARRAY_SIZE(b); i++)
		b[i] = (struct buffer){ TX_DATA, 64, false };
	driver_add(&f->tx, b, ARRAY_SIZE(b));
	driver_notify(&f->tx);
	assert_int_equal(wire_receive(0, got, sizeof(got), 5000), 6400 - HEADER_BYTES);
	assert_true(driver_used(&f->tx, &e));

	/* Receive buffers on top of each other, and on the ring itself. */
	for (unsigned int i = 0; i < 4; i++)
		driver_add(&f->rx, &(struct buffer){ RX_DATA, 1536, true }, 1);
	driver_add(&f->rx, &(struct buffer){ f->rx.used, 2000, true }, 1);
	driver_notify(&f->rx);
	for (unsigned int i = 0; i < 5; i++)
		wire_send(0, 1400, i);
	poll(NULL, 0, 20);
	net_start(f, f->rx.features);
	works(f);
}

/* A receive buffer that cannot take a header, or must not be written. */
static void test_no_buffers(void **state)
{
	struct fixture *f = *state;

	driver_add(&f->rx, &(struct buffer){ RX_DATA, HEADER_BYTES - 1, true }, 1);
	driver_notify(&f->rx);
	assert_true(broken(f));
	works(f);
	driver_add(&f->rx, &(struct buffer){ RX_DATA, 1536, false }, 1);
	driver_notify(&f->rx);
	assert_true(broken(f));
	works(f);
	driver_add(&f->rx,
		   (struct buffer[]){ { RX_DATA, 100, false }, { RX_DATA + 100, 1000, true } }, 2);
	driver_notify(&f->rx);
	assert_true(broken(f));
	works(f);
}

/* All of the ring together is too small for a packet: it is dropped, the next one is not. */
static void test_ring_too_small(void **state)
{
	struct fixture *f = *state;

	rx_add(f, f->rx.size, HEADER_BYTES);
	wire_send(0, 9000, 1);
	wire_send(0, 2 * HEADER_BYTES, 2);
	rx_expect(f, 2 * HEADER_BYTES, 2, 3);
}

/* Buffers in more pieces than one system call takes at a time. */
static void test_many_pieces(void **state)
{
	struct fixture *f = *state;
	struct buffer b[250];

	for (unsigned int i = 0; i < ARRAY_SIZE(b); i++)
		b[i] = (struct buffer){ RX_DATA + 13 * i, 13, true };
	driver_add(&f->rx, b, ARRAY_SIZE(b));
	driver_notify(&f->rx);
	/* One chain holds 3,250 bytes; a larger one than that needs more than there are. */
	wire_send(0, 3000, 1);
	rx_expect(f, 3000, 1, 1);
}

static void test_control_shapes(void **state)
{
	struct fixture *f = *state;
	struct virtq_used_elem e;
	const uint64_t at = 0x0e0000;
	uint8_t *p = memory_at(&f->rig.memory, gpa(at), 64);

	/* No header, half a header: refused. The header in pieces: understood. */
	p[32] = 0x77;
	driver_add(&f->control, &(struct buffer){ at + 32, 1, true }, 1);
	driver_notify(&f->control);
	assert_true(driver_used(&f->control, &e));
	assert_int_equal(p[32], VIRTIO_NET_ERR);
	p[32] = 0x77;
	driver_add(&f->control, (struct buffer[]){ { at, 1, false }, { at + 32, 9, true } }, 2);
	driver_notify(&f->control);
	assert_true(driver_used(&f->control, &e));
	assert_int_equal(p[32], VIRTIO_NET_ERR);
	memcpy(p, "\x00\x00\x01", 3);
	driver_add(&f->control,
		   (struct buffer[]){ { at, 1, false },
				      { at + 1, 1, false },
				      { at + 2, 1, false },
				      { at + 32, 1, true } },
		   4);
	driver_notify(&f->control);
	assert_true(driver_used(&f->control, &e));
	assert_int_equal(p[32], VIRTIO_NET_OK);

	/* Nowhere to answer. */
	driver_add(&f->control, &(struct buffer){ at, 3, false }, 1);
	driver_notify(&f->control);
	assert_true(broken(f));
	works(f);
}

/* The ring index runs away while packets come. */
static void test_runaway_ring(void **state)
{
	struct fixture *f = *state;
	struct virtq_avail *avail = memory_at(&f->rig.memory, gpa(f->rx.avail), 64);

	rx_add(f, 3, 1536);
	wire_send(0, 100, 1);
	rx_expect(f, 100, 1, 1);
	avail->idx = (uint16_t)(avail->idx + 0x4000);
	/* What it holds takes some of these; then it must look. works() gets the rest. */
	for (unsigned int i = 0; i < 4; i++)
		wire_send(0, 100, 3);
	rig_write(&f->rig, f->rx.notify, 2, 0);
	assert_true(broken(f));
	works(f);
}

static atomic_uint errors; /* lines that no limit holds back */

void __wrap_log_print(enum log_level level, const char *fmt, ...);

void __wrap_log_print(enum log_level level, const char *fmt, ...)
{
	(void)fmt;
	atomic_fetch_add(&errors, level == LOG_ERROR);
}

/* A driver may start as often as it likes, the tap may refuse each time: a quiet log. */
static void test_refused_often(void **state)
{
	struct fixture *f = *state;

	atomic_store(&errors, 0);
	fake_tap.offload_error = -EINVAL;
	for (unsigned int i = 0; i < 20; i++)
		net_start(f, f->rx.features);
	fake_tap.offload_error = 0;
	assert_int_equal(atomic_load(&errors), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_no_packets),   T_PLAIN(test_no_packets),	  T(test_overlap),
		T(test_no_buffers),   T(test_ring_too_small),	  T_PLAIN(test_ring_too_small),
		T(test_many_pieces),  T(test_control_shapes),	  T_PLAIN(test_control_shapes),
		T(test_runaway_ring), T_PLAIN(test_runaway_ring), T(test_refused_often),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
