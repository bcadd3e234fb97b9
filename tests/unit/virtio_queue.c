/* SPDX-License-Identifier: MIT */
/*
 * The virtqueue engine against a driver that is right; virtio_queue_hostile.c
 * has those that are wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "virtio_queue_rig.h"

static int setup_event_idx(void **state)
{
	*state = make(SIZE, true, true);
	return 0;
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

/* What was taken and not used comes again, in the same order. */
static void test_unpop(void **state)
{
	struct fixture *f = *state;

	for (uint16_t i = 0; i < 3; i++) {
		f->desc[i] = buf(DATA, 16, VIRTQ_DESC_F_WRITE, 0);
		offer(f, i);
	}
	for (uint16_t i = 0; i < 3; i++)
		assert_int_equal(virtq_pop(&f->q, &f->c), 1);
	virtq_unpop(&f->q, 2);
	for (uint16_t i = 1; i < 3; i++) {
		assert_int_equal(virtq_pop(&f->q, &f->c), 1);
		assert_int_equal(f->c.head, i);
	}
	assert_int_equal(virtq_pop(&f->q, &f->c), 0);
	assert_int_equal(f->q.in_flight, 3);
}

/* The driver sees all that was filled, and only once it is published. */
static void test_fill(void **state)
{
	struct fixture *f = *state;

	for (uint16_t i = 0; i < 2; i++) {
		f->desc[i] = buf(DATA, 16, VIRTQ_DESC_F_WRITE, 0);
		offer(f, i);
		assert_int_equal(virtq_pop(&f->q, &f->c), 1);
		virtq_fill(&f->q, f->c.head, 10u + i);
		assert_int_equal(f->used->idx, 0);
	}
	virtq_publish(&f->q);
	assert_int_equal(f->used->idx, 2);
	assert_int_equal(f->used->ring[0].len, 10);
	assert_int_equal(f->used->ring[1].id, 1);
	assert_int_equal(f->used->ring[1].len, 11);
	assert_true(virtq_should_interrupt(&f->q));
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
		T(test_unpop),
		T(test_fill),
		T(test_longest_chain),
		T(test_indirect),
		T(test_indirect_misaligned),
		T(test_wrap_around),
		T(test_out_of_order),
		T(test_interrupt_flag),
		T(test_notify_flag),
		T_EVENT(test_event_idx_interrupt),
		T_EVENT(test_event_idx_notify),
		cmocka_unit_test(test_iov),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
