/* SPDX-License-Identifier: MIT */
/*
 * A virtio device, apart from how the guest reaches it: status, features,
 * configuration space, queues, reset. A kind of device (blk.c) fills in a
 * struct virtio_kind; the transport (pci.c) calls the functions for registers.
 *
 * Life, as the driver drives it ("Device Initialization"):
 *
 *   reset -> ACKNOWLEDGE -> DRIVER -> features -> FEATURES_OK -> queues
 *         -> DRIVER_OK: the device works -> (NEEDS_RESET) -> reset
 *
 * Reset never waits. The rings are gone at once; chains a device still works
 * on are counted in busy and dropped as they end, and only when the last one
 * has, the status register reads 0, which is what the driver waits for. Until
 * then every other register write is ignored.
 *
 * Locking: one lock per device. All of struct virtio_kind is called with it held;
 * a device takes it itself where work ends on another thread:
 *
 *	pthread_mutex_lock(&v->lock);
 *	virtio_push(v, queue, head, written);
 *	virtio_end_batch(v, queue);
 *	pthread_mutex_unlock(&v->lock);
 *
 * Failure of a guest is answered in the request if there is a way, else by
 * virtio_broken(): NEEDS_RESET and a configuration interrupt. Other guests and
 * this process never notice.
 */
#ifndef VMM_VIRTIO_DEVICE_H
#define VMM_VIRTIO_DEVICE_H

#include <pthread.h>

#include "abi/virtio/config.h"
#include "base/base.h"
#include "vmm/virtio/queue.h"

struct virtio_device;

struct virtio_kind {
	const char *name;
	uint16_t type; /* VIRTIO_ID_* */
	uint32_t pci_class;
	uint16_t queue_size; /* largest, and what the driver finds */
	/*
	 * The driver has notified @queue, or may have: take chains until there
	 * are none. Lock held; the device is running. On the thread that hears the
	 * driver's notifications: the device thread, or one of the device's own.
	 */
	void (*process)(struct virtio_device *v, unsigned int queue);
	/*
	 * Optional: from now on (@on), or no longer, may the device work on its
	 * rings: DRIVER_OK, no failure, bus master. For those whose rings
	 * somebody else serves. Lock held, any thread.
	 */
	void (*run)(struct virtio_device *v, bool on);
	/* Optional: the interrupt of @queue goes elsewhere. Lock held, any thread. */
	void (*interrupt_moved)(struct virtio_device *v, unsigned int queue);
	/*
	 * Optional: the driver resets; run(false) came before. Lock held, any
	 * thread. Must not block.
	 */
	void (*reset)(struct virtio_device *v);
	/* Optional: the driver's choice of features is final. Lock held, any thread. */
	void (*negotiated)(struct virtio_device *v);
	/* Optional: the driver wrote [@off, @off + @size) of the configuration. */
	void (*config_written)(struct virtio_device *v, unsigned int off, unsigned int size,
			       uint64_t val);
};

/* What the transport does for a device. Lock held. */
struct virtio_transport {
	void (*interrupt_queue)(struct virtio_device *v, unsigned int queue);
	void (*interrupt_config)(struct virtio_device *v);
	/* Have process called for every queue soon, on its thread. */
	void (*kick_all)(struct virtio_device *v);
	/* May the device touch guest memory now? */
	bool (*may_run)(struct virtio_device *v);
};

/* What one device is made from. */
struct virtio_setup {
	const struct virtio_kind *kind;
	const struct memory *memory;
	unsigned int queue_count;
	/* Bits of this kind; those of the transport and the queues are added. */
	uint64_t features;
	/* What the driver reads as configuration: the caller's, outlives the device. */
	const void *config;
	unsigned int config_bytes;
};

struct virtio_device {
	const struct virtio_kind *kind;
	const struct memory *memory;
	const struct virtio_transport *transport;
	void *transport_data;
	const void *config; /* device configuration; the lock protects it */
	unsigned int config_bytes;

