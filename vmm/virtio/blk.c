/* SPDX-License-Identifier: MIT */
/*
 * virtio-blk: what the device is, and its set-up. Section titles in quotes are
 * those of the virtio 1.2 specification.
 */
#include "vmm/virtio/blk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/config.h"
#include "vmm/log.h"
#include "vmm/virtio/blk_state.h"

/* What is left of a chain as long as the ring for data. */
#define SEGMENTS_MAX   (BLK_QUEUE_SIZE - 2)
/* What the kernel moves by one operation (MAX_RW_COUNT). */
#define SIZE_MAX_BYTES 0x7ffff000u

#define FEATURE(n)     BIT64(n)

/*
 * The cache, "Feature bits": on after a reset; off for a driver that knows no
 * FLUSH; with CONFIG_WCE the driver switches it. That is about writes to come.
 */
static void reset(struct virtio_device *v)
{
	container_of(v, struct virtio_blk, v)->config.writeback = 1;
}

static void set_cache(struct virtio_device *v)
{
	struct virtio_blk *b = container_of(v, struct virtio_blk, v);

	b->config.writeback = virtio_has(v, VIRTIO_BLK_F_FLUSH);
}

static void config_written(struct virtio_device *v, unsigned int off, unsigned int size,
			   uint64_t val)
{
	struct virtio_blk *b = container_of(v, struct virtio_blk, v);

	if (off == offsetof(struct virtio_blk_config, writeback) && size == 1 && val <= 1 &&
	    virtio_has(v, VIRTIO_BLK_F_CONFIG_WCE) && virtio_has(v, VIRTIO_BLK_F_FLUSH))
		b->config.writeback = (uint8_t)val;
}

static void *run(void *arg)
{
	struct virtio_blk *b = arg;
	int err = ring_run(b->ring);

	if (err) {
		log_error("blk: disk thread failed (%s)", strerror(-err));
		b->pci.machine->end(b->pci.machine, VM_END_INTERNAL);
	}
	return NULL;
}

static const struct virtio_kind blk_kind = {
	.name = "blk",
	.type = VIRTIO_ID_BLOCK,
	.pci_class = PCI_CLASS_STORAGE_OTHER,
	.queue_size = BLK_QUEUE_SIZE,
	.process = blk_process,
	.reset = reset,
	.negotiated = set_cache,
	.config_written = config_written,
};

static uint64_t configure(struct virtio_blk *b, unsigned int queues)
{
	uint32_t block = disk_block_bytes(b->disk);
	struct virtio_blk_config *c = &b->config;
	uint64_t features = FEATURE(VIRTIO_BLK_F_SIZE_MAX) | FEATURE(VIRTIO_BLK_F_SEG_MAX) |
			    FEATURE(VIRTIO_BLK_F_BLK_SIZE) | FEATURE(VIRTIO_BLK_F_FLUSH) |
			    FEATURE(VIRTIO_BLK_F_TOPOLOGY) | FEATURE(VIRTIO_BLK_F_CONFIG_WCE);

	c->capacity = disk_bytes(b->disk) / VIRTIO_BLK_SECTOR;
	c->size_max = SIZE_MAX_BYTES;
	c->seg_max = SEGMENTS_MAX;
	c->blk_size = VIRTIO_BLK_SECTOR;
	c->topology.physical_block_exp = (uint8_t)__builtin_ctz(block / VIRTIO_BLK_SECTOR);
	c->topology.min_io_size = (uint16_t)MIN(block / VIRTIO_BLK_SECTOR, UINT16_MAX);
	c->writeback = 1;
	c->num_queues = (uint16_t)queues;
	if (queues > 1)
		features |= FEATURE(VIRTIO_BLK_F_MQ);
	if (b->readonly)
		return features | FEATURE(VIRTIO_BLK_F_RO);

	c->max_discard_sectors = BLK_RANGE_SECTORS_MAX;
	c->max_discard_seg = 1;
	c->discard_sector_alignment = block / VIRTIO_BLK_SECTOR;
	c->max_write_zeroes_sectors = BLK_RANGE_SECTORS_MAX;
	c->max_write_zeroes_seg = 1;
	c->write_zeroes_may_unmap = 1;
	return features | FEATURE(VIRTIO_BLK_F_DISCARD) | FEATURE(VIRTIO_BLK_F_WRITE_ZEROES);
}

static const char *open_problem(int err)
{
	switch (err) {
	case -EWOULDBLOCK:
		return "in use by another program";
	case -EINVAL:
		return "neither a file nor a block device";
	default:
		return strerror(-err);
	}
}

