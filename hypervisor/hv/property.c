/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/guesttime.h"
#include "hypervisor/hv/partition.h"
#include "hypervisor/hv/stats.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/trace.h"
#include "hypervisor/vcpu.h"
#include "lib/mem.h"

#define VENDOR_AMD	0

/* TLFS "HV_PARTITION_PROCESSOR_XSAVE_FEATURES" */
#define XSAVE_FEATURE_XSAVE	BIT64(0)
#define XSAVE_FEATURE_XSAVEOPT	BIT64(1)
#define XSAVE_FEATURE_AVX	BIT64(2)

static uint64_t xsave_features(void)
{
	uint64_t xcr0 = vcpu_xcr0_mask();
	uint32_t leaf[4];

	if (!xcr0)
		return 0;
	cpuid_native(0xd, 1, leaf);
	return XSAVE_FEATURE_XSAVE | (leaf[0] & 1 ? XSAVE_FEATURE_XSAVEOPT : 0) |
	       (xcr0 & 4 ? XSAVE_FEATURE_AVX : 0);
}

static uint64_t physical_address_width(void)
{
	uint32_t leaf[4];

	cpuid_native(0x80000008, 0, leaf);
	return leaf[0] & 0xff;
}

/*
 * TLFS "HV_PARTITION_PROCESSOR_FEATURES", bank 0: the bits our guests have and
 * that CPUID can be asked about (bit number, leaf, register, bit).
 */
static uint64_t processor_features(void)
{
	static const struct {
		uint8_t bit;
		uint32_t leaf;
		uint8_t reg, cpuid_bit;
	} map[] = {
		{ 0, 1, 2, 0 },			/* SSE3 */
		{ 1, 0x80000001, 2, 0 },	/* LAHF/SAHF */
		{ 2, 1, 2, 9 },			/* SSSE3 */
		{ 3, 1, 2, 19 },		/* SSE4.1 */
		{ 4, 1, 2, 20 },		/* SSE4.2 */
		{ 5, 0x80000001, 2, 6 },	/* SSE4A */
		{ 7, 1, 2, 23 },		/* POPCNT */
		{ 8, 1, 2, 13 },		/* CMPXCHG16B */
		{ 9, 0x80000001, 2, 4 },	/* CR8 in legacy modes */
		{ 10, 0x80000001, 2, 5 },	/* LZCNT */
		{ 11, 0x80000001, 2, 7 },	/* misaligned SSE */
		{ 14, 0x80000001, 3, 31 },	/* 3DNow! */
		{ 18, 0x80000001, 3, 27 },	/* RDTSCP */
	};
	uint64_t features = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(map); i++) {
		uint32_t leaf[4];

		cpuid_native(map[i].leaf, 0, leaf);
		if (leaf[map[i].reg] & BIT32(map[i].cpuid_bit))
			features |= BIT64(map[i].bit);
	}
	return features;
}

/* Kept for the partition; what they do is where they are looked at. */
static const struct kept {
	uint32_t code;
	uint16_t offset;
	bool early;		/* set before INITIALIZE only */
	uint64_t highest;	/* 0: only get */
} kept[] = {
#define KEPT(code_, field_, early_, highest_) \
	{ HV_PROPERTY_##code_, offsetof(struct partition, field_), early_, highest_ }
	KEPT(PRIVILEGE_FLAGS, privileges, true, UINT64_MAX),
	/* Asked for is not offered: guestcpuid.c has the last word. */
	KEPT(SYNTHETIC_PROC_FEATURES, synthetic_features, true, UINT64_MAX),
	KEPT(SUSPEND, suspend, false, UINT64_MAX),
	KEPT(PROCESSORS_PER_SOCKET, processors_per_socket, false, UINT64_MAX),
	/* The nested tables track always. */
	KEPT(GPA_PAGE_ACCESS_TRACKING, access_tracking, false, 1),
	KEPT(UNIMPLEMENTED_MSR_ACTION, unimplemented_msr_ignore, false, 1),
	KEPT(GUEST_OS_ID, guest_os_id, false, 0),
#undef KEPT
};

static const struct kept *find(uint32_t code)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(kept); i++) {
		if (kept[i].code == code)
			return &kept[i];
	}
	return NULL;
}

static enum hv_status get(const struct partition *p, uint32_t code, uint64_t *val)
{
	const struct kept *k = find(code);

