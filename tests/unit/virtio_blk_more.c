/* SPDX-License-Identifier: MIT */
/* The block device: several queues, the write cache's switch, rate limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "virtio_blk_rig.h"

#define REG(field) offsetof(struct virtio_pci_common_cfg, field)
#define CFG(field) offsetof(struct virtio_blk_config, field)
#define QUEUES	   4u

static int setup_queues(void **state)
{
	*state = make_as(&(struct disk_config){ .queues = QUEUES },
			 BIT(VIRTIO_BLK_F_MQ) | BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_F_EVENT_IDX));
	return 0;
}

static int setup_cache(void **state)
{
	*state = make(false, BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_CONFIG_WCE));
	return 0;
}

/* Where request @i has its header, data and status. */
static void read_at(struct fixture *f, struct driver *d, unsigned int i, uint64_t sector)
{
	struct buffer b[] = {
		{ HEADER + 16 * i, 16, false },
		{ DATA + 512 * i, 512, true },
		{ STATUS + i, 1, true },
	};

	put_header(f, HEADER + 16 * i, VIRTIO_BLK_T_IN, sector);
	f->status[i] = 0x77;
	driver_add(d, b, 3);
}

static void check_read(struct fixture *f, unsigned int i, uint32_t sector)
{
	uint32_t got;

	memcpy(&got, f->data + 512 * i, sizeof(got));
	assert_int_equal(f->status[i], VIRTIO_BLK_S_OK);
	assert_int_equal(got, sector);
}

/* All queues full, more than the device takes at once; each answers for itself. */
static void test_queues(void **state)
{
	enum { DEPTH = 40, ROUNDS = 10 }; /* 3 * DEPTH descriptors fit */
	struct fixture *f = *state;
	struct driver q[QUEUES] = { f->d };
	struct virtq_used_elem e;

	assert_int_equal(rig_read(&f->rig, f->d.device + CFG(num_queues), 2), QUEUES);
	for (unsigned int n = 1; n < QUEUES; n++)
		driver_start_queue(&q[n], &f->d, n);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int i = 0; i < QUEUES * DEPTH; i++)
			read_at(f, &q[i % QUEUES], i, (i * 13 + round) % SECTORS);
		for (unsigned int n = 0; n < QUEUES; n++)
			driver_notify(&q[n]);
		for (unsigned int n = 0; n < QUEUES; n++) {
			for (unsigned int i = 0; i < DEPTH; i++)
				assert_true(driver_used(&q[n], &e));
			assert_true(rig_interrupted(&f->rig, n ? n + 1 : 0, 5000));
		}
		for (unsigned int i = 0; i < QUEUES * DEPTH; i++)
			check_read(f, i, (i * 13 + round) % SECTORS);
	}
}

/* A queue that was never set up, or only half, is nobody's problem. */
static void test_half_set_up(void **state)
{
	struct fixture *f = *state;
	struct driver *d = &f->d;

	driver_set(d, REG(queue_select), 2, 2);
	driver_set(d, REG(queue_desc), 4, 0xfffff000);
	driver_set(d, REG(queue_size), 2, 4);
	for (unsigned int n = 1; n <= QUEUES; n++)
		rig_write(&f->rig, d->notify + n * d->notify_stride, 2, n);
	assert_int_equal(simple(f, VIRTIO_BLK_T_IN, 9, 512, NULL), VIRTIO_BLK_S_OK);
	assert_int_equal(f->data[0], 9);
	/* Enabled with its ring outside memory: broken, and a reset mends it. */
	driver_set(d, REG(queue_desc) + 4, 4, 0xff);
	driver_set(d, REG(queue_enable), 2, 1);
	assert_true(driver_status(d) & VIRTIO_STATUS_NEEDS_RESET);
	driver_start(d, BIT(VIRTIO_BLK_F_MQ));
	assert_int_equal(simple(f, VIRTIO_BLK_T_IN, 10, 512, NULL), VIRTIO_BLK_S_OK);
}

/* Two queues on the same rings: each chain is taken twice, and nothing else happens. */
static void test_same_rings(void **state)
{
	struct fixture *f = *state;
	struct driver *d = &f->d;
	struct virtq_used_elem e;

	driver_set(d, REG(queue_select), 2, 1);
	driver_set(d, REG(queue_desc), 4, d->desc);
	driver_set(d, REG(queue_driver), 4, d->avail);
	driver_set(d, REG(queue_device), 4, d->used);
	driver_set(d, REG(queue_enable), 2, 1);
	for (unsigned int i = 0; i < 20; i++) {
		read_at(f, d, i, i);
		driver_notify(d);
		rig_write(&f->rig, d->notify + d->notify_stride, 2, 1);
		assert_true(driver_used(d, &e));
	}
	/* A request of the confused kind may still write: wait for the end of all. */
	driver_start(d, 0);
	assert_int_equal(simple(f, VIRTIO_BLK_T_IN, 77, 512, NULL), VIRTIO_BLK_S_OK);
	assert_int_equal(f->data[0], 77);
}

