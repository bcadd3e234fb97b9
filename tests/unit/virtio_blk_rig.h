/* SPDX-License-Identifier: MIT */
/* A block device over a real file in which every sector says which one it is. */
#ifndef TESTS_VIRTIO_BLK_RIG_H
#define TESTS_VIRTIO_BLK_RIG_H

#include "abi/virtio/blk.h"
#include "virtio_rig.h"
#include "vmm/config.h"
#include "vmm/virtio/blk.h"

#define SLOT	   1u
#define SECTORS	   2048u
#define DISK_BYTES (SECTORS * 512u)

/* Guest memory */
#define HEADER	   0x40000u
#define STATUS	   0x41000u
#define RANGE	   0x42000u
#define DATA	   0x80000u

#define BIT(n)	   BIT64(n)

struct fixture {
	struct rig rig;
	char path[64];
	struct disk_config config;
	struct virtio_blk *blk;
	struct driver d;
	uint8_t *data;
	uint8_t *status;
};

/* The device in a running machine, its driver started with @features. */
struct fixture *make(bool readonly, uint64_t features);
/* The same as @c says, but for its path and serial number. */
struct fixture *make_as(const struct disk_config *c, uint64_t features);
/* cmocka's: with everything a driver may want; without any of it. */
int setup(void **state);
int setup_plain(void **state);
int teardown(void **state);

/* A request's header in guest memory at @at. */
void put_header(struct fixture *f, uint64_t at, uint32_t type, uint64_t sector);
/* One request; returns its status byte. *used: the length the device reported. */
uint8_t request(struct fixture *f, uint32_t type, uint64_t sector, const struct buffer *data,
		unsigned int count, uint32_t *used);
/* The same with one buffer at DATA. */
uint8_t simple(struct fixture *f, uint32_t type, uint64_t sector, uint32_t bytes, uint32_t *used);

#define T(name)	      cmocka_unit_test_setup_teardown(name, setup, teardown)
#define T_PLAIN(name) cmocka_unit_test_setup_teardown(name, setup_plain, teardown)

#endif
