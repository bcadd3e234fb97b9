/* SPDX-License-Identifier: MIT */
/* A virtio device that breaks, is reset or is kept busy while it holds chains. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "virtio_transport_rig.h"

static void return_held(struct fixture *f)
{
	pthread_mutex_lock(&f->v.lock);
	while (f->held_count)
		virtio_push(&f->v, 0, f->held[--f->held_count], 0);
	virtio_end_batch(&f->v, 0);
	pthread_mutex_unlock(&f->v.lock);
}

static void test_broken_ring(void **state)
{
	struct fixture *f = *state;
	struct virtq_avail *avail;

	driver_start(&f->d, 0);
	run_chains(f, 2);
	avail = memory_at(&f->rig.memory, gpa(f->d.avail), 4);
	avail->idx = 0x8000;
	rig_write(&f->rig, f->d.notify, 2, 0);
	assert_true(rig_interrupted(&f->rig, 1, 5000));
	assert_int_equal(driver_status(&f->d), RUNNING | VIRTIO_STATUS_NEEDS_RESET);
	assert_int_equal(f->stops, 1);
	/* Once is enough. */
	rig_write(&f->rig, f->d.notify, 2, 0);
	assert_false(rig_interrupted(&f->rig, 1, 20));
	/* And a reset repairs it. */
	driver_start(&f->d, 0);
	assert_int_equal(driver_status(&f->d), RUNNING);
	run_chains(f, 2);
}

static void test_ring_outside_memory(void **state)
{
	struct fixture *f = *state;

	driver_reset(&f->d);
	driver_set_status(&f->d, ACK_DRIVER);
	choose(f, 1, 1);
	assert_true(features_ok(f));
	driver_set(&f->d, REG(queue_desc), 8, RIG_MEMORY);
	driver_set(&f->d, REG(queue_enable), 2, 1);
	assert_int_equal(driver_get(&f->d, REG(queue_enable), 2), 0);
	assert_true(driver_status(&f->d) & VIRTIO_STATUS_NEEDS_RESET);
	driver_start(&f->d, 0);
	run_chains(f, 2);
}

/* Reset while the device works on chains: status says so until it is done. */
static void test_reset_in_flight(void **state)
{
	struct fixture *f = *state;
	struct virtq_used *used;

	f->hold = true;
	start(f);
	add_one(f);
	add_one(f);
	driver_notify(&f->d);
	wait_processed(f, 1);
	assert_int_equal(f->held_count, 2);

	driver_set_status(&f->d, 0);
	assert_int_equal(f->resets, 2); /* one by driver_start */
	assert_int_not_equal(driver_status(&f->d), 0);
	assert_int_equal(rig_doorbells(&f->rig), 0);
	/* Nothing the driver does now counts. */
	driver_set_status(&f->d, 0);
	driver_set_status(&f->d, VIRTIO_STATUS_ACKNOWLEDGE);
	choose(f, 1, 1);
	driver_set(&f->d, REG(queue_size), 2, 8);
	driver_set(&f->d, REG(queue_enable), 2, 1);
	driver_set(&f->d, REG(config_msix_vector), 2, 0);
	rig_write(&f->rig, f->d.notify, 2, 0);
	assert_int_equal(f->resets, 2);
	assert_int_not_equal(driver_status(&f->d), 0);

	return_held(f);
	assert_int_equal(driver_status(&f->d), 0);
	assert_int_equal(driver_get(&f->d, REG(queue_size), 2), QSIZE);
	assert_int_equal(driver_get(&f->d, REG(queue_enable), 2), 0);
	assert_int_equal(driver_get(&f->d, REG(config_msix_vector), 2), VIRTIO_MSI_NO_VECTOR);
	used = memory_at(&f->rig.memory, gpa(f->d.used), 4);
	assert_int_equal(used->idx, 0);
	assert_false(rig_interrupted(&f->rig, 0, 0));

	f->hold = false;
	driver_start(&f->d, 0);
	run_chains(f, 2);
}

/* Chains of a device that broke meanwhile are not given back. */
static void test_broken_in_flight(void **state)
{
	struct fixture *f = *state;
	struct virtq_used *used;

	f->hold = true;
	start(f);
	add_one(f);
	driver_notify(&f->d);
	wait_processed(f, 1);
	pthread_mutex_lock(&f->v.lock);
	f->v.queue[0].broken = "test";
	virtio_broken(&f->v, 0, "test");
	pthread_mutex_unlock(&f->v.lock);
	return_held(f);
	used = memory_at(&f->rig.memory, gpa(f->d.used), 4);
	assert_int_equal(used->idx, 0);
	driver_reset(&f->d);
}

/* A guest that never stops must not keep the device thread for itself. */
static void test_share_of_thread(void **state)
{
	struct fixture *f = *state;
	unsigned int before;

	start(f);
	pthread_mutex_lock(&f->v.lock);
	before = f->processed;
	for (unsigned int i = 0; i < QSIZE; i++)
		add_one(f);
	driver_publish(&f->d);
	f->v.budget = 10;
	process(&f->v, 0);
	assert_int_equal(f->v.queue[0].next_avail, 10);
	assert_int_equal(f->processed, before + 1);
	pthread_mutex_unlock(&f->v.lock);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_broken_ring),	  T(test_ring_outside_memory), T(test_reset_in_flight),
		T(test_broken_in_flight), T(test_share_of_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