	if (k) {
		memcpy(val, (const uint8_t *)p + k->offset, sizeof(*val));
		return HV_STATUS_SUCCESS;
	}
	switch (code) {
	case HV_PROPERTY_TIME_FREEZE:
		*val = p->time_frozen;
		break;
	case HV_PROPERTY_REFERENCE_TIME:
		*val = guesttime_reference(p);
		break;
	case HV_PROPERTY_PROCESSOR_VENDOR:
		*val = VENDOR_AMD;
		break;
	case HV_PROPERTY_XSAVE_FEATURES:
		*val = xsave_features();
		break;
	case HV_PROPERTY_COMPATIBILITY_VERSION:
		*val = HV_COMPATIBILITY_VERSION;
		break;
	case HV_PROPERTY_PHYSICAL_ADDRESS_WIDTH:
		*val = physical_address_width();
		break;
	case HV_PROPERTY_XSAVE_STATES:
		*val = vcpu_xcr0_mask();
		break;
	case HV_PROPERTY_MAX_XSAVE_DATA_SIZE:
		*val = PAGE_SIZE;
		break;
	case HV_PROPERTY_PROCESSOR_CLOCK_FREQUENCY:
		*val = clock_tsc_hz();
		break;
	case HV_PROPERTY_PROCESSOR_FEATURES0:
		*val = processor_features();
		break;
	case HV_PROPERTY_PROCESSOR_FEATURES1:
		*val = 0;
		break;
	default:
		return HV_STATUS_UNKNOWN_PROPERTY;
	}
	return HV_STATUS_SUCCESS;
}

/* Always complete at once: the caller never waits for a completion message. */
static enum hv_status set(struct partition *p, uint32_t code, uint64_t val)
{
	const struct kept *k = find(code);

	if (k && k->highest) {
		if (k->early && p->state != PARTITION_CREATED)
			return HV_STATUS_INVALID_PARTITION_STATE;
		if (val > k->highest)
			return HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE;
		memcpy((uint8_t *)p + k->offset, &val, sizeof(val));
		return HV_STATUS_SUCCESS;
	}
	switch (code) {
	case HV_PROPERTY_TIME_FREEZE:
		if (val > 1)
			return HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE;
		guesttime_freeze(p, val);
		return HV_STATUS_SUCCESS;
	case HV_PROPERTY_REFERENCE_TIME:
		guesttime_set(p, val);
		return HV_STATUS_SUCCESS;
	default:
		return HV_STATUS_UNKNOWN_PROPERTY;
	}
}

enum hv_status hvcall_get_partition_property(struct hvcall *c)
{
	const struct hv_input_get_partition_property *in = c->in;

	return get(c->partition, in->property_code, c->out);
}

enum hv_status hvcall_set_partition_property(struct hvcall *c)
{
	const struct hv_input_set_partition_property *in = c->in;

	lock_scope(&c->partition->lock);
	return set(c->partition, in->property_code, in->value);
}

/* Output of GET_PARTITION_PROPERTY_EX for the two codes below: one bank. */
struct bank_output {
	uint16_t count;
	uint16_t reserved[3];
	uint64_t bank[1];
};

enum hv_status hvcall_get_partition_property_ex(struct hvcall *c)
{
	const struct hv_input_get_partition_property_ex *in = c->in;
	bool root = c->partition == partition_root();
	struct bank_output *out = c->out;

	c->out_size = sizeof(*out);
	switch (in->property_code) {
	case HV_PROPERTY_VMM_CAPABILITIES:
		out->count = 1;		/* and none of them */
		return HV_STATUS_SUCCESS;
	case HV_PROPERTY_ASSIGNABLE_SYNTHETIC_PROC_FEATURES:
		out->count = 1;
		out->bank[0] = PARTITION_FEATURES;
		return HV_STATUS_SUCCESS;
	case HV_PROPERTY_COUNTERS:
		c->out_size = HV_COUNTERS_MAX * sizeof(uint64_t);
		return root ? stats_read(in->arg, c->out) : HV_STATUS_INVALID_PARAMETER;
	case HV_PROPERTY_TRACE:
		c->out_size = sizeof(struct hv_trace_page);
		return root && trace_read(in->arg, c->out) ? HV_STATUS_SUCCESS :
							     HV_STATUS_INVALID_PARAMETER;
	default:
		return get(c->partition, in->property_code, c->out);
	}
}
