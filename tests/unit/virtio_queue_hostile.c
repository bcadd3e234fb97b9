/* SPDX-License-Identifier: MIT */
/* The virtqueue engine against every way we know for a driver to be wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "virtio_queue_rig.h"

static void expect_broken(struct fixture *f, const char *why)
{
	assert_int_equal(virtq_pop(&f->q, &f->c), -EPROTO);
	assert_string_equal(f->q.broken, why);
	/* And it stays like that, whatever is offered. */
	f->desc[0] = buf(DATA, 16, 0, 0);
	offer(f, 0);
	assert_int_equal(virtq_pop(&f->q, &f->c), -EPROTO);
	assert_false(virtq_listen(&f->q));
	virtq_push(&f->q, 0, 1);
	assert_int_equal(f->used->idx, 0);
	assert_false(virtq_should_interrupt(&f->q));
}

static void test_disabled(void **state)
{
	struct fixture *f = *state;

	offer(f, 0);
	virtq_init(&f->q, &f->memory, SIZE);
	assert_int_equal(virtq_pop(&f->q, &f->c), 0);
	assert_false(virtq_listen(&f->q));
	virtq_push(&f->q, 0, 0);
	assert_int_equal(f->used->idx, 0);
}

static void check_enable(struct fixture *f, uint64_t desc, uint64_t avail, uint64_t used, bool ok)
{
	virtq_init(&f->q, &f->memory, SIZE);
	f->q.desc_gpa = gpa(desc);
	f->q.avail_gpa = gpa(avail);
	f->q.used_gpa = gpa(used);
	assert_int_equal(virtq_enable(&f->q), ok);
	assert_int_equal(f->q.broken == NULL, ok);
	if (!ok)
		assert_int_equal(virtq_pop(&f->q, &f->c), -EPROTO);
}

static void test_ring_places(void **state)
{
	struct fixture *f = *state;

	check_enable(f, DESC, AVAIL, USED, true);
	check_enable(f, DESC + 8, AVAIL, USED, false);
	check_enable(f, DESC, AVAIL + 1, USED, false);
	check_enable(f, DESC, AVAIL, USED + 2, false);
	check_enable(f, END, AVAIL, USED, false);
	check_enable(f, END - VIRTQ_DESC_BYTES(SIZE), AVAIL, USED, true);
	check_enable(f, END - VIRTQ_DESC_BYTES(SIZE) + 16, AVAIL, USED, false);
	check_enable(f, DESC, END - VIRTQ_AVAIL_BYTES(SIZE), USED, true);
	check_enable(f, DESC, END - VIRTQ_AVAIL_BYTES(SIZE) + 2, USED, false);
	check_enable(f, DESC, AVAIL, (END - VIRTQ_USED_BYTES(SIZE)) & ~3u, true);
	check_enable(f, DESC, AVAIL, END - 64, false);
	check_enable(f, UINT64_MAX & ~15ull, AVAIL, USED, false);
}

static void test_head_too_big(void **state)
{
	struct fixture *f = *state;

	offer(f, SIZE);
	expect_broken(f, "descriptor outside its table");
}

static void test_next_too_big(void **state)
{
	struct fixture *f = *state;

	f->desc[0] = buf(DATA, 4, VIRTQ_DESC_F_NEXT, SIZE);
	offer(f, 0);
	expect_broken(f, "descriptor outside its table");
}

static void test_loop(void **state)
{
	struct fixture *f = *state;

	f->desc[0] = buf(DATA, 4, VIRTQ_DESC_F_NEXT, 1);
	f->desc[1] = buf(DATA, 4, VIRTQ_DESC_F_NEXT, 0);
	offer(f, 0);
	expect_broken(f, "chain too long");
}

static void test_self_loop(void **state)
{
	struct fixture *f = *state;

	f->desc[0] = buf(DATA, 4, VIRTQ_DESC_F_NEXT, 0);
	offer(f, 0);
	expect_broken(f, "chain too long");
}

static void test_empty_buffer(void **state)
{
	struct fixture *f = *state;

	f->desc[0] = buf(DATA, 0, 0, 0);
	offer(f, 0);
	expect_broken(f, "empty buffer");
}

static void test_buffer_outside(void **state)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
	} t[] = {
		{ END, 1 },	     { END - 1, 2 },	    { 0, END + 1 },
		{ UINT64_MAX, 1 },   { UINT64_MAX - 3, 8 }, { DATA, UINT32_MAX },
		{ BIT64(63), 4096 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct fixture *f = make(SIZE, false, true);
		void *s = f;

		f->desc[0] = buf(t[i].addr, t[i].len, 0, 0);
		offer(f, 0);
		expect_broken(f, "buffer is not in memory");
		teardown(&s);
	}
	(void)state;
}

static void test_wrong_order(void **state)
{
	struct fixture *f = *state;

	f->desc[0] = buf(DATA, 4, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 1);
	f->desc[1] = buf(DATA, 4, 0, 0);
	offer(f, 0);
	expect_broken(f, "readable buffer after a writable one");
}

