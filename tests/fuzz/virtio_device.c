/* SPDX-License-Identifier: MIT */
/*
 * The block device under a driver gone mad: register writes in any order,
 * memory changes, notifications, resets, disk requests that end early, late or
 * after a reset. The input begins with a flag byte, then comes a list of
 *
 *   byte   what to do (enum op), modulo their number
 *   ...    its operands
 *
 * A set-up that gets a queue running comes first unless the flag says not to,
 * so that the fuzzer need not find it by chance. There are two queues, the
 * second on the rings of the first if a flag says so. The disk is a stub that keeps requests until
 * told to end one, and the ring one that turns when told to. Checked: what the
 * disk is asked to do lies on the disk and in guest memory, and in the end all is
 * given back.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/virtio/blk.h"
#include "virtio_driver.h"
#include "vmm/backend/disk.h"
#include "vmm/config.h"
#include "vmm/log.h"
#include "vmm/ring.h"
#include "vmm/virtio/blk.h"

#define DISK_BYTES (64u * 512)

static const struct rings rings = { .desc = 0x1000, .avail = 0x2000, .used = 0x3000 };

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

/* ---- a ring that turns when told to ---- */

#define WATCHES_MAX 4

struct ring {
	struct ring_setup setup;
	struct ring_watch *watch[WATCHES_MAX];
	unsigned int watches;
};

static struct ring the_ring;

int ring_create(struct ring **ring, const struct ring_setup *s)
{
	the_ring = (struct ring){ .setup = *s };
	*ring = &the_ring;
	return 0;
}

void ring_destroy(struct ring *r)
{
	(void)r;
}

int ring_watch(struct ring *r, struct ring_watch *w, int fd)
{
	check(r->watches < WATCHES_MAX);
	w->file = fd;
	r->watch[r->watches++] = w;
	return 0;
}

int ring_seal(struct ring *r)
{
	(void)r;
	return 0;
}

int ring_run(struct ring *r)
{
	(void)r;
	return 0;
}

void ring_stop(struct ring *r)
{
	(void)r;
}

void ring_alarm(struct ring *r, struct ring_event *e, const struct __kernel_timespec *time)
{
	(void)r, (void)e, (void)time;
	abort(); /* no limits here */
}

static void ring_turn(void)
{
	struct ring *r = &the_ring;

	r->setup.begin(r->setup.arg);
	for (unsigned int i = 0; i < r->watches; i++) {
		struct pollfd p = { .fd = r->watch[i]->file, .events = POLLIN };

		uint64_t count;

		if (poll(&p, 1, 0) == 1 && read(p.fd, &count, sizeof(count)) == sizeof(count))
			r->watch[i]->ready(r->watch[i]);
	}
	r->setup.end(r->setup.arg);
}

/* ---- a disk that takes its time ---- */

struct disk {
	const struct memory *memory;
	struct disk_request *pending[512];
	unsigned int count;
};

static struct disk the_disk;

int disk_open(struct disk **disk, const char *path, bool readonly, struct ring *ring)
{
	(void)ring;
	(void)path;
	(void)readonly;
	*disk = &the_disk;
	return 0;
}

static void end_request(struct disk *d, unsigned int n, int err)
{
	struct disk_request *r = d->pending[n];

	d->pending[n] = d->pending[--d->count];
	the_ring.setup.begin(the_ring.setup.arg);
	r->done(r, err);
	the_ring.setup.end(the_ring.setup.arg);
}

void disk_close(struct disk *d)
{
	check(d->count == 0);
}

void disk_submit(struct disk *d, struct disk_request *r)
{
	const struct mem_region *ram = &d->memory->region[0];
	uint64_t sum = 0;

	check(r->offset <= DISK_BYTES && r->length <= DISK_BYTES - r->offset);
	for (unsigned int i = 0; i < r->iov_count; i++) {
		uint8_t *at = r->iov[i].iov_base;

		check(at >= ram->host && at + r->iov[i].iov_len <= ram->host + ram->size);
		/* A read fills them, a write looks at them. */
		if (r->op == DISK_READ)
			memset(at, 0xdd, r->iov[i].iov_len);
		sum += r->iov[i].iov_len;
	}
	if (r->op == DISK_READ || r->op == DISK_WRITE)
		check(sum == r->length);
	check(d->count < ARRAY_SIZE(d->pending));
	d->pending[d->count++] = r;
}

