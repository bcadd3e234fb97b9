/* SPDX-License-Identifier: MIT */
/* A guest's SynIC: registers, pages, messages and events from the root. */
#include "abi/hv/msr.h"
#include "hypervisor/counters.h"
#include "hypervisor/hv/guestcpuid.h"
#include "hypervisor/hv/guestmsr.h"
#include "tests/unit/hv_guest_run.h"

#define SIM	0x3000u
#define SIEF	0x4000u
#define ASSIST	0x5000u
#define SINT(n) (HV_MSR_SINT0 + (n))

static void wr(uint32_t msr, uint64_t val)
{
	if (!guestmsr_write(vp, msr, val))
		fail_msg("MSR %#x refuses %#llx", msr, (unsigned long long)val);
}

static uint64_t rd(uint32_t msr)
{
	uint64_t val;

	if (!guestmsr_read(vp, msr, &val))
		fail_msg("MSR %#x", msr);
	return val;
}

static bool refused(uint32_t msr, uint64_t val)
{
	return !guestmsr_write(vp, msr, val);
}

static void *guest_page(uint64_t gpa)
{
	return rig_page(ram + (gpa >> PAGE_SHIFT));
}

static bool requested(uint8_t vector)
{
	return vp->apic.irr[vector / 32] & BIT32(vector % 32);
}

static int synic_setup(void **state)
{
	run_setup(state);
	vlapic_write(vp, 0xf0, 0x1ff);
	wr(HV_MSR_SCONTROL, 1);
	wr(HV_MSR_SIMP, SIM | 1);
	wr(HV_MSR_SIEFP, SIEF | 1);
	wr(SINT(2), 0x62);
	rig_dispatch(vp, 0);
	return 0;
}

static void test_reset_values(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 16; i++)
		assert_int_equal(rd(SINT(i)), 0x10000);
	assert_int_equal(rd(HV_MSR_SCONTROL), 0);
	assert_int_equal(rd(HV_MSR_SIMP), 0);
	assert_int_equal(rd(HV_MSR_SIEFP), 0);
	assert_int_equal(rd(HV_MSR_VP_ASSIST_PAGE), 0);
	assert_int_equal(rd(HV_MSR_SVERSION), 1);
	assert_int_equal(rd(HV_MSR_EOM), 0);
}

static void test_register_rules(void **state)
{
	uint64_t val;

	(void)state;
	assert_true(refused(HV_MSR_SVERSION, 1));
	assert_true(refused(SINT(3), 15));
	assert_int_equal(rd(SINT(3)), 0x10000);
	wr(SINT(3), 0x10000 | 3); /* masked: no vector in use */
	wr(SINT(15), 0x600ff);
	assert_int_equal(rd(SINT(15)), 0x600ff);
	/* Not a guest's: SIRBP, beyond the last SINT; read only: time. */
	assert_true(refused(HV_MSR_TIME_REF_COUNT, 1));
	assert_true(refused(HV_MSR_VP_INDEX, 1));
	assert_true(refused(HV_MSR_SIRBP, 1));
	assert_false(guestmsr_read(vp, HV_MSR_SIRBP, &val));
	assert_false(guestmsr_read(vp, HV_MSR_EOI, &val));
	/* Reserved bits of page registers are kept, the page must be RAM. */
	wr(HV_MSR_SIMP, 0x7ff000 | 0xffe);
	assert_int_equal(rd(HV_MSR_SIMP), 0x7ffffe);
	assert_true(refused(HV_MSR_SIMP, 0x7ff000 | 1));
	assert_true(refused(HV_MSR_VP_ASSIST_PAGE, BIT64(50) | 1));
	assert_true(refused(HV_MSR_REFERENCE_TSC, 0x7ff000 | 1));
	wr(HV_MSR_GUEST_OS_ID, 1);
	assert_true(refused(HV_MSR_HYPERCALL, 0x7ff000 | 1));
}

