/* SPDX-License-Identifier: MIT */
/*
 * The block device from end to end: requests of a small driver through rings,
 * transport and disk thread to a real file. Many of them at once, and drivers that
 * have lost their mind: virtio_blk_stress.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "virtio_blk_rig.h"

#define OUTSIDE RIG_MEMORY

static int setup_readonly(void **state)
{
	*state = make(true, BIT(VIRTIO_BLK_F_RO) | BIT(VIRTIO_BLK_F_FLUSH));
	return 0;
}

static void file_bytes(struct fixture *f, uint64_t off, void *buf, size_t len)
{
	int fd = open(f->path, O_RDONLY);

	assert_int_equal(pread(fd, buf, len, (off_t)off), len);
	close(fd);
}

static uint64_t config(struct fixture *f, unsigned int off, unsigned int size)
{
	return rig_read(&f->rig, f->d.device + off, size);
}

#define CFG(field) offsetof(struct virtio_blk_config, field)

static void test_config(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rig_cfg_read(&f->rig, SLOT, PCI_DEVICE, 2), 0x1042);
	assert_int_equal(config(f, CFG(capacity), 8), SECTORS);
	assert_int_equal(config(f, CFG(capacity), 4), SECTORS);
	assert_int_equal(config(f, CFG(seg_max), 4), 126);
	assert_int_equal(config(f, CFG(blk_size), 4), 512);
	assert_int_equal(config(f, CFG(topology.physical_block_exp), 1), 3);
	assert_int_equal(config(f, CFG(num_queues), 2), 1);
	assert_int_equal(config(f, CFG(size_max), 4), 0x7ffff000);
	assert_int_equal(config(f, CFG(max_discard_seg), 4), 1);
}

static void test_read(void **state)
{
	struct fixture *f = *state;
	uint32_t used, got;

	assert_int_equal(simple(f, VIRTIO_BLK_T_IN, 5, 4096, &used), VIRTIO_BLK_S_OK);
	assert_int_equal(used, 4097);
	for (uint32_t i = 0; i < 8; i++) {
		memcpy(&got, f->data + 512 * i, sizeof(got));
		assert_int_equal(got, 5 + i);
	}
	/* The last sector, and nothing at all. */
	assert_int_equal(simple(f, VIRTIO_BLK_T_IN, SECTORS - 1, 512, NULL), VIRTIO_BLK_S_OK);
	memcpy(&got, f->data, sizeof(got));
	assert_int_equal(got, SECTORS - 1);
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 1, NULL, 0, &used), VIRTIO_BLK_S_OK);
	assert_int_equal(used, 1);
}

static void test_interrupt(void **state)
{
	struct fixture *f = *state;
	struct buffer b[] = { { HEADER, 16, false }, { DATA, 512, true }, { STATUS, 1, true } };
	struct virtq_used_elem e;

	put_header(f, HEADER, VIRTIO_BLK_T_IN, 0);
	for (unsigned int i = 0; i < 20; i++) {
		driver_add(&f->d, b, 3);
		driver_notify(&f->d);
		assert_true(rig_interrupted(&f->rig, 0, 5000));
		assert_true(driver_used(&f->d, &e));
	}
}

static void test_write(void **state)
{
	struct fixture *f = *state;
	uint8_t back[1536];
	uint32_t used;

	memset(f->data, 0x5a, 1024);
	assert_int_equal(simple(f, VIRTIO_BLK_T_OUT, 100, 1024, &used), VIRTIO_BLK_S_OK);
	assert_int_equal(used, 1);
	/* Acknowledged means it is in the file. */
	file_bytes(f, 100 * 512, back, sizeof(back));
	assert_memory_equal(back, f->data, 1024);
	assert_int_equal(back[1024], 102);
	assert_int_equal(simple(f, VIRTIO_BLK_T_FLUSH, 0, 512, NULL), VIRTIO_BLK_S_OK);
	assert_int_equal(request(f, VIRTIO_BLK_T_FLUSH, 0, NULL, 0, NULL), VIRTIO_BLK_S_OK);
}

