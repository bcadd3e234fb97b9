/* SPDX-License-Identifier: MIT */
/*
 * What all virtio devices share. Read device.h first. Section titles in quotes
 * are those of the virtio 1.2 specification.
 */
#include "vmm/virtio/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/log.h"

/* A guest may misbehave for ever; the log is not its to fill. */
#define COMPLAINTS_MAX 8

/*
 * Chains taken for one notification, so that a guest that never stops adding
 * some cannot keep the device thread from its other devices.
 */
#define BUDGET	       1024

#define FEATURE(n)     BIT64(n)

/* Bits the driver may set; it clears them only by writing 0. */
#define DRIVER_STATUS                                                                 \
	(VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_DRIVER_OK | \
	 VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_FAILED)

static void complain(struct virtio_device *v, unsigned int queue, const char *why)
{
	if (v->complaints >= COMPLAINTS_MAX)
		return;
	v->complaints++;
	log_warn("%s: guest driver broke queue %u (%s)%s", v->kind->name, queue, why,
		 v->complaints == COMPLAINTS_MAX ? "; no more of these" : "");
}

static void queues_init(struct virtio_device *v)
{
	for (unsigned int i = 0; i < v->queue_count; i++)
		virtq_init(&v->queue[i], v->memory, v->kind->queue_size);
}

int virtio_init(struct virtio_device *v, const struct virtio_setup *s)
{
	CHECK(s->kind->queue_size <= VIRTQ_SIZE_MAX);

	*v = (struct virtio_device){
		.kind = s->kind,
		.memory = s->memory,
		.config = s->config,
		.config_bytes = s->config_bytes,
		.offered = s->features | FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_F_EVENT_IDX) |
			   FEATURE(VIRTIO_F_INDIRECT_DESC),
		.queue_count = s->queue_count,
		.queue = calloc(s->queue_count, sizeof(v->queue[0])),
	};
	if (!v->queue)
		return -ENOMEM;
	pthread_mutex_init(&v->lock, NULL);
	queues_init(v);
	return 0;
}

void virtio_release(struct virtio_device *v)
{
	CHECK(v->busy == 0);
	pthread_mutex_destroy(&v->lock);
	free(v->queue);
}

/* Between DRIVER_OK and the next reset or failure. */
static bool running(const struct virtio_device *v)
{
	return (v->status & VIRTIO_STATUS_DRIVER_OK) && !(v->status & VIRTIO_STATUS_NEEDS_RESET) &&
	       !v->resetting;
}

/* The device may begin to work, or must stop, if that is news. */
static void update_active(struct virtio_device *v)
{
	bool active = running(v) && v->transport->may_run(v);

	if (active == v->active)
		return;
	v->active = active;
	if (v->kind->run)
		v->kind->run(v, active);
}

void virtio_transport_changed(struct virtio_device *v)
{
	pthread_mutex_lock(&v->lock);
	update_active(v);
	pthread_mutex_unlock(&v->lock);
}

void virtio_broken(struct virtio_device *v, unsigned int queue, const char *why)
{
	if (v->status & VIRTIO_STATUS_NEEDS_RESET || v->resetting)
		return;
	complain(v, queue, why);
	v->status |= VIRTIO_STATUS_NEEDS_RESET;
	update_active(v);
	/* "Device Status Field": if DRIVER_OK is set, it MUST be told. */
	if (v->status & VIRTIO_STATUS_DRIVER_OK)
		v->transport->interrupt_config(v);
}

bool virtio_pop(struct virtio_device *v, unsigned int queue, struct virtq_chain *c)
{
	struct virtq *q = &v->queue[queue];
	int got;

	if (!running(v) || v->budget == 0)
		return false;
	got = virtq_pop(q, c);
	if (got < 0)
		virtio_broken(v, queue, q->broken);
	if (got <= 0)
		return false;
	v->busy++;
	v->budget--;
	return true;
}

void virtio_unpop(struct virtio_device *v, unsigned int queue, uint16_t count)
{
	CHECK(v->busy >= count);
	v->busy -= count;
	if (!v->resetting)
		virtq_unpop(&v->queue[queue], count);
}

void virtio_fill(struct virtio_device *v, unsigned int queue, uint16_t head, uint32_t written)
{
	CHECK(v->busy > 0 && !v->resetting);
	v->busy--;
	virtq_fill(&v->queue[queue], head, written);
}

void virtio_publish(struct virtio_device *v, unsigned int queue)
{
	virtq_publish(&v->queue[queue]);
}

bool virtio_listen(struct virtio_device *v, unsigned int queue)
{
	return running(v) && v->budget && virtq_listen(&v->queue[queue]);
}

/* The last chain of the time before the reset is done: the reset is, too. */
static void finish_reset(struct virtio_device *v)
{
	v->resetting = false;
	v->status = 0;
}

void virtio_push(struct virtio_device *v, unsigned int queue, uint16_t head, uint32_t written)
{
	CHECK(v->busy > 0);
	v->busy--;
	if (!v->resetting)
		virtq_push(&v->queue[queue], head, written);
	else if (v->busy == 0)
		finish_reset(v);
}

