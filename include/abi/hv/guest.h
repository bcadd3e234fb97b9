/* SPDX-License-Identifier: MIT */
/*
 * The synthetic interface as guests have it: what a VMM can ask for, what the
 * root sends to a guest's SynIC, and the hypercalls that guests make. TLFS
 * "Feature and Interface Discovery", "Hypercalls".
 */
#ifndef ABI_HV_GUEST_H
#define ABI_HV_GUEST_H

#include "abi/hv/hypercall.h"

/* Call codes; the last two are the root's. */
enum hv_guest_call {
	HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE	= 0x0002,
	HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST	= 0x0003,
	HVCALL_NOTIFY_LONG_SPIN_WAIT		= 0x0008,
	HVCALL_SEND_IPI				= 0x000b,
	HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE_EX	= 0x0013,
	HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST_EX	= 0x0014,
	HVCALL_SEND_IPI_EX			= 0x0015,
	HVCALL_POST_MESSAGE			= 0x005c,
	HVCALL_SIGNAL_EVENT			= 0x005d,
	HVCALL_SIGNAL_EVENT_DIRECT		= 0x00c0,
	HVCALL_POST_MESSAGE_DIRECT		= 0x00c1,
};

/*
 * Bit numbers of SYNTHETIC_PROC_FEATURES: what of the synthetic interface a
 * guest may see and use. TLFS "HV_PARTITION_SYNTHETIC_PROCESSOR_FEATURES".
 */
enum hv_synthetic_feature {
	HV_SYNTHETIC_PRESENT		= 0,	/* CPUID leaf 1, ECX bit 31 */
	HV_SYNTHETIC_HV1		= 1,	/* leaves 0x40000000 … 6 */
	HV_SYNTHETIC_REFERENCE_COUNTER	= 3,
	HV_SYNTHETIC_SYNIC		= 4,
	HV_SYNTHETIC_TIMERS		= 5,
	HV_SYNTHETIC_INTERRUPT_CONTROL	= 6,	/* EOI, ICR, TPR, VP assist page */
	HV_SYNTHETIC_HYPERCALL		= 7,
	HV_SYNTHETIC_VP_INDEX		= 8,
	HV_SYNTHETIC_REFERENCE_TSC	= 9,
	HV_SYNTHETIC_GUEST_IDLE		= 10,
	HV_SYNTHETIC_FREQUENCY		= 11,
	HV_SYNTHETIC_DIRECT_TIMERS	= 22,
	HV_SYNTHETIC_PROCESSOR_MASKS	= 24,	/* the calls whose name ends in Ex */
	HV_SYNTHETIC_TLB_FLUSH		= 25,
	HV_SYNTHETIC_CLUSTER_IPI	= 26,
	HV_SYNTHETIC_LONG_SPIN_WAIT	= 27,
};

/* --- messages and events from the root to a guest's SynIC --- */

struct hv_input_signal_event_direct {		/* IN; OUT: u8 newly signaled */
	uint64_t partition_id;
	uint32_t vp_index;
	uint8_t vtl;
	uint8_t sint;
	uint16_t flag;
};

/* The layout is rust-vmm's and OpenVMM's; the TLFS shows a tighter one. */
struct hv_input_post_message_direct {		/* IN */
	uint64_t partition_id;
	uint32_t vp_index;
	uint8_t vtl;
	uint8_t pad[3];
	uint32_t sint;
	uint8_t message[256];			/* struct hv_message, unaligned */
} __attribute__((packed));

/* --- calls by guests --- */

/* HV_VP_SET: format, mask of valid banks, and those banks of 64 VPs each. */
enum hv_vp_set_format { HV_VP_SET_SPARSE_4K = 0, HV_VP_SET_ALL = 1 };

struct hv_vp_set {
	uint64_t format;
	uint64_t valid_banks;
	/* uint64_t banks[] in the variable header */
};

#define HV_FLUSH_ALL_PROCESSORS		(1ULL << 0)
#define HV_FLUSH_FLAGS			0xfULL	/* all there are */

struct hv_input_flush {				/* IN, LIST: rep u64 address */
	uint64_t address_space;
	uint64_t flags;
	uint64_t processor_mask;
};

struct hv_input_flush_ex {			/* IN, LIST: rep u64 address */
	uint64_t address_space;
	uint64_t flags;
	struct hv_vp_set set;
};

struct hv_input_send_ipi {			/* IN */
	uint32_t vector;
	uint8_t target_vtl;
	uint8_t pad[3];
	uint64_t processor_mask;
};

struct hv_input_send_ipi_ex {			/* IN */
	uint32_t vector;
	uint8_t target_vtl;
	uint8_t pad[3];
	struct hv_vp_set set;
};

struct hv_input_post_message {			/* IN */
	uint32_t connection_id;
	uint32_t reserved;
	uint32_t message_type;
	uint32_t payload_size;
	uint8_t payload[240];
};

struct hv_input_signal_event {			/* IN */
	uint32_t connection_id;
	uint16_t flag;
	uint16_t reserved;
};

HV_ABI_SIZE(hv_input_signal_event_direct, 16);
HV_ABI_SIZE(hv_input_post_message_direct, 276);
HV_ABI_SIZE(hv_input_flush, 24);
HV_ABI_SIZE(hv_input_flush_ex, 32);
HV_ABI_SIZE(hv_input_send_ipi, 16);
HV_ABI_SIZE(hv_input_send_ipi_ex, 24);
HV_ABI_SIZE(hv_input_post_message, 256);
HV_ABI_SIZE(hv_input_signal_event, 8);

#endif
