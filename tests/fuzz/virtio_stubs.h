/* SPDX-License-Identifier: MIT */
/*
 * A machine for fuzz targets: real memory and buses; interrupts, doorbells and
 * the device loop do nothing but remember who wants to be called.
 */
#ifndef TESTS_FUZZ_VIRTIO_STUBS_H
#define TESTS_FUZZ_VIRTIO_STUBS_H

#include "vmm/device.h"

#define STUB_MEMORY 65536u

/* A machine with one RAM region, filled with zeros, and a PCI host bridge. */
void stub_machine_create(struct machine *m, struct memory *memory);
void stub_machine_destroy(struct machine *m);

/* Call every source of the loop that has something to read, once. */
void stub_loop_turn(void);

/* A sequence of input bytes; gives zeros once it has run out. */
struct input {
	const uint8_t *at;
	size_t left;
};

uint8_t input_u8(struct input *in);
uint16_t input_u16(struct input *in);
uint64_t input_bytes(struct input *in, unsigned int n);

#endif
