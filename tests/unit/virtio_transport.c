/* SPDX-License-Identifier: MIT */
/*
 * virtio-pci and the state of a virtio device: registers, and chains that come
 * and go. What breaks or is reset meanwhile: virtio_transport_faults.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "virtio_transport_rig.h"

static void test_identity(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rig_cfg_read(&f->rig, SLOT, PCI_DEVICE, 2), 0x1044);
	assert_int_equal(rig_cfg_read(&f->rig, SLOT, PCI_REVISION, 1), 1);
	assert_int_equal(rig_cfg_read(&f->rig, SLOT, PCI_REVISION, 4) >> 8, 0x00ff00);
	assert_int_equal(driver_get(&f->d, REG(num_queues), 2), QUEUES);
	assert_int_equal(driver_get(&f->d, REG(queue_size), 2), QSIZE);
	assert_int_equal(driver_get(&f->d, REG(queue_notify_off), 2), 0);
	driver_set(&f->d, REG(queue_select), 2, 1);
	assert_int_equal(driver_get(&f->d, REG(queue_notify_off), 2), 1);
	/* No such queue: size 0. */
	driver_set(&f->d, REG(queue_select), 2, QUEUES);
	assert_int_equal(driver_get(&f->d, REG(queue_size), 2), 0);
	driver_set(&f->d, REG(queue_size), 2, 8);
	driver_set(&f->d, REG(queue_enable), 2, 1);
	driver_set(&f->d, REG(queue_msix_vector), 2, 0);
	driver_set(&f->d, REG(queue_select), 2, 0xffff);
	driver_set(&f->d, REG(queue_desc), 4, 1);
	assert_int_equal(driver_get(&f->d, REG(queue_desc), 8), 0);
	assert_int_equal(driver_get(&f->d, REG(queue_select), 2), 0xffff);
}

/* The most queues there can be: the last one works, beside the first. */
static void test_many_queues(void **state)
{
	const unsigned int last = VIRTIO_PCI_QUEUES_MAX - 1;
	struct fixture *f = *state;
	struct virtq_used_elem e;
	struct driver other;

	assert_int_equal(driver_get(&f->d, REG(num_queues), 2), VIRTIO_PCI_QUEUES_MAX);
	start(f);
	driver_start_queue(&other, &f->d, last);
	assert_int_equal(rig_doorbells(&f->rig), 2);
	driver_set(&f->d, REG(queue_select), 2, last + 1);
	assert_int_equal(driver_get(&f->d, REG(queue_size), 2), 0);

	driver_add(&other, &(struct buffer){ DATA, 16, true }, 1);
	driver_notify(&other);
	assert_true(rig_interrupted(&f->rig, last + 1, 5000));
	assert_true(driver_used(&other, &e));
	run_chains(f, 3);
	assert_false(rig_interrupted(&f->rig, last + 1, 0));
	driver_reset(&f->d);
	assert_int_equal(rig_doorbells(&f->rig), 0);
}

