/* SPDX-License-Identifier: MIT */
/* A thread's io_uring, on the real kernel. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/ring.h"

#define REQUESTS 8

struct fixture {
	struct ring *ring;
	pthread_t thread;
	int fd, file; /* an unlinked file, its name to the ring */
	struct ring_watch watch;
	int event;
	/* What the watch's callback asks for, each with an event of its own. */
	struct io_uring_sqe ask[REQUESTS];
	unsigned int asks;
	struct ring_event done[REQUESTS];
	int result[REQUESTS];
	atomic_uint results, signals, begins, ends;
	struct ring_event alarm;
	struct __kernel_timespec time; /* of the alarm; 0: none is set */
	atomic_int alarmed;
	int ran;
	char text[16];
};

static struct fixture *the;

static void done(struct ring_event *e, int res)
{
	the->result[e - the->done] = res;
	atomic_fetch_add(&the->results, 1);
}

static void alarm_over(struct ring_event *e, int res)
{
	assert_ptr_equal(e, &the->alarm);
	atomic_store(&the->alarmed, res);
}

static void ready(struct ring_watch *w)
{
	struct fixture *f = w->arg;

	assert_int_equal(f->begins, f->ends + 1);
	for (unsigned int i = 0; i < f->asks; i++) {
		struct io_uring_sqe *q = ring_ask(f->ring, f->file, &f->done[i]);
		uint64_t event = q->user_data;
		uint8_t flags = q->flags;
		int32_t fd = q->fd;

		*q = f->ask[i];
		q->user_data = event;
		q->flags |= flags;
		if (!q->fd)
			q->fd = fd;
	}
	f->asks = 0;
	if (f->time.tv_nsec)
		ring_alarm(f->ring, &f->alarm, &f->time);
	f->time.tv_nsec = 0;
	atomic_fetch_add(&f->signals, 1);
}

static void begin(void *arg)
{
	atomic_fetch_add(&((struct fixture *)arg)->begins, 1);
}

static void end(void *arg)
{
	atomic_fetch_add(&((struct fixture *)arg)->ends, 1);
}

static void *run(void *arg)
{
	struct fixture *f = arg;

	f->ran = ring_run(f->ring);
	return NULL;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[] = P_tmpdir "/vmm_ring.XXXXXX";
	struct ring_setup s = { REQUESTS, begin, end, f };

	the = f;
	f->fd = mkstemp(path);
	unlink(path);
	assert_int_equal(write(f->fd, "0123456789", 10), 10);
	assert_int_equal(ring_create(&f->ring, &s), 0);
	f->file = ring_file(f->ring, f->fd);
	assert_true(f->file > 0);
	f->event = eventfd(0, EFD_NONBLOCK);
	f->watch = (struct ring_watch){ .ready = ready, .arg = f };
	assert_int_equal(ring_watch(f->ring, &f->watch, f->event), 0);
	assert_int_equal(ring_seal(f->ring), 0);
	f->alarm.done = alarm_over;
	for (unsigned int i = 0; i < REQUESTS; i++)
		f->done[i].done = done;
	assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
	*state = f;
	return 0;
}

static void stop(struct fixture *f)
{
	ring_stop(f->ring);
	pthread_join(f->thread, NULL);
	assert_int_equal(f->ran, 0);
	assert_int_equal(f->begins, f->ends);
	ring_destroy(f->ring);
	f->ring = NULL;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->ring)
		stop(f);
	close(f->event);
	close(f->fd);
	free(f);
	return 0;
}

static void wait_for(atomic_uint *count, unsigned int n)
{
	for (unsigned int i = 0; atomic_load(count) < n; i++) {
		assert_true(i < 50000);
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	}
}

static void signal_watch(struct fixture *f)
{
	uint64_t one = 1;

	assert_int_equal(write(f->event, &one, sizeof(one)), sizeof(one));
}

static struct io_uring_sqe *add(struct fixture *f, uint8_t op)
{
	struct io_uring_sqe *q = &f->ask[f->asks++];

	*q = (struct io_uring_sqe){ .opcode = op };
	return q;
}

/* Every signal is heard, though nobody resets the counter. */
static void test_watch(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 1; i <= 100; i++) {
		signal_watch(f);
		wait_for(&f->signals, i);
	}
	nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	assert_int_equal(f->signals, 100);
}

/* As many as were announced, at once; and again. */
static void test_ask(void **state)
{
	struct fixture *f = *state;
	char text[REQUESTS][4];

	for (unsigned int round = 1; round <= 20; round++) {
		memset(text, 0, sizeof(text));
		for (unsigned int i = 0; i < REQUESTS; i++) {
			struct io_uring_sqe *q = add(f, IORING_OP_READ);

			q->addr = (uintptr_t)text[i];
			q->len = 3;
			q->off = i;
		}
		signal_watch(f);
		wait_for(&f->results, round * REQUESTS);
		for (unsigned int i = 0; i < REQUESTS; i++) {
			assert_int_equal(f->result[i], 3);
			assert_memory_equal(text[i], &"0123456789"[i], 3);
		}
	}
}

static void test_alarm(void **state)
{
	struct fixture *f = *state;

	f->time.tv_nsec = 1000000;
	signal_watch(f);
	for (unsigned int i = 0; !atomic_load(&f->alarmed); i++) {
		assert_true(i < 50000);
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	}
	assert_int_equal(f->alarmed, -ETIME);
	/* One that is far off does not hold up the end. */
	f->time = (struct __kernel_timespec){ 3600, 1 };
	signal_watch(f);
	wait_for(&f->signals, 2);
}

/* What was asked before the stop is done before the end. */
static void test_stop_waits(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < REQUESTS; i++)
		add(f, IORING_OP_FSYNC);
	signal_watch(f);
	wait_for(&f->signals, 1);
	stop(f);
	assert_int_equal(f->results, REQUESTS);
	for (unsigned int i = 0; i < REQUESTS; i++)
		assert_int_equal(f->result[i], 0);
}

/* The kernel refuses what the ring was not made for. */
static void test_sealed(void **state)
{
	struct fixture *f = *state;
	struct io_uring_sqe *q = add(f, IORING_OP_OPENAT);

	q->addr = (uintptr_t) "/";
	q->fd = AT_FDCWD;
	add(f, IORING_OP_SOCKET);
	q = add(f, IORING_OP_READ);
	q->fd = 30; /* not in the table */
	q->addr = (uintptr_t)f->text;
	q->len = 1;
	q = add(f, IORING_OP_READ);
	q->flags = IOSQE_CQE_SKIP_SUCCESS; /* a flag we do not use */
	q->addr = (uintptr_t)f->text;
	q->len = 1;
	q = add(f, IORING_OP_READ);
	q->addr = (uintptr_t)f->text;
	q->len = 1;
	signal_watch(f);
	wait_for(&f->results, 5);
	assert_int_equal(f->result[0], -EACCES);
	assert_int_equal(f->result[1], -EACCES);
	assert_int_equal(f->result[2], -EBADF);
	assert_int_equal(f->result[3], -EACCES);
	assert_int_equal(f->result[4], 1);
}

static void test_full_table(void **state)
{
	struct ring_setup s = { .requests = 1 };
	unsigned int n = 0;
	struct ring *r;

	(void)state;
	assert_int_equal(ring_create(&r, &s), 0);
	while (ring_file(r, 0) > 0)
		n++;
	assert_int_equal(n, 31);
	assert_int_equal(ring_file(r, 0), -ENOSPC);
	ring_destroy(r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_watch),	    T(test_ask),    T(test_alarm),
		T(test_stop_waits), T(test_sealed), cmocka_unit_test(test_full_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
