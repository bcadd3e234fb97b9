/* SPDX-License-Identifier: MIT */
/*
 * virtio-blk. Section titles in quotes are those of the virtio 1.2
 * specification.
 *
 * The way of a request:
 *
 *   device thread   process: take the chain, cut it into header, data and
 *                   status byte, check it, hand it to the disk
 *   disk's thread   finished: write the status byte, push, interrupt
 *
 * Whatever is wrong with a request is answered in its status byte. Only a
 * chain without room for that byte is a broken driver.
 */
#include "vmm/virtio/blk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/virtio/blk.h"
#include "vmm/backend/disk.h"
#include "vmm/log.h"
#include "vmm/virtio/device.h"
#include "vmm/virtio/pci.h"

#define QUEUE_SIZE	  128u
/* What is left of a chain as long as the ring for data. */
#define SEGMENTS_MAX	  (QUEUE_SIZE - 2)

/* Of one discard or write-zeroes request: 2 GiB. */
#define RANGE_SECTORS_MAX (1u << 22)

#define ERRORS_LOGGED_MAX 8

#define FEATURE(n)	  BIT64(n)

struct blk_request {
	struct disk_request io;
	struct virtio_blk *blk;
	struct blk_request *next_free;
	uint16_t head;	 /* of the chain */
	uint8_t *status; /* in guest memory */
	uint64_t room;	 /* writable bytes before the status byte */
	uint64_t filled; /* how many of them we write if all goes well */
	struct iovec iov[QUEUE_SIZE];
};

struct virtio_blk {
	struct virtio_device v;
	struct virtio_pci pci;
	struct disk *disk;
	bool readonly;
	unsigned int errors_logged;   /* disk's thread */
	char id[VIRTIO_BLK_ID_BYTES]; /* padded with zeros, maybe not terminated */
	struct virtio_blk_config config;
	/*
	 * As many as the ring has chains, which the queue engine enforces. The
	 * free one used last is taken first, so that a quiet guest touches few.
	 */
	struct blk_request *free;
	struct blk_request request[QUEUE_SIZE];
};

static uint64_t sectors(const struct virtio_blk *b)
{
	return b->config.capacity;
}

/* Is [first, first + count) on the disk? Both are the guest's. */
static bool in_range(const struct virtio_blk *b, uint64_t first, uint64_t count)
{
	return first <= sectors(b) && count <= sectors(b) - first;
}

/* "Feature bits": without FLUSH the driver believes every write to be durable. */
static bool write_through(const struct virtio_blk *b)
{
	return !virtio_has(&b->v, VIRTIO_BLK_F_FLUSH);
}

/* Give the chain back. Lock held. */
static void complete(struct virtio_blk *b, struct blk_request *r, uint8_t status)
{
	/*
	 * The driver learns how many bytes are valid, counted from the start
	 * of the writable part; the status byte counts only if all before it do.
	 */
	uint64_t filled = status == VIRTIO_BLK_S_OK ? r->filled : 0;
	uint32_t written = (uint32_t)(filled == r->room ? filled + 1 : filled);

	/* Memory stays mapped, so a chain from before a reset does no harm. */
	WRITE_ONCE(*r->status, status);
	virtio_push(&b->v, 0, r->head, written);
	r->next_free = b->free;
	b->free = r;
}

static uint8_t status_of(int err)
{
	switch (err) {
	case 0:
		return VIRTIO_BLK_S_OK;
	case -EOPNOTSUPP:
		return VIRTIO_BLK_S_UNSUPP;
	default:
		return VIRTIO_BLK_S_IOERR;
	}
}

/* The disk is done. Its thread. */
static void finished(struct disk_request *io, int err)
{
	struct blk_request *r = container_of(io, struct blk_request, io);
	struct virtio_blk *b = r->blk;

	/* A disk that fails goes on failing; one full log is enough. */
	if (err && err != -EOPNOTSUPP && b->errors_logged++ < ERRORS_LOGGED_MAX)
		log_error("blk: request failed (op %d, offset %llu, length %llu, %s)", (int)io->op,
			  (unsigned long long)io->offset, (unsigned long long)io->length,
			  strerror(-err));
	pthread_mutex_lock(&b->v.lock);
	complete(b, r, status_of(err));
	virtio_end_batch(&b->v, 0);
	pthread_mutex_unlock(&b->v.lock);
}

/* A request cut into its parts; the status byte is already off. */
struct parts {
	struct virtio_blk_req header;
	struct iovec *in; /* the device reads: data of a write */
	unsigned int in_count;
	uint64_t in_bytes;
	struct iovec *out; /* the device writes: data of a read */
	unsigned int out_count;
	uint64_t out_bytes;
};

/*
 * Each start_ function checks a request and either hands it to the disk,
 * returning PENDING, or returns the status to answer with.
 */
#define PENDING (-1)

