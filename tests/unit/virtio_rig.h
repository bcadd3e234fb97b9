/* SPDX-License-Identifier: MIT */
/*
 * A machine without processors for tests of virtio devices: real memory, buses
 * and device loop, a recording stand-in for the hypervisor's interrupts, and
 * what a guest driver does, by hand.
 */
#ifndef TESTS_VIRTIO_RIG_H
#define TESTS_VIRTIO_RIG_H

#include <pthread.h>

#include "abi/pci.h"
#include "abi/platform.h"
#include "abi/virtio/config.h"
#include "abi/virtio/pci.h"
#include "abi/virtio/ring.h"
#include "vmm/config.h"
#include "vmm/dev/pci.h"
#include "vmm/device.h"

#define RIG_ROUTES    64
#define RIG_DOORBELLS 64
#define RIG_MEMORY    (UINT64_C(4) << 20)

/* What a device did to the interrupt wiring. */
struct rig_route {
	int fd;
	uint64_t addr;
	uint32_t data;
	bool masked;
	unsigned int sets; /* calls of irq_route_set */
};

struct rig_doorbell {
	uint64_t addr;
	int fd; /* -1: free */
};

struct irq {
	pthread_mutex_t lock;
	struct rig_route route[RIG_ROUTES];
	unsigned int route_count;
	unsigned int route_limit; /* alloc fails beyond */
	struct rig_doorbell doorbell[RIG_DOORBELLS];
	bool refuse_doorbells;
};

struct rig {
	struct memory memory;
	struct irq irq;
	struct vm_config config; /* one processor, nothing else */
	struct machine machine;
	int ended; /* enum vm_end, -1: not asked to */
	pthread_t loop_thread;
	bool loop_running;
};

/* Everything but devices. */
void rig_init(struct rig *r);
/* Run the device loop on a thread of its own. */
void rig_start(struct rig *r);
/* Stop that thread. Devices may be destroyed after it, then rig_destroy. */
void rig_stop(struct rig *r);
void rig_destroy(struct rig *r);

/* Guest accesses. A write that hits a doorbell goes there, as in the kernel. */
uint64_t rig_read(struct rig *r, uint64_t addr, unsigned int size);
void rig_write(struct rig *r, uint64_t addr, unsigned int size, uint64_t val);
/* Configuration space of function 0 of @slot, through ECAM. */
uint64_t rig_cfg_read(struct rig *r, unsigned int slot, unsigned int off, unsigned int size);
void rig_cfg_write(struct rig *r, unsigned int slot, unsigned int off, unsigned int size,
		   uint64_t val);

/* Has route @n been fired since last asked? Waits up to @ms. */
bool rig_interrupted(struct rig *r, unsigned int n, int ms);
unsigned int rig_doorbells(struct rig *r);

/* A driver of one virtio function, and of one of its queues. */
#define DRIVER_QUEUE_SIZE  256
/* Of one queue, from 64 KiB on: 16 queues end at 256 KiB. */
#define DRIVER_RINGS_BYTES 0x3000

struct driver {
	struct rig *rig;
	unsigned int slot;
	unsigned int common_cap, notify_cap, isr_cap, device_cap, cfg_cap, msix_cap;
	uint64_t common, notify, isr, device; /* addresses */
	uint64_t msix_table;
	uint32_t notify_stride;
	uint64_t features;
	bool event_idx;

	unsigned int queue; /* 0, but for those of driver_start_queue */
	uint16_t size;
	uint64_t desc, avail, used; /* guest physical */
	uint16_t avail_idx, used_seen;
	uint16_t next_desc;
};

/* Find the capabilities and decode the BARs. Fails the test if something is missing. */
void driver_probe(struct driver *d, struct rig *r, unsigned int slot);
/*
 * The whole initialisation with @features (VERSION_1 is added), MSI-X on, for
 * one queue: vector 0 is the queue's, 1 is for configuration changes.
 */
void driver_start(struct driver *d, uint64_t features);
/* *@d is one that started: *other drives @queue of the same device, with vector @queue + 1. */
void driver_start_queue(struct driver *other, const struct driver *d, unsigned int queue);
/* Write 0 to status and wait until it reads 0. */
void driver_reset(struct driver *d);
uint8_t driver_status(struct driver *d);
void driver_set_status(struct driver *d, uint8_t status);
/* Common configuration register by offset. */
uint64_t driver_get(struct driver *d, unsigned int off, unsigned int size);
void driver_set(struct driver *d, unsigned int off, unsigned int size, uint64_t val);

struct buffer {
	uint64_t addr;
	uint32_t len;
	bool write;
};

/* Put a chain into the ring without notifying; returns its head. */
uint16_t driver_add(struct driver *d, const struct buffer *b, unsigned int count);
void driver_publish(struct driver *d);
void driver_notify(struct driver *d);
/* Wait up to a few seconds for a used entry. */
bool driver_used(struct driver *d, struct virtq_used_elem *e);

#endif
