/* SPDX-License-Identifier: MIT */
/* hypervisor/mem/nested.c: against a flat model, with memory running out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hypervisor/mem/nested.h"

/*
 * The processor walks the tables while we change them, and sets A and D with a locked
 * cycle of its own: in the worst moment, which is right before each of our stores.
 */
static void processor_walks(uint64_t *entry);
#undef WRITE_ONCE
#define WRITE_ONCE(x, v) (processor_walks(&(x)), *(volatile __typeof__(x) *)&(x) = (v))
#define __atomic_compare_exchange_n(p, ...) \
	(processor_walks(p), __atomic_compare_exchange_n(p, __VA_ARGS__))
#include "hypervisor/mem/nested.c"
#undef __atomic_compare_exchange_n

#define RW  (NESTED_PRESENT | NESTED_WRITE)
#define GIB BIT64(30)

struct pool {
	unsigned int used;
	unsigned int limit;
};

static void *pool_page(void *arg)
{
	struct pool *p = arg;
	void *page;

	if (p->used == p->limit)
		return NULL;
	page = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	memset(page, 0, PAGE_SIZE);
	p->used++;
	return page;
}

static void pool_free(void *arg, void *page)
{
	struct pool *p = arg;

	p->used--;
	free(page);
}

static struct nested create(struct pool *p)
{
	struct nested n;

	assert_true(nested_init(&n, (struct nested_alloc){ pool_page, pool_free, p }));
	return n;
}

static void destroy(struct nested *n, struct pool *p)
{
	unsigned int before;

	assert_int_equal(n->table_count, p->used);
	/* In pieces of a gigabyte, with no table freed twice. */
	do {
		before = p->used;
	} while (!nested_destroy(n) && before - p->used <= 513 && p->used < before);
	assert_null(n->root);
	assert_int_equal(n->table_count, 0);
	assert_int_equal(p->used, 0);
}

static uint64_t address(uint64_t entry)
{
	return entry & NESTED_ADDR;
}

static void test_leaf_sizes(void **state)
{
	struct pool p = { .limit = 100 };
	struct nested n = create(&p);
	enum nested_level level;

	(void)state;
	assert_int_equal(nested_lookup(&n, 0, NULL), 0);
	assert_true(nested_map(&n, 4 * GIB, 4 * GIB, RW, NESTED_1G));
	assert_true(nested_map(&n, GIB, 7 * LARGE_PAGE_SIZE, RW, NESTED_2M));
	assert_true(nested_map(&n, 0x5000, 0x9000, NESTED_PRESENT, NESTED_4K));

	assert_int_equal(address(nested_lookup(&n, 4 * GIB + 12345, &level)), 4 * GIB);
	assert_int_equal(level, NESTED_1G);
	assert_int_equal(address(nested_lookup(&n, GIB + 0x1000, &level)), 7 * LARGE_PAGE_SIZE);
	assert_int_equal(level, NESTED_2M);
	assert_int_equal(nested_lookup(&n, 0x5fff, &level), 0x9000 | NESTED_PRESENT | NESTED_USER);
	assert_int_equal(level, NESTED_4K);
	assert_int_equal(nested_lookup(&n, 0x6000, NULL), 0);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(n.leaves[i], 1);
	destroy(&n, &p);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(n.leaves[i], 0);
}

static unsigned int walks; /* that come before the processor finds nothing more to set */

static void processor_walks(uint64_t *entry)
{
	if (walks && (*entry & (NESTED_PRESENT | NESTED_LARGE)) == (NESTED_PRESENT | NESTED_LARGE))
		*entry |= walks-- > 1 ? NESTED_ACCESSED : NESTED_DIRTY;
}

