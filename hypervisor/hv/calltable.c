/* SPDX-License-Identifier: MIT */
/* Every hypercall there is: code, shape, handler. */
#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/hypercall.h"
#include "hypervisor/hv/rootcalls.h"

#define SIMPLE(code_, in_, out_, fn_) \
	{ .code = (code_), .in_fixed = (in_), .out_fixed = (out_), .fn = (fn_), .name = #code_ }
/* With a variable header behind @in_. */
#define VARHEAD(code_, in_, out_, fn_) \
	{ .code = (code_), .in_fixed = (in_), .out_fixed = (out_), .has_varhead = 1, \
	  .fn = (fn_), .name = #code_ }
/* @in_ and @out_: fixed part; @in_rep_ and @out_rep_: each element. */
#define REP(code_, in_, in_rep_, out_, out_rep_, fn_) \
	{ .code = (code_), .in_fixed = (in_), .in_rep = (in_rep_), .out_fixed = (out_), \
	  .out_rep = (out_rep_), .is_rep = 1, .fn = (fn_), .name = #code_ }

const struct hvcall_desc hvcall_table[] = {
	/* the root itself: rootcalls.c */
	SIMPLE(HVCALL_GET_LOGICAL_PROCESSOR_RUN_TIME, sizeof(struct hv_input_get_lp_run_time),
	       sizeof(struct hv_output_get_lp_run_time), hvcall_get_lp_run_time),
	SIMPLE(HVCALL_GET_PARTITION_ID, 0, sizeof(struct hv_output_partition_id),
	       hvcall_get_partition_id),
	SIMPLE(HVCALL_SET_SYSTEM_PROPERTY, sizeof(struct hv_input_set_system_property), 0,
	       hvcall_set_system_property),
	SIMPLE(HVCALL_GET_SYSTEM_PROPERTY, sizeof(struct hv_input_system_property),
	       sizeof(uint64_t), hvcall_get_system_property),
	/* its variable header begins with the descriptor's bank_mask */
	VARHEAD(HVCALL_MAP_DEVICE_INTERRUPT,
		offsetof(struct hv_input_map_device_interrupt, descriptor.bank_mask),
		sizeof(struct hv_output_map_device_interrupt), hvcall_map_device_interrupt),
	SIMPLE(HVCALL_UNMAP_DEVICE_INTERRUPT, sizeof(struct hv_input_unmap_device_interrupt), 0,
	       hvcall_unmap_device_interrupt),
	SIMPLE(HVCALL_ENTER_SLEEP_STATE, sizeof(struct hv_input_enter_sleep_state), 0,
	       hvcall_enter_sleep_state),
	SIMPLE(HVCALL_NOTIFY_PARTITION_EVENT, sizeof(uint64_t), 0, hvcall_notify_partition_event),
	SIMPLE(HVCALL_NOTIFY_PORT_RING_EMPTY, sizeof(uint32_t), 0, hvcall_notify_port_ring_empty),

	/* guest partitions: the file is named in calls.h */
};

const unsigned int hvcall_table_size = ARRAY_SIZE(hvcall_table);