static void test_too_many_offered(void **state)
{
	struct fixture *f = *state;

	f->desc[0] = buf(DATA, 4, 0, 0);
	f->avail->idx = SIZE + 1;
	expect_broken(f, "more chains offered than descriptors exist");
}

static void test_avail_idx_backwards(void **state)
{
	struct fixture *f = *state;

	push_some(f, 1);
	f->used->idx = 0;
	f->avail->idx = 0;
	expect_broken(f, "more chains offered than descriptors exist");
}

/* The same chain again and again without one being given back. */
static void test_more_than_can_be_in_flight(void **state)
{
	struct fixture *f = *state;

	f->desc[0] = buf(DATA, 4, 0, 0);
	for (unsigned int i = 0; i < SIZE; i++) {
		offer(f, 0);
		assert_int_equal(virtq_pop(&f->q, &f->c), 1);
	}
	assert_int_equal(virtq_pop(&f->q, &f->c), 0);
	offer(f, 0);
	expect_broken(f, "more chains offered than descriptors exist");
}

static void test_indirect_not_negotiated(void **state)
{
	struct fixture *f = *state;

	f->q.indirect = false;
	f->desc[0] = buf(TABLE, 16, VIRTQ_DESC_F_INDIRECT, 0);
	offer(f, 0);
	expect_broken(f, "indirect descriptor was not negotiated");
}

static void test_indirect_nested(void **state)
{
	struct fixture *f = *state;

	f->desc[0] = buf(TABLE, 32, VIRTQ_DESC_F_INDIRECT, 0);
	f->table[0] = buf(DATA, 4, VIRTQ_DESC_F_NEXT, 1);
	f->table[1] = buf(TABLE, 32, VIRTQ_DESC_F_INDIRECT, 0);
	offer(f, 0);
	expect_broken(f, "indirect descriptor inside an indirect table");
}

/* The table that an indirect descriptor names is the one it is in. */
static void test_indirect_to_ring(void **state)
{
	struct fixture *f = *state;

	f->desc[0] = buf(DESC, 16 * SIZE, VIRTQ_DESC_F_INDIRECT, 0);
	offer(f, 0);
	expect_broken(f, "indirect descriptor inside an indirect table");
}

static void test_indirect_next(void **state)
{
	struct fixture *f = *state;

	f->desc[0] = buf(TABLE, 16, VIRTQ_DESC_F_INDIRECT | VIRTQ_DESC_F_NEXT, 1);
	f->table[0] = buf(DATA, 4, 0, 0);
	offer(f, 0);
	expect_broken(f, "indirect descriptor with a next one");
}

static void test_indirect_length(void **state)
{
	static const uint32_t len[] = { 0, 1, 15, 17, 24 };

	for (size_t i = 0; i < ARRAY_SIZE(len); i++) {
		struct fixture *f = make(SIZE, false, true);
		void *s = f;

		f->desc[0] = buf(TABLE, len[i], VIRTQ_DESC_F_INDIRECT, 0);
		f->table[0] = buf(DATA, 4, 0, 0);
		offer(f, 0);
		expect_broken(f, "indirect table of odd length");
		teardown(&s);
	}
	(void)state;
}

static void test_indirect_outside(void **state)
{
	struct fixture *f = *state;

	f->desc[0] = buf(END - 16, 32, VIRTQ_DESC_F_INDIRECT, 0);
	offer(f, 0);
	expect_broken(f, "indirect table is not in memory");
}

static void test_indirect_next_outside(void **state)
{
	struct fixture *f = *state;

	f->desc[0] = buf(TABLE, 32, VIRTQ_DESC_F_INDIRECT, 0);
	f->table[0] = buf(DATA, 4, VIRTQ_DESC_F_NEXT, 2);
	f->table[2] = buf(DATA, 4, 0, 0); /* there, but not in the table */
	offer(f, 0);
	expect_broken(f, "descriptor outside its table");
}

static void test_indirect_too_long(void **state)
{
	struct fixture *f = *state;

	f->desc[0] = buf(TABLE, 16 * 64, VIRTQ_DESC_F_INDIRECT, 0);
	for (uint16_t i = 0; i < 64; i++)
		f->table[i] = buf(DATA, 4, i < 63 ? VIRTQ_DESC_F_NEXT : 0, (uint16_t)(i + 1));
	offer(f, 0);
	expect_broken(f, "chain too long");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_disabled),
		T(test_ring_places),
		T(test_head_too_big),
		T(test_next_too_big),
		T(test_loop),
		T(test_self_loop),
		T(test_empty_buffer),
		T(test_buffer_outside),
		T(test_wrong_order),
		T(test_too_many_offered),
		T(test_avail_idx_backwards),
		T(test_more_than_can_be_in_flight),
		T(test_indirect_not_negotiated),
		T(test_indirect_nested),
		T(test_indirect_to_ring),
		T(test_indirect_next),
		T(test_indirect_length),
		T(test_indirect_outside),
		T(test_indirect_next_outside),
		T(test_indirect_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
