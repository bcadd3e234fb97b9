/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls between the root partition and the hypervisor: control word,
 * status codes, call codes, parameter layouts. Names and values follow the
 * Hypervisor Top Level Functional Specification (TLFS), "Hypercall Interface",
 * and, where that is silent, what Linux 7.3 as root partition uses.
 *
 * All fields little-endian. IN and OUT mark the direction; "rep" marks the
 * element type of a rep hypercall.
 */
#ifndef ABI_HV_HYPERCALL_H
#define ABI_HV_HYPERCALL_H

#include <stdint.h>

/* Control word (RCX), TLFS "Hypercall Inputs". */
#define HV_CONTROL_CODE_MASK		0xffffULL
#define HV_CONTROL_FAST			(1ULL << 16)
#define HV_CONTROL_VARHEAD_SHIFT	17	/* qwords, 10 bits */
#define HV_CONTROL_VARHEAD_MASK		0x3ffULL
#define HV_CONTROL_NESTED		(1ULL << 31)
#define HV_CONTROL_REP_COUNT_SHIFT	32	/* 12 bits */
#define HV_CONTROL_REP_START_SHIFT	48	/* 12 bits */
#define HV_CONTROL_REP_MASK		0xfffULL
#define HV_CONTROL_RESERVED		0xf000f00078000000ULL

/* Result word (RAX). */
#define HV_RESULT_REPS_SHIFT		32

#define HV_PARTITION_ID_SELF		(~0ULL)
#define HV_VP_INDEX_SELF		0xfffffffeU
#define HV_ANY_VP			0xffffffffU

enum hv_status {
	HV_STATUS_SUCCESS			= 0x00,
	HV_STATUS_INVALID_HYPERCALL_CODE	= 0x02,
	HV_STATUS_INVALID_HYPERCALL_INPUT	= 0x03,
	HV_STATUS_INVALID_ALIGNMENT		= 0x04,
	HV_STATUS_INVALID_PARAMETER		= 0x05,
	HV_STATUS_ACCESS_DENIED			= 0x06,
	HV_STATUS_INVALID_PARTITION_STATE	= 0x07,
	HV_STATUS_OPERATION_DENIED		= 0x08,
	HV_STATUS_UNKNOWN_PROPERTY		= 0x09,
	HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE	= 0x0a,
	HV_STATUS_INSUFFICIENT_MEMORY		= 0x0b,
	HV_STATUS_INVALID_PARTITION_ID		= 0x0d,
	HV_STATUS_INVALID_VP_INDEX		= 0x0e,
	HV_STATUS_NOT_FOUND			= 0x10,
	HV_STATUS_INVALID_PORT_ID		= 0x11,
	HV_STATUS_INVALID_CONNECTION_ID		= 0x12,
	HV_STATUS_INSUFFICIENT_BUFFERS		= 0x13,
	HV_STATUS_NOT_ACKNOWLEDGED		= 0x14,
	HV_STATUS_INVALID_VP_STATE		= 0x15,
	HV_STATUS_INVALID_SYNIC_STATE		= 0x18,
	HV_STATUS_NO_RESOURCES			= 0x1d,
	HV_STATUS_PROCESSOR_FEATURE_NOT_SUPPORTED = 0x20,
	HV_STATUS_INVALID_LP_INDEX		= 0x41,
	HV_STATUS_INVALID_REGISTER_VALUE	= 0x50,
	HV_STATUS_OPERATION_FAILED		= 0x71,
};