/* Each feature opens its own registers and no others. */
static void test_features_gate(void **state)
{
	static const struct {
		uint32_t msr;
		uint8_t feature;
	} gate[] = {
		{ HV_MSR_GUEST_OS_ID, 7 },
		{ HV_MSR_HYPERCALL, 7 },
		{ HV_MSR_VP_INDEX, 8 },
		{ HV_MSR_TIME_REF_COUNT, 3 },
		{ HV_MSR_REFERENCE_TSC, 9 },
		{ HV_MSR_TSC_FREQUENCY, 11 },
		{ HV_MSR_APIC_FREQUENCY, 11 },
		{ HV_MSR_ICR, 6 },
		{ HV_MSR_TPR, 6 },
		{ HV_MSR_VP_ASSIST_PAGE, 6 },
		{ HV_MSR_SCONTROL, 4 },
		{ HV_MSR_EOM, 4 },
		{ SINT(15), 4 },
		{ HV_MSR_STIMER0_CONFIG, 5 },
		{ HV_MSR_STIMER3_COUNT, 5 },
		{ HV_MSR_GUEST_IDLE, 10 },
		{ HV_MSR_TSC_INVARIANT_CONTROL, 9 },
	};
	uint64_t val;

	(void)state;
	/* Whatever the VMM says of unknown registers: these are known. */
	vp->partition->unimplemented_msr_ignore = 1;
	for (unsigned int i = 0; i < ARRAY_SIZE(gate); i++) {
		vp->partition->synthetic_features = BIT64(gate[i].feature);
		assert_true(guestmsr_read(vp, gate[i].msr, &val));
		vp->partition->synthetic_features = ~BIT64(gate[i].feature);
		assert_false(guestmsr_read(vp, gate[i].msr, &val));
		assert_false(guestmsr_write(vp, gate[i].msr, 0));
	}
}

/* What the VMM did not ask for is not there. */
static void test_cpuid_gate(void **state)
{
	uint32_t r[4];

	(void)state;
	vp->partition->synthetic_features = 0;
	guestcpuid_get(vp, 1, 0, r);
	assert_false(r[2] & BIT32(31));
	for (uint32_t leaf = 0x40000000; leaf < 0x40000010; leaf++) {
		guestcpuid_get(vp, leaf, 0, r);
		assert_int_equal(r[0] | r[1] | r[2] | r[3], 0);
	}
	/* As QEMU asks. */
	vp->partition->synthetic_features = 0x6400ffb | 0x200000;
	vp->partition->privileges = 0x3000000000;
	guestcpuid_get(vp, 1, 0, r);
	assert_true(r[2] & BIT32(31));
	guestcpuid_get(vp, 0x40000003, 0, r);
	assert_int_equal(r[0], 0x8e7e);
	assert_int_equal(r[1], 0x30);
	assert_int_equal(r[3], 0x80100);
	guestcpuid_get(vp, 0x40000004, 0, r);
	assert_int_equal(r[0], 0x62c);
	assert_int_equal(r[1], 0xffffffff);
	vp->partition->synthetic_features &= ~0x430ULL; /* SynIC, timers, idle */
	guestcpuid_get(vp, 0x40000003, 0, r);
	assert_int_equal(r[0], 0x8a72);
}

/* --- pages --- */

static bool zeroed_first;

static void sees_zeros(struct vcpu *v, struct vcpu_exit *e)
{
	const uint8_t *p = guest_page(SIM);

	(void)v, (void)e;
	zeroed_first = p[0] == 0 && p[4095] == 0;
}

static void test_page_begins_empty(void **state)
{
	(void)state;
	memset(guest_page(SIM), 0xaa, PAGE_SIZE);
	wr(HV_MSR_SIMP, SIM | 1);
	rig_guest = sees_zeros;
	rig_dispatch(vp, 0);
	assert_true(zeroed_first);
	/* The same again leaves it alone. */
	memset(guest_page(SIM), 0xaa, PAGE_SIZE);
	wr(HV_MSR_SIMP, SIM | 1);
	rig_guest = NULL;
	rig_dispatch(vp, 0);
	assert_int_equal(((uint8_t *)guest_page(SIM))[7], 0xaa);
}

