/* SPDX-License-Identifier: MIT */
/* Pools, partitions, guest memory. */
#include "hypervisor/mem/pages.h"
#include "tests/unit/hv_guest.h"

#define RWX	(HV_MAP_GPA_READABLE | HV_MAP_GPA_WRITABLE | HV_MAP_GPA_KERNEL_EXECUTABLE)

static void test_deposit_all_or_none(void **state)
{
	struct {
		struct hv_input_deposit_memory h;
		uint64_t pfn[3];
	} in = { .h.partition_id = HV_PARTITION_ID_SELF };
	struct pool *pool = &partition_root()->pool;
	uint32_t done;

	(void)state;
	in.pfn[0] = rig_pfn();
	in.pfn[1] = 0x12345;		/* not the root's */
	in.pfn[2] = rig_pfn();
	assert_int_equal(rig_rep(hvcall_deposit_memory, &in, sizeof(in), NULL, 0, 0, 3, &done),
			 HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(done, 0);
	assert_int_equal(pool->total, 0);
	in.pfn[1] = BIT64(60);
	assert_int_equal(rig_rep(hvcall_deposit_memory, &in, sizeof(in), NULL, 0, 0, 3, NULL),
			 HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(pool->total, 0);
}

/* The root loses sight of what it deposits, but for state pages while they are mapped. */
static void test_deposits_hidden(void **state)
{
	struct {
		struct hv_input_deposit_memory h;
		uint64_t pfn[2];
	} in = { 0 };
	uint64_t id = rig_partition();
	struct partition *p = partition_get(id);
	struct vp *vp = rig_vp(id, 0);
	struct hv_input_unmap_vp_state_page unmap = { .partition_id = id };
	void *page = vp->reg_page;

	(void)state;
	assert_false(rig_root_sees(vp));
	assert_false(rig_root_sees(vp->cpu.vmcb));
	assert_false(rig_root_sees(p->nested.root));
	assert_true(rig_root_sees(page));
	assert_true(rig_root_sees(vp->message));
	assert_int_equal(rig_call(hvcall_unmap_vp_state_page, &unmap, sizeof(unmap), NULL, 0), 0);
	assert_false(rig_root_sees(page));

	/* No memory for the root's tables: refused as a whole. */
	rig_no_tables = true;
	in.h.partition_id = id;
	in.pfn[0] = rig_pfn();
	in.pfn[1] = rig_pfn();
	assert_int_equal(rig_rep(hvcall_deposit_memory, &in, sizeof(in), NULL, 0, 0, 2, NULL),
			 HV_STATUS_INVALID_PARAMETER);
	assert_true(phys_is_root_ram(in.pfn[1] << PAGE_SHIFT, PAGE_SIZE));
	rig_no_tables = false;
	rig_pfn_free(in.pfn[0]);
	rig_pfn_free(in.pfn[1]);
	partition_put(p);
	/* Withdraws all of them, which the root has to see again (rootmem_show). */
	rig_partition_end(id);
}

/* Not twice, be it free, in use, in the same call, or another partition's; no guest's either. */
static void test_deposit_once(void **state)
{
	struct {
		struct hv_input_deposit_memory h;
		uint64_t pfn[3];
	} in = { 0 };
	struct {
		struct hv_input_map_gpa_pages h;
		uint64_t pfn[1];
	} map = { .h.flags = RWX };
	uint64_t first = rig_partition(), second = rig_partition();
	struct partition *p = partition_get(first);
	struct pool *pool = &p->pool;
	struct vp *vp = rig_vp(first, 0);
	uint32_t before = pool->total, free = pool->free_count;
	const uint64_t taken[] = { (uintptr_t)pool->free >> PAGE_SHIFT,
				   (uintptr_t)vp >> PAGE_SHIFT,
				   (uintptr_t)vp->reg_page >> PAGE_SHIFT };
	uint64_t fresh = rig_pfn();

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(taken) + 1; i++) {
		in.pfn[0] = fresh;
		in.pfn[1] = i < ARRAY_SIZE(taken) ? taken[i] : fresh;
		in.pfn[2] = 0;
		for (in.h.partition_id = first; in.h.partition_id <= second;
		     in.h.partition_id += second - first)
			assert_int_equal(rig_rep(hvcall_deposit_memory, &in, 8 + 2 * 8, NULL, 0, 0,
						 2, NULL),
					 HV_STATUS_INVALID_PARAMETER);
		map.h.partition_id = second;
		map.pfn[0] = in.pfn[1];
		if (i < ARRAY_SIZE(taken))
			assert_int_equal(rig_rep(hvcall_map_gpa_pages, &map, sizeof(map), NULL, 0,
						 0, 1, NULL),
					 HV_STATUS_INVALID_PARAMETER);
	}
	assert_int_equal(pool->total, before);
	assert_int_equal(pool->free_count, free);
	partition_put(p);
	rig_partition_end(second);
	/* Once withdrawn, they may come again. */
	in.h.partition_id = first;
	in.pfn[0] = fresh;
	assert_int_equal(rig_rep(hvcall_deposit_memory, &in, 8 + 8, NULL, 0, 0, 1, NULL), 0);
	rig_partition_end(first);
}

static void test_pool_pages_are_zero(void **state)
{
	struct pool *pool = &partition_root()->pool;
	uint8_t *page;

	(void)state;
	assert_null(pool_get(pool));
	assert_int_equal(rig_deposit(HV_PARTITION_ID_SELF, 2), 0);
	page = pool_get(pool);
	for (unsigned int i = 0; i < PAGE_SIZE; i++)
		assert_int_equal(page[i], 0);
	memset(page, 0xff, PAGE_SIZE);
	pool_put(pool, page);
	page = pool_get(pool);
	assert_int_equal(page[17], 0);
	assert_int_equal(pool->free_count, 1);
	pool_put(pool, page);
	assert_int_equal(rig_withdraw(HV_PARTITION_ID_SELF), 2);
	assert_int_equal(rig_pages_used(), 0);
}

static void test_partition_life(void **state)
{
	struct hv_input_create_partition create = { .flags = 0 };
	struct hv_input_partition in;
	uint64_t first = rig_partition(), second = rig_partition();

	(void)state;
	assert_true(second > first);
	in.partition_id = second;
	/* Active: neither a second time nor away. */
	assert_int_equal(rig_call(hvcall_initialize_partition, &in, sizeof(in), NULL, 0),
			 HV_STATUS_INVALID_PARTITION_STATE);
	assert_int_equal(rig_call(hvcall_delete_partition, &in, sizeof(in), NULL, 0),
			 HV_STATUS_INVALID_PARTITION_STATE);
	rig_partition_end(second);
	assert_int_equal(rig_call(hvcall_finalize_partition, &in, sizeof(in), NULL, 0),
			 HV_STATUS_INVALID_PARTITION_ID);
	/* Ids are not used again. */
	in.partition_id = rig_partition();
	assert_true(in.partition_id > second);
	rig_partition_end(in.partition_id);
	rig_partition_end(first);
	/* The root is no guest. */
	in.partition_id = HV_PARTITION_ID_SELF;
	assert_int_equal(rig_call(hvcall_finalize_partition, &in, sizeof(in), NULL, 0),
			 HV_STATUS_INVALID_PARTITION_ID);
	/* Without a local APIC there is nothing to run. */
	assert_int_equal(rig_call(hvcall_create_partition, &create, sizeof(create), NULL, 8),
			 HV_STATUS_PROCESSOR_FEATURE_NOT_SUPPORTED);
}

/* 0xB leaves no trace: one page at a time until it works, all come back. */
static void test_shortage(void **state)
{
	struct hv_input_create_partition create = { .flags = HV_PARTITION_LAPIC };
	struct hv_input_create_vp vp = { .vp_index = 0 };
	struct hv_output_partition_id out;
	struct hv_input_partition id;
	unsigned int retries = 0;
	struct partition *p;
	enum hv_status status;

	(void)state;
	assert_int_equal(rig_call(hvcall_create_partition, &create, sizeof(create), &out,
				  sizeof(out)), HV_STATUS_INSUFFICIENT_MEMORY);
	assert_int_equal(rig_deposit(HV_PARTITION_ID_SELF, 1), 0);
	assert_int_equal(rig_call(hvcall_create_partition, &create, sizeof(create), &out,
				  sizeof(out)), 0);
	id.partition_id = vp.partition_id = out.partition_id;
	p = partition_get(out.partition_id);

	while ((status = rig_call(hvcall_initialize_partition, &id, sizeof(id), NULL, 0)) ==
	       HV_STATUS_INSUFFICIENT_MEMORY)
		assert_int_equal(rig_deposit(id.partition_id, 1), 0);
	assert_int_equal(status, 0);
	while ((status = rig_call(hvcall_create_vp, &vp, sizeof(vp), NULL, 0)) ==
	       HV_STATUS_INSUFFICIENT_MEMORY) {
		assert_int_equal(p->pool.free_count, retries);
		assert_int_equal(rig_deposit(id.partition_id, 1), 0);
		retries++;
	}
	assert_int_equal(status, 0);
	assert_true(retries >= 3);
	assert_int_equal(p->pool.free_count, 0);
	assert_int_equal(rig_call(hvcall_create_vp, &vp, sizeof(vp), NULL, 0),
			 HV_STATUS_INVALID_VP_INDEX);
	partition_put(p);
	rig_partition_end(id.partition_id);
}

static void test_cycles(void **state)
{
	struct pool *root = &partition_root()->pool;
	uint32_t total = 0;

	(void)state;
	for (unsigned int i = 0; i < 50; i++) {
		uint64_t id = rig_partition();

		rig_vp(id, 0);
		rig_vp(id, 1);
		rig_map(id, 0, 16, HV_MAP_GPA_NO_ACCESS);
		rig_partition_end(id);
		if (i == 0)
			total = root->total;
		assert_int_equal(root->total, total);
		assert_int_equal(root->free_count, total);
		assert_int_equal(rig_pages_used(), total);
	}
}

/* Mapped, but never initialized: Linux withdraws and deletes without FINALIZE. */
static void test_never_initialized(void **state)
{
	struct hv_input_create_partition create = { .flags = HV_PARTITION_LAPIC };
	struct hv_output_partition_id out;
	struct hv_input_partition id;

	(void)state;
	assert_int_equal(rig_deposit(HV_PARTITION_ID_SELF, 1), 0);
	assert_int_equal(rig_call(hvcall_create_partition, &create, sizeof(create), &out,
				  sizeof(out)), 0);
	id.partition_id = out.partition_id;
	assert_int_equal(rig_deposit(id.partition_id, 10), 0);
	rig_map(id.partition_id, 0, 4, HV_MAP_GPA_NO_ACCESS);
	assert_int_equal(rig_withdraw(id.partition_id), 10);
	assert_int_equal(rig_call(hvcall_delete_partition, &id, sizeof(id), NULL, 0), 0);
}

static void test_guest_memory(void **state)
{
	uint64_t id = rig_partition();
	struct partition *p = partition_get(id);
	uint8_t out[8192], in[8192];
	uint64_t pfn;

	(void)state;
	for (unsigned int i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7);
	assert_int_equal(gpa_probe(p, 0x5000, false, false), GPA_UNMAPPED);
	pfn = rig_map(id, 5, 3, RWX);
	rig_map(id, 8, 1, HV_MAP_GPA_NO_ACCESS);
	rig_map(id, 9, 1, HV_MAP_GPA_READABLE);

	/* Across pages, and no further than the populated ones. */
	assert_int_equal(gpa_write(p, 0x5800, in, 8192), GPA_OK);
	assert_int_equal(gpa_read(p, 0x5800, out, 8192), GPA_OK);
	assert_memory_equal(in, out, 8192);
	assert_memory_equal((uint8_t *)rig_page(pfn) + 0x800, in, 0x800);
	assert_int_equal(gpa_read(p, 0x7ff8, out, 16), GPA_NO_ACCESS);
	assert_int_equal(gpa_read(p, 0x9000, out, 16), GPA_OK);
	assert_int_equal(gpa_write(p, 0x9000, in, 16), GPA_RESTRICTED);
	assert_int_equal(gpa_read(p, 0xa000, out, 1), GPA_UNMAPPED);
	assert_int_equal(gpa_read(p, ~0ULL - 3, out, 2), GPA_UNMAPPED);
	assert_int_equal(gpa_read(p, BIT64(48), out, 2), GPA_UNMAPPED);
	assert_int_equal(gpa_probe(p, 0x8000, true, false), GPA_NO_ACCESS);
	assert_int_equal(gpa_probe(p, 0x9000, false, true), GPA_RESTRICTED);
	assert_int_equal(gpa_probe(p, 0x5000, true, true), GPA_OK);
	partition_put(p);
	rig_partition_end(id);
}

static void test_map_refuses(void **state)
{
	struct {
		struct hv_input_map_gpa_pages h;
		uint64_t pfn[2];
	} in = { .h = { .flags = RWX } };
	uint64_t id = rig_partition();
	uint32_t done;

	(void)state;
	in.h.partition_id = id;
	in.pfn[0] = rig_pfn();
	in.pfn[1] = 0xfee00;		/* not the root's RAM */
	assert_int_equal(rig_rep(hvcall_map_gpa_pages, &in, sizeof(in), NULL, 0, 0, 2, &done),
			 HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(done, 1);
	in.h.gpa_pfn = BIT64(36) - 1;	/* the second page is beyond */
	assert_int_equal(rig_rep(hvcall_map_gpa_pages, &in, sizeof(in), NULL, 0, 0, 2, &done),
			 HV_STATUS_INVALID_PARAMETER);
	in.h.gpa_pfn = 1;
	in.h.flags = RWX | HV_MAP_GPA_LARGE_PAGE;	/* misaligned */
	assert_int_equal(rig_rep(hvcall_map_gpa_pages, &in, sizeof(in), NULL, 0, 0, 1, &done),
			 HV_STATUS_INVALID_PARAMETER);
	in.h.flags = 2u << HV_MAP_GPA_ACCESS_SHIFT;
	assert_int_equal(rig_rep(hvcall_map_gpa_pages, &in, sizeof(in), NULL, 0, 0, 1, &done),
			 HV_STATUS_INVALID_PARAMETER);
	in.h.partition_id = HV_PARTITION_ID_SELF;
	in.h.flags = RWX;
	assert_int_equal(rig_rep(hvcall_map_gpa_pages, &in, sizeof(in), NULL, 0, 0, 1, &done),
			 HV_STATUS_INVALID_PARTITION_ID);
	rig_partition_end(id);
}

/* Out of memory in the middle: continue at the completed index, as Linux does. */
/* Registers of a device: the guest reaches them, the hypervisor never does. */
static void test_device(void **state)
{
	struct {
		struct hv_input_map_gpa_pages h;
		uint64_t pfn;
	} in = { .h = { .gpa_pfn = 5, .flags = HV_MAP_GPA_READABLE | HV_MAP_GPA_WRITABLE },
		 .pfn = RIG_DEVICE >> PAGE_SHIFT };
	uint64_t id = rig_partition(), value = 1;
	struct partition *p = partition_get(id);
	enum nested_level level;
	uint64_t entry;

	(void)state;
	in.h.partition_id = id;
	/* As memory, it would be. */
	assert_int_equal(rig_rep(hvcall_map_gpa_pages, &in, sizeof(in), NULL, 0, 0, 1, NULL),
			 HV_STATUS_INVALID_PARAMETER);
	in.h.flags |= HV_MAP_GPA_NOT_CACHED;
	assert_int_equal(rig_rep(hvcall_map_gpa_pages, &in, sizeof(in), NULL, 0, 0, 1, NULL), 0);
	entry = nested_lookup(&p->nested, 5 << PAGE_SHIFT, &level);
	assert_int_equal(entry & ~(uint64_t)NESTED_NX, RIG_DEVICE | NESTED_PRESENT |
			 NESTED_WRITE | NESTED_USER | NESTED_UNCACHED);
	assert_int_equal(gpa_probe(p, 5 << PAGE_SHIFT, true, false), GPA_DEVICE);
	assert_int_equal(gpa_probe(p, 5 << PAGE_SHIFT, false, true), GPA_RESTRICTED);
	assert_int_equal(gpa_read(p, 5 << PAGE_SHIFT, &value, 8), GPA_DEVICE);
	assert_int_equal(gpa_write(p, 5 << PAGE_SHIFT, &value, 8), GPA_DEVICE);
	assert_int_equal(gpa_or(p, 5 << PAGE_SHIFT, 1, NULL), GPA_DEVICE);
	assert_int_equal(gpa_exchange(p, 5 << PAGE_SHIFT, 1, true), -1);
	in.pfn++;
	assert_int_equal(rig_rep(hvcall_map_gpa_pages, &in, sizeof(in), NULL, 0, 0, 1, NULL),
			 HV_STATUS_INVALID_PARAMETER);
	partition_put(p);
	rig_partition_end(id);
}

static void test_map_restarts(void **state)
{
	struct {
		struct hv_input_map_gpa_pages h;
		uint64_t pfn[4];
	} in = { .h = { .flags = HV_MAP_GPA_NO_ACCESS } };
	uint64_t id = rig_partition();
	struct partition *p = partition_get(id);
	unsigned int shortages = 0;
	enum hv_status status;
	uint32_t done = 0;
	void *kept = NULL;

	(void)state;
	for (void *page; p->pool.free_count;) {
		page = pool_get(&p->pool);
		*(void **)page = kept;
		kept = page;
	}
	in.h.partition_id = id;
	in.h.gpa_pfn = 510;		/* the third element needs another table */
	do {
		status = rig_rep(hvcall_map_gpa_pages, &in, sizeof(in), NULL, 0, done, 4, &done);
		if (status == HV_STATUS_INSUFFICIENT_MEMORY) {
			shortages++;
			assert_int_equal(rig_deposit(id, 1), 0);
		}
	} while (status == HV_STATUS_INSUFFICIENT_MEMORY);
	assert_int_equal(status, 0);
	assert_int_equal(done, 4);
	assert_true(shortages >= 2);
	for (uint64_t gfn = 510; gfn < 514; gfn++)
		assert_int_equal(gpa_probe(p, gfn << 12, false, false), GPA_NO_ACCESS);
	/* All at once, across the end of a table. */
	in.h.flags = HV_MAP_GPA_READABLE;
	for (unsigned int i = 0; i < 4; i++)
		in.pfn[i] = rig_pfn();
	assert_int_equal(rig_rep(hvcall_map_gpa_pages, &in, sizeof(in), NULL, 0, 0, 4, NULL), 0);
	for (uint64_t gfn = 509; gfn < 515; gfn++)
		assert_int_equal(gpa_probe(p, gfn << 12, false, false) == GPA_OK,
				 gfn >= 510 && gfn < 514);
	while (kept) {
		void *next = *(void **)kept;

		pool_put(&p->pool, kept);
		kept = next;
	}
	partition_put(p);
	rig_partition_end(id);
}

static struct vp *running;

static void leave_guest(void)
{
	vcpu_close(&running->cpu);
}

/* NO_ACCESS over a populated page: nobody uses it once the call has returned. */
static void test_shoot_down(void **state)
{
	uint64_t id = rig_partition();

	(void)state;
	running = rig_vp(id, 0);
	running->cpu.flush = 0;
	rig_map(id, 0, 2, RWX);
	assert_int_equal(running->cpu.flush, 0);	/* nothing was there before */

	/* Outside guest mode: flushed at the next entry, no kick. */
	rig_map(id, 0, 1, HV_MAP_GPA_NO_ACCESS);
	assert_int_equal(running->cpu.flush, 1);
	assert_int_equal(rig_kicks, 0);

	/* In guest mode: kicked out, and waited for (or this test hangs). */
	running->cpu.flush = 0;
	vcpu_open(&running->cpu);
	rig_on_kick = leave_guest;
	rig_map(id, 1, 1, HV_MAP_GPA_NO_ACCESS);
	assert_int_equal(rig_kicks, 1);
	assert_int_equal(running->cpu.in_guest, 0);
	assert_int_equal(running->cpu.flush, 1);
	rig_partition_end(id);
}

static void test_large_pages(void **state)
{
	struct {
		struct hv_input_map_gpa_pages h;
		uint64_t pfn[1];
	} in = { .h = { .gpa_pfn = 512, .flags = RWX | HV_MAP_GPA_LARGE_PAGE } };
	struct hv_input_unmap_gpa_pages un = { .gpa_pfn = 600 };
	uint64_t id = rig_partition();
	struct partition *p = partition_get(id);
	uint64_t base, value = 0;

	(void)state;
	/* 512 adjacent, aligned pages of the root. */
	base = ALIGN_UP(rig_pfn(), 512ULL);
	in.h.partition_id = un.partition_id = id;
	in.pfn[0] = base;
	rig_map(id, 512, 2, HV_MAP_GPA_NO_ACCESS);
	assert_int_equal(rig_rep(hvcall_map_gpa_pages, &in, sizeof(in), NULL, 0, 0, 1, NULL), 0);
	assert_null(p->limbo);
	*(uint64_t *)((uint8_t *)rig_page(base) + 0x12345 / 8 * 8) = 0x1122334455667788;
	assert_int_equal(gpa_read(p, LARGE_PAGE_SIZE + 0x12345 / 8 * 8, &value, 8), GPA_OK);
	assert_int_equal(value, 0x1122334455667788);

	/* 4 KiB out of the middle; its neighbours stay. */
	assert_int_equal(rig_rep(hvcall_unmap_gpa_pages, &un, sizeof(un), NULL, 0, 0, 1, NULL), 0);
	assert_int_equal(gpa_probe(p, 600 << 12, false, false), GPA_UNMAPPED);
	assert_int_equal(gpa_probe(p, 601 << 12, true, true), GPA_OK);
	assert_int_equal(gpa_probe(p, 599 << 12, true, true), GPA_OK);
	partition_put(p);
	rig_partition_end(id);

	/* On a finalized, deleted partition it is an unknown id; on one with no
	 * table it succeeds. */
	assert_int_equal(rig_rep(hvcall_unmap_gpa_pages, &un, sizeof(un), NULL, 0, 0, 1, NULL),
			 HV_STATUS_INVALID_PARTITION_ID);
}

/*
 * Linux forgets a partition's memory only after FINALIZE, and takes pages back
 * until then: there is no access left to take, which is no failure.
 */
static void test_map_finalized(void **state)
{
	struct {
		struct hv_input_map_gpa_pages h;
		uint64_t pfn;
	} in = { .h = { .flags = HV_MAP_GPA_NO_ACCESS } };
	uint64_t id = rig_partition();
	struct hv_input_partition p = { id };
	uint32_t done;

	(void)state;
	in.h.partition_id = id;
	rig_map(id, 0, 1, HV_MAP_GPA_READABLE);
	assert_int_equal(rig_call(hvcall_finalize_partition, &p, sizeof(p), NULL, 0), 0);
	assert_int_equal(rig_rep(hvcall_map_gpa_pages, &in, sizeof(in), NULL, 0, 0, 1, &done), 0);
	assert_int_equal(done, 1);
	in.h.flags = HV_MAP_GPA_READABLE;
	in.pfn = rig_pfn();
	assert_int_equal(rig_rep(hvcall_map_gpa_pages, &in, sizeof(in), NULL, 0, 0, 1, &done),
			 HV_STATUS_INVALID_PARTITION_STATE);
	rig_withdraw(id);
	assert_int_equal(rig_call(hvcall_delete_partition, &p, sizeof(p), NULL, 0), 0);
}

/* Many tables take long to free: a gigabyte's at a time. */
static void test_destroyed_in_turns(void **state)
{
	static const uint64_t gib[] = { 0, 1, 2, 511, 2048 };
	uint64_t id = rig_partition();
	struct hv_input_partition p = { id };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(gib); i++)
		rig_map(id, gib[i] << 18, 1, HV_MAP_GPA_NO_ACCESS);
	assert_int_equal(rig_call(hvcall_finalize_partition, &p, sizeof(p), NULL, 0), 0);
	assert_int_equal(rig_turns, ARRAY_SIZE(gib) + 1);
	assert_int_equal(rig_call(hvcall_finalize_partition, &p, sizeof(p), NULL, 0),
			 HV_STATUS_INVALID_PARTITION_STATE);
	rig_withdraw(id);
	assert_int_equal(rig_call(hvcall_delete_partition, &p, sizeof(p), NULL, 0), 0);
	assert_int_equal(rig_turns, 1);
}

/* And its processors one at a time: the root has to lose sight of their pages. */
static void test_processors_destroyed_in_turns(void **state)
{
	static const uint32_t index[] = { 0, 1, 7, 255 };
	uint64_t id = rig_partition();
	struct hv_input_partition p = { id };
	struct partition *partition;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(index); i++)
		rig_vp(id, index[i]);
	/* In between it is not to be deleted. */
	partition = partition_get(id);
	partition->state = PARTITION_FINALIZED;
	partition_put(partition);
	assert_int_equal(rig_call(hvcall_delete_partition, &p, sizeof(p), NULL, 0),
			 HV_STATUS_INVALID_PARTITION_STATE);
	assert_int_equal(rig_call(hvcall_finalize_partition, &p, sizeof(p), NULL, 0), 0);
	assert_int_equal(rig_turns, ARRAY_SIZE(index) + 1);
	rig_withdraw(id);
	assert_int_equal(rig_call(hvcall_delete_partition, &p, sizeof(p), NULL, 0), 0);
}

