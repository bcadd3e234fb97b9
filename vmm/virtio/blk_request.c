/* SPDX-License-Identifier: MIT */
/*
 * virtio-blk: requests. Section titles in quotes are those of the virtio 1.2
 * specification.
 *
 * The way of a request, all on the disk's own thread, whose ring waits for
 * the driver's notifications and for the kernel's completions alike:
 *
 *   one turn      process: take the chain, cut it into header, data and status
 *                 byte, check it, hand it to the disk; at the turn's end one
 *                 system call takes all of them to the kernel
 *   a later one   finished: write the status byte, push; at the turn's end one
 *                 interrupt per queue
 *
 * One thread serves all queues of a disk: it only passes things on, the kernel
 * does the work, and a request costs it less than the guest's driver.
 *
 * Whatever is wrong with a request is answered in its status byte. Only a
 * chain without room for that byte is a broken driver.
 */
#include "vmm/virtio/blk_state.h"

#include <errno.h>
#include <string.h>

#include "vmm/clock.h"
#include "vmm/log.h"

#define ERRORS_LOGGED_MAX 8

static uint64_t sectors(const struct virtio_blk *b)
{
	return b->config.capacity;
}

/* Is [first, first + count) on the disk? Both are the guest's. */
static bool in_range(const struct virtio_blk *b, uint64_t first, uint64_t count)
{
	return first <= sectors(b) && count <= sectors(b) - first;
}

/*
 * "Feature bits": without FLUSH the driver believes every write to be durable;
 * with CONFIG_WCE it says so itself. Either way it is about writes to come.
 */
static bool write_through(const struct virtio_blk *b)
{
	return !b->config.writeback;
}

/* Give the chain back. */
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
	virtio_push(&b->v, r->queue, r->head, written);
	b->pushed |= BIT32(r->queue);
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

/* The disk is done. */
static void finished(struct disk_request *io, int err)
{
	struct blk_request *r = container_of(io, struct blk_request, io);
	struct virtio_blk *b = r->blk;

	/* A disk that fails goes on failing; one full log is enough. */
	if (err && err != -EOPNOTSUPP && b->errors_logged++ < ERRORS_LOGGED_MAX)
		log_error("blk: request failed (op %d, offset %llu, length %llu, %s)", (int)io->op,
			  (unsigned long long)io->offset, (unsigned long long)io->length,
			  strerror(-err));
	complete(b, r, status_of(err));
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
	if (range.num_sectors > BLK_RANGE_SECTORS_MAX ||
	    !in_range(b, range.sector, range.num_sectors))
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

/* What a request costs: the data that it carries to or from the disk. */
static void charge(struct virtio_blk *b, const struct parts *p)
{
	rate_spend(&b->ops, 1);
	if (p->header.type == VIRTIO_BLK_T_IN)
		rate_spend(&b->bytes, p->out_bytes);
	else if (p->header.type == VIRTIO_BLK_T_OUT)
		rate_spend(&b->bytes, p->in_bytes);
}

static void pause_over(struct ring_event *e, int res)
{
	struct virtio_blk *b = container_of(e, struct virtio_blk, alarm);

	(void)res;
	b->paused = false;
}

/* Does a limit forbid to take a request now? Then the alarm is set. */
static bool paused(struct virtio_blk *b)
{
	uint64_t now, wait;

	if (!b->limited || b->paused)
		return b->paused;
	now = clock_ns();
	wait = rate_wait(&b->ops, now);
	wait = MAX(wait, rate_wait(&b->bytes, now));
	if (!wait)
		return false;
	b->paused = true;
	b->pause.tv_sec = (long long)(wait / NS_PER_S);
	b->pause.tv_nsec = (long long)(wait % NS_PER_S);
	ring_alarm(b->ring, &b->alarm, &b->pause);
	return true;
}

static int start(struct virtio_blk *b, struct blk_request *r, struct parts *p)
{
	if (!iov_take(&p->in, &p->in_count, &p->header, sizeof(p->header)))
		return VIRTIO_BLK_S_IOERR;
	p->in_bytes -= sizeof(p->header);
	charge(b, p);

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

static void take_request(struct virtio_blk *b, struct blk_request *r, unsigned int queue,
			 const struct virtq_chain *c)
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

	r->queue = (uint16_t)queue;
	r->head = c->head;
	r->room = p.out_bytes;
	r->filled = 0;
	r->status = iov_cut_last(p.out, &p.out_count);
	status = start(b, r, &p);
	if (status != PENDING)
		complete(b, r, (uint8_t)status);
}

/* See the pattern in queue.h. A queue that must wait stays quiet. */
void blk_process(struct virtio_device *v, unsigned int queue)
{
	struct virtio_blk *b = container_of(v, struct virtio_blk, v);
	struct virtq *q = &v->queue[queue];

	b->starved &= ~BIT32(queue);
	do {
		virtq_quiet(q);
		for (;;) {
			struct blk_request *r = b->free;
			struct virtq_chain c = { .iov_max = BLK_QUEUE_SIZE };

			if (!r || paused(b)) {
				b->starved |= BIT32(queue);
				return;
			}
			c.iov = r->iov;
			if (!virtio_pop(v, queue, &c))
				break;
			if (c.write_count == 0) {
				virtio_push(v, queue, c.head, 0);
				virtio_broken(v, queue, "block request without a status byte");
				break;
			}
			b->free = r->next_free;
			take_request(b, r, queue, &c);
		}
	} while (virtio_listen(v, queue));
}

/*
 * A turn of the ring: the lock is held from the first event to the last. Nobody
 * else wants it but processors that touch registers.
 */

void blk_begin_turn(void *arg)
{
	struct virtio_blk *b = arg;

	pthread_mutex_lock(&b->v.lock);
}

void blk_kicked(struct ring_watch *w)
{
	struct virtio_blk *b = w->arg;

	virtio_serve(&b->v, (unsigned int)(w - b->kick));
}

/* Queues that had to wait, each time another one first. */
static void feed(struct virtio_blk *b)
{
	unsigned int n = b->v.queue_count, first = ++b->turn;

	for (unsigned int i = 0; i < n; i++)
		if (b->starved & BIT32((first + i) % n))
			virtio_serve(&b->v, (first + i) % n);
}

void blk_end_turn(void *arg)
{
	struct virtio_blk *b = arg;

	if (b->starved && b->free && !b->paused)
		feed(b);
	for (; b->pushed; b->pushed &= b->pushed - 1)
		virtio_end_batch(&b->v, (unsigned int)__builtin_ctz(b->pushed));
	pthread_mutex_unlock(&b->v.lock);
}

void blk_requests_init(struct virtio_blk *b, const struct disk_config *c, unsigned int requests)
{
	for (unsigned int i = requests; i-- > 0;) {
		b->request[i].blk = b;
		b->request[i].next_free = b->free;
		b->free = &b->request[i];
	}
	b->limited = c->iops || c->bandwidth;
	rate_init(&b->ops, c->iops, 1, clock_ns());
	rate_init(&b->bytes, c->bandwidth, 1, clock_ns());
	b->alarm.done = pause_over;
}
