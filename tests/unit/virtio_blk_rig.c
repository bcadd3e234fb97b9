/* SPDX-License-Identifier: MIT */
#include "virtio_blk_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void make_file(struct fixture *f, uint64_t bytes)
{
	int fd;

	strcpy(f->path, P_tmpdir "/virtio_blk.XXXXXX");
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	/* Every sector says which one it is. */
	for (uint32_t i = 0; i < bytes / 512; i++)
		assert_int_equal(pwrite(fd, &i, sizeof(i), (off_t)i * 512), sizeof(i));
	close(fd);
}

struct fixture *make_as(const struct disk_config *c, uint64_t features)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_init(&f->rig);
	make_file(f, DISK_BYTES);
	f->config = *c;
	f->config.path = f->path;
	f->config.serial = "serial-number";
	f->blk = virtio_blk_create(&f->rig.machine, &f->config);
	assert_non_null(f->blk);
	rig_start(&f->rig);
	driver_probe(&f->d, &f->rig, SLOT);
	driver_start(&f->d, features);
	f->data = memory_at(&f->rig.memory, gpa(DATA), 1);
	f->status = memory_at(&f->rig.memory, gpa(STATUS), 1);
	return f;
}

struct fixture *make(bool readonly, uint64_t features)
{
	return make_as(&(struct disk_config){ .readonly = readonly }, features);
}

int setup(void **state)
{
	*state = make(false, BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_F_EVENT_IDX) |
				     BIT(VIRTIO_F_INDIRECT_DESC));
	return 0;
}

int setup_plain(void **state)
{
	*state = make(false, 0);
	return 0;
}

int teardown(void **state)
{
	struct fixture *f = *state;

	rig_stop(&f->rig);
	virtio_blk_destroy(f->blk);
	rig_destroy(&f->rig);
	unlink(f->path);
	free(f);
	return 0;
}

void put_header(struct fixture *f, uint64_t at, uint32_t type, uint64_t sector)
{
	struct virtio_blk_req h = { .type = type, .sector = sector };

	assert_int_equal(memory_write(&f->rig.memory, gpa(at), &h, sizeof(h)), 0);
}

uint8_t request(struct fixture *f, uint32_t type, uint64_t sector, const struct buffer *data,
		unsigned int count, uint32_t *used)
{
	struct buffer b[16] = { { HEADER, 16, false } };
	struct virtq_used_elem e;
	unsigned int n = 1;
	uint16_t head;

	put_header(f, HEADER, type, sector);
	for (unsigned int i = 0; i < count; i++)
		b[n++] = data[i];
	b[n++] = (struct buffer){ STATUS, 1, true };
	*f->status = 0x77;
	head = driver_add(&f->d, b, n);
	driver_notify(&f->d);
	assert_true(driver_used(&f->d, &e));
	assert_int_equal(e.id, head);
	if (used)
		*used = e.len;
	return *f->status;
}

uint8_t simple(struct fixture *f, uint32_t type, uint64_t sector, uint32_t bytes, uint32_t *used)
{
	return request(f, type, sector, &(struct buffer){ DATA, bytes, type != VIRTIO_BLK_T_OUT },
		       1, used);
}
