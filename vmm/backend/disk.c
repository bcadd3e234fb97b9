/* SPDX-License-Identifier: MIT */
#include "vmm/backend/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/thread.h"

/* Linux's limit on vectors of one call (UIO_MAXIOV). */
#define IOV_PER_CALL 1024u

struct disk {
	int fd;
	uint64_t bytes;
	uint32_t block_bytes;
	int flush_error; /* of the first flush that failed; the thread's */

	struct thread thread;
	pthread_mutex_t lock; /* all below */
	pthread_cond_t work;
	struct disk_request *head; /* submitted, oldest first */
	struct disk_request **tail;
	bool closing;
};

/* Drop @n bytes from the front of the buffers. */
static void advance(struct disk_request *r, uint64_t n)
{
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

/*
 * Reads and writes may do less than asked, at any size: go on until all is
 * done. Nothing at all means that the file is shorter than it was.
 */
static int transfer(struct disk *d, struct disk_request *r)
{
	uint64_t offset = r->offset;
	uint64_t left = r->length;

	while (left) {
		int count = (int)MIN(r->iov_count, IOV_PER_CALL);
		ssize_t n;

		if (r->op == DISK_READ)
			n = preadv(d->fd, r->iov, count, (off_t)offset);
		else
			n = pwritev(d->fd, r->iov, count, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		advance(r, (uint64_t)n);
		offset += (uint64_t)n;
		left -= (uint64_t)n;
	}
	return 0;
}

static int allocate(struct disk *d, int mode, const struct disk_request *r)
{
	int err;

	mode |= FALLOC_FL_KEEP_SIZE;
	do {
		err = fallocate(d->fd, mode, (off_t)r->offset, (off_t)r->length);
	} while (err && errno == EINTR);
	return err ? -errno : 0;
}

/* Where neither kind of fallocate works, zeros can always be written. */
static int write_zeros(struct disk *d, const struct disk_request *r)
{
	/* Not const: constants take room in the program, these take none. */
	static uint8_t zeros[64 * 1024];
	uint64_t done = 0;

	while (done < r->length) {
		size_t step = MIN(r->length - done, sizeof(zeros));
		ssize_t n = pwrite(d->fd, zeros, step, (off_t)(r->offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (uint64_t)n;
	}
	return 0;
}

static int zero(struct disk *d, const struct disk_request *r)
{
	int err = -EOPNOTSUPP;

	if (r->length == 0)
		return 0;
	if (r->unmap)
		err = allocate(d, FALLOC_FL_PUNCH_HOLE, r);
	if (err == -EOPNOTSUPP)
		err = allocate(d, FALLOC_FL_ZERO_RANGE, r);
	if (err == -EOPNOTSUPP)
		err = write_zeros(d, r);
	return err;
}

/*
 * The kernel reports a failed write-back once and then forgets the pages, so
 * after one failure no later success means anything.
 */
static int flush(struct disk *d)
{
	if (!d->flush_error && fdatasync(d->fd))
		d->flush_error = -errno;
	return d->flush_error;
}

static int execute(struct disk *d, struct disk_request *r)
{
	int err = 0;

	switch (r->op) {
	case DISK_READ:
		return transfer(d, r);
	case DISK_WRITE:
		err = transfer(d, r);
		break;
	case DISK_ZERO:
		err = zero(d, r);
		break;
	case DISK_DISCARD:
		return r->length ? allocate(d, FALLOC_FL_PUNCH_HOLE, r) : 0;
	case DISK_FLUSH:
		return flush(d);
	}
	if (!err && r->durable)
		err = flush(d);
	return err;
}

static struct disk_request *next_request(struct disk *d)
{
	struct disk_request *r;

	pthread_mutex_lock(&d->lock);
	while (!d->head && !d->closing)
		pthread_cond_wait(&d->work, &d->lock);
	r = d->head;
	if (r) {
		d->head = r->next;
		if (!d->head)
			d->tail = &d->head;
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

static void *worker(void *arg)
{
	struct disk *d = arg;
	struct disk_request *r;

	while ((r = next_request(d)))
		r->done(r, execute(d, r));
	return NULL;
}

void disk_submit(struct disk *d, struct disk_request *r)
{
	r->next = NULL;
	pthread_mutex_lock(&d->lock);
	*d->tail = r;
	d->tail = &r->next;
	pthread_cond_signal(&d->work);
	pthread_mutex_unlock(&d->lock);
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

int disk_open(struct disk **disk, const char *path, bool readonly)
{
	struct disk *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return -ENOMEM;
	/* Non-blocking only for the open itself: a path may name a FIFO. */
	d->fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
	if (d->fd < 0) {
		err = -errno;
		goto free_disk;
	}
	err = measure(d);
	if (err)
		goto close_fd;
	if (flock(d->fd, (readonly ? LOCK_SH : LOCK_EX) | LOCK_NB)) {
		err = -errno;
		goto close_fd;
	}

	d->tail = &d->head;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->work, NULL);
	err = thread_start(&d->thread, FILTER_DISK, "disk", worker, d);
	if (err)
		goto destroy_lock;
	*disk = d;
	return 0;

destroy_lock:
	pthread_cond_destroy(&d->work);
	pthread_mutex_destroy(&d->lock);
close_fd:
	close(d->fd);
free_disk:
	free(d);
	return err;
}

void disk_close(struct disk *d)
{
	pthread_mutex_lock(&d->lock);
	d->closing = true;
	pthread_cond_signal(&d->work);
	pthread_mutex_unlock(&d->lock);
	thread_join(&d->thread);

	pthread_cond_destroy(&d->work);
	pthread_mutex_destroy(&d->lock);
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
