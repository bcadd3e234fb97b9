/* SPDX-License-Identifier: MIT */
/* Every hypercall there is: code, shape, handler. */
#include "abi/hv/guest.h"
#include "abi/hv/register.h"
#include "abi/hv/trace.h"
#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/hypercall.h"
#include "hypervisor/hv/rootcalls.h"

#define SIMPLE(code_, in_, out_, fn_) \
	{ .code = (code_), .in_fixed = (in_), .out_fixed = (out_), .fn = (fn_) }
/* With a variable header behind @in_. */
#define VARHEAD(code_, in_, out_, fn_) \
	{ .code = (code_), .in_fixed = (in_), .out_fixed = (out_), .has_varhead = 1, \
	  .fn = (fn_) }
/* @in_ and @out_: fixed part; @in_rep_ and @out_rep_: each element. */
#define REP(code_, in_, in_rep_, out_, out_rep_, fn_) \
	{ .code = (code_), .in_fixed = (in_), .in_rep = (in_rep_), .out_fixed = (out_), \
	  .out_rep = (out_rep_), .is_rep = 1, .fn = (fn_) }

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

	/* guest partitions: calls.h names the file */
	SIMPLE(HVCALL_CREATE_PARTITION, sizeof(struct hv_input_create_partition),
	       sizeof(struct hv_output_partition_id), hvcall_create_partition),
	SIMPLE(HVCALL_INITIALIZE_PARTITION, sizeof(struct hv_input_partition), 0,
	       hvcall_initialize_partition),
	SIMPLE(HVCALL_FINALIZE_PARTITION, sizeof(struct hv_input_partition), 0,
	       hvcall_finalize_partition),
	SIMPLE(HVCALL_DELETE_PARTITION, sizeof(struct hv_input_partition), 0,
	       hvcall_delete_partition),
	SIMPLE(HVCALL_GET_PARTITION_PROPERTY, sizeof(struct hv_input_get_partition_property),
	       sizeof(uint64_t), hvcall_get_partition_property),
	SIMPLE(HVCALL_SET_PARTITION_PROPERTY, sizeof(struct hv_input_set_partition_property), 0,
	       hvcall_set_partition_property),
	SIMPLE(HVCALL_GET_PARTITION_PROPERTY_EX,
	       sizeof(struct hv_input_get_partition_property_ex), sizeof(struct hv_trace_page),
	       hvcall_get_partition_property_ex),
	REP(HVCALL_DEPOSIT_MEMORY, sizeof(struct hv_input_deposit_memory), 8, 0, 0,
	    hvcall_deposit_memory),
	REP(HVCALL_WITHDRAW_MEMORY, sizeof(struct hv_input_withdraw_memory), 0, 0, 8,
	    hvcall_withdraw_memory),
	REP(HVCALL_MAP_GPA_PAGES, sizeof(struct hv_input_map_gpa_pages), 8, 0, 0,
	    hvcall_map_gpa_pages),
	REP(HVCALL_UNMAP_GPA_PAGES, sizeof(struct hv_input_unmap_gpa_pages), 0, 0, 0,
	    hvcall_unmap_gpa_pages),
	REP(HVCALL_GET_GPA_PAGES_ACCESS_STATES, sizeof(struct hv_input_gpa_access_states), 0, 0, 1,
	    hvcall_get_gpa_pages_access_states),
	SIMPLE(HVCALL_INSTALL_INTERCEPT, sizeof(struct hv_input_install_intercept), 0,
	       hvcall_install_intercept),
	SIMPLE(HVCALL_CREATE_VP, sizeof(struct hv_input_create_vp), 0, hvcall_create_vp),
	SIMPLE(HVCALL_DELETE_VP, sizeof(struct hv_input_delete_vp), 0, hvcall_delete_vp),
	REP(HVCALL_GET_VP_REGISTERS, sizeof(struct hv_input_vp_registers), sizeof(uint32_t), 0,
	    sizeof(union hv_register_value), hvcall_get_vp_registers),
	REP(HVCALL_SET_VP_REGISTERS, sizeof(struct hv_input_vp_registers),
	    sizeof(struct hv_register_assoc), 0, 0, hvcall_set_vp_registers),
	SIMPLE(HVCALL_TRANSLATE_VIRTUAL_ADDRESS,
	       sizeof(struct hv_input_translate_virtual_address),
	       sizeof(struct hv_output_translate_virtual_address),
	       hvcall_translate_virtual_address),
	SIMPLE(HVCALL_CLEAR_VIRTUAL_INTERRUPT, sizeof(struct hv_input_partition), 0,
	       hvcall_clear_virtual_interrupt),
	SIMPLE(HVCALL_DELETE_PORT, sizeof(struct hv_input_port), 0, hvcall_delete_port),
	SIMPLE(HVCALL_DISCONNECT_PORT, sizeof(struct hv_input_port), 0, hvcall_disconnect_port),
	SIMPLE(HVCALL_MAP_STATS_PAGE, sizeof(struct hv_input_stats_page), sizeof(uint64_t),
	       hvcall_map_stats_page),
	SIMPLE(HVCALL_UNMAP_STATS_PAGE, sizeof(struct hv_input_stats_page), 0,
	       hvcall_unmap_stats_page),
	SIMPLE(HVCALL_REGISTER_INTERCEPT_RESULT,
	       sizeof(struct hv_input_register_intercept_result), 0,
	       hvcall_register_intercept_result),
	SIMPLE(HVCALL_ASSERT_VIRTUAL_INTERRUPT, sizeof(struct hv_input_assert_virtual_interrupt),
	       0, hvcall_assert_virtual_interrupt),
	SIMPLE(HVCALL_POST_MESSAGE_DIRECT, sizeof(struct hv_input_post_message_direct), 0,
	       hvcall_post_message_direct),
	SIMPLE(HVCALL_SIGNAL_EVENT_DIRECT, sizeof(struct hv_input_signal_event_direct),
	       sizeof(uint64_t), hvcall_signal_event_direct),
	SIMPLE(HVCALL_CREATE_PORT, sizeof(struct hv_input_create_port), 0, hvcall_create_port),
	SIMPLE(HVCALL_CONNECT_PORT, sizeof(struct hv_input_connect_port), 0, hvcall_connect_port),
	SIMPLE(HVCALL_DISPATCH_VP, sizeof(struct hv_input_dispatch_vp),
	       sizeof(struct hv_output_dispatch_vp), hvcall_dispatch_vp),
	SIMPLE(HVCALL_MAP_VP_STATE_PAGE, sizeof(struct hv_input_map_vp_state_page),
	       sizeof(uint64_t), hvcall_map_vp_state_page),
	SIMPLE(HVCALL_UNMAP_VP_STATE_PAGE, sizeof(struct hv_input_unmap_vp_state_page), 0,
	       hvcall_unmap_vp_state_page),
	/* pages of the root, or the data itself, in the variable header */
	VARHEAD(HVCALL_GET_VP_STATE, sizeof(struct hv_input_vp_state), HV_STIMER_STATE_BYTES,
		hvcall_get_vp_state),
	VARHEAD(HVCALL_SET_VP_STATE, sizeof(struct hv_input_vp_state), 0, hvcall_set_vp_state),
	REP(HVCALL_GET_VP_CPUID_VALUES, sizeof(struct hv_input_vp_cpuid_values), 8, 0, 16,
	    hvcall_get_vp_cpuid_values),
};

const unsigned int hvcall_table_size = ARRAY_SIZE(hvcall_table);
