/* SPDX-License-Identifier: MIT */
/*
 * io_uring by its system calls: docs/DEPENDENCIES.md says why without liburing.
 *
 * Completions are delivered only while our own thread is in io_uring_enter()
 * (DEFER_TASKRUN), so nothing interrupts it for them. The ring starts disabled
 * (R_DISABLED), so that one thread can set it up and another own it.
 */
#include "vmm/ring.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/log.h"

#define FILES_MAX   32
/* Threads the kernel may use for what has to wait (flushes, most writes). */
#define WORKERS_MAX 4u

struct ring {
	struct ring_setup setup;
	int fd;	      /* as the process knows it */
	int enter_fd; /* as io_uring_enter() is given it: registered, by its index */
	unsigned int enter_flags;
	int file[FILES_MAX];
	unsigned int file_count;

	/* Shared with the kernel. */
	void *map;
	size_t map_bytes;
	struct io_uring_sqe *sqe;
	size_t sqe_bytes;
	_Atomic uint32_t *sq_tail;
	_Atomic uint32_t *cq_head, *cq_tail;
	const struct io_uring_cqe *cqe;
	uint32_t sq_mask, cq_mask;

	uint32_t tail;	      /* of the submission queue, before it is published */
	uint32_t asked;	      /* entries the kernel has not been handed */
	uint32_t outstanding; /* asked by ring_ask() and not done */
	bool stopping;
	struct ring_watch wake;
};

static int sys_register(const struct ring *r, unsigned int op, const void *arg, unsigned int n)
{
	return syscall(SYS_io_uring_register, r->fd, op, arg, n) < 0 ? -errno : 0;
}

static unsigned int power_of_two(unsigned int n)
{
	unsigned int p = 1;

	while (p < n)
		p *= 2;
	return p;
}

static int map_queues(struct ring *r, const struct io_uring_params *p)
{
	size_t sq_bytes = p->sq_off.array + p->sq_entries * sizeof(uint32_t);
	size_t cq_bytes = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	uint32_t *array;
	uint8_t *at;

	/* Both queues in one piece since Linux 5.4. */
	r->map_bytes = MAX(sq_bytes, cq_bytes);
	r->map = mmap(NULL, r->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		      IORING_OFF_SQ_RING);
	if (r->map == MAP_FAILED)
		return -errno;
	r->sqe_bytes = p->sq_entries * sizeof(struct io_uring_sqe);
	r->sqe = mmap(NULL, r->sqe_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		      IORING_OFF_SQES);
	if (r->sqe == MAP_FAILED) {
		munmap(r->map, r->map_bytes);
		return -errno;
	}
	at = r->map;
	r->sq_tail = (void *)(at + p->sq_off.tail);
	r->cq_head = (void *)(at + p->cq_off.head);
	r->cq_tail = (void *)(at + p->cq_off.tail);
	r->cqe = (void *)(at + p->cq_off.cqes);
	r->sq_mask = p->sq_entries - 1;
	r->cq_mask = p->cq_entries - 1;
	/* Slot n of the submission queue is entry n, for good. */
	array = (void *)(at + p->sq_off.array);
	for (uint32_t i = 0; i < p->sq_entries; i++)
		array[i] = i;
	return 0;
}

static void woken(struct ring_watch *w)
{
	w->ring->stopping = true;
}

int ring_create(struct ring **ring, const struct ring_setup *s)
{
	/* Room for all that can be outstanding: an entry is always free. */
	unsigned int entries = power_of_two(s->requests + FILES_MAX);
	struct io_uring_params p = {
		.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN,
	};
	struct ring *r = calloc(1, sizeof(*r));
	int fd, err;

	if (!r)
		return -ENOMEM;
	r->setup = *s;
	r->fd = (int)syscall(SYS_io_uring_setup, entries, &p);
	if (r->fd < 0) {
		err = -errno;
		goto free_ring;
	}
	err = map_queues(r, &p);
	if (err)
		goto close_ring;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0) {
		err = -errno;
		goto unmap;
	}
	r->wake.ready = woken;
	err = ring_watch(r, &r->wake, fd);
	CHECK(err == 0 && r->wake.file == 0);
	*ring = r;
	return 0;

unmap:
	munmap(r->sqe, r->sqe_bytes);
	munmap(r->map, r->map_bytes);
close_ring:
	close(r->fd);
free_ring:
	free(r);
	return err;
}

void ring_destroy(struct ring *r)
{
	if (!r)
		return;
	close(r->fd);
	close(r->file[r->wake.file]);
	munmap(r->sqe, r->sqe_bytes);
	munmap(r->map, r->map_bytes);
	free(r);
}

int ring_file(struct ring *r, int fd)
{
	if (r->file_count == FILES_MAX)
		return -ENOSPC;
	r->file[r->file_count] = fd;
	return (int)r->file_count++;
}