/* A page written through the large one while that is split was written. */
static void test_split_keeps_dirty(void **state)
{
	struct pool p = { .limit = 100 };
	struct nested n = create(&p);
	uint64_t bits = NESTED_ACCESSED | NESTED_DIRTY;
	enum nested_level level;

	(void)state;
	assert_true(nested_map(&n, GIB, GIB, RW, NESTED_2M));
	walks = 2;
	assert_true(nested_unmap(&n, GIB + 0x3000, NESTED_4K));
	assert_int_equal(walks, 0);
	assert_int_equal(nested_lookup(&n, GIB, &level) & bits, bits);
	assert_int_equal(level, NESTED_4K);
	assert_int_equal(nested_lookup(&n, GIB + 511 * PAGE_SIZE, NULL),
			 (GIB + 511 * PAGE_SIZE) | RW | NESTED_USER | bits);
	assert_int_equal(n.leaves[NESTED_4K], 511);
	assert_int_equal(n.leaves[NESTED_2M], 0);

	assert_true(nested_map(&n, 8 * GIB, 8 * GIB, RW, NESTED_1G));
	walks = 1;
	assert_true(nested_unmap(&n, 8 * GIB, NESTED_2M));
	assert_int_equal(nested_lookup(&n, 8 * GIB + LARGE_PAGE_SIZE, &level) & NESTED_DIRTY,
			 NESTED_DIRTY);
	assert_int_equal(level, NESTED_2M);
	destroy(&n, &p);
}

static void test_split_keeps_neighbours(void **state)
{
	struct pool p = { .limit = 100 };
	struct nested n = create(&p);
	enum nested_level level;
	uint64_t hole = 5 * LARGE_PAGE_SIZE + 0x3000;

	(void)state;
	assert_true(nested_map(&n, 0, 8 * GIB, RW, NESTED_1G));
	assert_true(nested_unmap(&n, hole, NESTED_4K));
	assert_int_equal(nested_lookup(&n, hole, NULL), 0);
	assert_int_equal(nested_lookup(&n, hole - 1, &level),
			 (8 * GIB + hole - 0x1000) | RW | NESTED_USER);
	assert_int_equal(level, NESTED_4K);
	assert_int_equal(nested_lookup(&n, hole + 0x1000, NULL),
			 (8 * GIB + hole + 0x1000) | RW | NESTED_USER);
	assert_int_equal(nested_lookup(&n, LARGE_PAGE_SIZE, &level),
			 (8 * GIB + LARGE_PAGE_SIZE) | RW | NESTED_USER | NESTED_LARGE);
	assert_int_equal(level, NESTED_2M);
	assert_int_equal(p.used, 4);
	assert_int_equal(n.leaves[NESTED_4K], 511);
	assert_int_equal(n.leaves[NESTED_2M], 511);
	assert_int_equal(n.leaves[NESTED_1G], 0);

	/* A large leaf again frees what the split had made. */
	assert_true(nested_map(&n, 0, 0, RW, NESTED_1G));
	assert_int_equal(p.used, 2);
	assert_int_equal(nested_lookup(&n, hole, NULL), RW | NESTED_USER | NESTED_LARGE);
	assert_int_equal(n.leaves[NESTED_4K] + n.leaves[NESTED_2M], 0);
	assert_int_equal(n.leaves[NESTED_1G], 1);
	destroy(&n, &p);
}

static void test_no_access(void **state)
{
	struct pool p = { .limit = 100 };
	struct nested n = create(&p);
	enum nested_level level;

	(void)state;
	assert_true(nested_map(&n, 0, 0, NESTED_RESERVED, NESTED_2M));
	assert_int_equal(nested_lookup(&n, 0x1234, &level), NESTED_RESERVED);
	assert_int_equal(level, NESTED_2M);
	assert_true(nested_map(&n, 0x1000, 0x7000, RW, NESTED_4K));
	assert_int_equal(nested_lookup(&n, 0, &level), NESTED_RESERVED);
	assert_int_equal(level, NESTED_4K);
	assert_int_equal(address(nested_lookup(&n, 0x1000, NULL)), 0x7000);
	destroy(&n, &p);
}

