/* SPDX-License-Identifier: MIT */
/* Pages a guest shares with the hypervisor: EOI assist, SynIC, reference TSC, hypercalls. */
#include "abi/hv/msr.h"
#include "hypervisor/hv/guestmsr.h"
#include "hypervisor/hv/guesttime.h"
#include "tests/unit/hv_guest_run.h"

#define ASSIST 0x5000u

static void wr(uint32_t msr, uint64_t val)
{
	if (!guestmsr_write(vp, msr, val))
		fail_msg("MSR %#x refuses %#llx", msr, (unsigned long long)val);
}

static void *guest_page(uint64_t gpa)
{
	return rig_page(ram + (gpa >> PAGE_SHIFT));
}

static bool requested(uint8_t vector)
{
	return vp->apic.irr[vector / 32] & BIT32(vector % 32);
}

static int apic_setup(void **state)
{
	run_setup(state);
	vlapic_write(vp, 0xf0, 0x1ff);
	return 0;
}

/* --- EOI assist --- */

static uint32_t assist_seen;
static bool guest_ends;
static void (*meanwhile)(void);

static void handler(struct vcpu *v, struct vcpu_exit *e)
{
	uint32_t *assist = guest_page(ASSIST);

	(void)v, (void)e;
	assist_seen = *assist;
	if (guest_ends)
		*assist = 0;
	if (meanwhile)
		meanwhile();
	meanwhile = NULL;
}

static bool in_service(uint8_t vector)
{
	return vp->apic.isr[vector / 32] & BIT32(vector % 32);
}

static void irq_0x90(void)
{
	vlapic_accept(vp, 0x90, false);
}

static void test_eoi_assist(void **state)
{
	(void)state;
	wr(HV_MSR_VP_ASSIST_PAGE, ASSIST | 1);
	vp->cpu.rflags = 0x202;
	rig_guest = handler;
	assert_irq(0x50);
	rig_dispatch(vp, 0);
	assert_int_equal(assist_seen, 1);
	assert_true(in_service(0x50)); /* has not ended it, and sees no promise now */
	assert_int_equal(*(uint32_t *)guest_page(ASSIST), 0);
	guest_ends = true;
	rig_dispatch(vp, 0);
	assert_int_equal(assist_seen, 1);
	assert_false(in_service(0x50));
	rig_dispatch(vp, 0);
	assert_int_equal(assist_seen, 0); /* nothing in service */

	/* One that waits behind it needs the real EOI; so does a level-triggered one. */
	assert_irq(0x50);
	assert_irq(0x40);
	rig_dispatch(vp, 0);
	assert_int_equal(assist_seen, 0);
	assert_true(in_service(0x50));
	wr(HV_MSR_EOI, 0);
	assert_false(in_service(0x50));
	rig_dispatch(vp, 0);
	assert_false(in_service(0x40));
	vlapic_accept(vp, 0x80, true);
	rig_dispatch(vp, 0);
	assert_true(in_service(0x80));
	assert_int_equal(assist_seen, 0);
	wr(HV_MSR_EOI, 0);
	vp->apic.eoi_vector = -1;

	/* One that comes after the guest ended this. */
	meanwhile = irq_0x90;
	assert_irq(0x60);
	rig_dispatch(vp, 0);
	assert_false(in_service(0x60));
	assert_true(requested(0x90));
	guest_ends = false;
}

/* The page goes away in between: settled before the guest runs again. */
static void lose_page(void)
{
	vp->cpu.in_guest = 0; /* as if from another processor, right after the exit */
	rig_map(partition, ASSIST >> PAGE_SHIFT, 1, HV_MAP_GPA_NO_ACCESS);
	vp->cpu.in_guest = 1;
}

static void test_eoi_assist_unpopulated(void **state)
{
	struct {
		struct hv_input_map_gpa_pages h;
		uint64_t pfn;
	} in = { .h = { .partition_id = partition, .gpa_pfn = ASSIST >> PAGE_SHIFT, .flags = RWX },
		 .pfn = ram + (ASSIST >> PAGE_SHIFT) };

	(void)state;
	wr(HV_MSR_VP_ASSIST_PAGE, ASSIST | 1);
	vp->cpu.rflags = 0x202;
	rig_guest = handler;
	guest_ends = true;
	meanwhile = lose_page;
	assert_irq(0x50);
	rig_dispatch(vp, 0);
	assert_true(in_service(0x50));
	EXPECT_RESULT(rig_dispatch(vp, CLEAR), READY, INTERCEPT);
	assert_int_equal(rig_rep(hvcall_map_gpa_pages, &in, sizeof(in), NULL, 0, 0, 1, NULL), 0);
	EXPECT_RESULT(rig_dispatch(vp, CLEAR), READY, NONE);
	assert_false(in_service(0x50));
	guest_ends = false;
}