/* One buffer for the data of many reads, and for a write among them. */
static void test_overlap(void **state)
{
	struct fixture *f = *state;
	struct virtq_used_elem e;

	for (unsigned int i = 0; i < 30; i++) {
		struct buffer b[] = {
			{ HEADER + 16 * i, 16, false },
			{ DATA, 4096, i != 15 },
			{ DATA + 2048, 4096, i != 15 },
			{ STATUS + i, 1, true },
		};

		put_header(f, HEADER + 16 * i, i == 15 ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN,
			   16 * i);
		driver_add(&f->d, b, 4);
	}
	driver_notify(&f->d);
	for (unsigned int i = 0; i < 30; i++) {
		assert_true(driver_used(&f->d, &e));
		assert_int_equal(f->status[e.id / 4 % 30], VIRTIO_BLK_S_OK);
	}
	/* What was not written is as ever. */
	assert_int_equal(simple(f, VIRTIO_BLK_T_IN, 16 * 16, 512, NULL), VIRTIO_BLK_S_OK);
	assert_memory_equal(f->data, "\0\1\0\0", 4);
}

/* "Device configuration layout": writeback is the driver's, with both features. */
static void test_cache_switch(void **state)
{
	struct fixture *f = *state;
	uint64_t at = f->d.device + CFG(writeback);

	assert_int_equal(rig_read(&f->rig, at, 1), 1);
	rig_write(&f->rig, at, 1, 0);
	assert_int_equal(rig_read(&f->rig, at, 1), 0);
	memset(f->data, 0x5a, 4096);
	assert_int_equal(simple(f, VIRTIO_BLK_T_OUT, 8, 4096, NULL), VIRTIO_BLK_S_OK);
	/* Neither a value nor a size nor a place that is not it. */
	rig_write(&f->rig, at, 1, 2);
	rig_write(&f->rig, at, 2, 1);
	rig_write(&f->rig, at - 1, 1, 1);
	assert_int_equal(rig_read(&f->rig, at, 1), 0);
	rig_write(&f->rig, at, 1, 1);
	assert_int_equal(rig_read(&f->rig, at, 1), 1);
	rig_write(&f->rig, at, 1, 0);
	/* A reset forgets it. */
	driver_reset(&f->d);
	assert_int_equal(rig_read(&f->rig, at, 1), 1);
	/* Without FLUSH there is no cache, nor a switch. */
	driver_start(&f->d, BIT(VIRTIO_BLK_F_CONFIG_WCE));
	assert_int_equal(rig_read(&f->rig, at, 1), 0);
	rig_write(&f->rig, at, 1, 1);
	assert_int_equal(rig_read(&f->rig, at, 1), 0);
	/* Without the feature the field is not the driver's. */
	driver_start(&f->d, BIT(VIRTIO_BLK_F_FLUSH));
	rig_write(&f->rig, at, 1, 0);
	assert_int_equal(rig_read(&f->rig, at, 1), 1);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* How long @n reads of @bytes take, offered together. */
static double reads_take(struct fixture *f, unsigned int n, uint32_t bytes)
{
	double start = seconds();
	struct virtq_used_elem e;

	for (unsigned int i = 0; i < n; i++) {
		struct buffer b[] = {
			{ HEADER, 16, false },
			{ DATA, bytes, true },
			{ STATUS, 1, true },
		};

		put_header(f, HEADER, VIRTIO_BLK_T_IN, 0);
		driver_add(&f->d, b, 3);
	}
	driver_notify(&f->d);
	for (unsigned int i = 0; i < n; i++)
		assert_true(driver_used(&f->d, &e));
	return seconds() - start;
}

/* Beyond a burst, the rest comes at the rate. */
static void test_iops(void **state)
{
	struct fixture *f = make_as(&(struct disk_config){ .iops = 100 }, BIT(VIRTIO_BLK_F_FLUSH));
	double took = reads_take(f, 40, 512);

	assert_true(took > 0.27 && took < 3);
	assert_int_equal(simple(f, VIRTIO_BLK_T_FLUSH, 0, 1, NULL), VIRTIO_BLK_S_OK);
	*state = f;
}

static void test_bandwidth(void **state)
{
	struct fixture *f = make_as(&(struct disk_config){ .bandwidth = 1 << 20, .queues = 2 }, 0);
	double took = reads_take(f, 20, 16384); /* 320 KiB */

	assert_true(took > 0.17 && took < 3);
	/* One that costs seconds, then a reset and the end: nobody waits. */
	assert_true(reads_take(f, 1, 512) < 3);
	for (unsigned int i = 0; i < 20; i++)
		read_at(f, &f->d, i, 0);
	driver_notify(&f->d);
	driver_start(&f->d, 0);
	*state = f;
}

static int nothing(void **state)
{
	*state = NULL;
	return 0;
}

#define T_WITH(name, set_up) cmocka_unit_test_setup_teardown(name, set_up, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T_WITH(test_queues, setup_queues),	T_WITH(test_half_set_up, setup_queues),
		T_WITH(test_same_rings, setup_queues),	T(test_overlap),
		T_WITH(test_cache_switch, setup_cache), T_WITH(test_iops, nothing),
		T_WITH(test_bandwidth, nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
