/* SPDX-License-Identifier: MIT */
/* Local APICs: priorities, registers, timer, messages between them. */
#include "tests/unit/hv_guest.h"

#include "hypervisor/hv/guestmsr.h"
#include "hypervisor/hw/clock.h"

#define SVR		0x0f0
#define TPR		0x080
#define EOI		0x0b0
#define ESR		0x280
#define ICR_LOW		0x300
#define ICR_HIGH	0x310
#define LVT_TIMER	0x320
#define TIMER_INITIAL	0x380
#define TIMER_CURRENT	0x390
#define TIMER_DIVIDE	0x3e0

static uint64_t partition;
static struct vp *bsp, *ap;

static int setup(void **state)
{
	rig_reset(state);
	partition = rig_partition();
	bsp = rig_vp(partition, 0);
	ap = rig_vp(partition, 1);
	vlapic_write(bsp, SVR, 0x1ff);
	vlapic_write(ap, SVR, 0x1ff);
	return 0;
}

static int teardown(void **state)
{
	rig_partition_end(partition);
	return rig_check(state);
}

static uint32_t reg(struct vp *vp, unsigned int n)
{
	uint32_t val = 0xdead;

	assert_int_equal(vlapic_read(vp, n, &val), VLAPIC_DONE);
	return val;
}

static void test_reset_values(void **state)
{
	(void)state;
	assert_int_equal(reg(ap, 0x20), 1u << 24);
	assert_int_equal(reg(bsp, 0x30), 0x50014);
	assert_int_equal(reg(bsp, 0xe0), 0xffffffff);
	assert_int_equal(reg(bsp, LVT_TIMER), 0x10000);
	assert_int_equal(bsp->apic.base_msr, 0xfee00900);
	assert_int_equal(ap->apic.base_msr, 0xfee00800);
	assert_false(bsp->wait_sipi);
	assert_true(ap->wait_sipi);
}

static void test_priorities(void **state)
{
	(void)state;
	assert_int_equal(vlapic_deliverable(bsp), -1);
	vlapic_accept(bsp, 0x31, false);
	vlapic_accept(bsp, 0x35, false);
	vlapic_accept(bsp, 0x52, false);
	assert_int_equal(vlapic_deliverable(bsp), 0x52);
	vlapic_take(bsp, 0x52);
	/* In service: only a higher class interrupts it. */
	assert_int_equal(vlapic_deliverable(bsp), -1);
	assert_int_equal(vlapic_requested(bsp), 0x35);
	vlapic_accept(bsp, 0x5f, false);
	assert_int_equal(vlapic_deliverable(bsp), -1);
	vlapic_accept(bsp, 0x60, false);
	assert_int_equal(vlapic_deliverable(bsp), 0x60);
	vlapic_take(bsp, 0x60);
	vlapic_write(bsp, EOI, 0);
	vlapic_write(bsp, EOI, 0);
	assert_int_equal(vlapic_deliverable(bsp), 0x5f);
	/* TPR masks its class and below. */
	vlapic_write(bsp, TPR, 0x50);
	assert_int_equal(vlapic_deliverable(bsp), -1);
	assert_int_equal(reg(bsp, 0xa0), 0x50);
	vlapic_write(bsp, TPR, 0x4f);
	assert_int_equal(vlapic_deliverable(bsp), 0x5f);
}

static void test_disabled(void **state)
{
	(void)state;
	vlapic_write(bsp, SVR, 0xff);
	vlapic_accept(bsp, 0x40, false);
	assert_int_equal(vlapic_requested(bsp), -1);
	vlapic_write(bsp, LVT_TIMER, 0x40);
	assert_int_equal(reg(bsp, LVT_TIMER), 0x10040);		/* masked by force */
}

static void test_level_eoi(void **state)
{
	(void)state;
	vlapic_accept(bsp, 0x40, true);
	vlapic_take(bsp, 0x40);
	vlapic_write(bsp, EOI, 0);
	assert_int_equal(bsp->apic.eoi_vector, 0x40);
	bsp->apic.eoi_vector = -1;
	vlapic_accept(bsp, 0x40, false);
	vlapic_take(bsp, 0x40);
	vlapic_write(bsp, EOI, 0);
	assert_int_equal(bsp->apic.eoi_vector, -1);
	vlapic_write(bsp, EOI, 0);	/* nothing in service: no harm */
}