	pthread_mutex_t lock;
	uint64_t offered;      /* feature bits */
	uint64_t features;     /* as the driver chose; final with FEATURES_OK */
	bool features_unknown; /* it chose some that have no bit here */
	uint8_t status;
	uint8_t generation;	 /* of the configuration */
	bool active;		 /* as run was last told */
	bool resetting;		 /* reset was written, busy is not 0 yet */
	unsigned int busy;	 /* chains popped and not pushed */
	unsigned int budget;	 /* chains process may still take, this time */
	unsigned int complaints; /* lines logged about this guest */
	unsigned int queue_count;
	struct virtq *queue;
};

/*
 * ---- for kinds of device ----
 */

/* Prepare *v. 0, or -ENOMEM. */
int virtio_init(struct virtio_device *v, const struct virtio_setup *s);
void virtio_release(struct virtio_device *v);

static inline bool virtio_has(const struct virtio_device *v, unsigned int feature)
{
	return v->features >> feature & 1;
}

/*
 * Take a chain; false: none, or the queue just broke, or process has had its
 * share of the device thread and will be called again. Every chain taken is
 * pushed once.
 */
bool virtio_pop(struct virtio_device *v, unsigned int queue, struct virtq_chain *c);
void virtio_push(struct virtio_device *v, unsigned int queue, uint16_t head, uint32_t written);
/*
 * Chains that were taken and not used come again later: the last @count of
 * @queue. In kind->reset it only says that they will never be pushed.
 */
void virtio_unpop(struct virtio_device *v, unsigned int queue, uint16_t count);
/* Push without showing it to the driver yet, and show what was filled. */
void virtio_fill(struct virtio_device *v, unsigned int queue, uint16_t head, uint32_t written);
void virtio_publish(struct virtio_device *v, unsigned int queue);
/* virtq_listen(), but false where pop would be false whatever was offered. */
bool virtio_listen(struct virtio_device *v, unsigned int queue);
/* After the last push of a batch. */
void virtio_end_batch(struct virtio_device *v, unsigned int queue);

/* The driver did what it must not: NEEDS_RESET. @why: for the log. */
void virtio_broken(struct virtio_device *v, unsigned int queue, const char *why);

/* The bytes behind config were changed (lock held all along): tell the driver. */
void virtio_config_changed(struct virtio_device *v);

/*
 * ---- for transports; lock held ----
 */

/* What may_run says has changed. Takes the lock itself. */
void virtio_transport_changed(struct virtio_device *v);

/*
 * The driver notified @queue, or may have: has process called if the device may
 * work. virtio_notified() takes the lock itself.
 */
void virtio_serve(struct virtio_device *v, unsigned int queue);
void virtio_notified(struct virtio_device *v, unsigned int queue);

/* 32 feature bits at a time, @select 0 or 1; others read as zero. */
uint32_t virtio_offered_features(const struct virtio_device *v, uint32_t select);
uint32_t virtio_driver_features(const struct virtio_device *v, uint32_t select);
void virtio_choose_features(struct virtio_device *v, uint32_t select, uint32_t bits);

/* Write the status register; true if that was a reset. */
bool virtio_set_status(struct virtio_device *v, uint8_t status);

/* Does the driver still own the queue's registers, so that it may write them? */
bool virtio_queue_writable(const struct virtio_device *v, unsigned int queue);
/* A size that is no power of two or above the one offered changes nothing. */
void virtio_queue_set_size(struct virtio_device *v, unsigned int queue, uint16_t size);
/* True if the queue is now in use. Rings that are not in memory break the device. */
bool virtio_queue_enable(struct virtio_device *v, unsigned int queue);

/* Configuration space; beyond its end reads give zero and writes vanish. */
uint64_t virtio_config_read(const struct virtio_device *v, unsigned int off, unsigned int size);
void virtio_config_write(struct virtio_device *v, unsigned int off, unsigned int size,
			 uint64_t val);

#endif
