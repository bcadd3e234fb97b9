/* SPDX-License-Identifier: MIT */
/*
 * Handlers of the root's hypercalls, by file; the table in calltable.c names them.
 * The TLFS page of the call has the parameters, include/abi/hv/hypercall.h the
 * layouts. Called on the root's CPU with no lock held but those of the call's
 * subject (enum hvcall_about).
 */
#ifndef HYPERVISOR_HV_CALLS_H
#define HYPERVISOR_HV_CALLS_H

#include "hypervisor/hv/hypercall.h"

/* rootcalls.c: by which the root boots, routes interrupts and powers off */
hvcall_fn hvcall_get_lp_run_time, hvcall_get_partition_id, hvcall_set_system_property,
	hvcall_get_system_property, hvcall_map_device_interrupt, hvcall_unmap_device_interrupt,
	hvcall_enter_sleep_state, hvcall_notify_partition_event, hvcall_notify_port_ring_empty;
/* pool.c */
hvcall_fn hvcall_deposit_memory, hvcall_withdraw_memory;
/* partition.c */
hvcall_fn hvcall_create_partition, hvcall_initialize_partition, hvcall_finalize_partition,
	hvcall_delete_partition;
/* property.c; the root's own properties included */
hvcall_fn hvcall_get_partition_property, hvcall_set_partition_property,
	hvcall_get_partition_property_ex;
/* gpa.c */
hvcall_fn hvcall_map_gpa_pages, hvcall_unmap_gpa_pages, hvcall_get_gpa_pages_access_states;
/* vp.c */
hvcall_fn hvcall_create_vp, hvcall_delete_vp, hvcall_map_vp_state_page, hvcall_unmap_vp_state_page;
/* regs.c */
hvcall_fn hvcall_get_vp_registers, hvcall_set_vp_registers;
/* vpstate.c; page frame numbers or data in the variable header */
hvcall_fn hvcall_get_vp_state, hvcall_set_vp_state;
/* stats.c */
hvcall_fn hvcall_map_stats_page, hvcall_unmap_stats_page;
/* dispatch.c */
hvcall_fn hvcall_dispatch_vp;
/* vlapicbus.c */
hvcall_fn hvcall_assert_virtual_interrupt, hvcall_clear_virtual_interrupt;
/* guestsynic.c */
hvcall_fn hvcall_post_message_direct, hvcall_signal_event_direct;
/* walk.c */
hvcall_fn hvcall_translate_virtual_address;
/* intercept.c */
hvcall_fn hvcall_install_intercept;
/* guestcpuid.c */
hvcall_fn hvcall_register_intercept_result, hvcall_get_vp_cpuid_values;
/* port.c */
hvcall_fn hvcall_create_port, hvcall_delete_port, hvcall_connect_port, hvcall_disconnect_port;

#endif
