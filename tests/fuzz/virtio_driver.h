/* SPDX-License-Identifier: MIT */
/*
 * A driver gone mad, for one virtio device in slot 1 of the stubs' machine. What
 * takes an input reads its operands from there; the rest does as it is told.
 */
#ifndef TESTS_FUZZ_VIRTIO_DRIVER_H
#define TESTS_FUZZ_VIRTIO_DRIVER_H

#include <stddef.h>

#include "virtio_stubs.h"
#include "vmm/virtio/device.h"
#include "vmm/virtio/pci.h"

#define REG(field) offsetof(struct virtio_pci_common_cfg, field)
#define QUEUE_SIZE 16u

/* Of a queue's three parts: where, in guest memory. */
struct rings {
	uint32_t desc, avail, used;
};

/* The target has found a mistake. */
void check(bool ok);

/* PCI command register; BAR 0, and a register in it. */
void driver_command(struct machine *m, uint16_t command);
uint64_t driver_bar(struct machine *m);
void driver_reg(struct machine *m, unsigned int off, unsigned int size, uint64_t val);

/* Virtio 1.2, 3.1.1: up to FEATURES_OK, a queue, DRIVER_OK. */
void driver_begin(struct machine *m, uint64_t features);
void driver_queue(struct machine *m, unsigned int queue, const struct rings *r);
void driver_run(struct machine *m);

/* Notify @queue (its number says the value written, too). */
void driver_notify(struct machine *m, unsigned int queue);

/*
 * Put a decoding BAR back, whatever became of it, for what a target wants to do last;
 * then reset, after which the device must be as it was.
 */
void driver_recover(struct machine *m);
void driver_reset_done(struct machine *m);

/* Write guest memory. */
void driver_put(struct machine *m, uint64_t at, const void *src, size_t n);
struct virtq_avail *driver_avail(struct machine *m, const struct rings *r);

/* Steps, each with its operands from @in. */
void step_register(struct machine *m, struct input *in); /* common configuration, write */
void step_anywhere(struct machine *m, struct input *in); /* of the BAR: read, write */
void step_command(struct machine *m, struct input *in);
void step_memory(struct machine *m, struct input *in);
/* A descriptor, and its index into the available ring. */
void step_ring(struct machine *m, struct input *in, const struct rings *r);
/* Advance avail.idx. */
void step_offer(struct machine *m, struct input *in, const struct rings *r);

#endif
