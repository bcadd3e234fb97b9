/* SPDX-License-Identifier: MIT */
/*
 * Messages: intercepts to the VMM (RUN_VP buffer, intercept message page) and
 * the scheduler's messages to the root. TLFS "Message Types".
 */
#ifndef ABI_HV_MESSAGE_H
#define ABI_HV_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

enum hv_message_type {
	HV_MESSAGE_NONE				= 0x00000000,
	HV_MESSAGE_TIMER_EXPIRED		= 0x80000010,
	HV_MESSAGE_UNMAPPED_GPA			= 0x80000000,
	HV_MESSAGE_GPA_INTERCEPT		= 0x80000001,
	HV_MESSAGE_INVALID_VP_REGISTER_VALUE	= 0x80000020,
	HV_MESSAGE_UNRECOVERABLE_EXCEPTION	= 0x80000021,
	HV_MESSAGE_UNSUPPORTED_FEATURE		= 0x80000022,
	HV_MESSAGE_SYNIC_SINT_INTERCEPT		= 0x80000061,
	HV_MESSAGE_SCHEDULER_VP_SIGNAL_BITSET	= 0x80000100,
	HV_MESSAGE_SCHEDULER_VP_SIGNAL_PAIR	= 0x80000101,
	HV_MESSAGE_X64_IO_PORT_INTERCEPT	= 0x80010000,
	HV_MESSAGE_X64_MSR_INTERCEPT		= 0x80010001,
	HV_MESSAGE_X64_CPUID_INTERCEPT		= 0x80010002,
	HV_MESSAGE_X64_EXCEPTION_INTERCEPT	= 0x80010003,
	HV_MESSAGE_X64_APIC_EOI			= 0x80010004,
};

#define HV_MESSAGE_PAYLOAD_BYTES	240
#define HV_MESSAGE_FLAG_PENDING		(1U << 0)

struct hv_message_header {
	uint32_t type;				/* enum hv_message_type */
	uint8_t payload_size;
	uint8_t flags;
	uint8_t reserved[2];
	uint64_t sender;			/* partition or port id */
};

struct hv_message {
	struct hv_message_header header;
	uint8_t payload[HV_MESSAGE_PAYLOAD_BYTES] __attribute__((aligned(8)));
};

struct hv_timer_message {			/* payload of TIMER_EXPIRED */
	uint32_t timer_index;
	uint32_t reserved;
	uint64_t expiration;			/* reference time */
	uint64_t delivery;
};

struct hv_sint_intercept {			/* payload of SYNIC_SINT_INTERCEPT */
	uint32_t sint;
	uint32_t reserved;
};

/* INSTALL_INTERCEPT */
#define HV_INTERCEPT_READ		(1U << 0)
#define HV_INTERCEPT_WRITE		(1U << 1)
#define HV_INTERCEPT_EXECUTE		(1U << 2)

enum hv_intercept_type {			/* parameter */
	HV_INTERCEPT_IO_PORT	= 0,		/* port */
	HV_INTERCEPT_MSR	= 1,		/* those the hypervisor does not know */
	HV_INTERCEPT_CPUID	= 2,		/* leaf */
	HV_INTERCEPT_EXCEPTION	= 3,		/* vector */
	HV_INTERCEPT_MSR_INDEX	= 12,		/* MSR */
};

enum hv_access { HV_ACCESS_READ = 0, HV_ACCESS_WRITE = 1, HV_ACCESS_EXECUTE = 2 };

/* hv_x64_intercept_header.execution_state */
#define HV_EXEC_CPL_MASK		0x3U
#define HV_EXEC_CR0_PE			(1U << 2)
#define HV_EXEC_CR0_AM			(1U << 3)
#define HV_EXEC_EFER_LMA		(1U << 4)
#define HV_EXEC_DEBUG_ACTIVE		(1U << 5)
#define HV_EXEC_INTERRUPTION_PENDING	(1U << 6)
#define HV_EXEC_INTERRUPT_SHADOW	(1U << 12)

/* Same bytes as struct hv_segment_register. */
struct hv_message_segment {
	uint64_t base;
	uint32_t limit;
	uint16_t selector;
	uint16_t attributes;
};

