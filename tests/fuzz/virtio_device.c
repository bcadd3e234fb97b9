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

#include "abi/platform.h"
#include "abi/virtio/blk.h"
#include "virtio_stubs.h"
#include "vmm/backend/disk.h"
#include "vmm/config.h"
#include "vmm/dev/pci.h"
#include "vmm/log.h"
#include "vmm/ring.h"
#include "vmm/thread.h"
#include "vmm/virtio/blk.h"
#include "vmm/virtio/device.h"
#include "vmm/virtio/pci.h"

#define DISK_BYTES (64u * 512)
#define REG(field) offsetof(struct virtio_pci_common_cfg, field)

#define DESC	   0x1000u
#define AVAIL	   0x2000u
#define USED	   0x3000u

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* ---- a ring that turns when told to, without a thread ---- */

int thread_start(struct thread *t, enum filter_kind kind, const char *name,
		 void *(*run)(void *), void *arg)
{
	(void)t, (void)kind, (void)name, (void)run, (void)arg;
	return 0;
}

void thread_join(struct thread *t)
{
	(void)t;
}

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

static uint64_t bar(struct machine *m)
{
	uint64_t val;

	bus_read(m->mmio, PLATFORM_ECAM_BASE + (1 << 15) + PCI_BAR0, 8, &val);
	return val & ~UINT64_C(0xf);
}

static void reg(struct machine *m, unsigned int off, unsigned int size, uint64_t val)
{
	bus_write(m->mmio, bar(m) + off, size, val);
}

static void setup(struct machine *m, uint8_t features)
{
	reg(m, REG(device_status), 1, 3);
	reg(m, REG(driver_feature_select), 4, 1);
	reg(m, REG(driver_feature), 4, 1);
	reg(m, REG(driver_feature_select), 4, 0);
	reg(m, REG(driver_feature), 4,
	    (features & 1 ? BIT32(VIRTIO_F_EVENT_IDX) : 0) |
		    (features & 2 ? BIT32(VIRTIO_F_INDIRECT_DESC) : 0) |
		    (features & 4 ? BIT32(VIRTIO_BLK_F_FLUSH) : 0) |
		    (features & 8 ? BIT32(VIRTIO_BLK_F_CONFIG_WCE) : 0));
	reg(m, REG(device_status), 1, 11);
	for (unsigned int queue = 0; queue <= (features >> 4 & 1); queue++) {
		reg(m, REG(queue_select), 2, queue);
		reg(m, REG(queue_size), 2, 16);
		reg(m, REG(queue_desc), 8, DESC);
		reg(m, REG(queue_driver), 8, AVAIL);
		reg(m, REG(queue_device), 8, USED);
		reg(m, REG(queue_enable), 2, 1);
	}
	reg(m, REG(device_status), 1, 15);
}

static void put(struct machine *m, uint64_t at, const void *src, size_t n)
{
	memory_write(m->memory, gpa(at), src, n);
}

/* A descriptor, and its index into the available ring. */
static void ring(struct machine *m, struct input *in)
{
	uint8_t n = input_u8(in) % 16;
	struct virtq_desc d = {
		.addr = input_u16(in),
		.len = input_u16(in),
		.flags = input_u8(in) & 7,
		.next = input_u8(in) % 17,
	};
	struct virtq_avail *a = memory_at(m->memory, gpa(AVAIL), 64);

	put(m, DESC + 16u * n, &d, sizeof(d));
	a->ring[input_u8(in) % 16] = n;
}

static void offer(struct machine *m, uint8_t n)
{
	struct virtq_avail *a = memory_at(m->memory, gpa(AVAIL), 64);

	a->idx = (uint16_t)(a->idx + n % 18);
}

static void step(struct machine *m, struct input *in)
{
	uint16_t off;
	uint64_t val;
	uint8_t n;

	switch ((enum op)(input_u8(in) % OPS)) {
	case REGISTER:
		off = input_u8(in) % 64;
		n = (uint8_t)(1u << (input_u8(in) & 3));
		reg(m, off, n, input_bytes(in, n));
		break;
	case REGISTER_READ:
		bus_read(m->mmio, bar(m) + input_u8(in) % 64, 1u << (input_u8(in) & 3), &val);
		break;
	case MEMORY:
		off = input_u16(in);
		val = input_bytes(in, 8);
		put(m, off, &val, 8);
		break;
	case RING:
		ring(m, in);
		break;
	case OFFER:
		offer(m, input_u8(in));
		break;
	case NOTIFY:
		reg(m, 0x3000, 2, 0);
		reg(m, 0x3004, 2, 1);
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
		reg(m, REG(device_status), 1, 0);
		break;
	case SETUP:
		setup(m, input_u8(in));
		break;
	case COMMAND:
		bus_write(m->mmio, PLATFORM_ECAM_BASE + (1 << 15) + PCI_COMMAND, 2,
			  input_u8(in) & 6);
		break;
	case ANYWHERE:
		off = input_u16(in) % 0x4000;
		n = (uint8_t)(1u << (input_u8(in) & 3));
		bus_read(m->mmio, bar(m) + off, n, &val);
		bus_write(m->mmio, bar(m) + off, n, input_bytes(in, n));
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
	uint64_t status;
	uint8_t flags;

	log_set_level(LOG_ERROR);
	stub_machine_create(&m, &memory);
	the_disk = (struct disk){ .memory = &memory };
	blk = virtio_blk_create(&m, &config);
	check(blk != NULL);

	flags = input_u8(&in);
	if (!(flags & 0x40)) {
		bus_write(m.mmio, PLATFORM_ECAM_BASE + (1 << 15) + PCI_COMMAND, 2, 6);
		setup(&m, flags);
	}
	while (in.left)
		step(&m, &in);

	/* However it stands, a reset ends once the disk has ended everything. */
	bus_write(m.mmio, PLATFORM_ECAM_BASE + (1 << 15) + PCI_BAR0, 8, PLATFORM_PCI64_BASE);
	bus_write(m.mmio, PLATFORM_ECAM_BASE + (1 << 15) + PCI_COMMAND, 2, 6);
	ring_turn();
	reg(&m, REG(device_status), 1, 0);
	while (the_disk.count)
		end_request(&the_disk, 0, 0);
	check(bus_read(m.mmio, bar(&m) + REG(device_status), 1, &status));
	check(status == 0);

	virtio_blk_destroy(blk);
	stub_machine_destroy(&m);
	return 0;
}
