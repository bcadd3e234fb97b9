/* SPDX-License-Identifier: MIT */
/* Statistics pages and the trace ring: hv/stats.c and trace.c, and who feeds them. */
#include <signal.h>
#include <ucontext.h>

#include "tests/unit/hv_guest.h"

#include "hypervisor/hv/stats.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/options.h"
#include "hypervisor/mem/nested.h"
#include "hypervisor/trace.h"

#define RWX (HV_MAP_GPA_READABLE | HV_MAP_GPA_WRITABLE | HV_MAP_GPA_KERNEL_EXECUTABLE)

static uint64_t partition;
static struct vp *vp;

static int setup(void **state)
{
	rig_reset(state);
	partition = rig_partition();
	vp = rig_vp(partition, 0);
	return 0;
}

static int teardown(void **state)
{
	rig_partition_end(partition);
	return rig_check(state);
}

/* As Linux does: deposit until it goes. The counters, by address. */
static const uint64_t *map_stats(uint32_t type, uint64_t id, uint32_t index, uint8_t area)
{
	struct hv_input_stats_page in = {
		.type = type,
		.partition_id = id,
		.vp_index = index,
		.stats_area = area,
	};
	enum hv_status status;
	uint64_t pfn;

	while ((status = rig_call(hvcall_map_stats_page, &in, sizeof(in), &pfn, 8)) ==
	       HV_STATUS_INSUFFICIENT_MEMORY)
		assert_int_equal(rig_deposit(HV_PARTITION_ID_SELF, 1), 0);
	assert_int_equal(status, HV_STATUS_SUCCESS);
	return (const uint64_t *)(uintptr_t)(pfn << PAGE_SHIFT);
}

static enum hv_status map_status(uint32_t type, uint64_t id, uint32_t index, uint8_t area)
{
	struct hv_input_stats_page in = {
		.type = type,
		.partition_id = id,
		.vp_index = index,
		.stats_area = area,
	};
	uint64_t pfn;

	return rig_call(hvcall_map_stats_page, &in, sizeof(in), &pfn, 8);
}

