/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/calls.h"

#include "hypervisor/cpu.h"
#include "hypervisor/hv/synic.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/hw/power.h"
#include "hypervisor/log.h"

/* ACPI "Sleeping States": the only one a root asks for. */
#define SLEEP_S5     5u
#define FIRST_VECTOR 0x20u /* below are exceptions */

enum hv_status hvcall_get_lp_run_time(struct hvcall *c)
{
	const struct hv_input_get_lp_run_time *in = c->in;
	struct hv_output_get_lp_run_time *out = c->out;

	/*
	 * Success means "this processor is started already": Linux then skips
	 * ADD_LOGICAL_PROCESSOR and brings it up by INIT and SIPI.
	 */
	if (in->lp_index >= cpu_count)
		return HV_STATUS_INVALID_LP_INDEX;
	out->global_time = clock_reference();
	out->local_run_time = out->global_time;
	return HV_STATUS_SUCCESS;
}

enum hv_status hvcall_get_partition_id(struct hvcall *c)
{
	struct hv_output_partition_id *out = c->out;

	out->partition_id = ROOT_PARTITION_ID;
	return HV_STATUS_SUCCESS;
}

enum hv_status hvcall_set_system_property(struct hvcall *c)
{
	const struct hv_input_set_system_property *in = c->in;

	if (in->property_id != HV_SYSTEM_PROPERTY_SLEEP_STATE)
		return HV_STATUS_UNKNOWN_PROPERTY;
	if (in->sleep_state != SLEEP_S5)
		return HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE;
	power_set_s5(in->pm1a_slp_typ, in->pm1b_slp_typ);
	return HV_STATUS_SUCCESS;
}

enum hv_status hvcall_get_system_property(struct hvcall *c)
{
	const struct hv_input_system_property *in = c->in;
	uint64_t *value = c->out;

	switch (in->property_id) {
	case HV_SYSTEM_PROPERTY_SCHEDULER_TYPE:
		*value = HV_SCHEDULER_TYPE_ROOT;
		return HV_STATUS_SUCCESS;
	case HV_SYSTEM_PROPERTY_DYNAMIC_FEATURE:
		*value = 0;
		return HV_STATUS_SUCCESS;
	default:
		/* CRASHDUMP_AREA too: we keep none. */
		return HV_STATUS_UNKNOWN_PROPERTY;
	}
}

/* The one processor a sparse set of VP indexes names; NULL if it is not one. */
static struct cpu *single_target(uint64_t bank_mask, const uint64_t *bank, uint32_t banks)
{
	uint64_t vps;
	unsigned int index;

	if (banks != 1 || bank_mask == 0 || (bank_mask & (bank_mask - 1)))
		return NULL;
	vps = bank[0];
	if (vps == 0 || (vps & (vps - 1)))
		return NULL;
	index = (unsigned int)(__builtin_ctzll(bank_mask) * 64 + __builtin_ctzll(vps));
	return index < cpu_count ? cpus[index] : NULL;
}

#define TARGET_FLAG_SET 2u /* HV_DEVICE_INTERRUPT_TARGET_PROCESSOR_SET */
#define MSI_ADDRESS	0xfee00000u
#define RTE_LEVEL	BIT32(15)

/*
 * The root owns IOAPICs, MSI tables and local APICs, so the answer is what the
 * hardware wants, untranslated: physical destination, fixed delivery. Nothing
 * is kept; each affinity change is an UNMAP and a MAP. (Linux also sends its
 * vector count and banks where a multi-vector MSI would need more; we take one
 * vector to one processor, which is all it asks for.)
 */
enum hv_status hvcall_map_device_interrupt(struct hvcall *c)
{
	const struct hv_input_map_device_interrupt *in = c->in;
	const struct hv_device_interrupt_descriptor *d = &in->descriptor;
	struct hv_output_map_device_interrupt *out = c->out;
	const struct cpu *target;

	/* The variable header begins with bank_mask. */
	if (c->varhead < 2 || d->format != 0 || !(d->target_flags & TARGET_FLAG_SET))
		return HV_STATUS_INVALID_PARAMETER;
	if (in->partition_id != HV_PARTITION_ID_SELF && in->partition_id != ROOT_PARTITION_ID)
		return HV_STATUS_INVALID_PARTITION_ID;
	target = single_target(d->bank_mask, (const uint64_t *)(in + 1), c->varhead - 1);
	if (!target || target->apic_id > 0xff || d->interrupt_type != HV_INTERRUPT_TYPE_FIXED ||
	    d->vector < FIRST_VECTOR || d->vector > 0xff || d->vector_count != 1)
		return HV_STATUS_INVALID_PARAMETER;

	switch (in->device_id >> HV_DEVICE_TYPE_SHIFT) {
	case HV_DEVICE_TYPE_PCI:
		out->entry.source = HV_INTERRUPT_SOURCE_MSI;
		out->entry.low = MSI_ADDRESS | target->apic_id << 12;
		out->entry.high = d->vector;
		return HV_STATUS_SUCCESS;
	case HV_DEVICE_TYPE_IOAPIC:
		out->entry.source = HV_INTERRUPT_SOURCE_IOAPIC;
		out->entry.low = d->vector | (d->trigger_mode ? RTE_LEVEL : 0);
		out->entry.high = target->apic_id << 24;
		return HV_STATUS_SUCCESS;
	default:
		return HV_STATUS_INVALID_PARAMETER;
	}
}

enum hv_status hvcall_unmap_device_interrupt(struct hvcall *c __maybe_unused)
{
	return HV_STATUS_SUCCESS;
}

enum hv_status hvcall_enter_sleep_state(struct hvcall *c)
{
	const struct hv_input_enter_sleep_state *in = c->in;

	if (in->sleep_state != SLEEP_S5)
		return HV_STATUS_INVALID_PARAMETER;
	power_off();
}

enum hv_status hvcall_notify_partition_event(struct hvcall *c)
{
	const uint32_t *event = c->in;

	log_line("root: partition event %u", *event);
	return HV_STATUS_SUCCESS;
}

enum hv_status hvcall_notify_port_ring_empty(struct hvcall *c)
{
	const uint32_t *sint = c->in;

	if (*sint >= 16)
		return HV_STATUS_INVALID_PARAMETER;
	synic_ring_empty(*sint);
	return HV_STATUS_SUCCESS;
}