static int submit(struct virtio_blk *b, struct blk_request *r)
{
	r->io.done = finished;
	disk_submit(b->disk, &r->io);
	return PENDING;
}

static int start_transfer(struct virtio_blk *b, struct blk_request *r, const struct parts *p,
			  bool write)
{
	uint64_t bytes = write ? p->in_bytes : p->out_bytes;

	if (write && b->readonly)
		return VIRTIO_BLK_S_IOERR;
	if (bytes % VIRTIO_BLK_SECTOR || !in_range(b, p->header.sector, bytes / VIRTIO_BLK_SECTOR))
		return VIRTIO_BLK_S_IOERR;
	/* The used length has 32 bits. */
	if (bytes >= UINT32_MAX)
		return VIRTIO_BLK_S_IOERR;

	r->filled = write ? 0 : bytes;
	r->io = (struct disk_request){
		.op = write ? DISK_WRITE : DISK_READ,
		.durable = write_through(b),
		.offset = p->header.sector * VIRTIO_BLK_SECTOR,
		.length = bytes,
		.iov = write ? p->in : p->out,
		.iov_count = write ? p->in_count : p->out_count,
	};
	return submit(b, r);
}

static int start_flush(struct virtio_blk *b, struct blk_request *r)
{
	/* Nothing to flush, and nothing the host would let us. */
	if (b->readonly)
		return VIRTIO_BLK_S_OK;
	r->io = (struct disk_request){ .op = DISK_FLUSH };
	return submit(b, r);
}

static int start_get_id(struct virtio_blk *b, struct blk_request *r, struct parts *p)
{
	uint64_t bytes = MIN(p->out_bytes, sizeof(b->id));

	if (p->out_bytes == 0)
		return VIRTIO_BLK_S_IOERR;
	iov_put(&p->out, &p->out_count, b->id, bytes);
	r->filled = bytes;
	return VIRTIO_BLK_S_OK;
}

/* DISCARD and WRITE_ZEROES: "Device Operation". One range, as configured. */
static int start_range(struct virtio_blk *b, struct blk_request *r, struct parts *p, bool zero)
{
	struct virtio_blk_range range;
	bool unmap;

	if (b->readonly)
		return VIRTIO_BLK_S_IOERR;
	if (p->in_bytes != sizeof(range))
		return VIRTIO_BLK_S_IOERR;
	iov_take(&p->in, &p->in_count, &range, sizeof(range));

	/* Unmap is for write-zeroes only; all other flags are reserved. */
	unmap = range.flags & VIRTIO_BLK_RANGE_F_UNMAP;
	if (range.flags & ~VIRTIO_BLK_RANGE_F_UNMAP || (unmap && !zero))
		return VIRTIO_BLK_S_UNSUPP;
	if (range.num_sectors > RANGE_SECTORS_MAX || !in_range(b, range.sector, range.num_sectors))
		return VIRTIO_BLK_S_IOERR;

	r->io = (struct disk_request){
		.op = zero ? DISK_ZERO : DISK_DISCARD,
		.durable = write_through(b),
		.unmap = unmap,
		.offset = range.sector * VIRTIO_BLK_SECTOR,
		.length = (uint64_t)range.num_sectors * VIRTIO_BLK_SECTOR,
	};
	return submit(b, r);
}

