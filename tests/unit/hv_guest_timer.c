/* SPDX-License-Identifier: MIT */
/* A guest's synthetic timers. Time passes when a test says so (and a little by itself). */
#include "abi/hv/msr.h"
#include "hypervisor/hv/guestmsr.h"
#include "hypervisor/hv/guesttime.h"
#include "hypervisor/hw/clock.h"
#include "tests/unit/hv_guest_run.h"

#define SIM	   0x3000u
#define CONFIG(n)  (HV_MSR_STIMER0_CONFIG + 2 * (n))
#define COUNT(n)   (HV_MSR_STIMER0_COUNT + 2 * (n))
#define TO_SINT(n) ((uint64_t)(n) << HV_STIMER_SINT_SHIFT)
#define DIRECT(v)  (HV_STIMER_DIRECT | (uint64_t)(v) << HV_STIMER_VECTOR_SHIFT)
#define SECOND	   10000000ULL
#define HOUR	   (3600 * SECOND)

static void wr(uint32_t msr, uint64_t val)
{
	if (!guestmsr_write(vp, msr, val))
		fail_msg("MSR %#x refuses %#llx", msr, (unsigned long long)val);
}

static uint64_t rd(uint32_t msr)
{
	uint64_t val;

	assert_true(guestmsr_read(vp, msr, &val));
	return val;
}

static uint64_t now(void)
{
	return guesttime_reference(vp->partition);
}

static void pass(uint64_t units)
{
	guesttime_set(vp->partition, now() + units);
}

static struct hv_message *slot(unsigned int sint)
{
	return (struct hv_message *)rig_page(ram + (SIM >> PAGE_SHIFT)) + sint;
}

static const struct hv_timer_message *payload(unsigned int sint)
{
	return (const void *)slot(sint)->payload;
}

static bool requested(uint8_t vector)
{
	return vp->apic.irr[vector / 32] & BIT32(vector % 32);
}

static void taken(uint8_t vector)
{
	vp->apic.irr[vector / 32] &= ~BIT32(vector % 32);
}

static int timer_setup(void **state)
{
	run_setup(state);
	vlapic_write(vp, 0xf0, 0x1ff);
	wr(HV_MSR_SCONTROL, 1);
	wr(HV_MSR_SIMP, SIM | 1);
	wr(HV_MSR_SINT0 + 2, 0x62);
	guesttime_set(vp->partition, HOUR);
	rig_dispatch(vp, 0);
	return 0;
}

static void test_message(void **state)
{
	uint64_t due = now() + HOUR;

	(void)state;
	wr(COUNT(1), due);
	wr(CONFIG(1), HV_STIMER_ENABLE | TO_SINT(2));
	rig_dispatch(vp, 0);
	assert_int_equal(slot(2)->header.type, HV_MESSAGE_NONE);
	/* The hardware is to interrupt when it is due, and not much later. */
	assert_in_range(rig_timer->deadline, rdtsc() + 3599 * 2000000000ULL,
			rdtsc() + 3601 * 2000000000ULL);
	pass(2 * HOUR);
	rig_dispatch(vp, 0);
	assert_int_equal(slot(2)->header.type, HV_MESSAGE_TIMER_EXPIRED);
	assert_int_equal(slot(2)->header.payload_size, 24);
	assert_int_equal(payload(2)->timer_index, 1);
	assert_int_equal(payload(2)->expiration, due);
	assert_in_range(payload(2)->delivery, due + HOUR - SECOND, due + HOUR + SECOND);
	assert_true(requested(0x62));
	assert_int_equal(rd(CONFIG(1)), TO_SINT(2)); /* one-shot: disabled itself */
	assert_int_equal(rd(COUNT(1)), due);
	taken(0x62);
	rig_dispatch(vp, 0);
	assert_false(requested(0x62));
}