/* A device whose rings somebody else serves learns when, and where interrupts go. */
static void test_rings_of_others(void **state)
{
	struct fixture *f = *state;

	f->run_rings = true;
	start(f);
	assert_int_equal(f->runs, 1);
	rig_cfg_write(&f->rig, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(f->stops, 1);
	rig_cfg_write(&f->rig, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(f->runs, 2);

	f->moves = 0;
	driver_set(&f->d, REG(queue_select), 2, 0);
	driver_set(&f->d, REG(queue_msix_vector), 2, VIRTIO_MSI_NO_VECTOR);
	assert_int_equal(f->call_fd, -1);
	driver_set(&f->d, REG(queue_msix_vector), 2, 1);
	assert_int_equal(f->call_fd, irq_route_fd(&f->rig.irq, 1));
	assert_int_equal(f->moves, 2);

	driver_reset(&f->d);
	assert_int_equal(f->stops, 2);
	driver_reset(&f->d);
	assert_int_equal(f->stops, 2);
	assert_true(f->run_rings);
}

static void test_features(void **state)
{
	struct fixture *f = *state;

	driver_set(&f->d, REG(device_feature_select), 4, 0);
	assert_int_equal(driver_get(&f->d, REG(device_feature), 4),
			 BIT32(3) | BIT32(VIRTIO_F_EVENT_IDX) | BIT32(VIRTIO_F_INDIRECT_DESC));
	driver_set(&f->d, REG(device_feature_select), 4, 1);
	assert_int_equal(driver_get(&f->d, REG(device_feature), 4), 1);
	driver_set(&f->d, REG(device_feature_select), 4, 2);
	assert_int_equal(driver_get(&f->d, REG(device_feature), 4), 0);
	driver_set(&f->d, REG(device_feature_select), 4, UINT32_MAX);
	assert_int_equal(driver_get(&f->d, REG(device_feature), 4), 0);

	/* No VERSION_1: refused. */
	choose(f, 0, BIT32(3));
	assert_false(features_ok(f));
	/* One that was not offered. */
	choose(f, 1, 1);
	choose(f, 0, BIT32(4));
	assert_false(features_ok(f));
	/* Corrected: fine, and final. */
	choose(f, 0, BIT32(3));
	assert_true(features_ok(f));
	choose(f, 0, 0);
	driver_set(&f->d, REG(driver_feature_select), 4, 0);
	assert_int_equal(driver_get(&f->d, REG(driver_feature), 4), BIT32(3));
	assert_true(virtio_has(&f->v, 3));

	/* Bits beyond 63 do not exist; Linux writes zeros there. */
	driver_reset(&f->d);
	assert_int_equal(driver_get(&f->d, REG(driver_feature), 4), 0);
	choose(f, 1, 1);
	choose(f, 2, 0);
	choose(f, 3, 0);
	assert_true(features_ok(f));
	driver_reset(&f->d);
	choose(f, 1, 1);
	choose(f, 2, 1);
	assert_false(features_ok(f));
}

static void test_status(void **state)
{
	struct fixture *f = *state;

	/* DRIVER_OK means nothing before FEATURES_OK. */
	driver_set_status(&f->d, ACK_DRIVER | VIRTIO_STATUS_DRIVER_OK);
	assert_int_equal(driver_status(&f->d), ACK_DRIVER);
	/* The driver cannot set the device's bit, nor clear what is set. */
	driver_set_status(&f->d, 0xff);
	assert_int_equal(driver_status(&f->d), ACK_DRIVER | VIRTIO_STATUS_FAILED);
	driver_set_status(&f->d, VIRTIO_STATUS_ACKNOWLEDGE);
	assert_int_equal(driver_status(&f->d), ACK_DRIVER | VIRTIO_STATUS_FAILED);
	driver_set_status(&f->d, 0);
	assert_int_equal(driver_status(&f->d), 0);
	assert_int_equal(f->resets, 1);
}

static void test_registers(void **state)
{
	struct fixture *f = *state;
	struct driver *d = &f->d;

	/* sizes of the ring */
	driver_set(d, REG(queue_size), 2, 16);
	assert_int_equal(driver_get(d, REG(queue_size), 2), 16);
	driver_set(d, REG(queue_size), 2, 17);
	driver_set(d, REG(queue_size), 2, 0);
	driver_set(d, REG(queue_size), 2, QSIZE * 2);
	driver_set(d, REG(queue_size), 1, 8);
	assert_int_equal(driver_get(d, REG(queue_size), 2), 16);
	/* addresses in halves, and as one */
	driver_set(d, REG(queue_driver), 4, 0x11111111);
	driver_set(d, REG(queue_driver) + 4, 4, 0x22222222);
	assert_int_equal(driver_get(d, REG(queue_driver), 8), 0x2222222211111111);
	driver_set(d, REG(queue_device), 8, 0x4444444433333333);
	assert_int_equal(driver_get(d, REG(queue_device) + 4, 4), 0x44444444);
	/* vectors */
	assert_int_equal(driver_get(d, REG(config_msix_vector), 2), VIRTIO_MSI_NO_VECTOR);
	driver_set(d, REG(config_msix_vector), 2, QUEUES);
	assert_int_equal(driver_get(d, REG(config_msix_vector), 2), QUEUES);
	driver_set(d, REG(config_msix_vector), 2, QUEUES + 1);
	assert_int_equal(driver_get(d, REG(config_msix_vector), 2), VIRTIO_MSI_NO_VECTOR);
	/* enabling needs FEATURES_OK */
	driver_set(d, REG(queue_enable), 2, 1);
	assert_int_equal(driver_get(d, REG(queue_enable), 2), 0);
	/* beyond the structure */
	assert_int_equal(driver_get(d, sizeof(struct virtio_pci_common_cfg), 4), 0);
	assert_int_equal(driver_get(d, sizeof(struct virtio_pci_common_cfg) - 2, 4), 0);
	driver_set(d, 0xffc, 4, UINT32_MAX);
	/* a reset takes it all back */
	driver_reset(d);
	assert_int_equal(driver_get(d, REG(queue_size), 2), QSIZE);
	assert_int_equal(driver_get(d, REG(queue_driver), 8), 0);
}

static void test_config(void **state)
{
	struct fixture *f = *state;
	uint64_t at = f->d.device;

	assert_int_equal(rig_read(&f->rig, at, 1), 'c');
	assert_int_equal(rig_read(&f->rig, at + 10, 2), 'm' | 'e' << 8);
	assert_int_equal(rig_read(&f->rig, at + 10, 4), 0);
	assert_int_equal(rig_read(&f->rig, at + 0xff8, 8), 0);
	rig_write(&f->rig, at + 4, 4, 0xabcd);
	assert_int_equal(f->config_off, 4);
	assert_int_equal(f->config_size, 4);
	assert_int_equal(f->config_val, 0xabcd);
	rig_write(&f->rig, at + 11, 2, 1);
	assert_int_equal(f->config_off, 4);

	driver_start(&f->d, 0);
	assert_int_equal(driver_get(&f->d, REG(config_generation), 1), 0);
	pthread_mutex_lock(&f->v.lock);
	f->config[0] = 'C';
	virtio_config_changed(&f->v);
	pthread_mutex_unlock(&f->v.lock);
	assert_int_equal(driver_get(&f->d, REG(config_generation), 1), 1);
	assert_true(rig_interrupted(&f->rig, 1, 1000));
	assert_int_equal(rig_read(&f->rig, at, 1), 'C');
}

static void test_run(void **state)
{
	struct fixture *f = *state;

	driver_start(&f->d, 0);
	assert_int_equal(driver_status(&f->d), RUNNING);
	assert_int_equal(rig_doorbells(&f->rig), 1);
	run_chains(f, 300);
	/* With MSI-X on, the ISR register stays 0. */
	assert_int_equal(rig_read(&f->rig, f->d.isr, 1), 0);
}

static void test_run_event_idx(void **state)
{
	struct fixture *f = *state;

	driver_start(&f->d, BIT64(VIRTIO_F_EVENT_IDX));
	run_chains(f, 300);
}

static void test_run_without_doorbell(void **state)
{
	struct fixture *f = *state;

	f->rig.irq.refuse_doorbells = true;
	driver_start(&f->d, 0);
	assert_int_equal(rig_doorbells(&f->rig), 0);
	run_chains(f, 100);
	/* Writes near by, of any size, do no harm. */
	rig_write(&f->rig, f->d.notify + 4 * QUEUES, 2, 0);
	rig_write(&f->rig, f->d.notify + 0xff8, 8, 0);
	assert_int_equal(rig_read(&f->rig, f->d.notify, 2), 0);
}

/* What was queued before DRIVER_OK is found without a notification. */
static void test_early_chains(void **state)
{
	struct fixture *f = *state;
	struct virtq_used_elem e;
	struct virtq_avail *avail;

	f->hold = true;
	start(f);
	driver_reset(&f->d);
	f->hold = false;
	/* The same rings once more, but by hand, to queue before DRIVER_OK. */
	choose(f, 1, 1);
	assert_true(features_ok(f));
	driver_set(&f->d, REG(queue_desc), 8, f->d.desc);
	driver_set(&f->d, REG(queue_driver), 8, f->d.avail);
	driver_set(&f->d, REG(queue_device), 8, f->d.used);
	driver_set(&f->d, REG(queue_enable), 2, 1);
	avail = memory_at(&f->rig.memory, gpa(f->d.avail), 4);
	avail->idx = 0;
	add_one(f);
	driver_notify(&f->d);
	nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	assert_int_equal(f->processed, 0);
	driver_set_status(&f->d, RUNNING);
	assert_true(driver_used(&f->d, &e));
}

static void test_bus_master(void **state)
{
	struct fixture *f = *state;
	struct virtq_used_elem e;

	start(f);
	rig_cfg_write(&f->rig, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	add_one(f);
	driver_notify(&f->d);
	nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	assert_int_equal(f->processed, 0);
	rig_cfg_write(&f->rig, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(driver_used(&f->d, &e));
}

static void test_doorbell_follows_bar(void **state)
{
	struct fixture *f = *state;
	uint64_t old = f->d.notify, moved = PLATFORM_PCI32_BASE;

	driver_start(&f->d, 0);
	assert_int_equal(f->rig.irq.doorbell[0].addr, old);
	rig_cfg_write(&f->rig, SLOT, PCI_BAR0, 8, moved);
	assert_int_equal(rig_doorbells(&f->rig), 1);
	assert_int_equal(f->rig.irq.doorbell[0].addr, moved + 0x3000);
	f->d.notify = moved + 0x3000;
	f->d.common = moved;
	run_chains(f, 3);
	rig_cfg_write(&f->rig, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	assert_int_equal(rig_doorbells(&f->rig), 0);
	rig_cfg_write(&f->rig, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	assert_int_equal(rig_doorbells(&f->rig), 1);
	run_chains(f, 3);
	driver_reset(&f->d);
	assert_int_equal(rig_doorbells(&f->rig), 0);
}

static void test_isr(void **state)
{
	struct fixture *f = *state;
	struct virtq_used_elem e;

	driver_start(&f->d, 0);
	rig_cfg_write(&f->rig, SLOT, f->d.msix_cap + PCI_MSIX_CONTROL, 2, 0);
	add_one(f);
	driver_notify(&f->d);
	assert_true(driver_used(&f->d, &e));
	/* The entry is visible a moment before the interrupt. */
	for (unsigned int i = 0; rig_read(&f->rig, f->d.isr, 1) != VIRTIO_PCI_ISR_QUEUE; i++)
		assert_true(i < 1000000);
	assert_int_equal(rig_read(&f->rig, f->d.isr, 1), 0);
	pthread_mutex_lock(&f->v.lock);
	virtio_config_changed(&f->v);
	pthread_mutex_unlock(&f->v.lock);
	assert_int_equal(rig_read(&f->rig, f->d.isr, 4), VIRTIO_PCI_ISR_CONFIG);
	assert_false(rig_interrupted(&f->rig, 0, 0) || rig_interrupted(&f->rig, 1, 0));
}

/* Registers that must not change while the queue is in use. */
static void test_enabled_queue_is_fixed(void **state)
{
	struct fixture *f = *state;

	driver_start(&f->d, 0);
	driver_set(&f->d, REG(queue_size), 2, 8);
	driver_set(&f->d, REG(queue_desc), 8, 0);
	driver_set(&f->d, REG(queue_enable), 2, 0);
	assert_int_equal(driver_get(&f->d, REG(queue_size), 2), QSIZE);
	assert_int_equal(driver_get(&f->d, REG(queue_desc), 8), f->d.desc);
	assert_int_equal(driver_get(&f->d, REG(queue_enable), 2), 1);
	run_chains(f, 2);
}

/* The window in configuration space does what the BAR does. */
static void test_cfg_access(void **state)
{
	struct fixture *f = *state;
	struct rig *r = &f->rig;
	unsigned int cap = f->d.cfg_cap;
	unsigned int bar = cap + offsetof(struct virtio_pci_cap, bar);
	unsigned int off = cap + offsetof(struct virtio_pci_cap, offset);
	unsigned int len = cap + offsetof(struct virtio_pci_cap, length);
	unsigned int data = cap + offsetof(struct virtio_pci_cfg_cap, pci_cfg_data);

	rig_cfg_write(r, SLOT, PCI_COMMAND, 2, 0); /* that is the point of it */
	rig_cfg_write(r, SLOT, bar, 1, 0);
	rig_cfg_write(r, SLOT, off, 4, REG(num_queues));
	rig_cfg_write(r, SLOT, len, 4, 2);
	assert_int_equal(rig_cfg_read(r, SLOT, data, 2), QUEUES);
	rig_cfg_write(r, SLOT, off, 4, REG(device_status));
	rig_cfg_write(r, SLOT, len, 4, 1);
	rig_cfg_write(r, SLOT, data, 1, VIRTIO_STATUS_ACKNOWLEDGE);
	assert_int_equal(rig_cfg_read(r, SLOT, data, 1), VIRTIO_STATUS_ACKNOWLEDGE);
	assert_int_equal(f->v.status, VIRTIO_STATUS_ACKNOWLEDGE);

	/* Other BARs, sizes and places: nothing happens. */
	rig_cfg_write(r, SLOT, bar, 1, 2);
	rig_cfg_write(r, SLOT, data, 1, 0);
	rig_cfg_write(r, SLOT, bar, 1, 0xff);
	rig_cfg_write(r, SLOT, data, 1, 0);
	rig_cfg_write(r, SLOT, bar, 1, 0);
	rig_cfg_write(r, SLOT, len, 4, 3);
	rig_cfg_write(r, SLOT, data, 4, 0);
	rig_cfg_write(r, SLOT, len, 4, 0);
	rig_cfg_write(r, SLOT, data, 4, 0);
	rig_cfg_write(r, SLOT, len, 4, UINT32_MAX);
	rig_cfg_write(r, SLOT, data, 4, 0);
	rig_cfg_write(r, SLOT, len, 4, 4);
	rig_cfg_write(r, SLOT, off, 4, 2);
	rig_cfg_write(r, SLOT, data, 4, 0);
	rig_cfg_write(r, SLOT, off, 4, 0x4000);
	rig_cfg_write(r, SLOT, data, 4, 0);
	rig_cfg_write(r, SLOT, off, 4, UINT32_MAX - 3);
	rig_cfg_write(r, SLOT, data, 4, 0);
	rig_cfg_read(r, SLOT, data, 4);
	assert_int_equal(f->v.status, VIRTIO_STATUS_ACKNOWLEDGE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_identity),
		cmocka_unit_test_setup_teardown(test_many_queues, setup_many, teardown),
		T(test_rings_of_others),
		T(test_features),
		T(test_status),
		T(test_registers),
		T(test_config),
		T(test_run),
		T(test_run_event_idx),
		T(test_run_without_doorbell),
		T(test_early_chains),
		T(test_bus_master),
		T(test_doorbell_follows_bar),
		T(test_isr),
		T(test_enabled_queue_is_fixed),
		T(test_cfg_access),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