/* A page of movable memory: the root is asked first, the guest waits. */
static void test_page_not_populated(void **state)
{
	const struct hv_x64_memory_intercept *m = (void *)vp->message->payload;
	static const struct {
		uint32_t msr;
		uint64_t gpa;
	} pages[] = {
		{ HV_MSR_SIMP, 0x20000 },
		{ HV_MSR_VP_ASSIST_PAGE, 0x21000 },
		{ HV_MSR_REFERENCE_TSC, 0x22000 },
		{ HV_MSR_HYPERCALL, 0x23000 },
	};

	(void)state;
	wr(HV_MSR_GUEST_OS_ID, 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++) {
		uint64_t pfn;

		rig_map(partition, pages[i].gpa >> 12, 1, HV_MAP_GPA_NO_ACCESS);
		wr(pages[i].msr, pages[i].gpa | 1);
		EXPECT_RESULT(rig_dispatch(vp, CLEAR), READY, INTERCEPT);
		assert_int_equal(vp->message->header.type, HV_MESSAGE_GPA_INTERCEPT);
		assert_int_equal(m->header.access, HV_ACCESS_WRITE);
		assert_int_equal(m->gpa, pages[i].gpa);
		assert_int_equal(rig_entries, 0);
		/* Not populated after all: asked again, for as long as it takes. */
		EXPECT_RESULT(rig_dispatch(vp, CLEAR), READY, INTERCEPT);
		pfn = rig_map(partition, pages[i].gpa >> 12, 1, RWX);
		memset(rig_page(pfn), 0xaa, PAGE_SIZE);
		EXPECT_RESULT(rig_dispatch(vp, CLEAR), READY, NONE);
		assert_int_equal(rig_entries, 1);
		assert_int_not_equal(*(uint8_t *)rig_page(pfn), 0xaa);
	}
}

/* --- messages and events from the root --- */

static enum hv_status post(uint32_t sint, uint32_t type, uint8_t size)
{
	struct hv_input_post_message_direct in = { .partition_id = partition, .sint = sint };
	struct hv_message m = { .header = { .type = type, .payload_size = size } };

	memset(m.payload, 0x5a, sizeof(m.payload));
	memcpy(in.message, &m, sizeof(m));
	return rig_call(hvcall_post_message_direct, &in, sizeof(in), NULL, 0);
}