/* A count in the past expires at once; a slot in use holds the message back. */
static void test_slot_in_use(void **state)
{
	(void)state;
	wr(CONFIG(0), HV_STIMER_AUTO_ENABLE | TO_SINT(2));
	wr(COUNT(0), 1);
	rig_dispatch(vp, 0);
	assert_int_equal(payload(2)->timer_index, 0);
	taken(0x62);
	wr(CONFIG(3), HV_STIMER_AUTO_ENABLE | TO_SINT(2));
	wr(COUNT(3), 5);
	rig_dispatch(vp, 0);
	assert_int_equal(payload(2)->timer_index, 0);
	assert_int_equal(slot(2)->header.flags, HV_MESSAGE_FLAG_PENDING);
	assert_false(requested(0x62));
	/* That alone is no reason to run. */
	vp->halted = true;
	vp->cpu.rflags = 0x202;
	EXPECT_RESULT(rig_dispatch(vp, 0), BLOCKED, NONE);
	vp->halted = vp->blocked = false;
	/* Emptied: the next one follows, also without interrupt when masked. */
	wr(HV_MSR_SINT0 + 2, 0x10062);
	slot(2)->header.type = HV_MESSAGE_NONE;
	wr(HV_MSR_EOM, 0);
	rig_dispatch(vp, 0);
	assert_int_equal(slot(2)->header.type, HV_MESSAGE_TIMER_EXPIRED);
	assert_int_equal(slot(2)->header.flags, 0);
	assert_int_equal(payload(2)->timer_index, 3);
	assert_int_equal(payload(2)->expiration, 5);
	assert_false(requested(0x62));
}

static void test_synic_disabled(void **state)
{
	(void)state;
	wr(HV_MSR_SCONTROL, 0);
	wr(CONFIG(0), HV_STIMER_AUTO_ENABLE | TO_SINT(2));
	wr(COUNT(0), 1);
	rig_dispatch(vp, 0);
	assert_int_equal(slot(2)->header.type, HV_MESSAGE_NONE);
	wr(HV_MSR_SCONTROL, 1);
	rig_dispatch(vp, 0);
	assert_int_equal(slot(2)->header.type, HV_MESSAGE_TIMER_EXPIRED);
	/* Written anew before it was delivered: the old expiry is forgotten. */
	wr(COUNT(0), 1);
	rig_dispatch(vp, 0);
	assert_int_equal(vp->undelivered, 1);
	wr(COUNT(0), now() + HOUR);
	assert_int_equal(vp->undelivered, 0);
}

static void test_configuration(void **state)
{
	(void)state;
	/* SINT 0 is the hypervisor's. */
	wr(COUNT(0), now() + HOUR);
	wr(CONFIG(0), HV_STIMER_ENABLE);
	assert_int_equal(rd(CONFIG(0)), 0);
	wr(CONFIG(0), HV_STIMER_AUTO_ENABLE);
	wr(COUNT(0), now() + HOUR);
	assert_int_equal(rd(CONFIG(0)), HV_STIMER_AUTO_ENABLE);
	/* Direct mode: a vector there can be, if the partition has the feature. */
	for (uint64_t vector = 0; vector < 16; vector++)
		assert_false(guestmsr_write(vp, CONFIG(0), DIRECT(vector)));
	assert_true(guestmsr_write(vp, CONFIG(0), DIRECT(16)));
	vp->partition->synthetic_features &= ~BIT64(HV_SYNTHETIC_DIRECT_TIMERS);
	assert_false(guestmsr_write(vp, CONFIG(0), DIRECT(16)));
	/* Reserved bits read back as zero. */
	wr(CONFIG(2), ~0ULL & ~HV_STIMER_DIRECT);
	assert_int_equal(rd(CONFIG(2)), 0xf0fff);
	/* Auto-enable, and zero stops. */
	wr(CONFIG(2), HV_STIMER_AUTO_ENABLE | TO_SINT(2));
	wr(COUNT(2), now() + HOUR);
	assert_int_equal(rd(CONFIG(2)), HV_STIMER_AUTO_ENABLE | HV_STIMER_ENABLE | TO_SINT(2));
	assert_int_not_equal(vp->stimer_deadline, 0);
	wr(COUNT(2), 0);
	assert_int_equal(rd(CONFIG(2)), HV_STIMER_AUTO_ENABLE | TO_SINT(2));
	assert_int_equal(vp->stimer_deadline, 0);
	/* Without it the count alone starts nothing. */
	wr(CONFIG(2), TO_SINT(2));
	wr(COUNT(2), 1);
	rig_dispatch(vp, 0);
	assert_int_equal(slot(2)->header.type, HV_MESSAGE_NONE);
	/* "Never" is never, not the past. */
	wr(CONFIG(2), HV_STIMER_ENABLE | HV_STIMER_PERIODIC | TO_SINT(2));
	wr(COUNT(2), ~0ULL);
	rig_dispatch(vp, 0);
	assert_int_equal(slot(2)->header.type, HV_MESSAGE_NONE);
	assert_int_equal(vp->stimer_deadline, 0);
}