enum hv_call_code {
	HVCALL_GET_LOGICAL_PROCESSOR_RUN_TIME	= 0x0004,
	HVCALL_CREATE_PARTITION			= 0x0040,
	HVCALL_INITIALIZE_PARTITION		= 0x0041,
	HVCALL_FINALIZE_PARTITION		= 0x0042,
	HVCALL_DELETE_PARTITION			= 0x0043,
	HVCALL_GET_PARTITION_PROPERTY		= 0x0044,
	HVCALL_SET_PARTITION_PROPERTY		= 0x0045,
	HVCALL_GET_PARTITION_ID			= 0x0046,
	HVCALL_DEPOSIT_MEMORY			= 0x0048,
	HVCALL_WITHDRAW_MEMORY			= 0x0049,
	HVCALL_MAP_GPA_PAGES			= 0x004b,
	HVCALL_UNMAP_GPA_PAGES			= 0x004c,
	HVCALL_INSTALL_INTERCEPT		= 0x004d,
	HVCALL_CREATE_VP			= 0x004e,
	HVCALL_DELETE_VP			= 0x004f,
	HVCALL_GET_VP_REGISTERS			= 0x0050,
	HVCALL_SET_VP_REGISTERS			= 0x0051,
	HVCALL_TRANSLATE_VIRTUAL_ADDRESS	= 0x0052,
	HVCALL_CLEAR_VIRTUAL_INTERRUPT		= 0x0056,
	HVCALL_DELETE_PORT			= 0x0058,
	HVCALL_DISCONNECT_PORT			= 0x005b,
	HVCALL_MAP_STATS_PAGE			= 0x006c,
	HVCALL_UNMAP_STATS_PAGE			= 0x006d,
	HVCALL_SET_SYSTEM_PROPERTY		= 0x006f,
	HVCALL_ADD_LOGICAL_PROCESSOR		= 0x0076,
	HVCALL_GET_SYSTEM_PROPERTY		= 0x007b,
	HVCALL_MAP_DEVICE_INTERRUPT		= 0x007c,
	HVCALL_UNMAP_DEVICE_INTERRUPT		= 0x007d,
	HVCALL_ENTER_SLEEP_STATE		= 0x0084,
	HVCALL_NOTIFY_PARTITION_EVENT		= 0x0087,
	HVCALL_NOTIFY_PORT_RING_EMPTY		= 0x008b,
	HVCALL_REGISTER_INTERCEPT_RESULT	= 0x0091,
	HVCALL_ASSERT_VIRTUAL_INTERRUPT		= 0x0094,
	HVCALL_CREATE_PORT			= 0x0095,
	HVCALL_CONNECT_PORT			= 0x0096,
	HVCALL_DISPATCH_VP			= 0x00c2,
	HVCALL_GET_GPA_PAGES_ACCESS_STATES	= 0x00c9,
	HVCALL_MAP_VP_STATE_PAGE		= 0x00e1,
	HVCALL_UNMAP_VP_STATE_PAGE		= 0x00e2,
	HVCALL_GET_VP_STATE			= 0x00e3,
	HVCALL_SET_VP_STATE			= 0x00e4,
	HVCALL_GET_VP_CPUID_VALUES		= 0x00f4,
	HVCALL_GET_PARTITION_PROPERTY_EX	= 0x0101,
};

/* --- P0: boot the root partition --- */

struct hv_input_get_lp_run_time {		/* IN */
	uint32_t lp_index;
	uint32_t reserved;
};

struct hv_output_get_lp_run_time {		/* OUT, 100 ns units */
	uint64_t global_time;
	uint64_t local_run_time;
	uint64_t reserved;
	uint64_t hypervisor_time;
};

enum hv_system_property {
	HV_SYSTEM_PROPERTY_SLEEP_STATE		= 3,
	HV_SYSTEM_PROPERTY_SCHEDULER_TYPE	= 15,
	HV_SYSTEM_PROPERTY_DYNAMIC_FEATURE	= 21,
	HV_SYSTEM_PROPERTY_CRASHDUMP_AREA	= 47,
};

#define HV_SCHEDULER_TYPE_ROOT		4

struct hv_input_system_property {		/* IN, get */
	uint32_t property_id;
	uint32_t reserved;
	uint64_t arg;
};

struct hv_input_set_system_property {		/* IN, set (SLEEP_STATE) */
	uint32_t property_id;
	uint32_t reserved;
	uint32_t sleep_state;
	uint8_t pm1a_slp_typ;
	uint8_t pm1b_slp_typ;
	uint8_t pad[2];
};

enum hv_interrupt_source { HV_INTERRUPT_SOURCE_MSI = 1, HV_INTERRUPT_SOURCE_IOAPIC = 2 };

struct hv_interrupt_entry {
	uint32_t source;			/* enum hv_interrupt_source */
	uint32_t reserved;
	uint32_t low;				/* MSI address | RTE bits 31:0 */
	uint32_t high;				/* MSI data | RTE bits 63:32 */
};

struct hv_device_interrupt_descriptor {
	uint32_t interrupt_type;
	uint32_t trigger_mode;			/* 0 edge, 1 level */
	uint32_t vector_count;
	uint32_t reserved;
	uint32_t vector;
	uint32_t target_flags;			/* 2: processor set */
	uint64_t format;			/* 0: sparse 4k */
	uint64_t bank_mask;
	/* uint64_t banks[] in the variable header */
};

