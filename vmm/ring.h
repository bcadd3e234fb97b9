/* SPDX-License-Identifier: MIT */
/*
 * A thread's io_uring: what it asks of the kernel and what it waits for, in one
 * system call per turn. The counterpart of loop.h for a device that does much
 * I/O and has a thread of its own.
 *
 *	create, ring_file(), ring_watch(), ring_seal()     any one thread
 *	ring_run()                                         the ring's thread
 *
 * Everything else is for callbacks, which run on the ring's thread, one at a
 * time. A turn: hand over what was asked, wait for at least one event, call
 * begin, each event's callback, end.
 *
 * After ring_seal() the ring can do nothing but what it needs: a fixed table of
 * files and a fixed set of operations, which the kernel enforces.
 */
#ifndef VMM_RING_H
#define VMM_RING_H

#include <linux/io_uring.h>

#include "base/base.h"

struct ring;

/* Something asked. Stays valid until done, which is called once. */
struct ring_event {
	/* @res: what the operation returned, or -errno. */
	void (*done)(struct ring_event *e, int res);
};

/* An eventfd. Stays valid as long as the ring. */
struct ring_watch {
	/*
	 * It was signalled, once or more. Not called any more after ring_stop().
	 * Its counter is left alone: each signal counts, whatever was before.
	 */
	void (*ready)(struct ring_watch *w);
	void *arg;

	/* the ring's */
	struct ring_event event;
	struct ring *ring;
	int file;
};

struct ring_setup {
	unsigned int requests; /* asked and not done at once, at most */
	/* Optional, around all callbacks of one turn. */
	void (*begin)(void *arg);
	void (*end)(void *arg);
	void *arg;
};

/* 0 or -errno: -ENOSYS or -EPERM where the kernel has no io_uring for us. */
int ring_create(struct ring **ring, const struct ring_setup *s);
/* After its thread has ended, or before it started. */
void ring_destroy(struct ring *r);

/* The number by which operations name @fd, which stays the caller's. -ENOSPC: too many. */
int ring_file(struct ring *r, int fd);
int ring_watch(struct ring *r, struct ring_watch *w, int fd);
/* Nothing more can be added. 0 or -errno. */
int ring_seal(struct ring *r);

/*
 * Ask: fill in the operation and its fields; file and event are in. It is handed
 * over at the end of the turn. Allowed are NOP, READ(V), WRITE(V), FSYNC and FALLOCATE.
 */
struct io_uring_sqe *ring_ask(struct ring *r, int file, struct ring_event *e);
/* Have @e done, with -ETIME, after @time (lives until then). Nobody waits for it at the end. */
void ring_alarm(struct ring *r, struct ring_event *e, const struct __kernel_timespec *time);

/* Run until ring_stop() and until what was asked is done; 0 or -errno. */
int ring_run(struct ring *r);
/* Any thread. */
void ring_stop(struct ring *r);

#endif
