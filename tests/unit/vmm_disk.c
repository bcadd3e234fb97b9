/* SPDX-License-Identifier: MIT */
/*
 * The disk over a ring that is made up: what it asks the kernel for, and what it
 * makes of every answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/backend/disk.h"

#define KEEP FALLOC_FL_KEEP_SIZE

/* ---- the ring: what was asked, to be answered by hand ---- */

static struct io_uring_sqe asked;
static struct ring_event *waiting;

int ring_file(struct ring *r, int fd)
{
	(void)r;
	/* io_uring takes O_NONBLOCK for "rather fail than wait". */
	assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
	return 7;
}

struct io_uring_sqe *ring_ask(struct ring *r, int file, struct ring_event *e)
{
	(void)r;
	assert_null(waiting);
	waiting = e;
	asked = (struct io_uring_sqe){ .fd = file };
	return &asked;
}

static void answer(int res)
{
	struct ring_event *e = waiting;

	assert_non_null(e);
	waiting = NULL;
	e->done(e, res);
}

/* ---- the submitter ---- */

static struct disk *disk;
static struct disk_request request;
static struct iovec iov[3];
static uint8_t buffer[3][4096];
static int result; /* 1: not done */

static void done(struct disk_request *r, int err)
{
	assert_ptr_equal(r, &request);
	assert_int_equal(result, 1);
	assert_null(waiting);
	result = err;
}

static void submit(enum disk_op op, unsigned int buffers)
{
	for (unsigned int i = 0; i < buffers; i++)
		iov[i] = (struct iovec){ buffer[i], sizeof(buffer[i]) };
	request.op = op;
	request.offset = 8192;
	request.length = buffers ? buffers * sizeof(buffer[0]) : 12288;
	request.iov = iov;
	request.iov_count = buffers;
	request.done = done;
	result = 1;
	disk_submit(disk, &request);
	assert_int_equal(result, 1);
	assert_int_equal(asked.fd, 7);
}

static int setup(void **state)
{
	char path[] = P_tmpdir "/vmm_disk.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(ftruncate(fd, 65536), 0);
	close(fd);
	request = (struct disk_request){ 0 };
	assert_int_equal(disk_open(&disk, path, false, NULL), 0);
	unlink(path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_null(waiting);
	disk_close(disk);
	return 0;
}

static void test_short_read(void **state)
{
	(void)state;
	submit(DISK_READ, 3);
	assert_int_equal(asked.opcode, IORING_OP_READV);
	assert_int_equal(asked.off, 8192);
	assert_int_equal(asked.len, 3);
	answer(512);
	assert_int_equal(asked.opcode, IORING_OP_READV);
	assert_int_equal(asked.off, 8192 + 512);
	assert_ptr_equal(iov[0].iov_base, buffer[0] + 512);
	answer(4096 - 512);
	assert_int_equal(asked.opcode, IORING_OP_READV);
	assert_int_equal(asked.len, 2);
	assert_ptr_equal((void *)(uintptr_t)asked.addr, &iov[1]);
	answer(4096 + 1);
	/* The last buffer by itself. */
	assert_int_equal(asked.opcode, IORING_OP_READ);
	assert_ptr_equal((void *)(uintptr_t)asked.addr, buffer[2] + 1);
	assert_int_equal(asked.len, 4095);
	assert_int_equal(asked.off, 8192 + 8193);
	answer(4095);
	assert_int_equal(result, 0);
}

static void test_end_of_file(void **state)
{
	(void)state;
	submit(DISK_READ, 1);
	answer(100);
	answer(0);
	assert_int_equal(result, -EIO);
}

/* Again, and then on a thread of the kernel's: no busy waiting. */
static void test_again(void **state)
{
	static const int errors[] = { -EAGAIN, -EINTR };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(errors); i++) {
		submit(DISK_WRITE, 1);
		assert_false(asked.flags & IOSQE_ASYNC);
		answer(1000);
		assert_false(asked.flags & IOSQE_ASYNC);
		answer(errors[i]);
		assert_int_equal(asked.opcode, IORING_OP_WRITE);
		assert_int_equal(asked.off, 8192 + 1000);
		assert_true(asked.flags & IOSQE_ASYNC);
		answer(96);
		assert_false(asked.flags & IOSQE_ASYNC);
		answer(3000);
		assert_int_equal(result, 0);
	}
	submit(DISK_FLUSH, 0);
	answer(-EINTR);
	assert_int_equal(asked.opcode, IORING_OP_FSYNC);
	answer(0);
	assert_int_equal(result, 0);
}

