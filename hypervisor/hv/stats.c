/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/stats.h"

#include "hypervisor/counters.h"
#include "hypervisor/cpu.h"
#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/partition.h"
#include "hypervisor/hv/vp.h"
#include "hypervisor/launch.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/mem/rootmem.h"
#include "hypervisor/trace.h"
#include "lib/mem.h"

#define AREAS 2u /* SELF, PARENT */

static struct counters *hypervisor_page;

static struct counters *shared_page(void)
{
	struct counters *page = page_alloc();

	return page && rootmem_share(page, false) ? page : NULL;
}

bool stats_create(struct cpu *cpu)
{
	struct partition *root = partition_root();

	if (cpu->index == 0) {
		hypervisor_page = shared_page();
		root->stats = shared_page();
		if (!hypervisor_page || !root->stats)
			return false;
		hypervisor_page->value[HV_COUNTER_LOGICAL_PROCESSORS] = cpu_count;
		hypervisor_page->value[HV_COUNTER_TOTAL_PAGES] =
			(boot_info.image.size + boot_info.pool.size) / PAGE_SIZE;
		root->stats->value[PT_COUNTER_VIRTUAL_PROCESSORS] = cpu_count;
		stats_population(1, (int)cpu_count);
	}
	cpu->lp_stats = shared_page();
	cpu->vp_stats = shared_page();
	if (!cpu->lp_stats || !cpu->vp_stats)
		return false;
	cpu->lp_stats->value[LP_COUNTER_ROOT_VP_INDEX] = cpu->index;
	return true;
}

void stats_free(struct counters *page)
{
	if (page)
		pool_put_shared(&partition_root()->pool, page);
}

void stats_population(int partitions, int vps)
{
	uint64_t *v = hypervisor_page ? hypervisor_page->value : NULL;
	struct counters *root = partition_root()->stats;

	if (!v || !root)
		return;
	__atomic_fetch_add(&v[HV_COUNTER_PARTITIONS], partitions, __ATOMIC_RELAXED);
	__atomic_fetch_add(&v[HV_COUNTER_VIRTUAL_PROCESSORS], vps, __ATOMIC_RELAXED);
	WRITE_ONCE(root->value[PT_COUNTER_CHILD_PARTITIONS], v[HV_COUNTER_PARTITIONS] - 1);
}

void stats_partition(struct partition *p)
{
	uint64_t vps = 0, *v;

	if (!p->stats)
		return;
	/* Whoever comes last writes what is true last. */
	lock_scope(&p->stats_lock);
	v = p->stats->value;
	for (unsigned int i = 0; i < p->vp_limit; i++)
		vps += p->vp[i] != NULL;
	if (p->id != ROOT_PARTITION_ID)
		v[PT_COUNTER_VIRTUAL_PROCESSORS] = vps;
	v[PT_COUNTER_DEPOSITED_PAGES] = p->pool.total;
	v[PT_COUNTER_GPA_PAGES_4K] = p->nested.leaves[NESTED_4K];
	v[PT_COUNTER_GPA_PAGES_2M] = p->nested.leaves[NESTED_2M];
	v[PT_COUNTER_GPA_PAGES] = v[PT_COUNTER_GPA_PAGES_4K] + v[PT_COUNTER_GPA_PAGES_2M] * 512;
	v[PT_COUNTER_GPA_MODIFICATIONS] = p->gpa_modifications;
	v[PT_COUNTER_TLB_FLUSHES] = p->tlb_flushes;
	v[PT_COUNTER_PARTITION_ID] = p->id;
}

/* --- a guest's turn --- */

/* By enum vcpu_exit_reason. */
static const uint8_t exit_counter[] = {
	[VCPU_EXIT_NOTHING] = VP_COUNTER_OTHER_INTERCEPTS,
	[VCPU_EXIT_HOST] = VP_COUNTER_EXTERNAL_INTERRUPTS,
	[VCPU_EXIT_WINDOW] = VP_COUNTER_PENDING_INTERRUPTS,
	[VCPU_EXIT_IO] = VP_COUNTER_IO,
	[VCPU_EXIT_MEMORY] = VP_COUNTER_NESTED_FAULTS,
	[VCPU_EXIT_CPUID] = VP_COUNTER_CPUID,
	[VCPU_EXIT_MSR] = VP_COUNTER_MSR,
	[VCPU_EXIT_HLT] = VP_COUNTER_HLT,
	[VCPU_EXIT_HYPERCALL] = VP_COUNTER_HYPERCALLS,
	[VCPU_EXIT_XSETBV] = VP_COUNTER_OTHER_INTERCEPTS,
	[VCPU_EXIT_CR] = VP_COUNTER_CONTROL_REGISTERS,
	[VCPU_EXIT_SHUTDOWN] = VP_COUNTER_OTHER_INTERCEPTS,
	[VCPU_EXIT_INVALID] = VP_COUNTER_OTHER_INTERCEPTS,
	[VCPU_EXIT_EXCEPTION] = VP_COUNTER_OTHER_INTERCEPTS,
};

_Static_assert(VCPU_EXIT_EXCEPTION == (int)HV_TRACE_EXIT_EXCEPTION, "abi/hv/trace.h");

