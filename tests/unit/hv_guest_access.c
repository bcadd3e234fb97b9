/* SPDX-License-Identifier: MIT */
/* GET_GPA_PAGES_ACCESS_STATES: which pages were used and written. */
#include "tests/unit/hv_guest.h"

#define RWX (HV_MAP_GPA_READABLE | HV_MAP_GPA_WRITABLE | HV_MAP_GPA_KERNEL_EXECUTABLE)

enum { ACCESSED = 1, DIRTY = 2 };

static void test_access_states(void **state)
{
	struct hv_input_gpa_access_states in = { .flags = HV_ACCESS_STATE_CLEAR_DIRTY };
	uint64_t id = rig_partition();
	struct partition *p = partition_get(id);
	uint8_t states[3], byte = 1;

	(void)state;
	in.partition_id = id;
	rig_map(id, 0, 3, RWX);
	assert_int_equal(gpa_read(p, 0x0, &byte, 1), GPA_OK);
	assert_int_equal(gpa_write(p, 0x1000, &byte, 1), GPA_OK);
	assert_int_equal(rig_rep(hvcall_get_gpa_pages_access_states, &in, sizeof(in), states, 3, 0,
				 3, NULL),
			 0);
	assert_int_equal(states[0], 1);
	assert_int_equal(states[1], 3);
	assert_int_equal(states[2], 0);
	assert_int_equal(rig_rep(hvcall_get_gpa_pages_access_states, &in, sizeof(in), states, 3, 0,
				 3, NULL),
			 0);
	assert_int_equal(states[1], 1);
	partition_put(p);
	rig_partition_end(id);
}

/* Of page @gfn alone. */
static uint8_t state_of(uint64_t id, uint64_t gfn, uint64_t flags)
{
	struct hv_input_gpa_access_states in = {
		.partition_id = id,
		.flags = flags,
		.gpa_pfn = gfn,
	};
	uint8_t is;

	assert_int_equal(rig_rep(hvcall_get_gpa_pages_access_states, &in, sizeof(in), &is, 1, 0, 1,
				 NULL),
			 0);
	return is;
}

/* What is cleared of one page of a large mapping stays with the other 511. */
static void test_large_page(void **state)
{
	struct {
		struct hv_input_map_gpa_pages h;
		uint64_t pfn[1];
	} in = { .h = { .gpa_pfn = 512, .flags = RWX | HV_MAP_GPA_LARGE_PAGE } };
	uint64_t id = rig_partition();
	struct partition *p = partition_get(id);
	uint8_t byte = 1;
	void *free_pages;

	(void)state;
	in.h.partition_id = id;
	in.pfn[0] = ALIGN_UP(rig_pfn(), 512ULL);
	assert_int_equal(rig_rep(hvcall_map_gpa_pages, &in, sizeof(in), NULL, 0, 0, 1, NULL), 0);
	assert_int_equal(gpa_write(p, 600 << 12, &byte, 1), GPA_OK);

	/* Asking, and clearing what is clear, leave the mapping whole. */
	assert_int_equal(state_of(id, 599, 0), ACCESSED | DIRTY);
	/* Without memory to cut it nothing is cleared: marked too much rather than too little. */
	free_pages = p->pool.free;
	p->pool.free = NULL;
	assert_int_equal(state_of(id, 599, HV_ACCESS_STATE_CLEAR_DIRTY), ACCESSED | DIRTY);
	assert_int_equal(state_of(id, 599, HV_ACCESS_STATE_SET_DIRTY), ACCESSED | DIRTY);
	p->pool.free = free_pages;
	assert_int_equal(p->nested.leaves[NESTED_2M], 1);

	assert_int_equal(state_of(id, 599, HV_ACCESS_STATE_CLEAR_DIRTY), ACCESSED | DIRTY);
	assert_int_equal(state_of(id, 599, 0), ACCESSED);
	assert_int_equal(state_of(id, 512, 0), ACCESSED | DIRTY);
	assert_int_equal(state_of(id, 600, 0), ACCESSED | DIRTY);
	assert_int_equal(state_of(id, 1023, 0), ACCESSED | DIRTY);
	assert_int_equal(p->nested.leaves[NESTED_2M], 0);
	assert_int_equal(p->nested.leaves[NESTED_4K], 512);
	assert_int_equal(gpa_write(p, 599 << 12, &byte, 1), GPA_OK);
	assert_int_equal(*((uint8_t *)rig_page(in.pfn[0]) + (87 << 12)), 1);
	assert_int_equal(state_of(id, 599, 0), ACCESSED | DIRTY);
	partition_put(p);
	rig_partition_end(id);
}

const struct CMUnitTest access_tests[] = {
	RIG_TEST(test_access_states),
	RIG_TEST(test_large_page),
};
const size_t access_test_count = ARRAY_SIZE(access_tests);
