/* SPDX-License-Identifier: MIT */
/*
 * Counters in statistics pages: u64 each, at these indices, as Linux's
 * drivers/hv/mshv_debugfs_counters.c names them. Only those that the reference
 * hypervisor counts; the others read as zero. Times are in 100 ns.
 */
#ifndef ABI_HV_STATS_H
#define ABI_HV_STATS_H

enum hv_hypervisor_counter {
	HV_COUNTER_LOGICAL_PROCESSORS	= 1,
	HV_COUNTER_PARTITIONS		= 2,
	HV_COUNTER_TOTAL_PAGES		= 3,	/* the hypervisor's own */
	HV_COUNTER_VIRTUAL_PROCESSORS	= 4,
};

enum hv_lp_counter {
	LP_COUNTER_GLOBAL_TIME		= 1,	/* when it last left the hypervisor */
	LP_COUNTER_TOTAL_RUN_TIME	= 2,
	LP_COUNTER_HYPERVISOR_RUN_TIME	= 3,
	LP_COUNTER_HARDWARE_INTERRUPTS	= 4,
	LP_COUNTER_CONTEXT_SWITCHES	= 5,
	LP_COUNTER_TIMER_INTERRUPTS	= 8,	/* kicks, which have the same vector, included */
	LP_COUNTER_IPIS_SENT		= 9,	/* by the hypervisor */
	LP_COUNTER_ROOT_VP_INDEX	= 19,
};

enum hv_partition_counter {
	PT_COUNTER_VIRTUAL_PROCESSORS	= 1,
	PT_COUNTER_DEPOSITED_PAGES	= 5,
	PT_COUNTER_GPA_PAGES		= 6,
	PT_COUNTER_GPA_MODIFICATIONS	= 7,
	PT_COUNTER_TLB_FLUSHES		= 8,
	PT_COUNTER_GPA_PAGES_4K		= 10,
	PT_COUNTER_GPA_PAGES_2M		= 11,
	PT_COUNTER_PARTITION_ID		= 26,
	PT_COUNTER_CHILD_PARTITIONS	= 46,
};

/* NAME_COUNT at n and its time at n + 1. */
enum hv_vp_counter {
	VP_COUNTER_TOTAL_RUN_TIME	= 1,
	VP_COUNTER_HYPERVISOR_RUN_TIME	= 2,
	VP_COUNTER_HYPERCALLS		= 7,
	VP_COUNTER_CONTROL_REGISTERS	= 11,
	VP_COUNTER_IO			= 13,
	VP_COUNTER_HLT			= 15,
	VP_COUNTER_CPUID		= 19,
	VP_COUNTER_MSR			= 21,
	VP_COUNTER_OTHER_INTERCEPTS	= 23,
	VP_COUNTER_EXTERNAL_INTERRUPTS	= 25,
	VP_COUNTER_PENDING_INTERRUPTS	= 27,
	VP_COUNTER_EMULATED		= 29,	/* count only, like all below but NESTED_FAULTS */
	VP_COUNTER_APIC_MMIO		= 39,
	VP_COUNTER_IO_MESSAGES		= 40,
	VP_COUNTER_MEMORY_MESSAGES	= 41,
	VP_COUNTER_APIC_EOI		= 42,
	VP_COUNTER_OTHER_MESSAGES	= 43,
	VP_COUNTER_MIGRATIONS		= 45,
	VP_COUNTER_SYNTHETIC_INTERRUPTS	= 58,
	VP_COUNTER_VIRTUAL_INTERRUPTS	= 59,
	VP_COUNTER_IPIS_SENT		= 60,
	VP_COUNTER_GPA_HYPERCALLS	= 62,
	VP_COUNTER_LP_HYPERCALLS	= 63,
	VP_COUNTER_LONG_SPIN_WAIT_HYPERCALLS = 64,
	VP_COUNTER_OTHER_HYPERCALLS	= 65,
	VP_COUNTER_SYNIC_HYPERCALLS	= 66,
	VP_COUNTER_INTERRUPT_HYPERCALLS	= 67,
	VP_COUNTER_MMU_HYPERCALLS	= 68,
	VP_COUNTER_VP_HYPERCALLS	= 69,
	VP_COUNTER_HARDWARE_INTERRUPTS	= 70,
	VP_COUNTER_NESTED_FAULTS	= 71,
	VP_COUNTER_DISPATCHES		= 74,
	VP_COUNTER_DEPOSIT_HYPERCALLS	= 198,
	VP_COUNTER_THREAD_BLOCKED	= 202,	/* 1: do not dispatch, a signal will come */
};

/* All indices are below this. */
#define HV_COUNTERS_MAX	256

/*
 * Not Microsoft's but ours, for kernels without debugfs: GET_PARTITION_PROPERTY_EX of
 * the root partition (SELF) with this property copies one page's counters, u64
 * [HV_COUNTERS_MAX]. @type_: 1 hypervisor, 2 LP, 3 partition, 4 VP; @id_: partition,
 * or LP; @vp_: VP.
 */
#define HV_PROPERTY_COUNTERS	0x52530002u
#define HV_COUNTERS_ARG(type_, id_, vp_) \
	((uint64_t)(type_) << 56 | (uint64_t)(vp_) << 32 | (uint32_t)(id_))

#endif