static void test_direct(void **state)
{
	(void)state;
	/* No SynIC needed. */
	wr(HV_MSR_SCONTROL, 0);
	wr(CONFIG(0), HV_STIMER_AUTO_ENABLE | DIRECT(0xed));
	wr(COUNT(0), now() + HOUR);
	rig_dispatch(vp, 0);
	assert_false(requested(0xed));
	pass(HOUR);
	rig_dispatch(vp, 0);
	assert_true(requested(0xed));
	assert_int_equal(rd(CONFIG(0)), HV_STIMER_AUTO_ENABLE | DIRECT(0xed));
	assert_int_equal(vp->undelivered, 0);
}

/* A halted VP is woken by its timer through a signal to the root. */
static void test_wakes(void **state)
{
	(void)state;
	vp->halted = true;
	vp->cpu.rflags = 0x202;
	wr(CONFIG(0), HV_STIMER_AUTO_ENABLE | DIRECT(0xed));
	wr(COUNT(0), now() + HOUR);
	EXPECT_RESULT(rig_dispatch(vp, 0), BLOCKED, NONE);
	assert_int_equal(rig_signals, 0);
	assert_non_null(rig_timer);
	/* Early: the hardware's business. */
	rig_timer->fire(rig_timer);
	assert_int_equal(rig_signals, 0);
	vp->stimer_deadline = 1;
	vp->stimer[0].expiry = 1;
	rig_timer->fire(rig_timer);
	assert_int_equal(rig_signals, 1);
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, NONE);
	assert_int_equal(rig_entries, 1);
}

/* --- periodic --- */

/* What comes in @periods periods of dispatches at every quarter, each tick taken. */
static unsigned int ticks(unsigned int periods)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < 4 * periods; i++) {
		pass(HOUR / 4);
		rig_dispatch(vp, 0);
		n += requested(0xed);
		taken(0xed);
	}
	return n;
}

static void periodic(uint64_t flags)
{
	wr(CONFIG(0), HV_STIMER_AUTO_ENABLE | HV_STIMER_PERIODIC | flags | DIRECT(0xed));
	wr(COUNT(0), HOUR);
	rig_dispatch(vp, 0);
	assert_int_equal(ticks(10), 10);
	assert_true(rd(CONFIG(0)) & HV_STIMER_ENABLE);
	/* A thousand periods nobody took: one tick, none at once after it. */
	for (unsigned int i = 0; i < 100; i++) {
		pass(10 * HOUR);
		rig_dispatch(vp, 0);
	}
	assert_true(requested(0xed));
	taken(0xed);
	rig_dispatch(vp, 0);
	assert_false(requested(0xed));
}

static void test_periodic_lazy(void **state)
{
	(void)state;
	periodic(HV_STIMER_LAZY);
	assert_int_equal(ticks(10), 10);
}

/* Not lazy: catches up by shortened periods, four of them and no more. */
static void test_periodic_catches_up(void **state)
{
	unsigned int first;

	(void)state;
	periodic(0);
	first = ticks(6);
	assert_true(first >= 9);
	assert_int_equal(first + ticks(8), 6 + 8 + 4);
	assert_int_equal(ticks(10), 10);
}

/* However short the period, the host is asked at most every 100 us. */
static void test_periodic_shortest(void **state)
{
	(void)state;
	wr(CONFIG(0), HV_STIMER_AUTO_ENABLE | HV_STIMER_PERIODIC | DIRECT(0xed));
	wr(COUNT(0), 1);
	assert_int_equal(rd(COUNT(0)), 1);
	for (unsigned int i = 0; i < 100; i++) {
		uint64_t start = rdtsc();

		guesttimer_poll(vp, vp->stimer_deadline);
		taken(0xed);
		assert_true(vp->stimer_deadline - start >= 100 * 2000 / 2);
	}
}