uint64_t stats_exit(struct vp *vp, enum vcpu_exit_reason reason)
{
	uint64_t now = rdtsc();

	count_timed(vp->stats, exit_counter[reason], now - vp->cpu.left);
	return now;
}

void stats_turn(struct vp *vp, struct cpu *cpu, uint64_t start, uint64_t ran)
{
	uint64_t all = rdtsc() - start;
	uint64_t ours = all - (vp->cpu.ran - ran);

	count(vp->stats, VP_COUNTER_DISPATCHES);
	count_time(vp->stats, VP_COUNTER_TOTAL_RUN_TIME, all);
	count_time(vp->stats, VP_COUNTER_HYPERVISOR_RUN_TIME, ours);
	count(cpu->lp_stats, LP_COUNTER_CONTEXT_SWITCHES);
	count_time(cpu->lp_stats, LP_COUNTER_HYPERVISOR_RUN_TIME, ours);
	cpu->dispatched += all;
}

/* --- the calls --- */

static enum hv_status own_page(struct counters *page, uint64_t *pfn)
{
	if (pfn)
		*pfn = virt_to_phys(page) >> PAGE_SHIFT;
	return HV_STATUS_SUCCESS;
}

/* @slot's page, from the pool if there is none yet and @pfn wants it. */
static enum hv_status pool_page(struct counters **slot, uint64_t *pfn)
{
	struct counters *page, *none = NULL;

	if (pfn && !READ_ONCE(*slot)) {
		/* Without a lock: it waits for all processors. */
		page = pool_get_shared(&partition_root()->pool);
		if (!page)
			return HV_STATUS_INSUFFICIENT_MEMORY;
		/* Another call may have been faster. */
		if (!__atomic_compare_exchange_n(slot, &none, page, false, __ATOMIC_SEQ_CST,
						 __ATOMIC_SEQ_CST))
			stats_free(page);
	}
	return own_page(*slot, pfn);
}

static enum hv_status vp_page(struct partition *p, uint32_t index, uint64_t *pfn)
{
	enum hv_status status;
	struct vp *vp;

	if (p == partition_root())
		return index < cpu_count ? own_page(cpus[index]->vp_stats, pfn) :
					   HV_STATUS_INVALID_VP_INDEX;
	vp = vp_get(p, index);
	if (!vp)
		return HV_STATUS_INVALID_VP_INDEX;
	status = pool_page(&vp->stats, pfn);
	vp_put(vp);
	return status;
}

/* Of the partition, or one of its VPs. */
static enum hv_status partition_page(const struct hv_input_stats_page *in, uint64_t *pfn)
{
	struct partition *p = partition_get(in->partition_id);
	enum hv_status status;

	if (!p)
		return HV_STATUS_INVALID_PARTITION_ID;
	if (in->type == HV_STATS_OBJECT_VP) {
		status = vp_page(p, in->vp_index, pfn);
	} else {
		status = pool_page(&p->stats, pfn);
		stats_partition(p);
	}
	partition_put(p);
	return status;
}


/* @pfn: of the page; NULL: it is only to be looked up. */
static enum hv_status object_page(const struct hv_input_stats_page *in, uint64_t *pfn)
{
	uint32_t lp = (uint32_t)in->partition_id; /* the identity's first word */

	if (in->stats_area >= AREAS)
		return HV_STATUS_INVALID_PARAMETER;
	switch (in->type) {
	case HV_STATS_OBJECT_HYPERVISOR:
		return own_page(hypervisor_page, pfn);
	case HV_STATS_OBJECT_LOGICAL_PROCESSOR:
		return lp < cpu_count ? own_page(cpus[lp]->lp_stats, pfn) :
					HV_STATUS_INVALID_LP_INDEX;
	case HV_STATS_OBJECT_PARTITION:
	case HV_STATS_OBJECT_VP:
		return partition_page(in, pfn);
	default:
		return HV_STATUS_INVALID_PARAMETER;
	}
}

enum hv_status stats_read(uint64_t arg, uint64_t out[HV_COUNTERS_MAX])
{
	static const uint32_t type[] = {
		[1] = HV_STATS_OBJECT_HYPERVISOR, [2] = HV_STATS_OBJECT_LOGICAL_PROCESSOR,
		[3] = HV_STATS_OBJECT_PARTITION,  [4] = HV_STATS_OBJECT_VP,
	};
	struct hv_input_stats_page in = {
		.partition_id = (uint32_t)arg, .vp_index = arg >> 32 & 0xffff,
	};
	enum hv_status status;
	uint64_t pfn;

	in.type = arg >> 56 < ARRAY_SIZE(type) ? type[arg >> 56] : 0;
	status = object_page(&in, &pfn);
	/* Should it go now, this reads a page that is the root's anyway. */
	if (status == HV_STATUS_SUCCESS)
		memcpy(out, phys_to_virt(pfn << PAGE_SHIFT), HV_COUNTERS_MAX * sizeof(*out));
	return status;
}

enum hv_status hvcall_map_stats_page(struct hvcall *c)
{
	return object_page(c->in, c->out);
}

/* A page is kept as long as what it is about: others may have it mapped, too. */
enum hv_status hvcall_unmap_stats_page(struct hvcall *c)
{
	return object_page(c->in, NULL);
}
