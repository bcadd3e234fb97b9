/* SPDX-License-Identifier: MIT */
/* Every hypercall of the root: code, shape, what it is about, handler. */
#include "abi/hv/guest.h"
#include "abi/hv/register.h"
#include "abi/hv/trace.h"
#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/vp.h"

#define ABOUT(what_) .about = HVCALL_ABOUT_##what_

const struct hvcall_desc hvcall_table[] = {
	/* first, as it is looked for most */
	{ CALL(HVCALL_DISPATCH_VP, VP, hvcall_dispatch_vp),
	  ABOUT(VP_NAME), CALL_IN(hv_input_dispatch_vp), CALL_OUT(struct hv_output_dispatch_vp) },
	/* the root itself: rootcalls.c */
	{ CALL(HVCALL_GET_LOGICAL_PROCESSOR_RUN_TIME, LP, hvcall_get_lp_run_time),
	  CALL_IN(hv_input_get_lp_run_time), CALL_OUT(struct hv_output_get_lp_run_time) },
	{ CALL(HVCALL_GET_PARTITION_ID, OTHER, hvcall_get_partition_id),
	  CALL_OUT(struct hv_output_partition_id) },
	{ CALL(HVCALL_SET_SYSTEM_PROPERTY, OTHER, hvcall_set_system_property),
	  CALL_IN(hv_input_set_system_property) },
	{ CALL(HVCALL_GET_SYSTEM_PROPERTY, OTHER, hvcall_get_system_property),
	  CALL_IN(hv_input_system_property), CALL_OUT(uint64_t) },
	{ CALL(HVCALL_MAP_DEVICE_INTERRUPT, OTHER, hvcall_map_device_interrupt),
	  /* the variable header begins with the descriptor's bank_mask */
	  .in_fixed = offsetof(struct hv_input_map_device_interrupt, descriptor.bank_mask),
	  .has_varhead = 1, CALL_OUT(struct hv_output_map_device_interrupt) },
	{ CALL(HVCALL_UNMAP_DEVICE_INTERRUPT, OTHER, hvcall_unmap_device_interrupt),
	  CALL_IN(hv_input_unmap_device_interrupt) },
	{ CALL(HVCALL_ENTER_SLEEP_STATE, OTHER, hvcall_enter_sleep_state),
	  CALL_IN(hv_input_enter_sleep_state) },
	{ CALL(HVCALL_NOTIFY_PARTITION_EVENT, OTHER, hvcall_notify_partition_event),
	  .in_fixed = 8 },
	{ CALL(HVCALL_NOTIFY_PORT_RING_EMPTY, SYNIC, hvcall_notify_port_ring_empty),
	  .in_fixed = 4 },

	/* guest partitions: calls.h names the file */
	{ CALL(HVCALL_CREATE_PARTITION, OTHER, hvcall_create_partition),
	  CALL_IN(hv_input_create_partition), CALL_OUT(struct hv_output_partition_id) },
	{ CALL(HVCALL_INITIALIZE_PARTITION, OTHER, hvcall_initialize_partition),
	  ABOUT(GUEST), CALL_IN(hv_input_partition) },
	{ CALL(HVCALL_FINALIZE_PARTITION, OTHER, hvcall_finalize_partition),
	  ABOUT(GUEST), CALL_IN(hv_input_partition) },
	{ CALL(HVCALL_DELETE_PARTITION, OTHER, hvcall_delete_partition),
	  ABOUT(GUEST), CALL_IN(hv_input_partition) },
	{ CALL(HVCALL_GET_PARTITION_PROPERTY, OTHER, hvcall_get_partition_property),
	  ABOUT(PARTITION), CALL_IN(hv_input_get_partition_property), CALL_OUT(uint64_t) },
	{ CALL(HVCALL_SET_PARTITION_PROPERTY, OTHER, hvcall_set_partition_property),
	  ABOUT(GUEST), CALL_IN(hv_input_set_partition_property) },
	{ CALL(HVCALL_GET_PARTITION_PROPERTY_EX, OTHER, hvcall_get_partition_property_ex),
	  ABOUT(PARTITION), CALL_IN(hv_input_get_partition_property_ex),
	  CALL_OUT(struct hv_trace_page) },
	{ CALL(HVCALL_DEPOSIT_MEMORY, DEPOSIT, hvcall_deposit_memory),
	  ABOUT(PARTITION), CALL_IN(hv_input_deposit_memory), CALL_REPS(8, 0) },
	{ CALL(HVCALL_WITHDRAW_MEMORY, DEPOSIT, hvcall_withdraw_memory),
	  ABOUT(PARTITION), CALL_IN(hv_input_withdraw_memory), CALL_REPS(0, 8) },
	{ CALL(HVCALL_MAP_GPA_PAGES, GPA, hvcall_map_gpa_pages),
	  ABOUT(GUEST), CALL_IN(hv_input_map_gpa_pages), CALL_REPS(8, 0) },
	{ CALL(HVCALL_UNMAP_GPA_PAGES, GPA, hvcall_unmap_gpa_pages),
	  ABOUT(GUEST), CALL_IN(hv_input_unmap_gpa_pages), CALL_REPS(0, 0) },
	{ CALL(HVCALL_GET_GPA_PAGES_ACCESS_STATES, GPA, hvcall_get_gpa_pages_access_states),
	  ABOUT(GUEST), CALL_IN(hv_input_gpa_access_states), CALL_REPS(0, 1) },
	{ CALL(HVCALL_INSTALL_INTERCEPT, OTHER, hvcall_install_intercept),
	  ABOUT(GUEST), CALL_IN(hv_input_install_intercept) },
	{ CALL(HVCALL_CREATE_VP, VP, hvcall_create_vp), ABOUT(GUEST), CALL_IN(hv_input_create_vp) },
	{ CALL(HVCALL_DELETE_VP, VP, hvcall_delete_vp), ABOUT(GUEST), CALL_IN(hv_input_delete_vp) },
	{ CALL(HVCALL_GET_VP_REGISTERS, VP, hvcall_get_vp_registers),
	  ABOUT(VP), CALL_IN(hv_input_vp_registers), CALL_REPS(4, 16) },
	{ CALL(HVCALL_SET_VP_REGISTERS, VP, hvcall_set_vp_registers),
	  ABOUT(VP_CHANGE), CALL_IN(hv_input_vp_registers),
	  CALL_REPS(sizeof(struct hv_register_assoc), 0) },
	{ CALL(HVCALL_TRANSLATE_VIRTUAL_ADDRESS, MMU, hvcall_translate_virtual_address),
	  ABOUT(VP), CALL_IN(hv_input_translate_virtual_address),
	  CALL_OUT(struct hv_output_translate_virtual_address) },
	{ CALL(HVCALL_CLEAR_VIRTUAL_INTERRUPT, INTERRUPT, hvcall_clear_virtual_interrupt),
	  ABOUT(GUEST), CALL_IN(hv_input_partition) },
	{ CALL(HVCALL_DELETE_PORT, OTHER, hvcall_delete_port),
	  ABOUT(ROOT), CALL_IN(hv_input_port) },
	{ CALL(HVCALL_DISCONNECT_PORT, OTHER, hvcall_disconnect_port),
	  ABOUT(GUEST), CALL_IN(hv_input_port) },
	{ CALL(HVCALL_MAP_STATS_PAGE, OTHER, hvcall_map_stats_page),
	  CALL_IN(hv_input_stats_page), CALL_OUT(uint64_t) },
	{ CALL(HVCALL_UNMAP_STATS_PAGE, OTHER, hvcall_unmap_stats_page),
	  CALL_IN(hv_input_stats_page) },
	{ CALL(HVCALL_REGISTER_INTERCEPT_RESULT, OTHER, hvcall_register_intercept_result),
	  ABOUT(VP), CALL_IN(hv_input_register_intercept_result) },
	{ CALL(HVCALL_ASSERT_VIRTUAL_INTERRUPT, INTERRUPT, hvcall_assert_virtual_interrupt),
	  ABOUT(GUEST), CALL_IN(hv_input_assert_virtual_interrupt) },
	{ CALL(HVCALL_POST_MESSAGE_DIRECT, SYNIC, hvcall_post_message_direct),
	  ABOUT(VP), CALL_IN(hv_input_post_message_direct) },
	{ CALL(HVCALL_SIGNAL_EVENT_DIRECT, SYNIC, hvcall_signal_event_direct),
	  ABOUT(VP), CALL_IN(hv_input_signal_event_direct), CALL_OUT(uint64_t) },
	{ CALL(HVCALL_CREATE_PORT, SYNIC, hvcall_create_port),
	  ABOUT(ROOT), CALL_IN(hv_input_create_port) },
	{ CALL(HVCALL_CONNECT_PORT, SYNIC, hvcall_connect_port),
	  ABOUT(GUEST), CALL_IN(hv_input_connect_port) },
	{ CALL(HVCALL_MAP_VP_STATE_PAGE, OTHER, hvcall_map_vp_state_page),
	  ABOUT(VP), CALL_IN(hv_input_map_vp_state_page), CALL_OUT(uint64_t) },
	{ CALL(HVCALL_UNMAP_VP_STATE_PAGE, OTHER, hvcall_unmap_vp_state_page),
	  ABOUT(VP), CALL_IN(hv_input_unmap_vp_state_page) },
	/* pages of the root, or the data itself, in the variable header */
	{ CALL(HVCALL_GET_VP_STATE, VP, hvcall_get_vp_state),
	  ABOUT(VP), CALL_IN(hv_input_vp_state), .has_varhead = 1,
	  .out_fixed = HV_STIMER_STATE_BYTES },
	{ CALL(HVCALL_SET_VP_STATE, VP, hvcall_set_vp_state),
	  ABOUT(VP_CHANGE), CALL_IN(hv_input_vp_state), .has_varhead = 1 },
	{ CALL(HVCALL_GET_VP_CPUID_VALUES, OTHER, hvcall_get_vp_cpuid_values),
	  ABOUT(VP), CALL_IN(hv_input_vp_cpuid_values), CALL_REPS(8, 16) },
};

