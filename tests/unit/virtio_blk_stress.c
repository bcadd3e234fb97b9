/* SPDX-License-Identifier: MIT */
/* The block device with much in flight, reset at any moment, or driven by chaos. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "virtio_blk_rig.h"

#define REG(field) offsetof(struct virtio_pci_common_cfg, field)
#define ACK_DRIVER (VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER)
#define RUNNING	   (ACK_DRIVER | VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK)

/* Many in flight, over several times the ring; each sector read back is right. */
static void test_depth(void **state)
{
	struct fixture *f = *state;
	enum { DEPTH = 32, ROUNDS = 40 };

	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct virtq_used_elem e;

		for (unsigned int i = 0; i < DEPTH; i++) {
			uint64_t sector = (round * DEPTH + i) * 7 % SECTORS;
			struct buffer b[] = {
				{ HEADER + 16 * i, 16, false },
				{ DATA + 512 * i, 512, true },
				{ STATUS + i, 1, true },
			};

			put_header(f, HEADER + 16 * i, VIRTIO_BLK_T_IN, sector);
			f->status[i] = 0x77;
			driver_add(&f->d, b, 3);
			/* Some at once, some one by one. */
			if (round & 1)
				driver_notify(&f->d);
		}
		driver_notify(&f->d);
		for (unsigned int i = 0; i < DEPTH; i++)
			assert_true(driver_used(&f->d, &e));
		for (unsigned int i = 0; i < DEPTH; i++) {
			uint32_t got;

			memcpy(&got, f->data + 512 * i, sizeof(got));
			assert_int_equal(f->status[i], VIRTIO_BLK_S_OK);
			assert_int_equal(got, (round * DEPTH + i) * 7 % SECTORS);
		}
	}
}

/* Reset with I/O in flight, many times, then the device works as ever. */
static void test_reset_in_flight(void **state)
{
	struct fixture *f = *state;

	for (unsigned int round = 0; round < 50; round++) {
		for (unsigned int i = 0; i < 30; i++) {
			struct buffer b[] = {
				{ HEADER + 16 * i, 16, false },
				{ DATA, 64 * 1024, true },
				{ STATUS + i, 1, true },
			};

			put_header(f, HEADER + 16 * i, VIRTIO_BLK_T_IN, i);
			driver_add(&f->d, b, 3);
		}
		driver_notify(&f->d);
		driver_start(&f->d, round & 1 ? BIT(VIRTIO_F_EVENT_IDX) : 0);
		/* After the reset nothing of the time before may arrive. */
		memset(f->data, 0xee, 64 * 1024);
		assert_int_equal(request(f, VIRTIO_BLK_T_FLUSH, 0, NULL, 0, NULL), VIRTIO_BLK_S_OK);
		for (unsigned int i = 0; i < 64 * 1024; i++)
			assert_int_equal(f->data[i], 0xee);
	}
}

/*
 * Three processors of a guest that has lost its mind: one drives the device and
 * resets it at any moment, one moves and disables BARs, one scribbles over the
 * registers. Afterwards a sane driver finds the device as it should be.
 */
static void *storm_bars(void *arg)
{
	struct fixture *f = arg;

	for (unsigned int i = 0; i < 3000; i++) {
		rig_cfg_write(&f->rig, SLOT, PCI_COMMAND, 2, i % 7);
		rig_cfg_write(&f->rig, SLOT, PCI_BAR0 + 8 * (i & 1), 8,
			      i % 3 ? f->d.common : PLATFORM_PCI32_BASE + 0x10000u * (i % 5));
		rig_cfg_write(&f->rig, SLOT, f->d.msix_cap + PCI_MSIX_CONTROL, 2, i << 13);
	}
	return NULL;
}

static void *storm_registers(void *arg)
{
	struct fixture *f = arg;
	unsigned int seed = 1;

	for (unsigned int i = 0; i < 20000; i++) {
		unsigned int r = (unsigned int)rand_r(&seed);
		unsigned int size = 1u << (r & 3);

		if (r & 0x100)
			rig_write(&f->rig, f->d.common + (r >> 10 & 0x3f), size, r >> 4);
		else
			rig_read(&f->rig, f->d.common + (r >> 10 & 0x3fff), size);
	}
	return NULL;
}

static void storm_ring(struct fixture *f)
{
	for (unsigned int i = 0; i < 3000; i++) {
		struct buffer b[] = { { HEADER, 16, false },
				      { DATA, 4096, true },
				      { STATUS, 1, true } };

		driver_add(&f->d, b, 3);
		driver_notify(&f->d);
		if (i % 50 == 49)
			driver_set_status(&f->d, 0);
		/* Not waiting for anything, and not asking whether it worked. */
		if (i % 10 == 9) {
			driver_set_status(&f->d, ACK_DRIVER);
			driver_set(&f->d, REG(driver_feature_select), 4, 1);
			driver_set(&f->d, REG(driver_feature), 4, 1);
			driver_set_status(&f->d, ACK_DRIVER | VIRTIO_STATUS_FEATURES_OK);
			driver_set(&f->d, REG(queue_desc), 8, f->d.desc);
			driver_set(&f->d, REG(queue_driver), 8, f->d.avail);
			driver_set(&f->d, REG(queue_device), 8, f->d.used);
			driver_set(&f->d, REG(queue_enable), 2, 1);
			driver_set_status(&f->d, RUNNING);
		}
	}
}

static void test_storm(void **state)
{
	struct fixture *f = *state;
	struct driver probed = f->d;
	pthread_t bars, registers;

	/* No one to read what it would say. */
	log_set_level(LOG_ERROR);
	put_header(f, HEADER, VIRTIO_BLK_T_IN, 0);
	pthread_create(&bars, NULL, storm_bars, f);
	pthread_create(&registers, NULL, storm_registers, f);
	storm_ring(f);
	pthread_join(bars, NULL);
	pthread_join(registers, NULL);
	log_set_level(LOG_INFO);

	rig_cfg_write(&f->rig, SLOT, PCI_COMMAND, 2, 0);
	rig_cfg_write(&f->rig, SLOT, PCI_BAR0, 8, probed.common);
	rig_cfg_write(&f->rig, SLOT, PCI_BAR0 + 8, 8, probed.msix_table);
	driver_probe(&f->d, &f->rig, SLOT);
	driver_start(&f->d, 0);
	assert_int_equal(driver_status(&f->d), RUNNING);
	assert_int_equal(simple(f, VIRTIO_BLK_T_IN, 5, 512, NULL), VIRTIO_BLK_S_OK);
	assert_int_equal(f->data[0], 5);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_depth),
		T_PLAIN(test_depth),
		T(test_reset_in_flight),
		T(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