struct hv_input_map_device_interrupt {		/* IN + variable header */
	uint64_t partition_id;
	uint64_t device_id;
	uint32_t flags;
	uint32_t base_irt_index;
	struct hv_interrupt_entry logical_entry;
	struct hv_device_interrupt_descriptor descriptor;
};

struct hv_output_map_device_interrupt {		/* OUT */
	struct hv_interrupt_entry entry;
	uint64_t extended_status[5];
};

struct hv_input_unmap_device_interrupt {	/* IN */
	uint64_t partition_id;
	uint64_t device_id;
	struct hv_interrupt_entry entry;
	uint32_t flags;
} __attribute__((packed));

#define HV_DEVICE_TYPE_SHIFT		62
#define HV_DEVICE_TYPE_PCI		1
#define HV_DEVICE_TYPE_IOAPIC		2

struct hv_input_enter_sleep_state {		/* IN */
	uint32_t sleep_state;
};

enum hv_partition_property {
	HV_PROPERTY_PRIVILEGE_FLAGS		= 0x00010000,
	HV_PROPERTY_SYNTHETIC_PROC_FEATURES	= 0x00010001,
	HV_PROPERTY_SUSPEND			= 0x00020000,
	HV_PROPERTY_TIME_FREEZE			= 0x00030003,
	HV_PROPERTY_REFERENCE_TIME		= 0x00030005,
	HV_PROPERTY_PROCESSORS_PER_SOCKET	= 0x00050003,
	HV_PROPERTY_GPA_PAGE_ACCESS_TRACKING	= 0x00050005,
	HV_PROPERTY_UNIMPLEMENTED_MSR_ACTION	= 0x00050017,
	HV_PROPERTY_PROCESSOR_VENDOR		= 0x00060000,
	HV_PROPERTY_XSAVE_FEATURES		= 0x00060002,
	HV_PROPERTY_COMPATIBILITY_VERSION	= 0x00060005,
	HV_PROPERTY_PHYSICAL_ADDRESS_WIDTH	= 0x00060006,
	HV_PROPERTY_XSAVE_STATES		= 0x00060007,
	HV_PROPERTY_MAX_XSAVE_DATA_SIZE		= 0x00060008,
	HV_PROPERTY_PROCESSOR_CLOCK_FREQUENCY	= 0x00060009,
	HV_PROPERTY_PROCESSOR_FEATURES0		= 0x0006000a,
	HV_PROPERTY_PROCESSOR_FEATURES1		= 0x0006000b,
	HV_PROPERTY_GUEST_OS_ID			= 0x00070000,
	HV_PROPERTY_VMM_CAPABILITIES		= 0x00090007,
	HV_PROPERTY_ASSIGNABLE_SYNTHETIC_PROC_FEATURES = 0x00090009,
};

struct hv_input_get_partition_property {	/* IN; OUT is one u64 */
	uint64_t partition_id;
	uint32_t property_code;
	uint32_t pad;
};

struct hv_input_set_partition_property {	/* IN */
	uint64_t partition_id;
	uint32_t property_code;
	uint32_t pad;
	uint64_t value;
};

struct hv_input_get_partition_property_ex {	/* IN; OUT depends on code */
	uint64_t partition_id;
	uint32_t property_code;
	uint32_t pad;
	uint64_t arg;
};

/* --- P1: partitions, memory, processors --- */

/* CREATE_PARTITION flags */
#define HV_PARTITION_SMT		(1ULL << 0)
#define HV_PARTITION_NESTED		(1ULL << 1)
#define HV_PARTITION_SUPER_PAGES	(1ULL << 4)
#define HV_PARTITION_EXO		(1ULL << 8)
#define HV_PARTITION_LAPIC		(1ULL << 13)
#define HV_PARTITION_INTERCEPT_PAGE	(1ULL << 19)
#define HV_PARTITION_X2APIC		(1ULL << 22)

#define HV_COMPATIBILITY_VERSION	0x609

struct hv_input_create_partition {		/* IN */
	uint64_t flags;
	uint64_t proximity;
	uint32_t compatibility;
	uint32_t pad;
	uint64_t disabled_features[2];
	uint64_t disabled_xsave;
	uint64_t isolation;
};

struct hv_output_partition_id {			/* OUT */
	uint64_t partition_id;
};

struct hv_input_partition {			/* IN: INITIALIZE, FINALIZE, DELETE */
	uint64_t partition_id;
};