uint64_t disk_bytes(const struct disk *d)
{
	(void)d;
	return DISK_BYTES;
}

uint32_t disk_block_bytes(const struct disk *d)
{
	(void)d;
	return 4096;
}

/* ---- the driver ---- */

enum op {
	REGISTER, /* write a register of the common configuration */
	REGISTER_READ,
	MEMORY, /* write guest memory */
	RING,	/* make a descriptor and offer it */
	OFFER,	/* advance avail.idx */
	NOTIFY, /* both queues */
	DONE,	/* the disk ends a request */
	FAIL,
	RESET,
	SETUP,
	COMMAND,  /* PCI command register */
	ANYWHERE, /* access the BAR anywhere */
	OPS,
};

static void setup(struct machine *m, uint8_t flags)
{
	driver_begin(m, (flags & 1 ? BIT64(VIRTIO_F_EVENT_IDX) : 0) |
				(flags & 2 ? BIT64(VIRTIO_F_INDIRECT_DESC) : 0) |
				(flags & 4 ? BIT64(VIRTIO_BLK_F_FLUSH) : 0) |
				(flags & 8 ? BIT64(VIRTIO_BLK_F_CONFIG_WCE) : 0) |
				BIT64(VIRTIO_F_VERSION_1));
	for (unsigned int queue = 0; queue <= (flags >> 4 & 1); queue++)
		driver_queue(m, queue, &rings);
	driver_run(m);
}

static void step(struct machine *m, struct input *in)
{
	uint64_t val;
	uint8_t n;

	switch ((enum op)(input_u8(in) % OPS)) {
	case REGISTER:
		step_register(m, in);
		break;
	case REGISTER_READ:
		n = input_u8(in) % 64;
		bus_read(m->mmio, driver_bar(m) + n, 1u << (input_u8(in) & 3), &val);
		break;
	case MEMORY:
		step_memory(m, in);
		break;
	case RING:
		step_ring(m, in, &rings);
		break;
	case OFFER:
		step_offer(m, in, &rings);
		break;
	case NOTIFY:
		driver_notify(m, 0);
		driver_notify(m, 1);
		ring_turn();
		break;
	case DONE:
		n = input_u8(in);
		if (the_disk.count)
			end_request(&the_disk, n % the_disk.count, 0);
		break;
	case FAIL:
		n = input_u8(in);
		if (the_disk.count)
			end_request(&the_disk, n % the_disk.count, n & 1 ? -EIO : -EOPNOTSUPP);
		break;
	case RESET:
		driver_reg(m, REG(device_status), 1, 0);
		break;
	case SETUP:
		setup(m, input_u8(in));
		break;
	case COMMAND:
		step_command(m, in);
		break;
	case ANYWHERE:
		step_anywhere(m, in);
		break;
	case OPS:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };
	const struct disk_config config = {
		.path = "fuzz",
		.readonly = len && bytes[0] & 0x80,
		.queues = 2,
	};
	struct virtio_blk *blk;
	struct memory memory;
	struct machine m;
	uint8_t flags;

	log_set_level(LOG_ERROR);
	stub_machine_create(&m, &memory);
	the_disk = (struct disk){ .memory = &memory };
	blk = virtio_blk_create(&m, &config);
	check(blk != NULL);

	flags = input_u8(&in);
	if (!(flags & 0x40)) {
		driver_recover(&m);
		setup(&m, flags);
	}
	while (in.left)
		step(&m, &in);

	/* However it stands, a reset ends once the disk has ended everything. */
	driver_recover(&m);
	ring_turn();
	driver_reg(&m, REG(device_status), 1, 0);
	while (the_disk.count)
		end_request(&the_disk, 0, 0);
	driver_reset_done(&m);

	virtio_blk_destroy(blk);
	stub_machine_destroy(&m);
	return 0;
}