static void test_esr(void **state)
{
	(void)state;
	vlapic_accept(bsp, 3, false);
	assert_int_equal(reg(bsp, ESR), 0);
	vlapic_write(bsp, ESR, 0);
	assert_int_equal(reg(bsp, ESR), 1u << 6);
	vlapic_write(bsp, ESR, 0);
	assert_int_equal(reg(bsp, ESR), 0);
	assert_int_equal(vlapic_write(bsp, ICR_LOW, 0x0f), VLAPIC_DONE);	/* not sent */
	vlapic_write(bsp, ESR, 0);
	assert_int_equal(reg(bsp, ESR), 1u << 5);
}

static void test_one_shot(void **state)
{
	uint64_t start;

	(void)state;
	vlapic_write(bsp, TIMER_DIVIDE, 0x3);		/* 16 */
	vlapic_write(bsp, LVT_TIMER, 0x40);
	start = rdtsc();
	vlapic_write(bsp, TIMER_INITIAL, 0x10000000);
	assert_true(bsp->apic.deadline >= start + 0x100000000);
	assert_true(bsp->apic.deadline <= rdtsc() + 0x100000000);
	assert_in_range(reg(bsp, TIMER_CURRENT), 0x0f000000, 0x10000000);
	assert_false(vlapic_timer_poll(bsp, bsp->apic.deadline - 1));
	assert_true(vlapic_timer_poll(bsp, bsp->apic.deadline));
	assert_int_equal(vlapic_deliverable(bsp), 0x40);
	assert_int_equal(bsp->apic.deadline, 0);
	/* Zero stops. */
	vlapic_write(bsp, TIMER_INITIAL, 0x10000000);
	vlapic_write(bsp, TIMER_INITIAL, 0);
	assert_int_equal(bsp->apic.deadline, 0);
	/* Masked: counts, but nothing is due. */
	vlapic_write(bsp, LVT_TIMER, 0x10040);
	vlapic_write(bsp, TIMER_INITIAL, 0x10000000);
	assert_int_equal(bsp->apic.deadline, 0);
	assert_true(reg(bsp, TIMER_CURRENT) > 0);
	vlapic_write(bsp, LVT_TIMER, 0x40);
	assert_true(bsp->apic.deadline != 0);
}

/* A count that has run out stays out, whatever is written; one that runs goes on. */
static void test_divider(void **state)
{
	struct hv_local_apic_state s;

	(void)state;
	vlapic_write(bsp, TIMER_DIVIDE, 0xb);		/* 1 */
	vlapic_write(bsp, LVT_TIMER, 0x40);
	vlapic_write(bsp, TIMER_INITIAL, 0x10000000);
	bsp->apic.count_start -= 0x10000001;
	assert_true(vlapic_timer_poll(bsp, bsp->apic.deadline));
	vlapic_write(bsp, TIMER_DIVIDE, 0xa);		/* 128 */
	assert_int_equal(bsp->apic.deadline, 0);
	assert_int_equal(reg(bsp, TIMER_CURRENT), 0);
	vlapic_get_state(bsp, &s);
	vlapic_set_state(bsp, &s);
	assert_int_equal(bsp->apic.deadline, 0);
	vlapic_write(bsp, LVT_TIMER, 0x20040);		/* periodic: nothing to repeat */
	assert_int_equal(bsp->apic.deadline, 0);
	vlapic_write(bsp, LVT_TIMER, 0x40);

	vlapic_write(bsp, TIMER_INITIAL, 0x10000000);
	bsp->apic.count_start -= 64ULL * 0x10000000;	/* half of it */
	vlapic_write(bsp, TIMER_DIVIDE, 0xb);
	assert_in_range(reg(bsp, TIMER_CURRENT), 0x07000000, 0x08000000);
	assert_in_range(bsp->apic.deadline - rdtsc(), 0x07000000, 0x08000000);
}

static void test_periodic(void **state)
{
	uint64_t first;

	(void)state;
	vlapic_write(bsp, TIMER_DIVIDE, 0xb);		/* 1 */
	vlapic_write(bsp, LVT_TIMER, 0x20041);
	vlapic_write(bsp, TIMER_INITIAL, 0x40000000);
	first = bsp->apic.deadline;
	assert_true(vlapic_timer_poll(bsp, first + 5));
	assert_int_equal(bsp->apic.deadline, first + 0x40000000);
	/* Late by three periods: one interrupt, and the phase is kept. */
	assert_true(vlapic_timer_poll(bsp, first + 4ULL * 0x40000000 + 9));
	assert_int_equal(bsp->apic.deadline, first + 5ULL * 0x40000000);
	/* A tick of one nanosecond is not granted. */
	vlapic_write(bsp, TIMER_INITIAL, 1);
	assert_true(bsp->apic.deadline - bsp->apic.count_start >= clock_tsc_hz() / 10000);
}