/* The VMM takes the page away while the hypervisor still has something to do in it. */
static void test_pages_taken_by_vmm(void **state)
{
	static const struct {
		uint32_t msr, name;
	} page[] = {
		{ HV_MSR_VP_ASSIST_PAGE, HV_REGISTER_VP_ASSIST_PAGE },
		{ HV_MSR_SIEFP, HV_REGISTER_SIEFP },
		{ HV_MSR_SIMP, HV_REGISTER_SIMP },
	};
	uint32_t *first = guest_page(0);

	(void)state;
	first[0] = first[1023] = 0x12345678;
	/* To be cleared when it is there. */
	rig_map(partition, 0x20, 1, HV_MAP_GPA_NO_ACCESS);
	for (size_t i = 0; i < ARRAY_SIZE(page); i++) {
		wr(page[i].msr, 0x20001);
		assert_int_equal(set_reg(page[i].name, 0), 0);
		assert_int_equal(get_reg(page[i].name), 0);
		EXPECT_RESULT(rig_dispatch(vp, CLEAR), READY, NONE);
		assert_int_equal(first[0], 0x12345678);
		assert_int_equal(first[1023], 0x12345678);
		/* Said again, it is still to be cleared. */
		wr(page[i].msr, ASSIST | 1);
		*(uint32_t *)guest_page(ASSIST) = 1;
		assert_int_equal(set_reg(page[i].name, ASSIST | 1), 0);
		rig_dispatch(vp, CLEAR);
		assert_int_equal(*(uint32_t *)guest_page(ASSIST), 0);
		assert_int_equal(set_reg(page[i].name, 0), 0);
	}

	/* "No EOI required" stands in one that went away; or the guest gives it up. */
	for (uint8_t vector = 0x50; vector < 0x70; vector += 0x10) {
		wr(HV_MSR_VP_ASSIST_PAGE, ASSIST | 1);
		vp->cpu.rflags = 0x202;
		rig_guest = handler;
		meanwhile = lose_page;
		assert_irq(vector);
		rig_dispatch(vp, CLEAR);
		if (vector == 0x50)
			assert_int_equal(set_reg(HV_REGISTER_VP_ASSIST_PAGE, 0), 0);
		else
			wr(HV_MSR_VP_ASSIST_PAGE, 0);
		vp->missing = 0; /* the root has answered */
		EXPECT_RESULT(rig_dispatch(vp, CLEAR), READY, NONE);
		assert_int_equal(first[0], 0x12345678);
		assert_true(in_service(vector));
		ram = rig_map(partition, 0, 16, RWX);
		first = guest_page(0);
		first[0] = 0x12345678;
	}
}

/* --- reference TSC --- */

static struct hv_tsc_page before;
static bool watched;
static unsigned int changes, unseen;

enum gpa_result __real_gpa_write(struct partition *p, uint64_t gpa, const void *buf, uint32_t size);
enum gpa_result __wrap_gpa_write(struct partition *p, uint64_t gpa, const void *buf, uint32_t size);

/* What another processor of the guest sees between one write and the next. */
enum gpa_result __wrap_gpa_write(struct partition *p, uint64_t gpa, const void *buf, uint32_t size)
{
	enum gpa_result r = __real_gpa_write(p, gpa, buf, size);

	if (watched) {
		const struct hv_tsc_page *now = guest_page(0x6000);

		if (now->scale != before.scale || now->offset != before.offset) {
			/* It was invalid, and is: who began to read begins again. */
			unseen += !before.sequence && !now->sequence;
			changes++;
		}
		before = *now;
	}
	return r;
}

