/* SPDX-License-Identifier: MIT */
/*
 * The virtqueue engine against a driver that is right, and against every way
 * we know for one to be wrong.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "vmm/virtio/queue.h"

#define SIZE  8u
#define DESC  0x1000u
#define AVAIL 0x2000u
#define USED  0x3000u
#define TABLE 0x4000u /* an indirect one */
#define DATA  0x8000u
#define END   0x10000u /* of guest memory */

struct fixture {
	struct memory memory;
	struct virtq q;
	struct virtq_desc *desc, *table;
	struct virtq_avail *avail;
	struct virtq_used *used;
	struct iovec iov[SIZE];
	struct virtq_chain c;
};

static struct fixture *make(uint16_t size, bool event_idx, bool indirect)
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

static int setup(void **state)
{
	*state = make(SIZE, false, true);
	return 0;
}

static int setup_event_idx(void **state)
{
	*state = make(SIZE, true, true);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->memory.region[0].host);
	free(f);
	return 0;
}

static void offer(struct fixture *f, uint16_t head)
{
	f->avail->ring[f->avail->idx % f->q.size] = head;
	f->avail->idx++;
}

static struct virtq_desc buf(uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	return (struct virtq_desc){ addr, len, flags, next };
}

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

static void test_empty(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(virtq_pop(&f->q, &f->c), 0);
	assert_null(f->q.broken);
	assert_false(virtq_should_interrupt(&f->q));
}

static void test_chain(void **state)
{
	struct fixture *f = *state;

	f->desc[3] = buf(DATA, 16, VIRTQ_DESC_F_NEXT, 5);
	f->desc[5] = buf(DATA + 0x100, 32, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 0);
	f->desc[0] = buf(END - 8, 8, VIRTQ_DESC_F_WRITE, 77); /* next is not looked at */
	offer(f, 3);
	assert_int_equal(virtq_pop(&f->q, &f->c), 1);
	assert_int_equal(f->c.head, 3);
	assert_int_equal(f->c.read_count, 1);
	assert_int_equal(f->c.write_count, 2);
	assert_int_equal(f->c.read_bytes, 16);
	assert_int_equal(f->c.write_bytes, 40);
	assert_ptr_equal(f->iov[0].iov_base, memory_at(&f->memory, gpa(DATA), 1));
	assert_ptr_equal(f->iov[2].iov_base, memory_at(&f->memory, gpa(END - 8), 1));
	assert_int_equal(f->iov[2].iov_len, 8);
	assert_int_equal(virtq_pop(&f->q, &f->c), 0);

	virtq_push(&f->q, f->c.head, 40);
	assert_int_equal(f->used->idx, 1);
	assert_int_equal(f->used->ring[0].id, 3);
	assert_int_equal(f->used->ring[0].len, 40);
	assert_true(virtq_should_interrupt(&f->q));
	assert_false(virtq_should_interrupt(&f->q));
}

static void test_longest_chain(void **state)
{
	struct fixture *f = *state;

	for (uint16_t i = 0; i < SIZE; i++)
		f->desc[i] =
			buf(DATA + i, 1, i + 1 < SIZE ? VIRTQ_DESC_F_NEXT : 0, (uint16_t)(i + 1));
	offer(f, 0);
	assert_int_equal(virtq_pop(&f->q, &f->c), 1);
	assert_int_equal(f->c.read_count, SIZE);
}

static void test_indirect(void **state)
{
	struct fixture *f = *state;

	/* "zero or more normal chained descriptors followed by a single" indirect one */
	f->desc[1] = buf(DATA, 4, VIRTQ_DESC_F_NEXT, 2);
	f->desc[2] = buf(TABLE, 3 * 16, VIRTQ_DESC_F_INDIRECT | VIRTQ_DESC_F_WRITE, 0);
	f->table[0] = buf(DATA + 4, 4, VIRTQ_DESC_F_NEXT, 2);
	f->table[2] = buf(DATA + 8, 4, VIRTQ_DESC_F_WRITE, 0);
	offer(f, 1);
	assert_int_equal(virtq_pop(&f->q, &f->c), 1);
	assert_int_equal(f->c.head, 1);
	assert_int_equal(f->c.read_count, 2);
	assert_int_equal(f->c.write_count, 1);
	assert_ptr_equal(f->iov[2].iov_base, memory_at(&f->memory, gpa(DATA + 8), 1));
}

