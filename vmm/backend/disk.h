/* SPDX-License-Identifier: MIT */
/*
 * Disk images: raw files and block devices, by io_uring.
 *
 * A disk belongs to a ring (ring.h). On the ring's thread it takes requests and
 * answers each by calling done, once, in a later turn. What is submitted in one
 * turn goes to the kernel by one system call.
 *
 * Order: none. Requests run at the same time and end in any order, those that
 * overlap too; whoever needs an order waits for done.
 *
 * What done means: a read has filled the buffers; a write has reached the
 * host's page cache, so it survives the end of this process but not of the
 * host; with durable set, or once a flush submitted after it was done is done,
 * it has reached the medium. A failed write or read may have done a part.
 *
 * A flush that fails may have lost what it was to save, and the kernel tells
 * once: all later flushes fail, too. The same after a durable write that fails,
 * which may have been told of another's loss.
 *
 * Reads and writes go straight between file and buffers, which may be guest
 * memory: the kernel copies, so it does no harm if the guest changes them or if
 * they overlap. The submitter owns the request and its iovec array, and leaves
 * both alone between disk_submit() and done.
 */
#ifndef VMM_BACKEND_DISK_H
#define VMM_BACKEND_DISK_H

#include <sys/uio.h>

#include "base/base.h"
#include "vmm/ring.h"

struct disk;

enum disk_op {
	DISK_READ,
	DISK_WRITE,
	DISK_FLUSH,
	DISK_DISCARD, /* the contents may become anything; room is freed */
	DISK_ZERO,    /* the contents become zeros */
};

struct disk_request {
	enum disk_op op;
	bool durable;	 /* DISK_WRITE, DISK_ZERO: to the medium before done */
	bool unmap;	 /* DISK_ZERO: may free the room */
	uint64_t offset; /* bytes; offset + length is within the disk */
	uint64_t length;
	/* DISK_READ, DISK_WRITE: length bytes in all. Entries change. */
	struct iovec *iov;
	unsigned int iov_count;
	/* @err: 0, -EOPNOTSUPP (discard, zero) or another -errno. */
	void (*done)(struct disk_request *r, int err);

	/* the disk's */
	struct ring_event event;
	struct disk *disk;
	uint64_t at; /* how far it is, bytes */
	uint8_t step;
	bool retry;
	int result;
};

/*
 * Open @path and make it a file of @ring, before that is sealed. A file is
 * locked against other users of it (flock: shared if @readonly), so that no two
 * guests write one disk. 0 or -errno; -EWOULDBLOCK: somebody else has it.
 */
int disk_open(struct disk **disk, const char *path, bool readonly, struct ring *ring);

/* After the ring's thread has ended, with nothing in flight. */
void disk_close(struct disk *d);

/* On the ring's thread. Never blocks. */
void disk_submit(struct disk *d, struct disk_request *r);

uint64_t disk_bytes(const struct disk *d);
/* Requests of this size and alignment are handled best; a power of two. */
uint32_t disk_block_bytes(const struct disk *d);

#endif