/* "Message Framing": where descriptors end means nothing. */
static void test_framing(void **state)
{
	struct fixture *f = *state;
	struct virtq_used_elem e;
	uint8_t back[512];
	struct buffer odd[] = {
		{ HEADER, 3, false },
		/* the rest of the header, then 7 bytes of data */
		{ HEADER + 3, 13 + 7, false },
		{ DATA, 500, false },
		{ DATA + 500, 5, false },
		{ STATUS, 1, true },
	};
	struct buffer in[] = {
		{ HEADER, 16, false },
		{ DATA, 1, true },
		{ DATA + 1, 510, true },
		{ DATA + 511, 2, true }, /* last byte of data, status */
	};

	put_header(f, HEADER, VIRTIO_BLK_T_OUT, 9);
	memory_write(&f->rig.memory, gpa(HEADER + 16), "abcdefg", 7);
	memset(f->data, 'h', 505);
	driver_add(&f->d, odd, ARRAY_SIZE(odd));
	driver_notify(&f->d);
	assert_true(driver_used(&f->d, &e));
	assert_int_equal(*f->status, VIRTIO_BLK_S_OK);
	file_bytes(f, 9 * 512, back, 512);
	assert_memory_equal(back, "abcdefgh", 8);
	assert_int_equal(back[511], 'h');

	put_header(f, HEADER, VIRTIO_BLK_T_IN, 9);
	memset(f->data, 0, 513);
	f->data[512] = 0x77;
	driver_add(&f->d, in, ARRAY_SIZE(in));
	driver_notify(&f->d);
	assert_true(driver_used(&f->d, &e));
	assert_int_equal(e.len, 513);
	assert_memory_equal(f->data, back, 512);
	assert_int_equal(f->data[512], VIRTIO_BLK_S_OK);
}

static void test_indirect(void **state)
{
	struct fixture *f = *state;
	struct virtq_desc table[4] = {
		{ HEADER, 16, VIRTQ_DESC_F_NEXT, 2 },
		{ STATUS, 1, VIRTQ_DESC_F_WRITE, 0 },
		{ DATA, 1024, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 3 },
		{ DATA + 4096, 512, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 1 },
	};
	struct virtq_desc *ring = memory_at(&f->rig.memory, gpa(f->d.desc), 16);
	struct virtq_avail *avail = memory_at(&f->rig.memory, gpa(f->d.avail), 6);
	struct virtq_used_elem e;
	uint32_t got;

	put_header(f, HEADER, VIRTIO_BLK_T_IN, 40);
	memory_write(&f->rig.memory, gpa(RANGE), table, sizeof(table));
	ring[0] = (struct virtq_desc){ RANGE, sizeof(table), VIRTQ_DESC_F_INDIRECT, 0 };
	avail->ring[0] = 0;
	f->d.avail_idx = 1;
	driver_notify(&f->d);
	assert_true(driver_used(&f->d, &e));
	assert_int_equal(e.len, 1537);
	assert_int_equal(*f->status, VIRTIO_BLK_S_OK);
	memcpy(&got, f->data + 4096, sizeof(got));
	assert_int_equal(got, 42);
}

static void test_get_id(void **state)
{
	struct fixture *f = *state;
	uint32_t used;

	memset(f->data, 0xff, 32);
	assert_int_equal(simple(f, VIRTIO_BLK_T_GET_ID, 0, 20, &used), VIRTIO_BLK_S_OK);
	assert_int_equal(used, 21);
	assert_memory_equal(f->data, "serial-number\0\0\0\0\0\0\0\xff", 21);
	/* Larger and smaller buffers. */
	assert_int_equal(simple(f, VIRTIO_BLK_T_GET_ID, 0, 32, &used), VIRTIO_BLK_S_OK);
	assert_int_equal(used, 20);
	memset(f->data, 0xff, 32);
	assert_int_equal(simple(f, VIRTIO_BLK_T_GET_ID, 0, 3, &used), VIRTIO_BLK_S_OK);
	assert_int_equal(used, 4);
	assert_memory_equal(f->data, "ser\xff", 4);
	assert_int_equal(request(f, VIRTIO_BLK_T_GET_ID, 0, NULL, 0, NULL), VIRTIO_BLK_S_IOERR);
}

static uint8_t range_request(struct fixture *f, uint32_t type, uint64_t sector, uint32_t count,
			     uint32_t flags)
{
	struct virtio_blk_range r = { sector, count, flags };

	memory_write(&f->rig.memory, gpa(RANGE), &r, sizeof(r));
	return request(f, type, 0, &(struct buffer){ RANGE, sizeof(r), false }, 1, NULL);
}

static void test_write_zeroes(void **state)
{
	struct fixture *f = *state;
	uint8_t back[4096], zeros[4096] = { 0 };
	uint8_t s;

	for (uint32_t unmap = 0; unmap < 2; unmap++) {
		uint64_t first = 160 + 16 * unmap;

		memset(f->data, 0x5a, 8192);
		simple(f, VIRTIO_BLK_T_OUT, first, 8192, NULL);
		s = range_request(f, VIRTIO_BLK_T_WRITE_ZEROES, first, 8,
				  unmap ? VIRTIO_BLK_RANGE_F_UNMAP : 0);
		assert_int_equal(s, VIRTIO_BLK_S_OK);
		file_bytes(f, first * 512, back, sizeof(back));
		assert_memory_equal(back, zeros, sizeof(back));
		file_bytes(f, (first + 8) * 512, back, sizeof(back));
		assert_memory_equal(back, f->data, sizeof(back));
	}
	s = range_request(f, VIRTIO_BLK_T_WRITE_ZEROES, SECTORS - 1, 2, 0);
	assert_int_equal(s, VIRTIO_BLK_S_IOERR);
	s = range_request(f, VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 2);
	assert_int_equal(s, VIRTIO_BLK_S_UNSUPP);
	s = range_request(f, VIRTIO_BLK_T_WRITE_ZEROES, 5, 0, 0);
	assert_int_equal(s, VIRTIO_BLK_S_OK);
}