/* The spec asks for no alignment of an indirect table. */
static void test_indirect_misaligned(void **state)
{
	struct fixture *f = *state;
	struct virtq_desc d = buf(DATA, 4, VIRTQ_DESC_F_WRITE, 0);

	f->desc[0] = buf(TABLE + 3, 16, VIRTQ_DESC_F_INDIRECT, 0);
	memory_write(&f->memory, gpa(TABLE + 3), &d, sizeof(d));
	offer(f, 0);
	assert_int_equal(virtq_pop(&f->q, &f->c), 1);
	assert_int_equal(f->c.write_bytes, 4);
}

/* 65536 is no multiple of what anybody counts in; go round three times. */
static void test_wrap_around(void **state)
{
	struct fixture *f = *state;

	for (uint32_t n = 0; n < 200000; n++) {
		uint16_t head = (uint16_t)(n % SIZE);

		f->desc[head] = buf(DATA, 4, VIRTQ_DESC_F_WRITE, 0);
		offer(f, head);
		assert_int_equal(virtq_pop(&f->q, &f->c), 1);
		assert_int_equal(f->c.head, head);
		virtq_push(&f->q, head, n);
		assert_int_equal(f->used->idx, (uint16_t)(n + 1));
		assert_int_equal(f->used->ring[n % SIZE].len, n);
		assert_true(virtq_should_interrupt(&f->q));
	}
}

static void test_out_of_order(void **state)
{
	struct fixture *f = *state;

	for (uint16_t i = 0; i < SIZE; i++) {
		f->desc[i] = buf(DATA, 4, 0, 0);
		offer(f, i);
	}
	for (uint16_t i = 0; i < SIZE; i++)
		assert_int_equal(virtq_pop(&f->q, &f->c), 1);
	assert_int_equal(f->q.in_flight, SIZE);
	for (uint16_t i = 0; i < SIZE; i++)
		virtq_push(&f->q, (uint16_t)(SIZE - 1 - i), 0);
	assert_int_equal(f->q.in_flight, 0);
	assert_int_equal(f->used->ring[0].id, SIZE - 1);
	assert_int_equal(f->used->ring[SIZE - 1].id, 0);
}

static void test_interrupt_flag(void **state)
{
	struct fixture *f = *state;

	f->desc[0] = buf(DATA, 4, 0, 0);
	f->avail->flags = VIRTQ_AVAIL_F_NO_INTERRUPT;
	offer(f, 0);
	assert_int_equal(virtq_pop(&f->q, &f->c), 1);
	virtq_push(&f->q, 0, 0);
	assert_false(virtq_should_interrupt(&f->q));
	f->avail->flags = 0;
	offer(f, 0);
	assert_int_equal(virtq_pop(&f->q, &f->c), 1);
	virtq_push(&f->q, 0, 0);
	assert_true(virtq_should_interrupt(&f->q));
}

static void test_notify_flag(void **state)
{
	struct fixture *f = *state;

	virtq_quiet(&f->q);
	assert_int_equal(f->used->flags, VIRTQ_USED_F_NO_NOTIFY);
	assert_false(virtq_listen(&f->q));
	assert_int_equal(f->used->flags, 0);
	/* One that slipped in between the last pop and listen. */
	virtq_quiet(&f->q);
	f->desc[0] = buf(DATA, 4, 0, 0);
	offer(f, 0);
	assert_true(virtq_listen(&f->q));
}

static void push_some(struct fixture *f, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		f->desc[0] = buf(DATA, 4, 0, 0);
		offer(f, 0);
		assert_int_equal(virtq_pop(&f->q, &f->c), 1);
		virtq_push(&f->q, 0, 0);
	}
}