static int start(struct virtio_blk *b, struct blk_request *r, struct parts *p)
{
	if (!iov_take(&p->in, &p->in_count, &p->header, sizeof(p->header)))
		return VIRTIO_BLK_S_IOERR;
	p->in_bytes -= sizeof(p->header);

	switch (p->header.type) {
	case VIRTIO_BLK_T_IN:
		return start_transfer(b, r, p, false);
	case VIRTIO_BLK_T_OUT:
		return start_transfer(b, r, p, true);
	case VIRTIO_BLK_T_FLUSH:
		return start_flush(b, r);
	case VIRTIO_BLK_T_GET_ID:
		return start_get_id(b, r, p);
	case VIRTIO_BLK_T_DISCARD:
		return start_range(b, r, p, false);
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return start_range(b, r, p, true);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

/* Lock held. */
static void take_request(struct virtio_blk *b, struct blk_request *r, const struct virtq_chain *c)
{
	struct parts p = {
		.in = c->iov,
		.in_count = c->read_count,
		.in_bytes = c->read_bytes,
		.out = c->iov + c->read_count,
		.out_count = c->write_count,
		.out_bytes = c->write_bytes - 1,
	};
	int status;

	r->head = c->head;
	r->room = p.out_bytes;
	r->filled = 0;
	r->status = iov_cut_last(p.out, &p.out_count);
	status = start(b, r, &p);
	if (status != PENDING)
		complete(b, r, (uint8_t)status);
}

/* See the pattern in queue.h. */
static void process(struct virtio_device *v, unsigned int queue)
{
	struct virtio_blk *b = container_of(v, struct virtio_blk, v);
	struct virtq *q = &v->queue[queue];

	do {
		virtq_quiet(q);
		/* With all requests in use, there is no chain left to take either. */
		while (b->free) {
			struct blk_request *r = b->free;
			struct virtq_chain c = { .iov = r->iov, .iov_max = QUEUE_SIZE };

			if (!virtio_pop(v, queue, &c))
				break;
			if (c.write_count == 0) {
				virtio_push(v, queue, c.head, 0);
				virtio_broken(v, queue, "block request without a status byte");
				break;
			}
			b->free = r->next_free;
			take_request(b, r, &c);
		}
	} while (virtio_listen(v, queue));
	virtio_end_batch(v, queue);
}

static const struct virtio_kind blk_kind = {
	.name = "blk",
	.type = VIRTIO_ID_BLOCK,
	.pci_class = PCI_CLASS_STORAGE_OTHER,
	.queue_size = QUEUE_SIZE,
	.process = process,
};

static uint64_t configure(struct virtio_blk *b)
{
	uint32_t block = disk_block_bytes(b->disk);
	struct virtio_blk_config *c = &b->config;
	uint64_t features = FEATURE(VIRTIO_BLK_F_SEG_MAX) | FEATURE(VIRTIO_BLK_F_BLK_SIZE) |
			    FEATURE(VIRTIO_BLK_F_FLUSH) | FEATURE(VIRTIO_BLK_F_TOPOLOGY);

	c->capacity = disk_bytes(b->disk) / VIRTIO_BLK_SECTOR;
	c->seg_max = SEGMENTS_MAX;
	c->blk_size = VIRTIO_BLK_SECTOR;
	c->topology.physical_block_exp = (uint8_t)__builtin_ctz(block / VIRTIO_BLK_SECTOR);
	c->topology.min_io_size = (uint16_t)MIN(block / VIRTIO_BLK_SECTOR, UINT16_MAX);
	c->writeback = 1;
	c->num_queues = 1;
	if (b->readonly)
		return features | FEATURE(VIRTIO_BLK_F_RO);

	c->max_discard_sectors = RANGE_SECTORS_MAX;
	c->max_discard_seg = 1;
	c->discard_sector_alignment = block / VIRTIO_BLK_SECTOR;
	c->max_write_zeroes_sectors = RANGE_SECTORS_MAX;
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

struct virtio_blk *virtio_blk_create(struct machine *m, const struct disk_config *c)
{
	struct virtio_blk *b = calloc(1, sizeof(*b));
	struct virtio_setup setup = {
		.kind = &blk_kind,
		.memory = m->memory,
		.queue_count = 1,
		.config_bytes = sizeof(b->config),
	};
	int err;

	if (!b) {
		log_error("blk: no memory (%s)", c->path);
		errno = ENOMEM;
		return NULL;
	}
	err = disk_open(&b->disk, c->path, c->readonly);
	if (err) {
		log_error("blk: cannot open %s (%s)", c->path, open_problem(err));
		goto free_blk;
	}
	if (disk_bytes(b->disk) < VIRTIO_BLK_SECTOR) {
		log_error("blk: disk is empty (%s)", c->path);
		err = -EINVAL;
		goto close_disk;
	}
	if (disk_bytes(b->disk) % VIRTIO_BLK_SECTOR)
		log_warn("blk: last %u bytes are no whole sector and not used (%s)",
			 (unsigned int)(disk_bytes(b->disk) % VIRTIO_BLK_SECTOR), c->path);

	b->readonly = c->readonly;
	if (c->serial)
		memcpy(b->id, c->serial, strnlen(c->serial, sizeof(b->id)));
	for (unsigned int i = QUEUE_SIZE; i-- > 0;) {
		b->request[i].blk = b;
		b->request[i].next_free = b->free;
		b->free = &b->request[i];
	}
	setup.features = configure(b);
	setup.config = &b->config;
	err = virtio_init(&b->v, &setup);
	if (err) {
		log_error("blk: no memory (%s)", c->path);
		goto close_disk;
	}
	err = virtio_pci_attach(&b->pci, m, m->loop, &b->v);
	if (err) {
		log_error("blk: cannot add %s (%s)", c->path, strerror(-err));
		goto release_device;
	}
	return b;

release_device:
	virtio_release(&b->v);
close_disk:
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
	/* First, because it ends the thread that completes requests. */
	disk_close(b->disk);
	virtio_pci_detach(&b->pci);
	virtio_release(&b->v);
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
	{ 0 },
};

const struct device_kind virtio_blk_device = {
	.name = "disk",
	.option = "--disk",
	.usage = "path=FILE[,readonly=on][,serial=TEXT]",
	.purpose = "raw disk image or block device",
	.max = VMMCTL_DISKS_MAX,
	.keys = keys,
	.config_bytes = sizeof(struct disk_config),
	.create = create,
	.destroy = destroy,
};
