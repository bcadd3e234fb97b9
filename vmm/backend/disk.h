/* SPDX-License-Identifier: MIT */
/*
 * Disk images: raw files and block devices.
 *
 * A disk takes requests and answers each by calling done, once, from a thread
 * of its own. Requests run in the order they were submitted, one at a time;
 * that may change, so whoever needs an order waits for done. The submitter owns
 * the request and its iovec array, and leaves both alone between disk_submit()
 * and done.
 *
 * What done means: a read has filled the buffers; a write has reached the
 * host's page cache, so it survives the end of this process but not of the
 * host; with durable set, or once a flush submitted after it is done, it has
 * reached the medium.
 *
 * Reads and writes go straight between file and buffers, which may be guest
 * memory: the kernel copies, so it does no harm if the guest changes them.
 */
#ifndef VMM_BACKEND_DISK_H
#define VMM_BACKEND_DISK_H

#include <sys/uio.h>

#include "base/base.h"

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

	struct disk_request *next; /* the disk's */
};

/*
 * Open @path and start its thread. A file is locked against other users of it
 * (flock: shared if @readonly), so that no two guests write one disk. Returns
 * 0 or -errno; -EWOULDBLOCK: somebody else has it.
 */
int disk_open(struct disk **disk, const char *path, bool readonly);

/* Wait for what was submitted, then end. Nothing may be submitted any more. */
void disk_close(struct disk *d);

/* Any thread. Never blocks. */
void disk_submit(struct disk *d, struct disk_request *r);

uint64_t disk_bytes(const struct disk *d);
/* Requests of this size and alignment are handled best; a power of two. */
uint32_t disk_block_bytes(const struct disk *d);

#endif