static void test_tsc_page_order(void **state)
{
	const struct hv_tsc_page *page = guest_page(0x6000);
	uint32_t sequence = 0;

	(void)state;
	watched = true;
	for (uint64_t i = 0; i < 4; i++) {
		wr(HV_MSR_REFERENCE_TSC, 0x6001);
		guesttime_set(vp->partition, i << 40);
		rig_dispatch(vp, 0);
		assert_int_not_equal(page->sequence, 0);
		assert_int_not_equal(page->sequence, sequence);
		sequence = page->sequence;
	}
	watched = false;
	assert_int_equal(changes, 4);
	assert_int_equal(unseen, 4);
}

/* --- hypercall page --- */

/* The lock bit holds the guest, not the VMM that resets it. */
static void test_hypercall_locked(void **state)
{
	uint64_t val;

	(void)state;
	assert_true(guestmsr_write(vp, HV_MSR_GUEST_OS_ID, 1));
	assert_true(guestmsr_write(vp, HV_MSR_HYPERCALL, 0x2003));
	/* Ignored, be it a page that could be or not. */
	assert_true(guestmsr_write(vp, HV_MSR_HYPERCALL, 0));
	assert_true(guestmsr_write(vp, HV_MSR_HYPERCALL, BIT64(45) | 1));
	assert_true(guestmsr_read(vp, HV_MSR_HYPERCALL, &val));
	assert_int_equal(val, 0x2003);
	assert_int_equal(set_reg(HV_X64_REGISTER_HYPERCALL, 0), 0);
	assert_int_equal(get_reg(HV_X64_REGISTER_HYPERCALL), 0);
	assert_true(guestmsr_write(vp, HV_MSR_HYPERCALL, 0x3001));
	assert_int_equal(get_reg(HV_X64_REGISTER_HYPERCALL), 0x3001);
}

/* Behind its WRMSR of @val the guest waits for page 100, and finds it written. */
static const uint8_t *enable_page(uint32_t msr, uint64_t val)
{
	const struct hv_x64_memory_intercept *m = (void *)vp->message->payload;
	struct vcpu_exit e = { .reason = VCPU_EXIT_MSR, .insn_len = 2, .msr.write = true };

	rig_map(partition, 100, 1, HV_MAP_GPA_NO_ACCESS);
	vp->cpu.rip = 0x1000;
	vp->cpu.gpr[VCPU_RCX] = msr;
	vp->cpu.gpr[VCPU_RAX] = val;
	vp->cpu.gpr[VCPU_RDX] = 0;
	memset(vp->message, 0, sizeof(*vp->message));
	script(e);
	EXPECT_RESULT(rig_dispatch(vp, CLEAR), READY, INTERCEPT);
	assert_int_equal(vp->message->header.type, HV_MESSAGE_GPA_INTERCEPT);
	assert_int_equal(m->gpa, 100 << 12);
	assert_int_equal(m->header.access, HV_ACCESS_WRITE);
	assert_int_equal(m->header.rip, 0x1002);
	assert_int_equal(rig_entries, 1);

	ram = rig_map(partition, 100, 1, RWX);
	EXPECT_RESULT(rig_dispatch(vp, CLEAR), READY, NONE);
	assert_int_equal(vp->cpu.rip, 0x1002);
	return rig_page(ram);
}

static void test_pages_not_populated(void **state)
{
	(void)state;
	assert_int_equal(set_reg(HV_REGISTER_GUEST_OS_ID, 1), 0);
	/* With the lock bit, which must not lock the page out. */
	assert_memory_equal(enable_page(0x40000001, 100 << 12 | 3), "\x0f\x01\xd9\xc3", 4);
	assert_int_equal(get_reg(HV_X64_REGISTER_HYPERCALL), 100 << 12 | 3);
	/* A valid sequence number. */
	assert_int_not_equal(*(const uint32_t *)(const void *)enable_page(0x40000021,
									100 << 12 | 1), 0);
}

#define PAGE_TEST(fn) cmocka_unit_test_setup_teardown(fn, apic_setup, run_teardown)

const struct CMUnitTest page_tests[] = {
	PAGE_TEST(test_eoi_assist),
	PAGE_TEST(test_eoi_assist_unpopulated),
	PAGE_TEST(test_pages_taken_by_vmm),
	PAGE_TEST(test_tsc_page_order),
	RUN_TEST(test_hypercall_locked),
	RUN_TEST(test_pages_not_populated),
};
const size_t page_test_count = ARRAY_SIZE(page_tests);
