/* SPDX-License-Identifier: MIT */
/* Buses: who gets an access; a range that moves under readers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "vmm/bus.h"

static uint64_t last_off, last_val;
static unsigned int last_size;

static uint64_t read_op(void *dev, uint64_t off, unsigned int size)
{
	last_off = off;
	last_size = size;
	return *(uint64_t *)dev;
}

static void write_op(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	(void)dev;
	last_off = off;
	last_size = size;
	last_val = val;
}

static const struct bus_ops ops = { read_op, write_op };
static uint64_t one = 0x1111111111111111, two = 0x2222222222222222;

static int add(struct bus *b, uint64_t base, uint64_t size, uint64_t *dev)
{
	return bus_add(b, &(struct bus_range){ "test", base, size, &ops, dev });
}

static void test_look_up(void **state)
{
	struct bus *b = bus_create("test");
	uint64_t val;

	(void)state;
	assert_int_equal(add(b, 0x100, 0x10, &one), 0);
	assert_int_equal(add(b, 0x110, 0x10, &two), 1);
	assert_true(bus_read(b, 0x104, 2, &val));
	assert_int_equal(val, 0x1111); /* no more than was asked for */
	assert_int_equal(last_off, 4);
	assert_int_equal(last_size, 2);
	assert_true(bus_read(b, 0x110, 8, &val));
	assert_int_equal(val, two);
	assert_true(bus_write(b, 0x11f, 1, 0x1ff));
	assert_int_equal(last_val, 0xff);
	/* Nobody there: all ones, as wide as the access. */
	assert_false(bus_read(b, 0xff, 1, &val));
	assert_int_equal(val, 0xff);
	assert_false(bus_read(b, 0x120, 4, &val));
	assert_int_equal(val, 0xffffffff);
	assert_false(bus_read(b, 0x1000, 8, &val));
	assert_int_equal(val, ~0ULL);
	/* Across the end of a range, even into the next one. */
	assert_false(bus_read(b, 0x10f, 2, &val));
	assert_false(bus_write(b, 0x11d, 4, 0));
	bus_destroy(b);
}

static void test_overlap(void **state)
{
	struct bus *b = bus_create("test");

	(void)state;
	assert_int_equal(add(b, 0x100, 0x10, &one), 0);
	assert_int_equal(add(b, 0x10f, 1, &two), -EEXIST);
	assert_int_equal(add(b, 0x0, 0x101, &two), -EEXIST);
	assert_int_equal(add(b, 0x104, 2, &two), -EEXIST);
	assert_int_equal(add(b, ~0ULL - 3, 8, &two), -EINVAL);
	assert_int_equal(add(b, ~0ULL - 3, 4, &two), 1); /* up to the top */
	assert_int_equal(add(b, 0xffffffffffffff00, 0xfd, &two), -EEXIST);
	bus_destroy(b);
}

static void test_move(void **state)
{
	struct bus *b = bus_create("test");
	uint64_t val;
	int id;

	(void)state;
	assert_int_equal(add(b, 0x100, 0x10, &one), 0);
	id = add(b, 0x200, 0, &two); /* not decoded */
	assert_false(bus_read(b, 0x200, 1, &val));
	assert_int_equal(bus_move(b, id, 0x108, 0x10), -EEXIST);
	assert_int_equal(bus_move(b, id, 0x300, 0x10), 0);
	assert_true(bus_read(b, 0x30f, 1, &val));
	assert_int_equal(bus_move(b, id, 0x308, 0x10), 0); /* over itself */
	assert_false(bus_read(b, 0x300, 1, &val));
	assert_int_equal(bus_move(b, id, 0, 0), 0);
	assert_false(bus_read(b, 0x308, 1, &val));
	bus_destroy(b);
}

static void test_full(void **state)
{
	struct bus *b = bus_create("test");

	(void)state;
	for (uint64_t i = 0; i < BUS_RANGES_MAX; i++)
		assert_int_equal(add(b, i * 16, 16, &one), i);
	assert_int_equal(add(b, 0x10000, 16, &one), -ENOSPC);
	bus_destroy(b);
}

/* Places A and B differ in base and size; a mixture would answer in between. */
#define A_BASE 0x1000
#define A_SIZE 0x10
#define B_BASE 0x2000
#define B_SIZE 0x1000

static struct bus *moving;
static atomic_bool done;

static void *reader(void *arg)
{
	uint64_t wrong = 0, val;

	(void)arg;
	while (!atomic_load(&done)) {
		/* Inside only if base A met size B. */
		wrong += bus_read(moving, A_BASE + 0x800, 1, &val);
	}
	return (void *)(uintptr_t)wrong;
}

static void test_move_under_readers(void **state)
{
	pthread_t t;
	void *wrong;
	int id;

	(void)state;
	moving = bus_create("test");
	id = add(moving, A_BASE, A_SIZE, &one);
	pthread_create(&t, NULL, reader, NULL);
	for (int i = 0; i < 200000; i++) {
		assert_int_equal(bus_move(moving, id, B_BASE, B_SIZE), 0);
		assert_int_equal(bus_move(moving, id, A_BASE, A_SIZE), 0);
	}
	atomic_store(&done, true);
	pthread_join(t, &wrong);
	assert_null(wrong);
	bus_destroy(moving);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_look_up),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_move),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_move_under_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
