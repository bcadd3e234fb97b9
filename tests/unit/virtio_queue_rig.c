/* SPDX-License-Identifier: MIT */
#include "virtio_queue_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture *make(uint16_t size, bool event_idx, bool indirect)
{
	struct fixture *f = calloc(1, sizeof(*f));

	/* Exactly as long as the guest's memory, so that the sanitizer sees a step beyond. */
	f->memory.region[0] = (struct mem_region){ 0, END, calloc(1, END) };
	f->memory.region_count = 1;
	f->desc = memory_at(&f->memory, gpa(DESC), 1);
	f->avail = memory_at(&f->memory, gpa(AVAIL), 1);
	f->used = memory_at(&f->memory, gpa(USED), 1);
	f->table = memory_at(&f->memory, gpa(TABLE), 1);

	virtq_init(&f->q, &f->memory, size);
	f->q.desc_gpa = gpa(DESC);
	f->q.avail_gpa = gpa(AVAIL);
	f->q.used_gpa = gpa(USED);
	f->q.event_idx = event_idx;
	f->q.indirect = indirect;
	assert_true(virtq_enable(&f->q));
	f->c = (struct virtq_chain){ .iov = f->iov, .iov_max = SIZE };
	return f;
}

int setup(void **state)
{
	*state = make(SIZE, false, true);
	return 0;
}

int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->memory.region[0].host);
	free(f);
	return 0;
}

void offer(struct fixture *f, uint16_t head)
{
	f->avail->ring[f->avail->idx % f->q.size] = head;
	f->avail->idx++;
}

struct virtq_desc buf(uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	return (struct virtq_desc){ addr, len, flags, next };
}

void push_some(struct fixture *f, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		f->desc[0] = buf(DATA, 4, 0, 0);
		offer(f, 0);
		assert_int_equal(virtq_pop(&f->q, &f->c), 1);
		virtq_push(&f->q, 0, 0);
	}
}