struct hv_input_deposit_memory {		/* IN, rep: u64 spa pfn */
	uint64_t partition_id;
};

struct hv_input_withdraw_memory {		/* IN, OUT rep: u64 spa pfn */
	uint64_t partition_id;
	uint64_t proximity;
};

/* MAP_GPA_PAGES / UNMAP_GPA_PAGES flags */
#define HV_MAP_GPA_READABLE		(1U << 0)
#define HV_MAP_GPA_WRITABLE		(1U << 1)
#define HV_MAP_GPA_KERNEL_EXECUTABLE	(1U << 2)
#define HV_MAP_GPA_USER_EXECUTABLE	(1U << 3)
#define HV_MAP_GPA_ADJUSTABLE		(1U << 15)
#define HV_MAP_GPA_ACCESS_SHIFT		16	/* 2 bits: 0 normal, 1 no access */
#define HV_MAP_GPA_NO_ACCESS		(1U << 16)
#define HV_MAP_GPA_NO_OVERLAY		(1U << 20)
#define HV_MAP_GPA_NOT_CACHED		(1U << 21)
#define HV_MAP_GPA_LARGE_PAGE		(1U << 31)
#define HV_UNMAP_GPA_LARGE_PAGE		(1U << 1)

struct hv_input_map_gpa_pages {			/* IN, rep: u64 spa pfn */
	uint64_t partition_id;
	uint64_t gpa_pfn;
	uint32_t flags;
	uint32_t pad;
};

struct hv_input_unmap_gpa_pages {		/* IN, rep without elements */
	uint64_t partition_id;
	uint64_t gpa_pfn;
	uint32_t flags;
	uint32_t pad;
};

struct hv_input_create_vp {			/* IN */
	uint64_t partition_id;
	uint32_t vp_index;
	uint8_t pad[3];
	uint8_t subnode_type;
	uint64_t subnode_id;
	uint64_t proximity;
	uint64_t flags;
};

struct hv_input_delete_vp {			/* IN */
	uint64_t partition_id;
	uint32_t vp_index;
	uint32_t pad;
};

struct hv_input_vp_registers {			/* IN header of GET/SET_VP_REGISTERS */
	uint64_t partition_id;
	uint32_t vp_index;
	uint8_t input_vtl;
	uint8_t pad[3];
	/* GET rep: u32 name, OUT rep: 16 byte value */
	/* SET rep: struct hv_register_assoc */
};

enum hv_stats_object_type {
	HV_STATS_OBJECT_HYPERVISOR		= 0x00001,
	HV_STATS_OBJECT_LOGICAL_PROCESSOR	= 0x00002,
	HV_STATS_OBJECT_PARTITION		= 0x10001,
	HV_STATS_OBJECT_VP			= 0x10002,
};

struct hv_input_stats_page {			/* IN: MAP/UNMAP; OUT of MAP: u64 pfn */
	uint32_t type;
	uint32_t pad;
	uint64_t partition_id;
	uint32_t vp_index;
	uint16_t flags;
	uint8_t stats_area;			/* 0 SELF, 1 PARENT */
	uint8_t reserved;
};

enum hv_interrupt_type {
	HV_INTERRUPT_TYPE_FIXED		= 0,
	HV_INTERRUPT_TYPE_LOWEST	= 1,
	HV_INTERRUPT_TYPE_SMI		= 2,
	HV_INTERRUPT_TYPE_REMOTE_READ	= 3,
	HV_INTERRUPT_TYPE_NMI		= 4,
	HV_INTERRUPT_TYPE_INIT		= 5,
	HV_INTERRUPT_TYPE_SIPI		= 6,
	HV_INTERRUPT_TYPE_EXTINT	= 7,
	HV_INTERRUPT_TYPE_LOCAL_INT0	= 8,
	HV_INTERRUPT_TYPE_LOCAL_INT1	= 9,
};

/* hv_input_assert_virtual_interrupt.control, upper half of the qword */
#define HV_INTERRUPT_CONTROL_LEVEL	(1U << 0)
#define HV_INTERRUPT_CONTROL_LOGICAL	(1U << 1)

struct hv_input_assert_virtual_interrupt {	/* IN */
	uint64_t partition_id;
	uint32_t interrupt_type;
	uint32_t control;
	uint64_t dest_addr;
	uint32_t vector;
	uint8_t target_vtl;
	uint8_t pad[3];
};