static void test_failure(void **state)
{
	(void)state;
	submit(DISK_WRITE, 2);
	answer(4096);
	answer(-ENOSPC);
	assert_int_equal(result, -ENOSPC);
	/* Of no consequence: it was not durable. */
	submit(DISK_FLUSH, 0);
	assert_int_equal(asked.opcode, IORING_OP_FSYNC);
	assert_int_equal(asked.fsync_flags, IORING_FSYNC_DATASYNC);
	answer(0);
	assert_int_equal(result, 0);
}

static void flush_fails(int error)
{
	submit(DISK_FLUSH, 0);
	assert_int_equal(asked.opcode, IORING_OP_NOP);
	answer(0);
	assert_int_equal(result, error);
}

static void test_failed_flush_stays(void **state)
{
	(void)state;
	submit(DISK_FLUSH, 0);
	answer(-EIO);
	assert_int_equal(result, -EIO);
	flush_fails(-EIO);
	flush_fails(-EIO);
	/* Reads and writes go on. */
	submit(DISK_WRITE, 1);
	answer(4096);
	assert_int_equal(result, 0);
}

static void test_durable(void **state)
{
	(void)state;
	request.durable = true;
	submit(DISK_WRITE, 2);
	assert_int_equal(asked.rw_flags, RWF_DSYNC);
	answer(4096);
	assert_int_equal(asked.rw_flags, RWF_DSYNC);
	answer(4096);
	assert_int_equal(result, 0);
	submit(DISK_READ, 1);
	assert_int_equal(asked.rw_flags, 0);
	answer(-EIO);
	assert_int_equal(result, -EIO);
	submit(DISK_FLUSH, 0);
	answer(0);
	assert_int_equal(result, 0);
	/* The error may be about what was written before. */
	submit(DISK_WRITE, 1);
	answer(-EIO);
	assert_int_equal(result, -EIO);
	flush_fails(-EIO);
	/* What speaks for itself is still believed. */
	submit(DISK_WRITE, 1);
	answer(4096);
	assert_int_equal(result, 0);
}

static void test_zero(void **state)
{
	(void)state;
	submit(DISK_ZERO, 0);
	assert_int_equal(asked.opcode, IORING_OP_FALLOCATE);
	assert_int_equal(asked.len, FALLOC_FL_ZERO_RANGE | KEEP);
	assert_int_equal(asked.off, 8192);
	assert_int_equal(asked.addr, 12288);
	answer(0);
	assert_int_equal(result, 0);

	request.unmap = request.durable = true;
	submit(DISK_ZERO, 0);
	assert_int_equal(asked.len, FALLOC_FL_PUNCH_HOLE | KEEP);
	answer(-EOPNOTSUPP);
	assert_int_equal(asked.len, FALLOC_FL_ZERO_RANGE | KEEP);
	answer(0);
	assert_int_equal(asked.opcode, IORING_OP_FSYNC);
	answer(0);
	assert_int_equal(result, 0);
}

static void test_written_zeros(void **state)
{
	static const int errors[] = { -EOPNOTSUPP, -EINVAL };

	(void)state;
	request.durable = true;
	for (unsigned int i = 0; i < ARRAY_SIZE(errors); i++) {
		submit(DISK_ZERO, 0);
		answer(errors[i]);
		assert_int_equal(asked.opcode, IORING_OP_WRITE);
		assert_int_equal(asked.off, 8192);
		assert_int_equal(asked.len, 12288);
		for (unsigned int n = 0; n < 12288; n++)
			assert_int_equal(((uint8_t *)(uintptr_t)asked.addr)[n], 0);
		answer(4000);
		assert_int_equal(asked.off, 12192);
		assert_int_equal(asked.len, 8288);
		answer(8288);
		assert_int_equal(asked.opcode, IORING_OP_FSYNC);
		answer(0);
		assert_int_equal(result, 0);
	}
	submit(DISK_ZERO, 0);
	answer(-ENOSPC);
	assert_int_equal(result, -ENOSPC);
	submit(DISK_ZERO, 0);
	answer(0);
	answer(-EIO);
	assert_int_equal(result, -EIO);
	flush_fails(-EIO);
}

static void test_discard(void **state)
{
	(void)state;
	submit(DISK_DISCARD, 0);
	assert_int_equal(asked.len, FALLOC_FL_PUNCH_HOLE | KEEP);
	answer(0);
	assert_int_equal(result, 0);
	submit(DISK_DISCARD, 0);
	answer(-EOPNOTSUPP);
	assert_int_equal(result, -EOPNOTSUPP);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_short_read), T(test_end_of_file),	T(test_again),
		T(test_failure),    T(test_failed_flush_stays), T(test_durable),
		T(test_zero),	    T(test_written_zeros),	T(test_discard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
