/* SPDX-License-Identifier: MIT */
/*
 * Block device. Virtio 1.2, "Block Device".
 */
#ifndef ABI_VIRTIO_BLK_H
#define ABI_VIRTIO_BLK_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* "Feature bits": bit numbers */
#define VIRTIO_BLK_F_SIZE_MAX	  1
#define VIRTIO_BLK_F_SEG_MAX	  2
#define VIRTIO_BLK_F_RO		  5
#define VIRTIO_BLK_F_BLK_SIZE	  6
#define VIRTIO_BLK_F_FLUSH	  9
#define VIRTIO_BLK_F_TOPOLOGY	  10
#define VIRTIO_BLK_F_CONFIG_WCE	  11
#define VIRTIO_BLK_F_MQ		  12
#define VIRTIO_BLK_F_DISCARD	  13
#define VIRTIO_BLK_F_WRITE_ZEROES 14

/* "Device configuration layout" */
struct virtio_blk_config {
	uint64_t capacity; /* in sectors */
	uint32_t size_max; /* bytes in one segment */
	uint32_t seg_max;  /* segments in one request */
	struct {
		uint16_t cylinders;
		uint8_t heads;
		uint8_t sectors;
	} geometry;
	uint32_t blk_size;
	struct {
		uint8_t physical_block_exp; /* log2(physical / logical block) */
		uint8_t alignment_offset;
		uint16_t min_io_size; /* in logical blocks */
		uint32_t opt_io_size; /* in logical blocks */
	} topology;
	uint8_t writeback;
	uint8_t unused0;
	uint16_t num_queues;
	uint32_t max_discard_sectors;
	uint32_t max_discard_seg;
	uint32_t discard_sector_alignment;
	uint32_t max_write_zeroes_sectors;
	uint32_t max_write_zeroes_seg;
	uint8_t write_zeroes_may_unmap;
	uint8_t unused1[3];
} __attribute__((packed));
static_assert(sizeof(struct virtio_blk_config) == 60, "blk config");
static_assert(offsetof(struct virtio_blk_config, blk_size) == 20, "blk config");
static_assert(offsetof(struct virtio_blk_config, writeback) == 32, "blk config");
static_assert(offsetof(struct virtio_blk_config, max_discard_sectors) == 36, "blk config");

/*
 * "Device Operation". A request is one chain: this header, then the data the
 * device reads, then the data it writes, then one status byte it writes. Where
 * one descriptor ends and the next begins means nothing.
 */
struct virtio_blk_req {
	uint32_t type; /* VIRTIO_BLK_T_* */
	uint32_t reserved;
	uint64_t sector;
};
static_assert(sizeof(struct virtio_blk_req) == 16, "blk req");

#define VIRTIO_BLK_SECTOR	  512

#define VIRTIO_BLK_T_IN		  0
#define VIRTIO_BLK_T_OUT	  1
#define VIRTIO_BLK_T_FLUSH	  4
#define VIRTIO_BLK_T_GET_ID	  8
#define VIRTIO_BLK_T_DISCARD	  11
#define VIRTIO_BLK_T_WRITE_ZEROES 13

#define VIRTIO_BLK_ID_BYTES	  20

/* The data of DISCARD and WRITE_ZEROES: an array of these. */
struct virtio_blk_range {
	uint64_t sector;
	uint32_t num_sectors;
	uint32_t flags;
};
static_assert(sizeof(struct virtio_blk_range) == 16, "blk range");

#define VIRTIO_BLK_RANGE_F_UNMAP 0x1

#define VIRTIO_BLK_S_OK		 0
#define VIRTIO_BLK_S_IOERR	 1
#define VIRTIO_BLK_S_UNSUPP	 2

#endif