void virtio_end_batch(struct virtio_device *v, unsigned int queue)
{
	if (virtq_should_interrupt(&v->queue[queue]))
		v->transport->interrupt_queue(v, queue);
}

void virtio_config_changed(struct virtio_device *v)
{
	v->generation++;
	if (v->status & VIRTIO_STATUS_DRIVER_OK && !v->resetting)
		v->transport->interrupt_config(v);
}

void virtio_serve(struct virtio_device *v, unsigned int queue)
{
	struct virtq *q = &v->queue[queue];

	/* A notification for nobody is no error: drivers may be early or late. */
	if (!running(v) || !q->enabled || !v->transport->may_run(v))
		return;
	v->budget = BUDGET;
	v->kind->process(v, queue);
	if (q->broken)
		virtio_broken(v, queue, q->broken);
	if (v->budget == 0)
		v->transport->kick_all(v);
}

void virtio_notified(struct virtio_device *v, unsigned int queue)
{
	pthread_mutex_lock(&v->lock);
	virtio_serve(v, queue);
	pthread_mutex_unlock(&v->lock);
}

/*
 * Features
 */

uint32_t virtio_offered_features(const struct virtio_device *v, uint32_t select)
{
	return select < 2 ? (uint32_t)(v->offered >> (32 * select)) : 0;
}

uint32_t virtio_driver_features(const struct virtio_device *v, uint32_t select)
{
	return select < 2 ? (uint32_t)(v->features >> (32 * select)) : 0;
}

void virtio_choose_features(struct virtio_device *v, uint32_t select, uint32_t bits)
{
	/* Final since FEATURES_OK: "Driver Requirements: Device Initialization" */
	if (v->resetting || v->status & VIRTIO_STATUS_FEATURES_OK)
		return;
	if (select >= 2) {
		v->features_unknown |= bits != 0;
		return;
	}
	v->features &= ~((uint64_t)UINT32_MAX << (32 * select));
	v->features |= (uint64_t)bits << (32 * select);
}

static bool features_acceptable(const struct virtio_device *v)
{
	return !v->features_unknown && !(v->features & ~v->offered) &&
	       virtio_has(v, VIRTIO_F_VERSION_1);
}

/*
 * Status
 */

static void reset(struct virtio_device *v)
{
	v->resetting = true;
	update_active(v);
	queues_init(v);
	v->features = 0;
	v->features_unknown = false;
	if (v->kind->reset)
		v->kind->reset(v);
	if (v->busy == 0)
		finish_reset(v);
}

bool virtio_set_status(struct virtio_device *v, uint8_t status)
{
	uint8_t set = status & DRIVER_STATUS & (uint8_t)~v->status;

	if (v->resetting)
		return false;
	if (status == 0) {
		reset(v);
		return true;
	}

	/* Left clear, FEATURES_OK tells the driver that we cannot work like that. */
	if (set & VIRTIO_STATUS_FEATURES_OK && !features_acceptable(v))
		set &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
	if (!((v->status | set) & VIRTIO_STATUS_FEATURES_OK))
		set &= (uint8_t)~VIRTIO_STATUS_DRIVER_OK;
	v->status |= set;
	if (set & VIRTIO_STATUS_FEATURES_OK && v->kind->negotiated)
		v->kind->negotiated(v);

	/* What the driver queued before it was ready, it need not announce again. */
	if (set & VIRTIO_STATUS_DRIVER_OK) {
		update_active(v);
		v->transport->kick_all(v);
	}
	return false;
}

/*
 * Queues
 */

bool virtio_queue_writable(const struct virtio_device *v, unsigned int queue)
{
	return queue < v->queue_count && !v->queue[queue].enabled && !v->resetting;
}

void virtio_queue_set_size(struct virtio_device *v, unsigned int queue, uint16_t size)
{
	if (virtio_queue_writable(v, queue) && size && (size & (size - 1)) == 0 &&
	    size <= v->kind->queue_size)
		v->queue[queue].size = size;
}

bool virtio_queue_enable(struct virtio_device *v, unsigned int queue)
{
	struct virtq *q = &v->queue[queue];

	/* Before FEATURES_OK we do not know how to read the rings. */
	if (!virtio_queue_writable(v, queue) || !(v->status & VIRTIO_STATUS_FEATURES_OK))
		return false;
	q->event_idx = virtio_has(v, VIRTIO_F_EVENT_IDX);
	q->indirect = virtio_has(v, VIRTIO_F_INDIRECT_DESC);
	if (!virtq_enable(q)) {
		virtio_broken(v, queue, q->broken);
		return false;
	}
	return true;
}

/*
 * Configuration
 */

uint64_t virtio_config_read(const struct virtio_device *v, unsigned int off, unsigned int size)
{
	uint64_t val = 0;

	if (size > sizeof(val) || off + size > v->config_bytes)
		return 0;
	memcpy(&val, (const uint8_t *)v->config + off, size);
	return val;
}

void virtio_config_write(struct virtio_device *v, unsigned int off, unsigned int size, uint64_t val)
{
	if (v->kind->config_written && off + size <= v->config_bytes && !v->resetting)
		v->kind->config_written(v, off, size, val);
}