static void test_event_idx_interrupt(void **state)
{
	struct fixture *f = *state;

	f->avail->ring[SIZE] = 0; /* used_event: as soon as there is one */
	push_some(f, 1);
	assert_true(virtq_should_interrupt(&f->q));
	/* Not asked again: no more interrupts. */
	push_some(f, 3);
	assert_false(virtq_should_interrupt(&f->q));
	/* "After entry 5", which is the sixth: entries 4 and 5 come in one batch. */
	f->avail->ring[SIZE] = 5;
	push_some(f, 1);
	assert_false(virtq_should_interrupt(&f->q));
	push_some(f, 1);
	assert_true(virtq_should_interrupt(&f->q));
	/* The event in the middle of a batch counts; one just past it does not. */
	f->avail->ring[SIZE] = 7;
	push_some(f, 4);
	assert_true(virtq_should_interrupt(&f->q));
	f->avail->ring[SIZE] = 12;
	push_some(f, 2);
	assert_false(virtq_should_interrupt(&f->q));
	/* Across the wrap. */
	push_some(f, 65534 - 12);
	f->avail->ring[SIZE] = 65535;
	virtq_should_interrupt(&f->q);
	assert_int_equal(f->used->idx, 65534);
	push_some(f, 1);
	assert_false(virtq_should_interrupt(&f->q));
	push_some(f, 2);
	assert_true(virtq_should_interrupt(&f->q));
}

static void test_event_idx_notify(void **state)
{
	struct fixture *f = *state;
	const uint16_t *avail_event = (const void *)&f->used->ring[SIZE];

	push_some(f, 3);
	virtq_quiet(&f->q);
	assert_int_equal(f->used->flags, 0);
	assert_false(virtq_listen(&f->q));
	assert_int_equal(*avail_event, 3);
	f->desc[0] = buf(DATA, 4, 0, 0);
	offer(f, 0);
	assert_true(virtq_listen(&f->q));
}

/* ---- hostile ---- */

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

/* ---- walking bytes ---- */

static void test_iov(void **state)
{
	uint8_t a[3] = { 1, 2, 3 }, b[1] = { 4 }, c[4] = { 5, 6, 7, 8 };
	struct iovec v[] = { { a, 3 }, { b, 1 }, { c, 4 } };
	struct iovec *iov = v;
	unsigned int n = 3;
	uint8_t got[8];
	uint8_t *last;

	(void)state;
	assert_false(iov_take(&iov, &n, got, 9));
	assert_int_equal(n, 3);
	last = iov_cut_last(iov, &n);
	assert_ptr_equal(last, &c[3]);
	assert_true(iov_take(&iov, &n, got, 2));
	assert_memory_equal(got, "\1\2", 2);
	assert_true(iov_take(&iov, &n, got, 3));
	assert_memory_equal(got, "\3\4\5", 3);
	assert_int_equal(n, 1);
	assert_false(iov_put(&iov, &n, "xyz", 3));
	assert_true(iov_put(&iov, &n, "xy", 2));
	assert_int_equal(n, 0);
	assert_memory_equal(c, "\5xy\10", 4);
	assert_null(iov_cut_last(iov, &n));
	assert_true(iov_take(&iov, &n, NULL, 0));

	/* The last byte may be all there is of an entry. */
	iov = v;
	n = 2;
	v[0] = (struct iovec){ a, 3 };
	v[1] = (struct iovec){ b, 1 };
	assert_ptr_equal(iov_cut_last(iov, &n), b);
	assert_int_equal(n, 1);
}

#define T(name)	      cmocka_unit_test_setup_teardown(name, setup, teardown)
#define T_EVENT(name) cmocka_unit_test_setup_teardown(name, setup_event_idx, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_empty),
		T(test_chain),
		T(test_longest_chain),
		T(test_indirect),
		T(test_indirect_misaligned),
		T(test_wrap_around),
		T(test_out_of_order),
		T(test_interrupt_flag),
		T(test_notify_flag),
		T_EVENT(test_event_idx_interrupt),
		T_EVENT(test_event_idx_notify),
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
		cmocka_unit_test(test_iov),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
