/* SPDX-License-Identifier: MIT */
/*
 * Hypercall handlers about guest partitions; the table in hypercall.c names
 * them. One file per family; the TLFS page of the call has the parameters,
 * include/abi/hv/hypercall.h the layouts. Called on the root's CPU with no
 * lock held.
 */
#ifndef HYPERVISOR_HV_CALLS_H
#define HYPERVISOR_HV_CALLS_H

#include "hypervisor/hv/hypercall.h"

/* pool.c */
enum hv_status hvcall_deposit_memory(struct hvcall *c);
enum hv_status hvcall_withdraw_memory(struct hvcall *c);

/* partition.c */
enum hv_status hvcall_create_partition(struct hvcall *c);
enum hv_status hvcall_initialize_partition(struct hvcall *c);
enum hv_status hvcall_finalize_partition(struct hvcall *c);
enum hv_status hvcall_delete_partition(struct hvcall *c);

/* property.c; the root's own properties included */
enum hv_status hvcall_get_partition_property(struct hvcall *c);
enum hv_status hvcall_set_partition_property(struct hvcall *c);
enum hv_status hvcall_get_partition_property_ex(struct hvcall *c);

/* gpa.c */
enum hv_status hvcall_map_gpa_pages(struct hvcall *c);
enum hv_status hvcall_unmap_gpa_pages(struct hvcall *c);
enum hv_status hvcall_get_gpa_pages_access_states(struct hvcall *c);

/* vp.c */
enum hv_status hvcall_create_vp(struct hvcall *c);
enum hv_status hvcall_delete_vp(struct hvcall *c);
enum hv_status hvcall_map_vp_state_page(struct hvcall *c);
enum hv_status hvcall_unmap_vp_state_page(struct hvcall *c);

/* regs.c */
enum hv_status hvcall_get_vp_registers(struct hvcall *c);
enum hv_status hvcall_set_vp_registers(struct hvcall *c);

/* vpstate.c; page frame numbers or data in the variable header */
enum hv_status hvcall_get_vp_state(struct hvcall *c);
enum hv_status hvcall_set_vp_state(struct hvcall *c);

/* stats.c */
enum hv_status hvcall_map_stats_page(struct hvcall *c);
enum hv_status hvcall_unmap_stats_page(struct hvcall *c);

/* dispatch.c */
enum hv_status hvcall_dispatch_vp(struct hvcall *c);

/* signal.c */
enum hv_status hvcall_assert_virtual_interrupt(struct hvcall *c);
enum hv_status hvcall_clear_virtual_interrupt(struct hvcall *c);

/* guestsynic.c */
enum hv_status hvcall_post_message_direct(struct hvcall *c);
enum hv_status hvcall_signal_event_direct(struct hvcall *c);

/* walk.c */
enum hv_status hvcall_translate_virtual_address(struct hvcall *c);

/* guestcpuid.c */
enum hv_status hvcall_register_intercept_result(struct hvcall *c);
enum hv_status hvcall_get_vp_cpuid_values(struct hvcall *c);
enum hv_status hvcall_install_intercept(struct hvcall *c);

/* port.c */
enum hv_status hvcall_create_port(struct hvcall *c);
enum hv_status hvcall_delete_port(struct hvcall *c);
enum hv_status hvcall_connect_port(struct hvcall *c);
enum hv_status hvcall_disconnect_port(struct hvcall *c);

#endif