/* A guest that sets its TSC moves what it compares the deadline with. */
static void test_deadline_follows_tsc(void **state)
{
	uint64_t now, before;

	(void)state;
	vlapic_write(bsp, LVT_TIMER, 0x40042);
	now = rdtsc() + bsp->cpu.tsc_offset;
	vlapic_tsc_deadline_write(bsp, now + BIT64(50));
	before = bsp->apic.deadline;
	assert_true(guestmsr_write(bsp, 0x3b, BIT64(40)));
	assert_int_equal(bsp->apic.deadline, before - BIT64(40));
	assert_true(guestmsr_write(bsp, 0x10, now + BIT64(49)));
	assert_in_range(bsp->apic.deadline, before - BIT64(49), before - BIT64(49) + BIT64(40));
}

static void test_tsc_deadline(void **state)
{
	uint64_t guest_tsc;

	(void)state;
	vlapic_tsc_deadline_write(bsp, 12345);		/* not in that mode: ignored */
	assert_int_equal(vlapic_tsc_deadline(bsp), 0);
	vlapic_write(bsp, LVT_TIMER, 0x40042);
	guest_tsc = rdtsc() + bsp->cpu.tsc_offset;
	vlapic_tsc_deadline_write(bsp, guest_tsc + 1000000000);
	assert_int_equal(bsp->apic.deadline, guest_tsc + 1000000000 - bsp->cpu.tsc_offset);
	assert_false(vlapic_timer_poll(bsp, bsp->apic.deadline - 1));
	assert_true(vlapic_timer_poll(bsp, bsp->apic.deadline));
	assert_int_equal(vlapic_tsc_deadline(bsp), 0);
	assert_int_equal(vlapic_deliverable(bsp), 0x42);
	/* In the past: due at once. */
	vlapic_tsc_deadline_write(bsp, 1);
	assert_true(vlapic_timer_poll(bsp, rdtsc()));
	/* The far future is not the past. */
	vlapic_tsc_deadline_write(bsp, ~0ULL);
	assert_false(vlapic_timer_poll(bsp, rdtsc()));
	/* Leaving the mode disarms. */
	vlapic_write(bsp, LVT_TIMER, 0x42);
	assert_int_equal(bsp->apic.deadline, 0);
}

static void test_x2apic(void **state)
{
	uint64_t val;

	(void)state;
	assert_int_equal(vlapic_msr_read(ap, 0x802, &val), VLAPIC_BAD);
	assert_false(vlapic_base_write(ap, 0xfee00400));		/* x2APIC without enable */
	assert_true(vlapic_base_write(ap, 0xfee00c00));
	assert_int_equal(vlapic_msr_read(ap, 0x802, &val), VLAPIC_DONE);
	assert_int_equal(val, 1);
	assert_int_equal(vlapic_msr_read(ap, 0x80d, &val), VLAPIC_DONE);
	assert_int_equal(val, 2);				/* cluster 0, bit 1 */
	assert_int_equal(vlapic_msr_write(ap, 0x802, 5), VLAPIC_BAD);
	assert_int_equal(vlapic_msr_write(ap, 0x80b, 1), VLAPIC_BAD);	/* EOI takes 0 only */
	assert_int_equal(vlapic_msr_write(ap, 0x808, BIT64(32)), VLAPIC_BAD);
	assert_int_equal(vlapic_msr_read(ap, 0x80b, &val), VLAPIC_BAD);
	assert_int_equal(vlapic_msr_read(ap, 0x8ff, &val), VLAPIC_BAD);
	/* Self IPI. */
	assert_int_equal(vlapic_msr_write(ap, 0x83f, 0x44), VLAPIC_DONE);
	assert_int_equal(vlapic_deliverable(ap), 0x44);
	/* Back to xAPIC only through off. */
	assert_false(vlapic_base_write(ap, 0xfee00800));
	assert_true(vlapic_base_write(ap, 0xfee00000));
	assert_true(vlapic_base_write(ap, 0xfee00800));
}