int ring_seal(struct ring *r)
{
	static const uint8_t operations[] = {
		IORING_OP_NOP,	    IORING_OP_READ,	 IORING_OP_WRITE,
		IORING_OP_READV,    IORING_OP_WRITEV,	 IORING_OP_FSYNC,
		IORING_OP_POLL_ADD, IORING_OP_FALLOCATE, IORING_OP_TIMEOUT,
	};
	struct io_uring_restriction allow[ARRAY_SIZE(operations) + 2] = {
		/* Only files of the table can be named. */
		{ .opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED, .sqe_flags = IOSQE_FIXED_FILE },
		{ .opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = IOSQE_ASYNC },
	};
	int err;

	for (unsigned int i = 0; i < ARRAY_SIZE(operations); i++)
		allow[i + 2] = (struct io_uring_restriction){
			.opcode = IORING_RESTRICTION_SQE_OP,
			.sqe_op = operations[i],
		};
	err = sys_register(r, IORING_REGISTER_FILES, r->file, r->file_count);
	if (!err)
		err = sys_register(r, IORING_REGISTER_RESTRICTIONS, allow, ARRAY_SIZE(allow));
	return err;
}

static struct io_uring_sqe *next_entry(struct ring *r, int file, struct ring_event *e)
{
	struct io_uring_sqe *q = &r->sqe[r->tail & r->sq_mask];

	/* More requests than ring_create() was told. */
	CHECK(r->asked <= r->sq_mask);
	r->tail++;
	r->asked++;
	*q = (struct io_uring_sqe){
		.flags = IOSQE_FIXED_FILE,
		.fd = file,
		.user_data = (uintptr_t)e,
	};
	return q;
}

struct io_uring_sqe *ring_ask(struct ring *r, int file, struct ring_event *e)
{
	r->outstanding++;
	return next_entry(r, file, e);
}

void ring_alarm(struct ring *r, struct ring_event *e, const struct __kernel_timespec *time)
{
	struct io_uring_sqe *q = next_entry(r, 0, e);

	q->opcode = IORING_OP_TIMEOUT;
	q->addr = (uintptr_t)time;
	q->len = 1;
	/* So that it does not count as one of ring_ask()'s. */
	q->user_data |= 1;
}

static void arm(struct ring_watch *w)
{
	struct io_uring_sqe *q = next_entry(w->ring, w->file, &w->event);

	q->opcode = IORING_OP_POLL_ADD;
	q->len = IORING_POLL_ADD_MULTI;
	q->poll32_events = POLLIN;
	q->user_data |= 1;
}

static void signalled(struct ring_event *e, int res)
{
	struct ring_watch *w = container_of(e, struct ring_watch, event);

	if (res >= 0 && !w->ring->stopping)
		w->ready(w);
}

int ring_watch(struct ring *r, struct ring_watch *w, int fd)
{
	w->event.done = signalled;
	w->ring = r;
	w->file = ring_file(r, fd);
	if (w->file < 0)
		return w->file;
	arm(w);
	return 0;
}

static void deliver(struct ring *r, const struct io_uring_cqe *c)
{
	struct ring_event *e = (void *)(uintptr_t)(c->user_data & ~UINT64_C(1));

	if (!(c->user_data & 1))
		r->outstanding--;
	else if (e->done == signalled && !(c->flags & IORING_CQE_F_MORE) && c->res >= 0)
		/* The kernel had no memory to go on watching by itself. */
		arm(container_of(e, struct ring_watch, event));
	e->done(e, c->res);
}

static void deliver_all(struct ring *r)
{
	uint32_t head = atomic_load_explicit(r->cq_head, memory_order_relaxed);
	/* Acquire: the entries are read after it. Partner: the kernel's release. */
	uint32_t tail = atomic_load_explicit(r->cq_tail, memory_order_acquire);

	if (head == tail)
		return;
	if (r->setup.begin)
		r->setup.begin(r->setup.arg);
	while (head != tail)
		deliver(r, &r->cqe[head++ & r->cq_mask]);
	if (r->setup.end)
		r->setup.end(r->setup.arg);
	atomic_store_explicit(r->cq_head, head, memory_order_release);
}

/* Hand over what was asked and wait for an event. */
static int turn(struct ring *r)
{
	long n;

	atomic_store_explicit(r->sq_tail, r->tail, memory_order_release);
	n = syscall(SYS_io_uring_enter, r->enter_fd, r->asked, 1, r->enter_flags, NULL, 0);
	if (n >= 0)
		r->asked -= (uint32_t)n;
	/* Those two go away: a signal, and no memory or no room for results. */
	else if (errno != EINTR && errno != EAGAIN && errno != EBUSY)
		return -errno;
	deliver_all(r);
	return 0;
}

int ring_run(struct ring *r)
{
	struct io_uring_rsrc_update self = { .offset = UINT32_MAX, .data = (uint64_t)r->fd };
	unsigned int workers[2] = { WORKERS_MAX, 1 };
	int err;

	/* The kernel then need not look the descriptor up at each call. */
	if (syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_RING_FDS, &self, 1) == 1) {
		r->enter_fd = (int)self.offset;
		r->enter_flags = IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING;
	} else {
		r->enter_fd = r->fd;
		r->enter_flags = IORING_ENTER_GETEVENTS;
	}
	err = sys_register(r, IORING_REGISTER_IOWQ_MAX_WORKERS, workers, 2);
	if (!err)
		err = sys_register(r, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	while (!err && (!r->stopping || r->outstanding))
		err = turn(r);
	return err;
}

void ring_stop(struct ring *r)
{
	uint64_t one = 1;
	ssize_t done;

	done = write(r->file[r->wake.file], &one, sizeof(one));
	(void)done;
}