static void test_objects(void **state)
{
	const uint64_t *hv = map_stats(HV_STATS_OBJECT_HYPERVISOR, 0, 0, 0);
	const uint64_t *lp = map_stats(HV_STATS_OBJECT_LOGICAL_PROCESSOR, 1, 0, 0);
	const uint64_t *self = map_stats(HV_STATS_OBJECT_VP, partition, 0, 0);
	struct hv_input_stats_page unmap = {
		.type = HV_STATS_OBJECT_VP,
		.partition_id = partition,
	};

	(void)state;
	assert_int_equal(hv[HV_COUNTER_LOGICAL_PROCESSORS], 2);
	assert_int_equal(hv[HV_COUNTER_PARTITIONS], 2);
	assert_int_equal(hv[HV_COUNTER_VIRTUAL_PROCESSORS], 3);
	assert_int_equal(lp[LP_COUNTER_ROOT_VP_INDEX], 1);
	assert_ptr_equal(map_stats(HV_STATS_OBJECT_VP, partition, 0, 1), self);
	assert_ptr_not_equal(map_stats(HV_STATS_OBJECT_VP, ROOT_PARTITION_ID, 0, 0),
			     map_stats(HV_STATS_OBJECT_VP, HV_PARTITION_ID_SELF, 1, 0));

	assert_int_equal(rig_call(hvcall_unmap_stats_page, &unmap, sizeof(unmap), NULL, 0), 0);
	assert_ptr_equal(map_stats(HV_STATS_OBJECT_VP, partition, 0, 0), self);

	assert_int_equal(map_status(HV_STATS_OBJECT_VP, partition, 0, 2),
			 HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(map_status(3, 0, 0, 0), HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(map_status(HV_STATS_OBJECT_LOGICAL_PROCESSOR, 2, 0, 0),
			 HV_STATUS_INVALID_LP_INDEX);
	assert_int_equal(map_status(HV_STATS_OBJECT_VP, partition, 7, 0),
			 HV_STATUS_INVALID_VP_INDEX);
	assert_int_equal(map_status(HV_STATS_OBJECT_VP, ROOT_PARTITION_ID, 2, 0),
			 HV_STATUS_INVALID_VP_INDEX);
	assert_int_equal(map_status(HV_STATS_OBJECT_PARTITION, 999999, 0, 0),
			 HV_STATUS_INVALID_PARTITION_ID);
}

static const uint64_t *theirs;
static uint32_t shared_type;

/* Another processor asks for the same page, and is faster. */
static void map_meanwhile(void)
{
	rig_on_share = NULL;
	assert_int_equal(vp->lock.held, 0);
	assert_int_equal(vp->partition->lock.held, 0);
	assert_int_equal(vp->partition->stats_lock.held, 0);
	theirs = map_stats(shared_type, partition, 0, 0);
}

/* Sharing a page waits for the other processors: not under a lock. */
static void test_shared_without_lock(void **state)
{
	static const uint32_t type[] = { HV_STATS_OBJECT_VP, HV_STATS_OBJECT_PARTITION };
	struct pool *pool = &partition_root()->pool;

	(void)state;
	assert_int_equal(rig_deposit(HV_PARTITION_ID_SELF, 4), 0);
	for (size_t i = 0; i < ARRAY_SIZE(type); i++) {
		uint32_t free_pages = pool->free_count;

		shared_type = type[i];
		rig_on_share = map_meanwhile;
		assert_ptr_equal(map_stats(shared_type, partition, 0, 0), theirs);
		assert_null(rig_on_share);
		assert_int_equal(pool->free_count, free_pages - 1);
	}
}

static void test_partition_counters(void **state)
{
	const uint64_t *pt, *root = map_stats(HV_STATS_OBJECT_PARTITION, ROOT_PARTITION_ID, 0, 0);
	struct hv_input_unmap_gpa_pages unmap = { .partition_id = partition, .gpa_pfn = 3 };
	uint64_t deposited;

	(void)state;
	rig_map(partition, 0, 16, RWX);
	/* Also what was before it was mapped. */
	pt = map_stats(HV_STATS_OBJECT_PARTITION, partition, 0, 0);
	assert_int_equal(pt[PT_COUNTER_PARTITION_ID], partition);
	assert_int_equal(pt[PT_COUNTER_VIRTUAL_PROCESSORS], 1);
	assert_int_equal(pt[PT_COUNTER_GPA_PAGES_4K], 16);
	assert_int_equal(pt[PT_COUNTER_GPA_PAGES], 16);
	assert_int_equal(pt[PT_COUNTER_GPA_MODIFICATIONS], 16);
	assert_int_equal(pt[PT_COUNTER_TLB_FLUSHES], 0);
	assert_int_equal(root[PT_COUNTER_CHILD_PARTITIONS], 1);

	assert_int_equal(
		rig_rep(hvcall_unmap_gpa_pages, &unmap, sizeof(unmap), NULL, 0, 0, 5, NULL), 0);
	assert_int_equal(pt[PT_COUNTER_GPA_PAGES], 11);
	assert_int_equal(pt[PT_COUNTER_GPA_MODIFICATIONS], 21);
	assert_int_equal(pt[PT_COUNTER_TLB_FLUSHES], 1);

	deposited = pt[PT_COUNTER_DEPOSITED_PAGES];
	rig_vp(partition, 1);
	assert_int_equal(pt[PT_COUNTER_VIRTUAL_PROCESSORS], 2);
	assert_int_equal(pt[PT_COUNTER_DEPOSITED_PAGES], deposited + 20);
}

static void cpuid_then_out_then_halt(struct vcpu *v, struct vcpu_exit *e)
{
	static const enum vcpu_exit_reason reason[] = {
		VCPU_EXIT_CPUID,
		VCPU_EXIT_CPUID,
		VCPU_EXIT_IO,
		VCPU_EXIT_HLT,
	};

	*e = (struct vcpu_exit){
		.reason = reason[v->gpr[VCPU_RBP]++ % 4],
		.io = { .port = 0x123, .size = 1 },
	};
}

static void test_vp_counters(void **state)
{
	const uint64_t *c = map_stats(HV_STATS_OBJECT_VP, partition, 0, 0);
	struct hv_input_get_partition_property_ex get = {
		.partition_id = HV_PARTITION_ID_SELF, .property_code = HV_PROPERTY_COUNTERS,
	};
	uint64_t copy[HV_COUNTERS_MAX];

	(void)state;
	rig_guest = cpuid_then_out_then_halt;
	rig_dispatch(vp, 0);
	assert_int_equal(c[VP_COUNTER_CPUID], 2);
	assert_int_equal(c[VP_COUNTER_IO], 1);
	assert_int_equal(c[VP_COUNTER_IO_MESSAGES], 1);
	assert_int_equal(c[VP_COUNTER_HLT], 0);
	assert_int_equal(c[VP_COUNTER_DISPATCHES], 1);
	assert_int_equal(c[VP_COUNTER_THREAD_BLOCKED], 0);
	assert_true(c[VP_COUNTER_TOTAL_RUN_TIME] > 0);
	assert_true(c[VP_COUNTER_TOTAL_RUN_TIME] >= c[VP_COUNTER_HYPERVISOR_RUN_TIME]);
	assert_true(c[VP_COUNTER_HYPERVISOR_RUN_TIME] >=
		    c[VP_COUNTER_CPUID + 1] + c[VP_COUNTER_IO + 1]);

	get.arg = HV_COUNTERS_ARG(4, partition, 0);
	assert_int_equal(rig_call(hvcall_get_partition_property_ex, &get, sizeof(get), copy,
				  sizeof(copy)),
			 HV_STATUS_SUCCESS);
	assert_memory_equal(copy, c, sizeof(copy));
	get.arg = HV_COUNTERS_ARG(5, partition, 0);
	assert_int_equal(rig_call(hvcall_get_partition_property_ex, &get, sizeof(get), copy,
				  sizeof(copy)),
			 HV_STATUS_INVALID_PARAMETER);

	rig_dispatch(vp, HV_DISPATCH_CLEAR_INTERCEPT_SUSPEND);
	assert_int_equal(c[VP_COUNTER_HLT], 1);
	assert_int_equal(c[VP_COUNTER_DISPATCHES], 2);
	/* Halted: the root's thread must not dispatch until it is told. */
	assert_int_equal(c[VP_COUNTER_THREAD_BLOCKED], 1);
	lock_take(&vp->lock);
	vp->apic.nmi_pending = true;
	vp_wake(vp);
	lock_drop(&vp->lock);
	assert_int_equal(rig_signals, 1);
	assert_int_equal(c[VP_COUNTER_THREAD_BLOCKED], 0);
}

/* --- the ring --- */

static struct hv_trace_page page;

static uint64_t last(void)
{
	return cpus[0]->trace_next;
}

static void test_trace_of_a_turn(void **state)
{
	static const enum hv_trace_kind expected[] = {
		HV_TRACE_GUEST_EXIT,
		HV_TRACE_GUEST_EXIT,
		HV_TRACE_GUEST_EXIT,
		HV_TRACE_INTERCEPT,
	};
	uint64_t from = last(), before = rdtsc();

	(void)state;
	rig_guest = cpuid_then_out_then_halt;
	vp->cpu.rip = 0x1234;
	rig_dispatch(vp, 0);
	assert_true(trace_read(HV_TRACE_ARG(0, from), &page));
	assert_int_equal(page.first, from);
	assert_int_equal(page.cpus, 2);
	assert_int_equal(page.count, ARRAY_SIZE(expected));
	for (unsigned int i = 0; i < page.count; i++) {
		assert_int_equal(page.event[i].kind, expected[i]);
		assert_int_equal(page.event[i].partition, partition);
		assert_in_range(page.event[i].tsc, before, rdtsc());
		before = page.event[i].tsc;
	}
	assert_int_equal(page.event[2].code, HV_TRACE_EXIT_IO);
	assert_int_equal(page.event[2].a, 0x123);
	assert_int_equal(page.event[3].a, (uint32_t)HV_MESSAGE_X64_IO_PORT_INTERCEPT);
	/* Nothing newer. */
	assert_true(trace_read(HV_TRACE_ARG(0, last()), &page));
	assert_int_equal(page.count, 0);
}

static void test_trace_wraps(void **state)
{
	uint64_t from = last(), n;

	(void)state;
	for (unsigned int i = 0; i < 2 * TRACE_EVENTS; i++)
		trace(HV_TRACE_SIGNAL, 1, 0, 0, i, 0);
	assert_true(trace_read(HV_TRACE_ARG(0, from), &page));
	/* All that can be there, in order, a page at a time. */
	assert_int_equal(page.first, last() - (TRACE_EVENTS - 1));
	for (n = page.first; page.count;
	     n += page.count, assert_true(trace_read(HV_TRACE_ARG(0, n), &page))) {
		assert_int_equal(page.first, n);
		for (unsigned int i = 0; i < page.count; i++)
			assert_int_equal(page.event[i].a, n + i - from);
	}
	assert_int_equal(n, last());
	assert_false(trace_read(HV_TRACE_ARG(2, 0), &page));
	assert_true(trace_read(HV_TRACE_ARG(1, 0xffffffffffff), &page));
	assert_int_equal(page.count, 0);
	trace_on = false;
	n = last();
	trace(HV_TRACE_SIGNAL, 1, 0, 0, 0, 0);
	assert_int_equal(last(), n);
	assert_false(trace_read(HV_TRACE_ARG(0, 0), &page));
	trace_on = true;
}

/* --- deposits demanded at every chance (options.deposits) --- */

static void test_deposits_on_demand(void **state)
{
	struct hv_input_create_vp create = { .partition_id = partition, .vp_index = 1 };
	struct partition *p = partition_get(partition);
	unsigned int demands = 0;
	enum hv_status status;
	uint32_t free_pages;

	(void)state;
	options.deposits = 1;
	p->pool.granted = 0;
	assert_int_equal(rig_deposit(partition, 20), 0);
	/* Enough is there, but each page of a VP wants a deposit that came since. */
	while ((status = rig_call(hvcall_create_vp, &create, sizeof(create), NULL, 0)) ==
	       HV_STATUS_INSUFFICIENT_MEMORY) {
		free_pages = p->pool.free_count;
		assert_null(p->vp[1]);
		assert_int_equal(rig_deposit(partition, 1), 0);
		assert_int_equal(p->pool.free_count, free_pages + 1);
		demands++;
	}
	assert_int_equal(status, HV_STATUS_SUCCESS);
	assert_int_equal(demands, 2);
	options.deposits = 0;
	partition_put(p);
}

/* --- what was written to --- */

static struct {
	uint64_t *entry;
	unsigned int left; /* instructions until a processor writes to the page; 0: it has */
} writer;

static void on_step(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	if (--writer.left)
		return;
	*writer.entry |= NESTED_DIRTY;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)RFLAGS_TF;
}

/* The red zone stays as it is. */
#define FLAGS(change) \
	__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; " change \
			 ", (%%rsp); popfq; lea 128(%%rsp), %%rsp" : : : "cc", "memory")

/* The call, and after @n of its instructions a processor writes to the page of *@entry. */
static void write_amidst(struct hvcall *c, uint64_t *entry, unsigned int n)
{
	*entry &= ~NESTED_DIRTY;
	writer.entry = entry;
	writer.left = n;
	FLAGS("orl $0x100");
	hvcall_get_gpa_pages_access_states(c);
	FLAGS("andl $~0x100");
	assert_int_equal(c->reps_done, c->rep_count);
	assert_int_equal(writer.left, 0);
}

/* Between any two instructions of ours a page may be written to: it is told, now or then. */
static void test_dirty_log(void **state)
{
	struct hv_input_gpa_access_states in = { .flags = HV_ACCESS_STATE_CLEAR_DIRTY };
	struct sigaction action = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO }, before;
	struct {
		struct hv_input_map_gpa_pages h;
		uint64_t pfn[1];
	} large = { .h = { .gpa_pfn = 512, .flags = RWX | HV_MAP_GPA_LARGE_PAGE } };
	uint64_t id = rig_partition();
	struct partition *p = partition_get(id);
	unsigned int now = 0, later = 0;
	uint8_t told[2];
	struct hvcall c = { .in = &in, .out = told, .rep_count = 1, .partition = p };
	uint64_t *entry;

	(void)state;
	rig_map(id, 0, 1, RWX);
	entry = nested_entry(&p->nested, 0, NULL);
	assert_int_equal(sigaction(SIGTRAP, &action, &before), 0);
	for (unsigned int n = 1; later < 8; n++) {
		write_amidst(&c, entry, n);
		assert_int_not_equal(!!(told[0] & 2), !!(*entry & NESTED_DIRTY));
		now += told[0] >> 1;
		later += !(told[0] >> 1);
	}
	assert_true(now);

	/* Of a large page, too, which nobody may clear: all 512 pages were written to. */
	in.gpa_pfn = large.h.gpa_pfn;
	large.h.partition_id = id;
	large.pfn[0] = ALIGN_UP(rig_pfn(), 512ULL);
	c.rep_count = 2;
	now = later = 0;
	for (unsigned int n = 1; later < 8; n++) {
		assert_int_equal(rig_rep(hvcall_map_gpa_pages, &large, sizeof(large), NULL, 0, 0, 1,
					 NULL), 0);
		write_amidst(&c, nested_entry(&p->nested, LARGE_PAGE_SIZE, NULL), n);
		for (unsigned int i = 0; i < 3; i++)
			assert_true((i < 2 && (told[i] & 2)) ||
				    (nested_lookup(&p->nested, (512 + i) << PAGE_SHIFT, NULL) &
				     NESTED_DIRTY));
		now += told[1] >> 1;
		later += !(told[1] >> 1);
	}
	assert_true(now);
	sigaction(SIGTRAP, &before, NULL);
	partition_put(p);
	rig_partition_end(id);
}

#define OBSERVE_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

const struct CMUnitTest observe_tests[] = {
	OBSERVE_TEST(test_objects),	OBSERVE_TEST(test_shared_without_lock),
	OBSERVE_TEST(test_partition_counters),
	OBSERVE_TEST(test_vp_counters), OBSERVE_TEST(test_trace_of_a_turn),
	OBSERVE_TEST(test_trace_wraps), OBSERVE_TEST(test_deposits_on_demand),
	RIG_TEST(test_dirty_log),
};
const size_t observe_test_count = ARRAY_SIZE(observe_tests);