#define HV_DISPATCH_CLEAR_INTERCEPT_SUSPEND	(1U << 0)
#define HV_DISPATCH_SCAN_INTERRUPT_INJECTION	(1U << 6)

struct hv_input_dispatch_vp {			/* IN */
	uint64_t partition_id;
	uint32_t vp_index;
	uint32_t flags;
	uint64_t time_slice;			/* 100 ns, 0 unlimited */
	uint64_t spec_ctrl;
};

enum hv_vp_dispatch_state {
	HV_VP_DISPATCH_STATE_INVALID	= 0,
	HV_VP_DISPATCH_STATE_BLOCKED	= 1,
	HV_VP_DISPATCH_STATE_READY	= 2,
};

enum hv_vp_dispatch_event {
	HV_VP_DISPATCH_EVENT_NONE	= 0,
	HV_VP_DISPATCH_EVENT_SUSPEND	= 1,
	HV_VP_DISPATCH_EVENT_INTERCEPT	= 2,
};

struct hv_output_dispatch_vp {			/* OUT */
	uint32_t dispatch_state;
	uint32_t dispatch_event;
};

enum hv_vp_state_page {
	HV_VP_STATE_PAGE_REGISTERS		= 0,
	HV_VP_STATE_PAGE_INTERCEPT_MESSAGE	= 1,
};

struct hv_input_map_vp_state_page {		/* IN; OUT: u64 pfn */
	uint64_t partition_id;
	uint32_t vp_index;
	uint16_t type;
	uint8_t input_vtl;
	uint8_t flags;
	uint64_t requested_location;
};

struct hv_input_unmap_vp_state_page {		/* IN */
	uint64_t partition_id;
	uint32_t vp_index;
	uint16_t type;
	uint8_t input_vtl;
	uint8_t reserved;
};

#define HV_VP_STATE_LAPIC		0x80000000U
#define HV_VP_STATE_XSAVE		0x80000001U
#define HV_VP_STATE_SIMP		0x80000002U
#define HV_VP_STATE_SIEFP		0x80000003U
#define HV_VP_STATE_SYNTHETIC_TIMERS	0x00000004U

struct hv_input_vp_state {			/* IN of GET/SET; pfns in variable header */
	uint64_t partition_id;
	uint32_t vp_index;
	uint8_t input_vtl;
	uint8_t pad[3];
	uint32_t type;
	uint32_t pad2;
	uint64_t xsave_flags;
	uint64_t xsave_states;
	/* uint64_t pfns[] or inline data */
};

/* GET/SET_VP_STATE, type SYNTHETIC_TIMERS: four of these and 40 reserved bytes. */
struct hv_stimer_state {
	uint32_t undelivered;
	uint32_t reserved;
	uint64_t config, count, adjustment, expiration;
};

#define HV_STIMER_STATE_BYTES		200

/* --- P2 --- */

struct hv_input_register_intercept_result {	/* IN, type CPUID (2) */
	uint64_t partition_id;
	uint32_t vp_index;
	uint32_t intercept_type;
	uint32_t eax;
	uint32_t ecx;
	uint8_t subleaf_specific;
	uint8_t always_override;
	uint8_t pad[2];
	struct {
		uint32_t value;
		uint32_t mask;
	} result[4];				/* eax ebx ecx edx */
} __attribute__((packed));

struct hv_input_create_port {			/* IN */
	uint64_t port_partition;
	uint32_t port_id;
	uint8_t port_vtl;
	uint8_t min_connection_vtl;
	uint8_t pad[2];
	uint64_t connection_partition;
	uint32_t port_type;			/* 4: doorbell */
	uint32_t pad2;
	uint32_t target_sint;
	uint32_t target_vp;
	uint64_t reserved;
	uint64_t proximity;
};

#define HV_PORT_TYPE_DOORBELL		4

struct hv_input_connect_port {			/* IN */
	uint64_t connection_partition;
	uint32_t connection_id;
	uint8_t connection_vtl;
	uint8_t pad[3];
	uint64_t port_partition;
	uint32_t port_id;
	uint32_t reserved;
	uint32_t port_type;
	uint32_t pad2;
	uint64_t gpa;
	uint64_t match_value;
	uint32_t flags;				/* HV_DOORBELL_* */
	uint32_t pad3;
	uint64_t proximity;
};