struct hv_x64_intercept_header {
	uint32_t vp_index;
	uint8_t length_cr8;			/* insn length 3:0, cr8 7:4 */
	uint8_t access;				/* enum hv_access */
	uint16_t execution_state;
	struct hv_message_segment cs;
	uint64_t rip;				/* of the intercepted instruction */
	uint64_t rflags;
};

#define HV_MEMORY_GVA_VALID		(1U << 0)
#define HV_MEMORY_GVA_GPA_VALID		(1U << 1)

struct hv_x64_memory_intercept {
	struct hv_x64_intercept_header header;
	uint32_t cache_type;
	uint8_t insn_byte_count;
	uint8_t access_info;
	uint8_t tpr_priority;
	uint8_t reserved;
	uint64_t gva;
	uint64_t gpa;
	uint8_t insn_bytes[16];
};

#define HV_IO_SIZE_MASK			0x7U	/* 1, 2, 4 */
#define HV_IO_STRING			(1U << 3)
#define HV_IO_REP			(1U << 4)

struct hv_x64_io_port_intercept {
	struct hv_x64_intercept_header header;
	uint16_t port;
	uint8_t access_info;
	uint8_t insn_byte_count;
	uint32_t reserved;
	uint64_t rax;
	uint8_t insn_bytes[16];
	struct hv_message_segment ds;
	struct hv_message_segment es;
	uint64_t rcx;
	uint64_t rsi;
	uint64_t rdi;
};

struct hv_x64_msr_intercept {
	struct hv_x64_intercept_header header;
	uint32_t msr;
	uint32_t reserved;
	uint64_t rdx;
	uint64_t rax;
};

struct hv_x64_cpuid_intercept {
	struct hv_x64_intercept_header header;
	uint64_t rax, rcx, rdx, rbx;		/* as the guest asks */
	uint64_t default_rax, default_rcx, default_rdx, default_rbx;
};

#define HV_EXCEPTION_ERROR_CODE_VALID	(1U << 0)

struct hv_x64_exception_intercept {
	struct hv_x64_intercept_header header;
	uint16_t vector;
	uint8_t info;
	uint8_t insn_byte_count;
	uint32_t error_code;
	uint64_t parameter;			/* #PF: the address; #DB: DR6 */
	uint64_t reserved;
	uint8_t insn_bytes[16];
	struct hv_message_segment ds;
	struct hv_message_segment ss;
	uint64_t gpr[16];			/* RAX, RCX, RDX, RBX, RSP … R15 */
};

struct hv_x64_apic_eoi {
	uint32_t vp_index;
	uint32_t vector;
};

#define HV_SIGNAL_PAIRS_MAX		19

struct hv_scheduler_signal_pair {
	uint32_t overflow_count;
	uint8_t vp_count;
	uint8_t reserved[3];
	uint64_t partition_id[HV_SIGNAL_PAIRS_MAX];
	uint32_t vp_index[HV_SIGNAL_PAIRS_MAX];
	uint32_t reserved2;
};

#define HV_EVENT_RING_ENTRIES		63

struct hv_event_ring {				/* one per SINT in the SIRBP page */
	uint8_t signal_masked;
	uint8_t ring_full;
	uint16_t reserved;
	uint32_t data[HV_EVENT_RING_ENTRIES];	/* port ids, 0 = free */
};

_Static_assert(sizeof(struct hv_message) == 256, "message");
_Static_assert(sizeof(struct hv_x64_intercept_header) == 40, "intercept header");
_Static_assert(sizeof(struct hv_x64_memory_intercept) == 80, "memory intercept");
_Static_assert(sizeof(struct hv_x64_io_port_intercept) == 128, "io intercept");
_Static_assert(sizeof(struct hv_x64_msr_intercept) == 64, "msr intercept");
_Static_assert(sizeof(struct hv_x64_cpuid_intercept) == 104, "cpuid intercept");
_Static_assert(sizeof(struct hv_x64_exception_intercept) == 240, "exception intercept");
_Static_assert(sizeof(struct hv_scheduler_signal_pair) == 240, "signal pair");
_Static_assert(offsetof(struct hv_scheduler_signal_pair, vp_index) == 160, "signal pair");
_Static_assert(sizeof(struct hv_event_ring) == 256, "event ring");

#endif
