/* SPDX-License-Identifier: MIT */
/* Hypercalls by which the root boots, routes interrupts and powers off. */
#ifndef HYPERVISOR_HV_ROOTCALLS_H
#define HYPERVISOR_HV_ROOTCALLS_H

#include "hypervisor/hv/hypercall.h"

enum hv_status hvcall_get_lp_run_time(struct hvcall *c);
enum hv_status hvcall_get_partition_id(struct hvcall *c);
enum hv_status hvcall_set_system_property(struct hvcall *c);
enum hv_status hvcall_get_system_property(struct hvcall *c);
enum hv_status hvcall_map_device_interrupt(struct hvcall *c);
enum hv_status hvcall_unmap_device_interrupt(struct hvcall *c);
enum hv_status hvcall_enter_sleep_state(struct hvcall *c);
enum hv_status hvcall_notify_partition_event(struct hvcall *c);
enum hv_status hvcall_notify_port_ring_empty(struct hvcall *c);

#endif