#define HV_DOORBELL_SIZE_MASK		0x7U	/* 0 any, 1 byte … 4 qword */
#define HV_DOORBELL_ANY_VALUE		(1U << 31)

struct hv_input_port {				/* IN: DELETE_PORT, DISCONNECT_PORT */
	uint64_t partition_id;
	uint32_t id;
	uint32_t flags;				/* DISCONNECT: bit 0 doorbell */
};

struct hv_input_install_intercept {		/* IN */
	uint64_t partition_id;
	uint32_t access;			/* message.h: HV_INTERCEPT_*, 0: remove */
	uint32_t type;				/* enum hv_intercept_type */
	uint64_t parameter;
};

#define HV_ACCESS_STATE_CLEAR_ACCESSED	(1ULL << 0)
#define HV_ACCESS_STATE_SET_ACCESSED	(1ULL << 1)
#define HV_ACCESS_STATE_CLEAR_DIRTY	(1ULL << 2)
#define HV_ACCESS_STATE_SET_DIRTY	(1ULL << 3)

struct hv_input_gpa_access_states {		/* IN, OUT rep: u8, bit 0 accessed, 1 dirty */
	uint64_t partition_id;
	uint64_t flags;
	uint64_t gpa_pfn;
};

#define HV_CPUID_VALUES_REGISTERED	(1U << 1)

struct hv_input_vp_cpuid_values {		/* IN, rep: u32 eax, ecx; OUT rep: u32[4] */
	uint64_t partition_id;
	uint32_t vp_index;
	uint32_t flags;
	uint64_t reserved;
};

struct hv_input_translate_virtual_address {	/* IN */
	uint64_t partition_id;
	uint32_t vp_index;
	uint32_t pad;
	uint64_t control_flags;
	uint64_t gva_page;
};

struct hv_output_translate_virtual_address {	/* OUT */
	uint32_t result_code;
	uint8_t cache_type;
	uint8_t overlay;
	uint8_t pad[2];
	uint64_t gpa_page;
};

#define HV_TRANSLATE_VALIDATE_READ	(1ULL << 0)
#define HV_TRANSLATE_VALIDATE_WRITE	(1ULL << 1)
#define HV_TRANSLATE_VALIDATE_EXECUTE	(1ULL << 2)
#define HV_TRANSLATE_PRIVILEGE_EXEMPT	(1ULL << 3)

enum hv_translate_result {
	HV_TRANSLATE_SUCCESS			= 0,
	HV_TRANSLATE_PAGE_NOT_PRESENT		= 1,
	HV_TRANSLATE_PRIVILEGE_VIOLATION	= 2,
	HV_TRANSLATE_INVALID_PAGE_TABLE_FLAGS	= 3,
	HV_TRANSLATE_GPA_UNMAPPED		= 4,
	HV_TRANSLATE_GPA_NO_READ		= 5,
	HV_TRANSLATE_GPA_NO_WRITE		= 6,
	HV_TRANSLATE_INTERCEPT			= 8,
};

#define HV_ABI_SIZE(type, n) \
	_Static_assert(sizeof(struct type) == (n), "TLFS layout of " #type)
HV_ABI_SIZE(hv_interrupt_entry, 16);
HV_ABI_SIZE(hv_input_map_device_interrupt, 80);
HV_ABI_SIZE(hv_output_map_device_interrupt, 56);
HV_ABI_SIZE(hv_input_unmap_device_interrupt, 36);
HV_ABI_SIZE(hv_input_create_partition, 56);
HV_ABI_SIZE(hv_input_create_vp, 40);
HV_ABI_SIZE(hv_input_vp_registers, 16);
HV_ABI_SIZE(hv_input_stats_page, 24);
HV_ABI_SIZE(hv_input_assert_virtual_interrupt, 32);
HV_ABI_SIZE(hv_input_dispatch_vp, 32);
HV_ABI_SIZE(hv_input_map_vp_state_page, 24);
HV_ABI_SIZE(hv_input_unmap_vp_state_page, 16);
HV_ABI_SIZE(hv_input_vp_state, 40);
HV_ABI_SIZE(hv_input_register_intercept_result, 60);
HV_ABI_SIZE(hv_input_create_port, 56);
HV_ABI_SIZE(hv_input_connect_port, 72);
HV_ABI_SIZE(hv_input_translate_virtual_address, 32);
HV_ABI_SIZE(hv_output_translate_virtual_address, 16);
HV_ABI_SIZE(hv_stimer_state, 40);

#endif