static void test_unmap_of_nothing_needs_nothing(void **state)
{
	struct pool p = { .limit = 1 };
	struct nested n = create(&p);

	(void)state;
	assert_true(nested_unmap(&n, 0, NESTED_4K));
	assert_true(nested_unmap(&n, 77 * GIB, NESTED_2M));
	assert_int_equal(p.used, 1);
	destroy(&n, &p);
}

static void test_accessed_dirty(void **state)
{
	struct pool p = { .limit = 10 };
	struct nested n = create(&p);
	uint64_t *entry;

	(void)state;
	assert_null(nested_entry(&n, 0, NULL));
	assert_true(nested_map(&n, 0, 0, RW, NESTED_2M));
	entry = nested_entry(&n, 0x3000, NULL);
	*entry |= NESTED_ACCESSED | NESTED_DIRTY;
	/* Dirty stays dirty in every part. */
	assert_true(nested_unmap(&n, 0x8000, NESTED_4K));
	assert_true(nested_lookup(&n, 0x9000, NULL) & NESTED_DIRTY);
	destroy(&n, &p);
}

/* --- model: 8 MiB as an array of pages --- */

#define MODEL_PAGES 2048u
#define PER_LARGE   512u

static uint64_t expected[MODEL_PAGES];

static void model_set(unsigned int page, uint64_t spa, uint64_t flags, bool large)
{
	unsigned int count = large ? PER_LARGE : 1;

	for (unsigned int i = 0; i < count; i++) {
		expected[page + i] = flags & NESTED_PRESENT ? (spa + i * PAGE_SIZE) | flags :
							      flags & NESTED_RESERVED;
	}
}

static void model_check(const struct nested *n)
{
	for (unsigned int i = 0; i < MODEL_PAGES; i++) {
		enum nested_level level = NESTED_4K;
		uint64_t gpa = i * PAGE_SIZE;
		uint64_t entry = nested_lookup(n, gpa, &level);

		if (level == NESTED_2M && (entry & NESTED_PRESENT))
			entry = (entry & ~NESTED_LARGE) + (gpa & (LARGE_PAGE_SIZE - 1));
		assert_int_equal(entry & ~NESTED_USER, expected[i]);
	}
}

static void test_model(void **state)
{
	static const uint64_t flags[] = {
		RW,
		NESTED_PRESENT,
		RW | NESTED_NX,
		NESTED_RESERVED,
	};
	struct pool p = { .limit = 1000 };
	struct nested n = create(&p);

	(void)state;
	srandom(1);
	for (unsigned int step = 0; step < 4000; step++) {
		bool large = random() % 4 == 0;
		unsigned int page = (unsigned int)random() % MODEL_PAGES;
		uint64_t f = flags[(size_t)random() % ARRAY_SIZE(flags)];
		uint64_t spa = ((uint64_t)random() % 512) * LARGE_PAGE_SIZE;
		bool ok;

		if (large)
			page &= ~(PER_LARGE - 1);
		/* Now and then nothing is left: then nothing may have changed. */
		p.limit = random() % 3 ? 1000 : p.used;
		if (random() % 3) {
			ok = nested_map(&n, page * PAGE_SIZE, spa, f,
					large ? NESTED_2M : NESTED_4K);
		} else {
			ok = nested_unmap(&n, page * PAGE_SIZE, large ? NESTED_2M : NESTED_4K);
			f = 0;
		}
		if (ok)
			model_set(page, spa, f, large);
		else
			assert_int_equal(p.limit, p.used);
		if (step % 16 == 0)
			model_check(&n);
	}
	model_check(&n);
	destroy(&n, &p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaf_sizes),
		cmocka_unit_test(test_split_keeps_dirty),
		cmocka_unit_test(test_split_keeps_neighbours),
		cmocka_unit_test(test_no_access),
		cmocka_unit_test(test_unmap_of_nothing_needs_nothing),
		cmocka_unit_test(test_accessed_dirty),
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