static void test_destinations(void **state)
{
	struct partition *p = partition_get(partition);

	(void)state;
	/* physical */
	assert_true(vlapic_message(p, 0, false, false, 1, 0x40));
	assert_int_equal(vlapic_requested(ap), 0x40);
	assert_int_equal(vlapic_requested(bsp), -1);
	assert_false(vlapic_message(p, 0, false, false, 9, 0x40));
	assert_false(vlapic_message(p, 0, false, false, 1, 0x0f));
	/* flat logical */
	vlapic_write(bsp, 0xd0, 1u << 24);
	vlapic_write(ap, 0xd0, 2u << 24);
	assert_true(vlapic_message(p, 0, false, true, 3, 0x50));
	assert_int_equal(vlapic_requested(ap), 0x50);
	assert_int_equal(vlapic_requested(bsp), 0x50);
	/* lowest priority: one of them */
	assert_true(vlapic_message(p, 1, false, true, 3, 0x60));
	assert_true((vlapic_requested(ap) == 0x60) != (vlapic_requested(bsp) == 0x60));
	/* … the least busy, and none that is switched off */
	vlapic_write(bsp, TPR, 0x70);
	assert_true(vlapic_message(p, 1, false, true, 3, 0x61));
	assert_int_equal(vlapic_requested(ap), 0x61);
	vlapic_write(ap, SVR, 0xff);
	assert_true(vlapic_message(p, 1, false, true, 3, 0x62));
	assert_int_equal(vlapic_requested(bsp), 0x62);
	vlapic_write(ap, SVR, 0x1ff);
	vlapic_write(bsp, TPR, 0);
	/* cluster: cluster 2, members 1 and 2 */
	vlapic_write(bsp, 0xe0, 0x0fffffff);
	vlapic_write(bsp, 0xd0, 0x21u << 24);
	assert_true(vlapic_message(p, 0, false, true, 0x23, 0x70));
	assert_int_equal(vlapic_requested(bsp), 0x70);
	/* broadcast */
	assert_true(vlapic_message(p, 0, false, false, 0xff, 0x80));
	assert_int_equal(vlapic_requested(bsp), 0x80);
	assert_int_equal(vlapic_requested(ap), 0x80);
	partition_put(p);
}

static void test_ipi(void **state)
{
	(void)state;
	vlapic_write(bsp, ICR_HIGH, 1u << 24);
	assert_int_equal(vlapic_write(bsp, ICR_LOW, 0x4055), VLAPIC_SEND_IPI);
	vlapic_ipi(bsp, bsp->apic.icr);
	assert_int_equal(vlapic_requested(ap), 0x55);
	vlapic_ipi(bsp, 0xc0056);			/* all but self */
	assert_int_equal(vlapic_requested(ap), 0x56);
	assert_int_equal(vlapic_requested(bsp), -1);
	vlapic_ipi(bsp, 0x80057);			/* all */
	assert_int_equal(vlapic_requested(bsp), 0x57);
	vlapic_ipi(ap, 0x40058);			/* self */
	assert_int_equal(vlapic_requested(ap), 0x58);
	vlapic_ipi(bsp, 1ULL << 56 | 0x400);		/* NMI, still in xAPIC layout */
	assert_true(ap->apic.nmi_pending);
}

static void test_init_sipi(void **state)
{
	(void)state;
	/* A SIPI to a running processor means nothing. */
	vlapic_ipi(ap, 0x4600 | 0x9a);			/* to id 0, mode 6 */
	assert_false(bsp->apic.sipi_pending);
	vlapic_ipi(bsp, 1ULL << 56 | 0x4500);
	assert_true(ap->apic.init_pending);
	vlapic_ipi(bsp, 1ULL << 56 | 0x469a);
	assert_true(ap->apic.sipi_pending);
	assert_int_equal(ap->apic.sipi_vector, 0x9a);
	/* INIT level de-assert is nothing. */
	ap->apic.init_pending = false;
	vlapic_ipi(bsp, 1ULL << 56 | 0x8500);
	assert_false(ap->apic.init_pending);
}