static void test_discard(void **state)
{
	struct fixture *f = *state;
	uint8_t s;
	uint32_t got;

	s = range_request(f, VIRTIO_BLK_T_DISCARD, 8, 8, 0);
	/* A file system without holes says so; both are answers. */
	assert_true(s == VIRTIO_BLK_S_OK || s == VIRTIO_BLK_S_UNSUPP);
	file_bytes(f, 16 * 512, &got, sizeof(got));
	assert_int_equal(got, 16);
	s = range_request(f, VIRTIO_BLK_T_DISCARD, 8, 8, VIRTIO_BLK_RANGE_F_UNMAP);
	assert_int_equal(s, VIRTIO_BLK_S_UNSUPP);
	s = range_request(f, VIRTIO_BLK_T_DISCARD, UINT64_MAX, 8, 0);
	assert_int_equal(s, VIRTIO_BLK_S_IOERR);
	s = range_request(f, VIRTIO_BLK_T_DISCARD, 0, UINT32_MAX, 0);
	assert_int_equal(s, VIRTIO_BLK_S_IOERR);
	s = request(f, VIRTIO_BLK_T_DISCARD, 0, &(struct buffer){ RANGE, 15, false }, 1, NULL);
	assert_int_equal(s, VIRTIO_BLK_S_IOERR);
	s = request(f, VIRTIO_BLK_T_DISCARD, 0, &(struct buffer){ RANGE, 32, false }, 1, NULL);
	assert_int_equal(s, VIRTIO_BLK_S_IOERR);
}

