/* SPDX-License-Identifier: MIT */
#include "vmm/backend/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Linux's limit on vectors of one operation (UIO_MAXIOV). */
#define IOV_PER_CALL 1024u

struct disk {
	int fd;
	struct ring *ring;
	int file; /* the ring's name for fd */
	uint64_t bytes;
	uint32_t block_bytes;
	int flush_error; /* the first one; see disk.h */
};

/* Not const: constants take room in the program, these take none. */
static uint8_t zeros[64 * 1024];

/* What a request is doing. */
enum step {
	STEP_MOVE,	 /* read or write, up to the end */
	STEP_PUNCH,	 /* free the room */
	STEP_ZERO_RANGE, /* where that cannot be, or must not */
	STEP_ZEROS,	 /* and where that cannot be either: write them */
	STEP_SYNC,
	STEP_ANSWER, /* it is over: result */
};

static void completed(struct ring_event *e, int res);

/* Drop @n bytes from the front of the buffers. */
static void advance(struct disk_request *r, uint64_t n)
{
	r->at += n;
	while (n) {
		uint64_t step = MIN(n, r->iov->iov_len);

		r->iov->iov_base = (uint8_t *)r->iov->iov_base + step;
		r->iov->iov_len -= step;
		n -= step;
		if (r->iov->iov_len == 0) {
			r->iov++;
			r->iov_count--;
		}
	}
}

static void ask_move(struct io_uring_sqe *q, const struct disk_request *r)
{
	bool write = r->op == DISK_WRITE;

	q->off = r->offset + r->at;
	q->rw_flags = r->durable && write ? RWF_DSYNC : 0;
	if (r->iov_count == 1) {
		q->opcode = write ? IORING_OP_WRITE : IORING_OP_READ;
		q->addr = (uintptr_t)r->iov->iov_base;
		q->len = (uint32_t)MIN(r->iov->iov_len, UINT32_MAX);
	} else {
		q->opcode = write ? IORING_OP_WRITEV : IORING_OP_READV;
		q->addr = (uintptr_t)r->iov;
		q->len = MIN(r->iov_count, IOV_PER_CALL);
	}
}

static void ask_fallocate(struct io_uring_sqe *q, const struct disk_request *r, uint32_t mode)
{
	q->opcode = IORING_OP_FALLOCATE;
	q->off = r->offset;
	q->addr = r->length;
	q->len = mode | FALLOC_FL_KEEP_SIZE;
}

/* Ask the kernel for what the request's step is. */
static void ask(struct disk_request *r, enum step step)
{
	struct io_uring_sqe *q = ring_ask(r->disk->ring, r->disk->file, &r->event);

	r->step = (uint8_t)step;
	switch (step) {
	case STEP_MOVE:
		ask_move(q, r);
		break;
	case STEP_PUNCH:
		ask_fallocate(q, r, FALLOC_FL_PUNCH_HOLE);
		break;
	case STEP_ZERO_RANGE:
		ask_fallocate(q, r, FALLOC_FL_ZERO_RANGE);
		break;
	case STEP_ZEROS:
		q->opcode = IORING_OP_WRITE;
		q->off = r->offset + r->at;
		q->addr = (uintptr_t)zeros;
		q->len = (uint32_t)MIN(r->length - r->at, sizeof(zeros));
		break;
	case STEP_SYNC:
		q->opcode = IORING_OP_FSYNC;
		q->fsync_flags = IORING_FSYNC_DATASYNC;
		break;
	case STEP_ANSWER:
		q->opcode = IORING_OP_NOP;
		break;
	}
	/* What the kernel could not do at once it shall do on a thread of its own. */
	if (r->retry)
		q->flags |= IOSQE_ASYNC;
}

/* Answer without more ado, but not from inside disk_submit(). */
static void answer(struct disk_request *r, int err)
{
	r->result = err;
	ask(r, STEP_ANSWER);
}

static void submit_flush(struct disk_request *r)
{
	if (r->disk->flush_error)
		answer(r, r->disk->flush_error);
	else
		ask(r, STEP_SYNC);
}

void disk_submit(struct disk *d, struct disk_request *r)
{
	r->event.done = completed;
	r->disk = d;
	r->at = 0;
	r->retry = false;
	if (r->op == DISK_FLUSH)
		submit_flush(r);
	else if (r->length == 0)
		answer(r, 0);
	else if (r->op == DISK_READ || r->op == DISK_WRITE)
		ask(r, STEP_MOVE);
	else if (r->op == DISK_DISCARD || r->unmap)
		ask(r, STEP_PUNCH);
	else
		ask(r, STEP_ZERO_RANGE);
}