static void test_post_direct(void **state)
{
	struct hv_message *slot = (struct hv_message *)guest_page(SIM) + 2;

	(void)state;
	memset(slot->payload, 0x11, sizeof(slot->payload));
	assert_int_equal(post(2, 1, 100), HV_STATUS_SUCCESS);
	assert_int_equal(slot->header.type, 1);
	assert_int_equal(slot->payload[99], 0x5a);
	assert_int_equal(slot->payload[100], 0x11); /* only what belongs to it */
	assert_true(requested(0x62));
	/* Occupied: refused, and the guest will say when it is done. */
	assert_int_equal(slot->header.flags, 0);
	assert_int_equal(post(2, 2, 8), HV_STATUS_INSUFFICIENT_BUFFERS);
	assert_int_equal(slot->header.type, 1);
	assert_int_equal(slot->header.flags, HV_MESSAGE_FLAG_PENDING);
	slot->header.type = 0;
	assert_int_equal(post(2, 2, 8), HV_STATUS_SUCCESS);
	assert_int_equal(slot->header.flags, 0);

	/* Masked: the message is there, the interrupt lost; polling likewise. */
	assert_int_equal(post(3, 1, 0), HV_STATUS_SUCCESS);
	wr(SINT(4), 0x64 | HV_SINT_POLLING);
	assert_int_equal(post(4, 1, 0), HV_STATUS_SUCCESS);
	assert_int_equal(((struct hv_message *)guest_page(SIM))[4].header.type, 1);
	assert_false(requested(0x64));

	assert_int_equal(post(16, 1, 0), HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(post(2, 0, 0), HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(post(5, 1, 241), HV_STATUS_INVALID_PARAMETER);
	wr(HV_MSR_SCONTROL, 0);
	assert_int_equal(post(5, 1, 0), HV_STATUS_INVALID_SYNIC_STATE);
	wr(HV_MSR_SCONTROL, 1);
	wr(HV_MSR_SIMP, SIM);
	assert_int_equal(post(5, 1, 0), HV_STATUS_INVALID_SYNIC_STATE);
}

/* Its page was taken away: the VP wakes up to have it populated, then it works. */
static void test_post_unpopulated(void **state)
{
	(void)state;
	vp->halted = vp->blocked = true;
	vp->cpu.rflags = 0x202;
	rig_pfn_free(ram + (SIM >> PAGE_SHIFT));
	rig_map(partition, SIM >> PAGE_SHIFT, 1, HV_MAP_GPA_NO_ACCESS);
	assert_int_equal(post(2, 1, 8), HV_STATUS_INSUFFICIENT_BUFFERS);
	assert_int_equal(rig_signals, 1);
	EXPECT_RESULT(rig_dispatch(vp, CLEAR), READY, INTERCEPT);
	assert_int_equal(vp->message->header.type, HV_MESSAGE_GPA_INTERCEPT);
	rig_map(partition, SIM >> PAGE_SHIFT, 1, RWX);
	EXPECT_RESULT(rig_dispatch(vp, CLEAR), BLOCKED, NONE);
	assert_int_equal(post(2, 1, 8), HV_STATUS_SUCCESS);
	assert_int_equal(rig_signals, 2);
}

static enum hv_status signal_event(uint8_t sint, uint16_t flag, uint64_t *newly)
{
	struct hv_input_signal_event_direct in = {
		.partition_id = partition,
		.sint = sint,
		.flag = flag,
	};

	return rig_call(hvcall_signal_event_direct, &in, sizeof(in), newly, 8);
}

static void test_signal_direct(void **state)
{
	const uint8_t *flags = (const uint8_t *)guest_page(SIEF) + 2 * 256;
	static struct counters counters;
	uint64_t newly;

	(void)state;
	vp->stats = &counters;
	assert_int_equal(signal_event(2, 2047, &newly), HV_STATUS_SUCCESS);
	assert_int_equal(newly, 1);
	assert_int_equal(flags[255], 0x80);
	assert_true(requested(0x62));
	vlapic_take(vp, 0x62);
	assert_int_equal(signal_event(2, 2047, &newly), HV_STATUS_SUCCESS);
	assert_int_equal(newly, 0);
	assert_false(requested(0x62)); /* set already: no second interrupt */
	assert_int_equal(signal_event(2, 9, &newly), HV_STATUS_SUCCESS);
	assert_int_equal(flags[1], 2);
	assert_true(requested(0x62));
	vp->stats = NULL;
	assert_int_equal(counters.value[VP_COUNTER_SYNTHETIC_INTERRUPTS], 2);

	assert_int_equal(signal_event(2, 2048, &newly), HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(signal_event(16, 0, &newly), HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(signal_event(3, 0, &newly), HV_STATUS_INVALID_SYNIC_STATE);
	wr(HV_MSR_SIEFP, 0);
	assert_int_equal(signal_event(2, 0, &newly), HV_STATUS_INVALID_SYNIC_STATE);
}

/* --- state transfer --- */

static enum hv_status vp_state(hvcall_fn fn, uint32_t type, uint64_t pfn)
{
	struct {
		struct hv_input_vp_state h;
		uint64_t pfn;
	} in = { .h = { .partition_id = partition, .type = type }, .pfn = pfn };

	return rig_varhead(fn, &in, sizeof(in), 1, NULL, HV_STIMER_STATE_BYTES);
}

static void test_page_blobs(void **state)
{
	static const struct {
		uint32_t type, gpa;
	} pages[] = { { HV_VP_STATE_SIMP, SIM }, { HV_VP_STATE_SIEFP, SIEF } };
	uint64_t pfn = rig_pfn();
	uint8_t *blob = rig_page(pfn);

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		uint8_t *page = guest_page(pages[i].gpa);

		page[4000] = 7;
		assert_int_equal(vp_state(hvcall_get_vp_state, pages[i].type, pfn), 0);
		assert_int_equal(blob[4000], 7);
		assert_int_equal(blob[0], 0);
		blob[1] = 9;
		assert_int_equal(vp_state(hvcall_set_vp_state, pages[i].type, pfn), 0);
		assert_int_equal(page[1], 9);
		/* Nothing to say: guest memory, which the VMM moved, has the last word. */
		memset(blob, 0, PAGE_SIZE);
		assert_int_equal(vp_state(hvcall_set_vp_state, pages[i].type, pfn), 0);
		assert_int_equal(page[1], 9);
	}
	/* Disabled: empty, and loading does nothing. */
	wr(HV_MSR_SIMP, SIM);
	blob[0] = 1;
	assert_int_equal(vp_state(hvcall_set_vp_state, HV_VP_STATE_SIMP, pfn), 0);
	assert_int_equal(*(uint8_t *)guest_page(SIM), 0);
	assert_int_equal(vp_state(hvcall_get_vp_state, HV_VP_STATE_SIMP, pfn), 0);
	assert_int_equal(blob[0] | blob[4000], 0);
	rig_pfn_free(pfn);
}

/* By register the VMM loads values; pages keep what the guest has in them. */
static void test_registers_by_vmm(void **state)
{
	(void)state;
	*(uint8_t *)guest_page(SIM) = 1;
	assert_int_equal(set_reg(HV_REGISTER_SIMP, SIM | 1), 0);
	assert_int_equal(set_reg(HV_REGISTER_SINT0 + 3, 0x63), 0);
	assert_int_equal(set_reg(HV_REGISTER_SCONTROL, 1), 0);
	rig_dispatch(vp, 0);
	assert_int_equal(*(uint8_t *)guest_page(SIM), 1);
	assert_int_equal(rd(SINT(3)), 0x63);
	assert_int_equal(get_reg(HV_REGISTER_SIMP), SIM | 1);
}

/* --- end of interrupt --- */

static unsigned int next_vector;

static void takes_one(struct vcpu *v, struct vcpu_exit *e)
{
	(void)e;
	if (v->event.valid)
		next_vector = v->event.vector;
}

static void test_auto_eoi(void **state)
{
	(void)state;
	wr(SINT(2), 0x62 | HV_SINT_AUTO_EOI);
	vp->cpu.rflags = 0x202;
	assert_int_equal(post(2, 1, 0), 0);
	rig_guest = takes_one;
	rig_dispatch(vp, 0);
	assert_int_equal(next_vector, 0x62);
	assert_int_equal(vp->apic.isr[3], 0);
	/* Another SINT's vector is left to the guest. */
	assert_irq(0x70);
	rig_dispatch(vp, 0);
	assert_int_equal(next_vector, 0x70);
	assert_int_equal(vp->apic.isr[3], BIT32(0x10));
}

static void test_apic_registers(void **state)
{
	struct vp *other = rig_vp(partition, 1);

	(void)state;
	wr(HV_MSR_TPR, 0x70);
	assert_int_equal(vp->apic.tpr, 0x70);
	assert_int_equal(rd(HV_MSR_TPR), 0x70);
	vlapic_write(other, 0xf0, 0x1ff);
	wr(HV_MSR_ICR, 1ULL << 56 | 0x4051); /* xAPIC: destination in the top byte */
	assert_int_equal(other->apic.irr[2], BIT32(0x11));
	assert_int_equal(rd(HV_MSR_ICR), 1ULL << 56 | 0x4051);
}

static void idles(struct vcpu *v, struct vcpu_exit *e)
{
	v->gpr[VCPU_RCX] = HV_MSR_GUEST_IDLE;
	if (rig_entries == 1)
		*e = (struct vcpu_exit){ .reason = VCPU_EXIT_MSR, .insn_len = 2 };
}

/* Unlike HLT it ends with interrupts off as well. */
static void test_guest_idle(void **state)
{
	(void)state;
	vp->cpu.rflags = 2;
	rig_guest = idles;
	EXPECT_RESULT(rig_dispatch(vp, 0), BLOCKED, NONE);
	assert_int_equal(vp->cpu.rip, 0x1002);
	/* A VMM that saves and loads that state does not make a HLT of it. */
	assert_int_equal(get_reg(HV_REGISTER_INTERNAL_ACTIVITY_STATE), HV_ACTIVITY_IDLE);
	assert_int_equal(set_reg(HV_REGISTER_INTERNAL_ACTIVITY_STATE, HV_ACTIVITY_IDLE), 0);
	assert_irq(0x50);
	assert_int_equal(rig_signals, 1);
	rig_guest = NULL;
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, NONE);
	assert_true(requested(0x50));
	assert_false(vp->halted);
}

#define SYNIC_TEST(fn) cmocka_unit_test_setup_teardown(fn, synic_setup, run_teardown)

const struct CMUnitTest synic_tests[] = {
	RUN_TEST(test_reset_values),	   RUN_TEST(test_register_rules),
	RUN_TEST(test_features_gate),	   RUN_TEST(test_cpuid_gate),
	RUN_TEST(test_page_begins_empty),  RUN_TEST(test_page_not_populated),
	SYNIC_TEST(test_post_direct),	   SYNIC_TEST(test_post_unpopulated),
	SYNIC_TEST(test_signal_direct),	   SYNIC_TEST(test_page_blobs),
	SYNIC_TEST(test_registers_by_vmm), SYNIC_TEST(test_auto_eoi),
	SYNIC_TEST(test_apic_registers),   SYNIC_TEST(test_guest_idle),
};
const size_t synic_test_count = ARRAY_SIZE(synic_tests);