static void test_refusals(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	uint32_t used;

	/* beyond the end, across it, at the edge of arithmetic */
	assert_int_equal(simple(f, VIRTIO_BLK_T_IN, SECTORS, 512, &used), VIRTIO_BLK_S_IOERR);
	assert_int_equal(used, 0); /* the data was not written, so nothing counts */
	assert_int_equal(simple(f, VIRTIO_BLK_T_IN, SECTORS - 1, 1024, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(simple(f, VIRTIO_BLK_T_OUT, SECTORS - 1, 1024, &used), VIRTIO_BLK_S_IOERR);
	assert_int_equal(used, 1);
	assert_int_equal(simple(f, VIRTIO_BLK_T_IN, UINT64_MAX, 512, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(simple(f, VIRTIO_BLK_T_OUT, UINT64_MAX / 512, 512, NULL),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(simple(f, VIRTIO_BLK_T_OUT, UINT64_C(1) << 55, 512, NULL),
			 VIRTIO_BLK_S_IOERR);
	/* no whole sectors */
	assert_int_equal(simple(f, VIRTIO_BLK_T_IN, 0, 511, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(simple(f, VIRTIO_BLK_T_OUT, 0, 513, NULL), VIRTIO_BLK_S_IOERR);
	/* no such request */
	assert_int_equal(simple(f, 2, 0, 512, NULL), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(simple(f, UINT32_MAX, 0, 512, NULL), VIRTIO_BLK_S_UNSUPP);
	/* Nothing of it changed the file. */
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_size, DISK_BYTES);
	/* And the device still works. */
	assert_int_equal(simple(f, VIRTIO_BLK_T_IN, 0, 512, NULL), VIRTIO_BLK_S_OK);
	assert_false(driver_status(&f->d) & VIRTIO_STATUS_NEEDS_RESET);
}

static void test_short_header(void **state)
{
	struct fixture *f = *state;
	struct virtq_used_elem e;
	struct buffer b[] = { { HEADER, 15, false }, { STATUS, 1, true } };

	*f->status = 0x77;
	driver_add(&f->d, b, 2);
	driver_notify(&f->d);
	assert_true(driver_used(&f->d, &e));
	assert_int_equal(*f->status, VIRTIO_BLK_S_IOERR);
	/* No header at all. */
	*f->status = 0x77;
	driver_add(&f->d, b + 1, 1);
	driver_notify(&f->d);
	assert_true(driver_used(&f->d, &e));
	assert_int_equal(*f->status, VIRTIO_BLK_S_IOERR);
}

static void expect_needs_reset(struct fixture *f)
{
	assert_true(rig_interrupted(&f->rig, 1, 5000));
	assert_true(driver_status(&f->d) & VIRTIO_STATUS_NEEDS_RESET);
	/* The driver recovers. */
	driver_start(&f->d, 0);
	assert_int_equal(simple(f, VIRTIO_BLK_T_IN, 0, 512, NULL), VIRTIO_BLK_S_OK);
}

static void test_no_status_byte(void **state)
{
	struct fixture *f = *state;

	put_header(f, HEADER, VIRTIO_BLK_T_FLUSH, 0);
	driver_add(&f->d, &(struct buffer){ HEADER, 16, false }, 1);
	/* Another one waits behind it, which nobody will take. */
	driver_add(&f->d, &(struct buffer){ HEADER, 16, false }, 1);
	driver_notify(&f->d);
	expect_needs_reset(f);
}

static void test_buffer_outside(void **state)
{
	struct fixture *f = *state;
	struct buffer b[] = {
		{ HEADER, 16, false },
		{ OUTSIDE - 512, 1024, true },
		{ STATUS, 1, true },
	};

	put_header(f, HEADER, VIRTIO_BLK_T_IN, 0);
	driver_add(&f->d, b, 3);
	driver_notify(&f->d);
	expect_needs_reset(f);
}

static void test_readonly(void **state)
{
	struct fixture *f = *state;
	uint32_t got;

	assert_int_equal(simple(f, VIRTIO_BLK_T_IN, 3, 512, NULL), VIRTIO_BLK_S_OK);
	assert_int_equal(simple(f, VIRTIO_BLK_T_OUT, 3, 512, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range_request(f, VIRTIO_BLK_T_DISCARD, 8, 8, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range_request(f, VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(f, VIRTIO_BLK_T_FLUSH, 0, NULL, 0, NULL), VIRTIO_BLK_S_OK);
	file_bytes(f, 3 * 512, &got, sizeof(got));
	assert_int_equal(got, 3);
}

/* A file that became shorter under us: an error, not a crash, not zeros. */
static void test_truncated(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(truncate(f->path, 512 * 10), 0);
	assert_int_equal(simple(f, VIRTIO_BLK_T_IN, 20, 512, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(simple(f, VIRTIO_BLK_T_IN, 9, 1024, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(simple(f, VIRTIO_BLK_T_IN, 9, 512, NULL), VIRTIO_BLK_S_OK);
}

static void create_fails(struct fixture *f, const char *path, bool readonly)
{
	struct disk_config c = { .path = path, .readonly = readonly };

	assert_null(virtio_blk_create(&f->rig.machine, &c));
}

static void test_create(void **state)
{
	struct fixture *f = *state;
	char path[64] = P_tmpdir "/virtio_blk.XXXXXX";
	int fd = mkstemp(path);

	/* The file of the first device is locked. */
	create_fails(f, f->path, false);
	create_fails(f, f->path, true);
	create_fails(f, "/nonexistent", false);
	create_fails(f, P_tmpdir, true);
	create_fails(f, "/dev/null", false);
	create_fails(f, path, false); /* empty */
	assert_int_equal(ftruncate(fd, 511), 0);
	create_fails(f, path, false);
	/* No more routes for MSI-X: all is given back, the lock too. */
	assert_int_equal(ftruncate(fd, 512), 0);
	f->rig.irq.route_limit = f->rig.irq.route_count;
	create_fails(f, path, false);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
	unlink(path);
}

/* Two readers may share, a writer not. */
static void test_share_readonly(void **state)
{
	struct fixture *f = *state;
	struct disk_config c = { .path = f->path, .readonly = true };
	struct virtio_blk *second = virtio_blk_create(&f->rig.machine, &c);

	assert_non_null(second);
	c.readonly = false;
	assert_null(virtio_blk_create(&f->rig.machine, &c));
	rig_stop(&f->rig);
	virtio_blk_destroy(second);
}

#define T_READONLY(name) cmocka_unit_test_setup_teardown(name, setup_readonly, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_config),
		T(test_read),
		T(test_interrupt),
		T_PLAIN(test_interrupt),
		T(test_write),
		T_PLAIN(test_write), /* write-through */
		T(test_framing),
		T(test_indirect),
		T(test_get_id),
		T(test_write_zeroes),
		T_PLAIN(test_write_zeroes),
		T(test_discard),
		T(test_refusals),
		T(test_short_header),
		T(test_no_status_byte),
		T(test_buffer_outside),
		T_READONLY(test_readonly),
		T(test_truncated),
		T(test_create),
		T_READONLY(test_share_readonly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