static void finish(struct disk_request *r, int err)
{
	struct disk *d = r->disk;

	/* The kernel forgets what it could not write after telling once. */
	if (err && !d->flush_error &&
	    (r->step == STEP_SYNC || (r->step == STEP_MOVE && r->op == DISK_WRITE && r->durable)))
		d->flush_error = err;
	r->done(r, err);
}

/*
 * Reads and writes may do less than asked, at any size: go on until all is
 * done. Nothing at all means that the file is shorter than it was.
 */
static void moved(struct disk_request *r, int res)
{
	if (res <= 0) {
		finish(r, res ? res : -EIO);
		return;
	}
	if (r->step == STEP_MOVE)
		advance(r, (uint64_t)res);
	else
		r->at += (uint64_t)res;
	if (r->at < r->length)
		ask(r, (enum step)r->step);
	else if (r->step == STEP_ZEROS && r->durable)
		submit_flush(r);
	else
		finish(r, 0);
}

/*
 * -EINVAL is what a block device says to a range that its own sectors, which
 * may be larger than ours, do not divide.
 */
static bool not_possible(int res)
{
	return res == -EOPNOTSUPP || res == -EINVAL;
}

static void punched(struct disk_request *r, int res)
{
	if (r->op == DISK_ZERO && not_possible(res))
		ask(r, r->step == STEP_PUNCH ? STEP_ZERO_RANGE : STEP_ZEROS);
	else if (r->op == DISK_ZERO && res == 0 && r->durable)
		submit_flush(r);
	else
		finish(r, res);
}

static void completed(struct ring_event *e, int res)
{
	struct disk_request *r = container_of(e, struct disk_request, event);

	r->retry = res == -EINTR || res == -EAGAIN;
	if (r->retry) {
		ask(r, (enum step)r->step);
		return;
	}
	switch ((enum step)r->step) {
	case STEP_MOVE:
	case STEP_ZEROS:
		moved(r, res);
		break;
	case STEP_PUNCH:
	case STEP_ZERO_RANGE:
		punched(r, res);
		break;
	case STEP_SYNC:
		finish(r, res);
		break;
	case STEP_ANSWER:
		finish(r, r->result);
		break;
	}
}

/* Size and preferred block of a regular file or block device. */
static int measure(struct disk *d)
{
	struct stat st;

	if (fstat(d->fd, &st))
		return -errno;
	if (S_ISREG(st.st_mode)) {
		d->bytes = (uint64_t)st.st_size;
		d->block_bytes = (uint32_t)st.st_blksize;
	} else if (S_ISBLK(st.st_mode)) {
		unsigned int physical;

		if (ioctl(d->fd, BLKGETSIZE64, &d->bytes) || ioctl(d->fd, BLKPBSZGET, &physical))
			return -errno;
		d->block_bytes = physical;
	} else {
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	}
	if (d->block_bytes < 512 || d->block_bytes & (d->block_bytes - 1))
		d->block_bytes = 512;
	return 0;
}

int disk_open(struct disk **disk, const char *path, bool readonly, struct ring *ring)
{
	struct disk *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return -ENOMEM;
	d->ring = ring;
	/* Non-blocking only for the open itself: a path may name a FIFO. */
	d->fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
	if (d->fd < 0) {
		err = -errno;
		goto free_disk;
	}
	err = measure(d);
	if (err)
		goto close_fd;
	if (flock(d->fd, (readonly ? LOCK_SH : LOCK_EX) | LOCK_NB) || fcntl(d->fd, F_SETFL, 0)) {
		err = -errno;
		goto close_fd;
	}
	d->file = ring_file(ring, d->fd);
	if (d->file < 0) {
		err = d->file;
		goto close_fd;
	}
	*disk = d;
	return 0;

close_fd:
	close(d->fd);
free_disk:
	free(d);
	return err;
}

void disk_close(struct disk *d)
{
	close(d->fd);
	free(d);
}

uint64_t disk_bytes(const struct disk *d)
{
	return d->bytes;
}

uint32_t disk_block_bytes(const struct disk *d)
{
	return d->block_bytes;
}