const unsigned int hvcall_table_size = ARRAY_SIZE(hvcall_table);

/* What the input of a call about a partition begins with, and of one about a VP. */
struct subject {
	uint64_t partition_id;
	uint32_t vp_index;
};

static enum hv_status run_about_vp(const struct hvcall_desc *d, struct hvcall *c)
{
	bool change = d->about == HVCALL_ABOUT_VP_CHANGE;
	enum hv_status status;

	if (d->about == HVCALL_ABOUT_VP_NAME)
		return d->fn(c);
	vp_acquire(c->vp);
	regpage_load(c->vp);
	status = d->fn(c);
	if (change) {
		regpage_publish(c->vp);
		vp_sync_timer(c->vp);
	}
	vp_drop(c->vp);
	if (change) {
		/* It may be runnable now: a VMM resets a halted VP by writing its RIP. */
		lock_take(&c->vp->lock);
		vp_wake(c->vp);
		lock_drop(&c->vp->lock);
	}
	return status;
}

enum hv_status hvcall_run(const struct hvcall_desc *d, struct hvcall *c)
{
	const struct subject *in = c->in;
	struct partition *p;
	enum hv_status status;

	if (d->about == HVCALL_ABOUT_NOTHING)
		return d->fn(c);
	p = partition_get(in->partition_id);
	if (!p)
		return HV_STATUS_INVALID_PARTITION_ID;
	c->partition = p;
	if (d->about != HVCALL_ABOUT_PARTITION &&
	    (p == partition_root()) != (d->about == HVCALL_ABOUT_ROOT)) {
		status = HV_STATUS_INVALID_PARTITION_ID;
	} else if (d->about < HVCALL_ABOUT_VP_NAME) {
		status = d->fn(c);
	} else {
		c->vp = vp_get(p, in->vp_index);
		status = c->vp ? run_about_vp(d, c) : HV_STATUS_INVALID_VP_INDEX;
		if (c->vp)
			vp_put(c->vp);
	}
	partition_put(p);
	return status;
}