static void test_periodic_message(void **state)
{
	(void)state;
	wr(CONFIG(0), HV_STIMER_AUTO_ENABLE | HV_STIMER_PERIODIC | HV_STIMER_LAZY | TO_SINT(2));
	wr(COUNT(0), HOUR);
	for (unsigned int i = 0; i < 10; i++) {
		pass(HOUR);
		rig_dispatch(vp, 0);
		assert_int_equal(slot(2)->header.type, HV_MESSAGE_TIMER_EXPIRED);
		assert_in_range(payload(2)->expiration, 2 * HOUR, 2 * HOUR + SECOND);
	}
	/* One in the slot, one owed, and the other eight are gone. */
	slot(2)->header.type = HV_MESSAGE_NONE;
	rig_dispatch(vp, 0);
	assert_int_equal(slot(2)->header.type, HV_MESSAGE_TIMER_EXPIRED);
	slot(2)->header.type = HV_MESSAGE_NONE;
	rig_dispatch(vp, 0);
	assert_int_equal(slot(2)->header.type, HV_MESSAGE_NONE);
}

/* --- time stands still, and moves on --- */

static void test_frozen(void **state)
{
	(void)state;
	wr(CONFIG(0), HV_STIMER_AUTO_ENABLE | DIRECT(0xed));
	wr(COUNT(0), now() + HOUR);
	guesttime_freeze(vp->partition, true);
	assert_int_equal(vp->stimer_deadline, 0);
	rig_dispatch(vp, 0);
	guesttime_freeze(vp->partition, false);
	assert_in_range(vp->stimer_deadline, rdtsc() + 3590 * 2000000000ULL,
			rdtsc() + 3601 * 2000000000ULL);
	/* A blocked VP has to arm its timer anew. */
	vp->halted = true;
	vp->cpu.rflags = 0x202;
	EXPECT_RESULT(rig_dispatch(vp, 0), BLOCKED, NONE);
	pass(10 * SECOND);
	assert_int_equal(rig_signals, 1);
}

struct tsc_page {
	uint32_t sequence, reserved;
	uint64_t scale;
	int64_t offset;
};

static void page_agrees(const struct tsc_page *page)
{
	uint64_t before = now(), tsc = rd(0x10), after = now();

	assert_in_range((uint64_t)((unsigned __int128)tsc * page->scale >> 64) +
				(uint64_t)page->offset,
			before, after);
}

static void test_tsc_page(void **state)
{
	const struct tsc_page *page = rig_page(ram + 6);
	uint32_t first;

	(void)state;
	wr(HV_MSR_REFERENCE_TSC, 0x6001);
	rig_dispatch(vp, 0);
	first = page->sequence;
	assert_int_not_equal(first, 0);
	page_agrees(page);
	/* Invalid while time stands still, another sequence afterwards. */
	guesttime_freeze(vp->partition, true);
	rig_dispatch(vp, 0);
	assert_int_equal(page->sequence, 0);
	guesttime_freeze(vp->partition, false);
	rig_dispatch(vp, 0);
	assert_int_not_equal(page->sequence, 0);
	assert_int_not_equal(page->sequence, first);
}

/* A VMM's reset or restored TSC: time goes on, and the page tells the same time. */
static void test_tsc_set(void **state)
{
	const struct tsc_page *page = rig_page(ram + 6);
	uint64_t time, tsc, offset;

	(void)state;
	wr(HV_MSR_REFERENCE_TSC, 0x6001);
	rig_dispatch(vp, 0);
	time = now();
	tsc = rd(0x10);
	assert_int_equal(set_reg(HV_X64_REGISTER_TSC, tsc + BIT64(49)), 0);
	assert_true(rd(0x10) >= tsc + BIT64(49));
	assert_in_range(now(), time, time + 60 * SECOND);
	rig_dispatch(vp, 0);
	page_agrees(page);
	/* The next processor's, a moment later, is meant to be the same. */
	offset = vp->cpu.tsc_offset;
	assert_int_equal(set_reg(HV_X64_REGISTER_TSC, rd(0x10) - 1000), 0);
	assert_int_equal(vp->cpu.tsc_offset, offset);
}

