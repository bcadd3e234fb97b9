/* SPDX-License-Identifier: MIT */
#include "virtio_transport_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

void process(struct virtio_device *v, unsigned int queue)
{
	struct fixture *f = container_of(v, struct fixture, v);
	struct virtq *q = &v->queue[queue];
	struct iovec iov[QSIZE];
	struct virtq_chain c = { .iov = iov, .iov_max = QSIZE };

	f->processed++;
	do {
		virtq_quiet(q);
		while (virtio_pop(v, queue, &c)) {
			if (f->hold)
				f->held[f->held_count++] = c.head;
			else
				virtio_push(v, queue, c.head, 7);
		}
	} while (virtio_listen(v, queue));
	virtio_end_batch(v, queue);
}

static void run(struct virtio_device *v, bool on)
{
	struct fixture *f = container_of(v, struct fixture, v);

	/* Turn by turn, and with rings that are there, also when it is over. */
	assert_int_equal(f->runs, on ? f->stops : f->stops + 1);
	if (on)
		f->runs++;
	else
		f->stops++;
	f->run_rings &= v->queue[0].enabled;
}

static void interrupt_moved(struct virtio_device *v, unsigned int queue)
{
	struct fixture *f = container_of(v, struct fixture, v);

	f->moves++;
	f->call_fd = virtio_pci_call_fd(&f->pci, queue);
}

static void on_reset(struct virtio_device *v)
{
	container_of(v, struct fixture, v)->resets++;
}

static void config_written(struct virtio_device *v, unsigned int off, unsigned int size,
			   uint64_t val)
{
	struct fixture *f = container_of(v, struct fixture, v);

	f->config_off = off;
	f->config_size = size;
	f->config_val = val;
}

static const struct virtio_kind kind = {
	.name = "test",
	.type = 4,
	.pci_class = 0x00ff00,
	.queue_size = QSIZE,
	.process = process,
	.run = run,
	.interrupt_moved = interrupt_moved,
	.reset = on_reset,
	.config_written = config_written,
};

static int setup_queues(void **state, unsigned int queues)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_init(&f->rig);
	memcpy(f->config, "configure me", sizeof(f->config));
	assert_int_equal(virtio_init(&f->v,
				     &(struct virtio_setup){
					     .kind = &kind,
					     .memory = &f->rig.memory,
					     .queue_count = queues,
					     .features = BIT64(3),
					     .config = f->config,
					     .config_bytes = sizeof(f->config),
				     }),
			 0);
	assert_int_equal(virtio_pci_attach(&f->pci, &f->rig.machine, f->rig.machine.loop, &f->v),
			 0);
	rig_start(&f->rig);
	driver_probe(&f->d, &f->rig, SLOT);
	*state = f;
	return 0;
}

int setup(void **state)
{
	return setup_queues(state, QUEUES);
}

int setup_many(void **state)
{
	return setup_queues(state, VIRTIO_PCI_QUEUES_MAX);
}

int teardown(void **state)
{
	struct fixture *f = *state;

	rig_stop(&f->rig);
	virtio_pci_detach(&f->pci);
	f->v.busy = 0; /* what a test still held */
	virtio_release(&f->v);
	rig_destroy(&f->rig);
	free(f);
	return 0;
}

void wait_processed(struct fixture *f, unsigned int n)
{
	for (unsigned int i = 0; i < 20000; i++) {
		unsigned int now;

		pthread_mutex_lock(&f->v.lock);
		now = f->processed;
		pthread_mutex_unlock(&f->v.lock);
		if (now >= n)
			return;
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	}
	fail_msg("the device thread did not come");
}

void start(struct fixture *f)
{
	driver_start(&f->d, 0);
	wait_processed(f, 1);
	pthread_mutex_lock(&f->v.lock);
	f->processed = 0;
	pthread_mutex_unlock(&f->v.lock);
}

void add_one(struct fixture *f)
{
	driver_add(&f->d, &(struct buffer){ DATA, 16, true }, 1);
}

void run_chains(struct fixture *f, unsigned int rounds)
{
	struct virtq_used_elem e;

	for (unsigned int i = 0; i < rounds; i++) {
		add_one(f);
		driver_notify(&f->d);
		/*
		 * The interrupt first: a driver that finds the entry before and
		 * asks for the next one gets none for this.
		 */
		assert_true(rig_interrupted(&f->rig, 0, 5000));
		assert_true(driver_used(&f->d, &e));
		assert_int_equal(e.len, 7);
	}
}

void choose(struct fixture *f, uint32_t select, uint32_t bits)
{
	driver_set(&f->d, REG(driver_feature_select), 4, select);
	driver_set(&f->d, REG(driver_feature), 4, bits);
}

bool features_ok(struct fixture *f)
{
	driver_set_status(&f->d, ACK_DRIVER | VIRTIO_STATUS_FEATURES_OK);
	return driver_status(&f->d) & VIRTIO_STATUS_FEATURES_OK;
}
