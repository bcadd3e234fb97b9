/* SPDX-License-Identifier: MIT */
/* A virtio device that does nothing but hold on to what it is given, and its driver. */
#ifndef TESTS_VIRTIO_TRANSPORT_RIG_H
#define TESTS_VIRTIO_TRANSPORT_RIG_H

#include "virtio_rig.h"
#include "vmm/virtio/device.h"
#include "vmm/virtio/pci.h"

#define REG(field) offsetof(struct virtio_pci_common_cfg, field)
#define SLOT	   1u
#define QUEUES	   2u
#define QSIZE	   64u
#define DATA	   0x40000u

#define ACK_DRIVER (VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER)
#define RUNNING	   (ACK_DRIVER | VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK)

struct fixture {
	struct rig rig;
	struct virtio_device v;
	struct virtio_pci pci;
	uint8_t config[12];
	bool hold; /* keep chains instead of returning them */
	uint16_t held[QSIZE];
	unsigned int held_count;
	unsigned int processed; /* calls */
	unsigned int resets;
	unsigned int runs, stops; /* calls of run */
	bool run_rings;		  /* queue 0 was enabled in all of them */
	unsigned int moves;	  /* of interrupt_moved */
	int call_fd;		  /* virtio_pci_call_fd() at the last of them */
	unsigned int config_off, config_size;
	uint64_t config_val;
	struct driver d;
};

/* cmocka's: the device in a running machine, its driver has found it. */
int setup(void **state);
/* The same with as many queues as a device can have. */
int setup_many(void **state);
int teardown(void **state);

/* The device's work: give chains back with length 7, or hold them. Device lock held. */
void process(struct virtio_device *v, unsigned int queue);
/* Wait until the device thread has been through @n calls of process. */
void wait_processed(struct fixture *f, unsigned int n);
/*
 * driver_start, and wait for the call of process that DRIVER_OK brings, so that
 * those counted afterwards have other reasons.
 */
void start(struct fixture *f);
/* Put a chain of one buffer into the ring. */
void add_one(struct fixture *f);
/* Chains one by one, each with its interrupt. */
void run_chains(struct fixture *f, unsigned int rounds);

/* Write a half of the driver's features. */
void choose(struct fixture *f, uint32_t select, uint32_t bits);
/* Does the device accept them? */
bool features_ok(struct fixture *f);

#endif