/* --- state transfer --- */

static void test_blob(void **state)
{
	struct hv_input_vp_state get = {
		.partition_id = partition,
		.type = HV_VP_STATE_SYNTHETIC_TIMERS,
	};
	struct {
		struct hv_input_vp_state h;
		struct hv_stimer_state timer[4];
		uint64_t reserved[5];
	} set = { .h = get };
	struct hv_stimer_state was[4];
	uint64_t due = now() + HOUR;

	(void)state;
	wr(CONFIG(0), HV_STIMER_AUTO_ENABLE | DIRECT(0xed));
	wr(COUNT(0), due);
	wr(CONFIG(1), HV_STIMER_AUTO_ENABLE | HV_STIMER_PERIODIC | TO_SINT(2));
	wr(COUNT(1), HOUR);
	wr(HV_MSR_SIMP, SIM); /* nowhere to go: the message is owed */
	wr(CONFIG(2), HV_STIMER_AUTO_ENABLE | TO_SINT(2));
	wr(COUNT(2), 17);
	rig_dispatch(vp, 0);
	assert_int_equal(rig_varhead(hvcall_get_vp_state, &get, sizeof(get), 0, set.timer,
				     HV_STIMER_STATE_BYTES),
			 0);
	assert_int_equal(set.timer[0].count, due);
	assert_int_equal(set.timer[1].config & 3, 3);
	assert_in_range(set.timer[1].adjustment, due - SECOND, due + SECOND);
	assert_int_equal(set.timer[2].undelivered, 1);
	assert_int_equal(set.timer[2].expiration, 17);
	memcpy(was, set.timer, sizeof(was));

	for (unsigned int i = 0; i < 4; i++) {
		wr(CONFIG(i), 0);
		wr(COUNT(i), 0);
	}
	assert_int_equal(vp->undelivered, 0);
	assert_int_equal(rig_varhead(hvcall_set_vp_state, &set, sizeof(set), 25, NULL, 0), 0);
	memset(set.timer, 0, sizeof(set.timer));
	assert_int_equal(rig_varhead(hvcall_get_vp_state, &get, sizeof(get), 0, set.timer,
				     HV_STIMER_STATE_BYTES),
			 0);
	assert_memory_equal(was, set.timer, sizeof(was));
	/* And they work: the message now, the interrupt in an hour. */
	wr(HV_MSR_SIMP, SIM | 1);
	rig_dispatch(vp, 0);
	assert_int_equal(payload(2)->timer_index, 2);
	pass(HOUR);
	rig_dispatch(vp, 0);
	assert_true(requested(0xed));
	/* By register: what is written is what is read, and nothing is enabled by it. */
	assert_int_equal(set_reg(HV_REGISTER_STIMER0_CONFIG + 6, HV_STIMER_AUTO_ENABLE), 0);
	assert_int_equal(set_reg(HV_REGISTER_STIMER0_CONFIG + 7, 77), 0);
	assert_int_equal(rd(CONFIG(3)), HV_STIMER_AUTO_ENABLE);
	assert_int_equal(get_reg(HV_REGISTER_STIMER3_COUNT), 77);
}

#define TIMER_TEST(fn) cmocka_unit_test_setup_teardown(fn, timer_setup, run_teardown)

const struct CMUnitTest timer_tests[] = {
	TIMER_TEST(test_message),
	TIMER_TEST(test_slot_in_use),
	TIMER_TEST(test_synic_disabled),
	TIMER_TEST(test_configuration),
	TIMER_TEST(test_direct),
	TIMER_TEST(test_wakes),
	TIMER_TEST(test_periodic_lazy),
	TIMER_TEST(test_periodic_catches_up),
	TIMER_TEST(test_periodic_shortest),
	TIMER_TEST(test_periodic_message),
	TIMER_TEST(test_frozen),
	TIMER_TEST(test_tsc_page),
	TIMER_TEST(test_tsc_set),
	TIMER_TEST(test_blob),
};
const size_t timer_test_count = ARRAY_SIZE(timer_tests);