static void test_assert_call(void **state)
{
	struct hv_input_assert_virtual_interrupt in = {
		.partition_id = partition, .dest_addr = 0, .vector = 0x41,
		.control = HV_INTERRUPT_CONTROL_LEVEL,
	};
	struct hv_input_partition clear = { partition };

	(void)state;
	assert_int_equal(rig_call(hvcall_assert_virtual_interrupt, &in, sizeof(in), NULL, 0), 0);
	assert_int_equal(vlapic_requested(bsp), 0x41);
	assert_int_equal(bsp->apic.tmr[2], 2);
	in.vector = 8;
	assert_int_equal(rig_call(hvcall_assert_virtual_interrupt, &in, sizeof(in), NULL, 0),
			 HV_STATUS_INVALID_PARAMETER);
	in.interrupt_type = HV_INTERRUPT_TYPE_EXTINT;
	assert_int_equal(rig_call(hvcall_assert_virtual_interrupt, &in, sizeof(in), NULL, 0), 0);
	assert_true(bsp->apic.extint_pending);
	assert_int_equal(rig_call(hvcall_clear_virtual_interrupt, &clear, sizeof(clear), NULL, 0),
			 0);
	assert_false(bsp->apic.extint_pending);
	/* LINT1 as NMI, LINT0 masked. */
	vlapic_write(bsp, 0x360, 0x400);
	in.interrupt_type = HV_INTERRUPT_TYPE_LOCAL_INT0;
	assert_int_equal(rig_call(hvcall_assert_virtual_interrupt, &in, sizeof(in), NULL, 0), 0);
	assert_false(bsp->apic.nmi_pending);
	in.interrupt_type = HV_INTERRUPT_TYPE_LOCAL_INT1;
	assert_int_equal(rig_call(hvcall_assert_virtual_interrupt, &in, sizeof(in), NULL, 0), 0);
	assert_true(bsp->apic.nmi_pending);
	in.interrupt_type = HV_INTERRUPT_TYPE_SMI;
	assert_int_equal(rig_call(hvcall_assert_virtual_interrupt, &in, sizeof(in), NULL, 0),
			 HV_STATUS_INVALID_PARAMETER);
	in.interrupt_type = 0;
	in.vector = 0x141;
	assert_int_equal(rig_call(hvcall_assert_virtual_interrupt, &in, sizeof(in), NULL, 0),
			 HV_STATUS_INVALID_PARAMETER);
}

static void test_state_blob(void **state)
{
	struct hv_local_apic_state s, again;

	(void)state;
	vlapic_write(bsp, TIMER_DIVIDE, 0xb);
	vlapic_write(bsp, LVT_TIMER, 0x20041);
	vlapic_write(bsp, TIMER_INITIAL, 0x70000000);
	vlapic_accept(bsp, 0x99, true);
	vlapic_take(bsp, 0x99);
	vlapic_accept(bsp, 0xa1, false);
	vlapic_get_state(bsp, &s);
	vlapic_reset(bsp);
	assert_int_equal(vlapic_requested(bsp), -1);
	vlapic_set_state(bsp, &s);
	vlapic_get_state(bsp, &again);
	assert_in_range(again.counter, s.counter - 0x1000000, s.counter);
	again.counter = s.counter;
	assert_memory_equal(&s, &again, sizeof(s));
	assert_int_equal(vlapic_deliverable(bsp), 0xa1);
	assert_true(bsp->apic.deadline != 0);
	/* Hostile: vectors 0 … 15 cannot be pending. */
	s.irr[0] = s.isr[0] = 0xffffffff;
	vlapic_set_state(bsp, &s);
	assert_int_equal(bsp->apic.irr[0] & 0xffff, 0);
}

#define LAPIC_TEST(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

const struct CMUnitTest lapic_tests[] = {
	LAPIC_TEST(test_reset_values),
	LAPIC_TEST(test_priorities),
	LAPIC_TEST(test_disabled),
	LAPIC_TEST(test_level_eoi),
	LAPIC_TEST(test_esr),
	LAPIC_TEST(test_one_shot),
	LAPIC_TEST(test_divider),
	LAPIC_TEST(test_periodic),
	LAPIC_TEST(test_tsc_deadline),
	LAPIC_TEST(test_deadline_follows_tsc),
	LAPIC_TEST(test_x2apic),
	LAPIC_TEST(test_destinations),
	LAPIC_TEST(test_ipi),
	LAPIC_TEST(test_init_sipi),
	LAPIC_TEST(test_assert_call),
	LAPIC_TEST(test_state_blob),
};
const size_t lapic_test_count = ARRAY_SIZE(lapic_tests);