/* The disk and its ring, up to what both know of each other. */
static int open_disk(struct virtio_blk *b, const struct disk_config *c, unsigned int requests)
{
	const struct ring_setup setup = {
		/* A request asks one thing at a time, and the alarm may be set. */
		.requests = requests + 1,
		.begin = blk_begin_turn,
		.end = blk_end_turn,
		.arg = b,
	};
	int err = ring_create(&b->ring, &setup);

	if (err) {
		log_error("blk: no io_uring, see kernel.io_uring_disabled (%s)", strerror(-err));
		return err;
	}
	err = disk_open(&b->disk, c->path, c->readonly, b->ring);
	if (err) {
		log_error("blk: cannot open %s (%s)", c->path, open_problem(err));
		goto destroy_ring;
	}
	if (disk_bytes(b->disk) < VIRTIO_BLK_SECTOR) {
		log_error("blk: disk is empty (%s)", c->path);
		err = -EINVAL;
		goto close_disk;
	}
	if (disk_bytes(b->disk) % VIRTIO_BLK_SECTOR)
		log_warn("blk: last %u bytes are no whole sector and not used (%s)",
			 (unsigned int)(disk_bytes(b->disk) % VIRTIO_BLK_SECTOR), c->path);
	return 0;

close_disk:
	disk_close(b->disk);
destroy_ring:
	ring_destroy(b->ring);
	return err;
}

/* Put the device on the bus and have its thread run. */
static int go(struct virtio_blk *b, struct machine *m, const struct virtio_setup *setup)
{
	int err = virtio_pci_add(&b->pci, m, NULL, &b->v, setup);

	if (err)
		return err;
	for (unsigned int i = 0; !err && i < b->v.queue_count; i++) {
		b->kick[i] = (struct ring_watch){ .ready = blk_kicked, .arg = b };
		err = ring_watch(b->ring, &b->kick[i], virtio_pci_kick_fd(&b->pci, i));
	}
	if (!err)
		err = ring_seal(b->ring);
	if (!err)
		err = thread_start(&b->thread, FILTER_DISK, "disk", run, b);
	if (err)
		virtio_pci_remove(&b->pci);
	return err;
}

struct virtio_blk *virtio_blk_create(struct machine *m, const struct disk_config *c)
{
	unsigned int queues =
		c->queues ? c->queues : MIN(m->config->cpus.count, BLK_QUEUES_DEFAULT);
	unsigned int requests = queues > 1 ? BLK_REQUESTS : BLK_REQUESTS_1;
	struct virtio_blk *b = calloc(1, sizeof(*b) + requests * sizeof(b->request[0]));
	struct virtio_setup setup = {
		.kind = &blk_kind,
		.memory = m->memory,
		.queue_count = queues,
		.config_bytes = sizeof(b->config),
	};
	int err;

	CHECK(queues > 0 && queues <= BLK_QUEUES_MAX);
	if (!b) {
		log_error("blk: no memory (%s)", c->path);
		errno = ENOMEM;
		return NULL;
	}
	err = open_disk(b, c, requests);
	if (err)
		goto free_blk;

	b->readonly = c->readonly;
	if (c->serial)
		memcpy(b->id, c->serial, strnlen(c->serial, sizeof(b->id)));
	blk_requests_init(b, c, requests);
	setup.features = configure(b, queues);
	setup.config = &b->config;
	err = go(b, m, &setup);
	if (!err)
		return b;
	log_error("blk: cannot add %s (%s)", c->path, strerror(-err));
	ring_destroy(b->ring);
	disk_close(b->disk);
free_blk:
	free(b);
	errno = -err;
	return NULL;
}

void virtio_blk_destroy(struct virtio_blk *b)
{
	if (!b)
		return;
	ring_stop(b->ring);
	thread_join(&b->thread);
	ring_destroy(b->ring);
	disk_close(b->disk);
	virtio_pci_remove(&b->pci);
	free(b);
}

static int create(struct machine *m, const void *config, void **device)
{
	*device = virtio_blk_create(m, config);
	return *device ? 0 : -errno;
}

static void destroy(void *device)
{
	virtio_blk_destroy(device);
}

static const struct option_key keys[] = {
	{ "path", OPTION_TEXT, offsetof(struct disk_config, path), .min = 1, .max = VMMCTL_PATH_MAX,
	  .required = true },
	{ "readonly", OPTION_FLAG, .offset = offsetof(struct disk_config, readonly) },
	{ "serial", OPTION_TEXT, offsetof(struct disk_config, serial), .max = VIRTIO_BLK_ID_BYTES },
	{ "queues", OPTION_COUNT, offsetof(struct disk_config, queues), .min = 1,
	  .max = BLK_QUEUES_MAX },
	{ "iops", OPTION_COUNT, offsetof(struct disk_config, iops), .min = 1, .max = UINT32_MAX },
	{ "bandwidth", OPTION_SIZE, offsetof(struct disk_config, bandwidth), .min = 1,
	  .max = RATE_MAX },
	{ 0 },
};

const struct device_kind virtio_blk_device = {
	.name = "disk",
	.option = "--disk",
	.usage = "path=FILE[,readonly=on][,serial=TEXT][,queues=N][,iops=N][,bandwidth=SIZE]",
	.purpose = "raw disk image or block device",
	.max = VMMCTL_DISKS_MAX,
	.keys = keys,
	.config_bytes = sizeof(struct disk_config),
	.create = create,
	.destroy = destroy,
};