static void test_ports(void **state)
{
	struct hv_input_create_port create = {
		.port_partition = HV_PARTITION_ID_SELF, .port_id = 7,
		.port_type = HV_PORT_TYPE_DOORBELL, .target_sint = 5, .target_vp = HV_ANY_VP,
	};
	struct hv_input_connect_port connect = {
		.connection_id = 7, .port_partition = ROOT_PARTITION_ID, .port_id = 7,
		.port_type = HV_PORT_TYPE_DOORBELL, .gpa = 0xe0001000, .match_value = 3,
		.flags = 2,
	};
	struct hv_input_port del = { .partition_id = ROOT_PARTITION_ID, .id = 7 };
	struct hv_input_port disconnect = { .id = 7, .flags = 1 };
	uint64_t id = rig_partition();

	(void)state;
	connect.connection_partition = disconnect.partition_id = id;
	assert_int_equal(rig_call(hvcall_connect_port, &connect, sizeof(connect), NULL, 0),
			 HV_STATUS_INVALID_PORT_ID);
	while (rig_call(hvcall_create_port, &create, sizeof(create), NULL, 0) ==
	       HV_STATUS_INSUFFICIENT_MEMORY)
		assert_int_equal(rig_deposit(HV_PARTITION_ID_SELF, 1), 0);
	assert_int_equal(rig_call(hvcall_create_port, &create, sizeof(create), NULL, 0),
			 HV_STATUS_INVALID_PORT_ID);
	assert_int_equal(rig_call(hvcall_connect_port, &connect, sizeof(connect), NULL, 0), 0);
	assert_int_equal(rig_call(hvcall_disconnect_port, &disconnect, sizeof(disconnect), NULL,
				  0), 0);
	/* Idempotent. */
	assert_int_equal(rig_call(hvcall_disconnect_port, &disconnect, sizeof(disconnect), NULL,
				  0), 0);
	assert_int_equal(rig_call(hvcall_connect_port, &connect, sizeof(connect), NULL, 0), 0);
	assert_int_equal(rig_call(hvcall_delete_port, &del, sizeof(del), NULL, 0), 0);
	assert_int_equal(rig_call(hvcall_delete_port, &del, sizeof(del), NULL, 0),
			 HV_STATUS_INVALID_PORT_ID);
	rig_partition_end(id);		/* takes the connection along */
}

const struct CMUnitTest memory_tests[] = {
	RIG_TEST(test_deposit_all_or_none),
	RIG_TEST(test_deposit_once),
	RIG_TEST(test_deposits_hidden),
	RIG_TEST(test_pool_pages_are_zero),
	RIG_TEST(test_partition_life),
	RIG_TEST(test_shortage),
	RIG_TEST(test_cycles),
	RIG_TEST(test_never_initialized),
	RIG_TEST(test_guest_memory),
	RIG_TEST(test_map_refuses),
	RIG_TEST(test_device),
	RIG_TEST(test_map_restarts),
	RIG_TEST(test_shoot_down),
	RIG_TEST(test_large_pages),
	RIG_TEST(test_map_finalized),
	RIG_TEST(test_destroyed_in_turns),
	RIG_TEST(test_processors_destroyed_in_turns),
	RIG_TEST(test_ports),
};
const size_t memory_test_count = ARRAY_SIZE(memory_tests);
