/* SPDX-License-Identifier: MIT */
/*
 * DISPATCH_VP: exits, messages, the register page, blocking and signals. What
 * reaches a guest, and what it asks of the hypervisor: hv_guest_events.c.
 */
#include "tests/unit/hv_guest_run.h"

/* --- guests --- */

static void out_0x80(struct vcpu *v, struct vcpu_exit *e)
{
	v->gpr[VCPU_RAX] = 'A';
	*e = (struct vcpu_exit){
		.reason = VCPU_EXIT_IO,
		.insn_len = 2,
		.io = { .port = 0x80, .size = 1 },
	};
}

static void halt(struct vcpu *v, struct vcpu_exit *e)
{
	(void)v;
	*e = (struct vcpu_exit){ .reason = VCPU_EXIT_HLT, .insn_len = 1 };
}

/* --- tests --- */

static void test_io_message(void **state)
{
	const struct hv_x64_io_port_intercept *m = (void *)vp->message->payload;

	(void)state;
	rig_guest = out_0x80;
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, INTERCEPT);
	assert_int_equal(vp->message->header.type, HV_MESSAGE_X64_IO_PORT_INTERCEPT);
	assert_int_equal(vp->message->header.payload_size, 128);
	assert_int_equal(vp->message->header.sender, partition);
	assert_int_equal(m->port, 0x80);
	assert_int_equal(m->header.access, HV_ACCESS_WRITE);
	assert_int_equal(m->header.rip, 0x1000);
	assert_int_equal(m->header.length_cr8 & 15, 2);
	assert_int_equal(m->access_info, 1);
	assert_int_equal(m->rax, 'A');

	/* Without the flag nothing moves and nothing runs. */
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, INTERCEPT);
	assert_int_equal(rig_entries, 0);
	assert_int_equal(get_reg(HV_REGISTER_INTERCEPT_SUSPEND), 1);

	rig_guest = NULL;
	EXPECT_RESULT(rig_dispatch(vp, CLEAR), READY, NONE);
	assert_int_equal(rig_entries, 1);
}

static void test_register_page(void **state)
{
	struct hv_register_page *page = vp->reg_page;

	(void)state;
	rig_guest = out_0x80;
	rig_dispatch(vp, 0);
	assert_int_equal(page->version, 1);
	assert_int_equal(page->is_valid, 1);
	assert_int_equal(page->dirty, 0);
	assert_int_equal(page->gpr[VCPU_RAX], 'A');
	assert_int_equal(page->rip, 0x1000);

	/* Exactly the dirty classes are loaded, and only once. */
	page->rip = 0x1002;
	page->gpr[VCPU_RBX] = 77;
	page->rflags = 0x246;
	page->dirty = HV_REGISTER_PAGE_RIP | HV_REGISTER_PAGE_RFLAGS;
	rig_guest = NULL;
	rig_dispatch(vp, CLEAR);
	assert_int_equal(vp->cpu.rip, 0x1002);
	assert_int_equal(vp->cpu.rflags, 0x246);
	assert_int_equal(vp->cpu.gpr[VCPU_RBX], 0);
	assert_int_equal(page->dirty, 0);

	/* Both ways in one exit: page first, then the call; each sees the other. */
	rig_guest = out_0x80;
	rig_dispatch(vp, 0);
	page->gpr[VCPU_RCX] = 5;
	page->dirty = HV_REGISTER_PAGE_GENERAL;
	assert_int_equal(get_reg(HV_X64_REGISTER_RCX), 5);
	page->gpr[VCPU_RCX] = 6;
	page->dirty = HV_REGISTER_PAGE_GENERAL;
	assert_int_equal(set_reg(HV_X64_REGISTER_RDX, 9), 0);
	assert_int_equal(page->gpr[VCPU_RDX], 9);
	page->dirty |= HV_REGISTER_PAGE_GENERAL; /* a careless VMM: all of them */
	rig_guest = NULL;
	rig_dispatch(vp, CLEAR);
	assert_int_equal(vp->cpu.gpr[VCPU_RCX], 6);
	assert_int_equal(vp->cpu.gpr[VCPU_RDX], 9);
}

static void test_memory_messages(void **state)
{
	static const uint8_t insn[] = { 0x89, 0x07 }; /* mov [bx],ax */
	const struct hv_x64_memory_intercept *m = (void *)vp->message->payload;
	struct vcpu_exit e = { .reason = VCPU_EXIT_MEMORY, .memory.write = true };

	(void)state;
	code(insn, sizeof(insn));
	e.memory.gpa = 0xb8000;
	script(e);
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, INTERCEPT);
	assert_int_equal(vp->message->header.type, HV_MESSAGE_UNMAPPED_GPA);
	assert_int_equal(m->gpa, 0xb8000);
	assert_int_equal(m->header.access, HV_ACCESS_WRITE);
	assert_int_equal(m->insn_byte_count, 16);
	assert_memory_equal(m->insn_bytes, insn, 2);

	/* RAM the root has not populated is the kernel's business. */
	rig_map(partition, 100, 1, HV_MAP_GPA_NO_ACCESS);
	e.memory.gpa = 100 << 12;
	e.memory.write = false;
	script(e);
	EXPECT_RESULT(rig_dispatch(vp, CLEAR), READY, INTERCEPT);
	assert_int_equal(vp->message->header.type, HV_MESSAGE_GPA_INTERCEPT);
	assert_int_equal(m->header.access, HV_ACCESS_READ);

	/* But if it is a ROM's page: a store to it goes to the VMM, which emulates. */
	e.memory.write = true;
	script(e);
	EXPECT_RESULT(rig_dispatch(vp, CLEAR), READY, INTERCEPT);
	assert_int_equal(vp->message->header.type, HV_MESSAGE_GPA_INTERCEPT);
	assert_int_equal(m->insn_byte_count, 16);
	assert_memory_equal(m->insn_bytes, insn, 2);

	/* ROM. */
	rig_map(partition, 101, 1, HV_MAP_GPA_READABLE);
	e.memory.gpa = 101 << 12;
	e.memory.write = true;
	script(e);
	EXPECT_RESULT(rig_dispatch(vp, CLEAR), READY, INTERCEPT);
	assert_int_equal(vp->message->header.type, HV_MESSAGE_GPA_INTERCEPT);

	/* Mapped meanwhile: again, with fresh translations. */
	e.memory.gpa = 0x2000;
	script(e);
	EXPECT_RESULT(rig_dispatch(vp, CLEAR), READY, NONE);
	assert_int_equal(rig_entries, 2);

	/* The instruction's own page was taken away: the guest's fetch will tell. */
	rig_map(partition, 1, 1, HV_MAP_GPA_NO_ACCESS);
	e.memory.gpa = 0xb8000;
	script(e);
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, NONE);
}

static void test_triple_fault(void **state)
{
	(void)state;
	script((struct vcpu_exit){ .reason = VCPU_EXIT_SHUTDOWN });
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, INTERCEPT);
	assert_int_equal(vp->message->header.type, HV_MESSAGE_UNRECOVERABLE_EXCEPTION);
	assert_int_equal(get_reg(HV_REGISTER_PENDING_INTERRUPTION), 0);
}

static void test_halt_and_signal(void **state)
{
	(void)state;
	vlapic_write(vp, 0xf0, 0x1ff);
	vp->cpu.rflags = 0x202;
	rig_guest = halt;
	EXPECT_RESULT(rig_dispatch(vp, 0), BLOCKED, NONE);
	assert_int_equal(rig_signals, 0);
	assert_int_equal(vp->cpu.rip, 0x1001);
	assert_int_equal(get_reg(HV_REGISTER_INTERNAL_ACTIVITY_STATE), HV_ACTIVITY_HALT);

	/* One signal however much arrives, and the count says so. */
	assert_irq(0x50);
	assert_irq(0x60);
	assert_int_equal(rig_signals, 1);
	assert_int_equal(get_reg(HV_REGISTER_VP_ROOT_SIGNAL_COUNT), 1);
	assert_int_equal(rig_signal_vp, 0);

	/* The next halt waits anew; 0x50 is pending, 0x60 in service. */
	EXPECT_RESULT(rig_dispatch(vp, 0), BLOCKED, NONE);
	assert_int_equal(rig_entries, 1);
	assert_irq(0x70);
	assert_int_equal(rig_signals, 2);
	assert_int_equal(get_reg(HV_REGISTER_VP_ROOT_SIGNAL_COUNT), 2);
}

/* A root that dispatches before it was told: the kick on its way is not sent twice. */
static void test_signal_on_its_way(void **state)
{
	(void)state;
	rig_signals_wait = true;
	vlapic_write(vp, 0xf0, 0x1ff);
	vp->cpu.rflags = 0x202;
	rig_guest = halt;
	EXPECT_RESULT(rig_dispatch(vp, 0), BLOCKED, NONE);
	assert_irq(0x50);
	EXPECT_RESULT(rig_dispatch(vp, 0), BLOCKED, NONE);
	assert_irq(0x60);
	assert_int_equal(rig_signals, 1);
	assert_int_equal(get_reg(HV_REGISTER_VP_ROOT_SIGNAL_COUNT), 1);
	/* The partition goes away with it (teardown): nobody is told of a dead VP. */
	assert_int_equal(rig_waiting, 1);
}

static void test_halt_without_interrupts(void **state)
{
	(void)state;
	vlapic_write(vp, 0xf0, 0x1ff);
	vp->cpu.rflags = 2;
	rig_guest = halt;
	EXPECT_RESULT(rig_dispatch(vp, 0), BLOCKED, NONE);
	assert_irq(0x50); /* cannot be taken: stays asleep, as on hardware */
	assert_int_equal(rig_signals, 0);
	assert_int_equal(vlapic_requested(vp), 0x50);
	/* The VMM resets it: writing RIP ends the halt. */
	assert_int_equal(set_reg(HV_X64_REGISTER_RIP, 0xfff0), 0);
	assert_int_equal(rig_signals, 1);
}

static void halt_but_woken(struct vcpu *v, struct vcpu_exit *e)
{
	if (rig_entries == 1) {
		/* Arrives on another CPU between the exit and the decision. */
		halt(v, e);
		vlapic_accept(vp, 0x50, false);
	}
}

static void test_wake_before_block(void **state)
{
	(void)state;
	vlapic_write(vp, 0xf0, 0x1ff);
	vp->cpu.rflags = 0x202;
	rig_guest = halt_but_woken;
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, NONE);
	assert_int_equal(rig_entries, 2);
	assert_int_equal(rig_signals, 0);
}

static void test_dispatch_suspend(void **state)
{
	struct hv_input_dispatch_vp in = { .partition_id = partition };

	(void)state;
	vlapic_write(vp, 0xf0, 0x1ff);
	vp->cpu.rflags = 0x202;
	rig_guest = halt;
	EXPECT_RESULT(rig_dispatch(vp, 0), BLOCKED, NONE);
	assert_int_equal(set_reg(HV_REGISTER_DISPATCH_SUSPEND, 1), 0);
	assert_irq(0x50);
	assert_int_equal(rig_signals, 0);
	assert_int_equal(get_reg(HV_REGISTER_VP_ROOT_SIGNAL_COUNT), 0);
	assert_int_equal(rig_call(hvcall_dispatch_vp, &in, sizeof(in), NULL, 0),
			 HV_STATUS_INVALID_VP_STATE);
}

static void test_explicit_suspend(void **state)
{
	(void)state;
	assert_int_equal(set_reg(HV_REGISTER_EXPLICIT_SUSPEND, 1), 0);
	EXPECT_RESULT(rig_dispatch(vp, 0), BLOCKED, SUSPEND);
	assert_int_equal(rig_entries, 0);
	assert_int_equal(set_reg(HV_REGISTER_EXPLICIT_SUSPEND, 0), 0);
	assert_int_equal(rig_signals, 1);
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, NONE);
}

/* A fault that the tables do not explain is tried again, many times, and then is harmless. */
static void test_endless_fault(void **state)
{
	unsigned int turns = 0;

	(void)state;
	next_exit = (struct vcpu_exit){ .reason = VCPU_EXIT_MEMORY, .memory.gpa = 0x2000 };
	exits_left = 900;
	rig_guest = scripted;
	rig_entries = 0;
	rig_turn_ticks = RIG_TURN_SHORT;
	/* How many turns depends on the host's speed; each ends as if interrupted. */
	while (exits_left) {
		EXPECT_RESULT(rig_dispatch(vp, 0), READY, NONE);
		turns += rig_entries;
		assert_true(turns <= 900 + 1);
	}
}

static void never_ending(struct vcpu *v, struct vcpu_exit *e)
{
	(void)v;
	*e = (struct vcpu_exit){ .reason = VCPU_EXIT_CPUID };
}

/* A guest whose every entry exits at once, before the root's interrupt could end it. */
static void test_no_turn_for_ever(void **state)
{
	(void)state;
	rig_turn_ticks = RIG_TURN_SHORT;
	rig_guest = never_ending;
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, NONE);
	assert_true(rig_entries > 1);
}

static void push_faults(struct vcpu *v, struct vcpu_exit *e)
{
	scripted(v, e);
	v->event = (struct vcpu_event){
		.valid = true,
		.type = VCPU_EVENT_EXCEPTION,
		.vector = 6,
	};
}

/*
 * The push of an exception faults while the code it left is not populated: entering
 * again would push again, not fetch, so the VMM hears of it, without instruction.
 */
static void test_fault_in_delivery(void **state)
{
	const struct hv_x64_memory_intercept *m = (void *)vp->message->payload;

	(void)state;
	rig_map(partition, 1, 1, HV_MAP_GPA_NO_ACCESS);
	next_exit = (struct vcpu_exit){
		.reason = VCPU_EXIT_MEMORY,
		.memory = { .gpa = 0xb8000, .write = true },
	};
	exits_left = 1;
	rig_guest = push_faults;
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, INTERCEPT);
	assert_int_equal(vp->message->header.type, HV_MESSAGE_UNMAPPED_GPA);
	assert_int_equal(m->insn_byte_count, 0);
}

/* --- DELETE_VP while the VP runs elsewhere; what others call meanwhile --- */

static void leave_guest(void)
{
	vcpu_close(&vp->cpu);
}

static void beside_delete(void)
{
	struct hv_input_unmap_gpa_pages unmap = { .partition_id = partition, .gpa_pfn = 3 };
	struct hv_input_create_vp create = { .partition_id = partition };
	struct hv_input_delete_vp delete = { .partition_id = partition };
	struct partition *p = partition_get(partition);
	struct hvcall finalize = { .partition = p };

	/* The page is the root's when the call returns: no translation is left. */
	vp->cpu.flush = 0;
	rig_on_kick = leave_guest;
	assert_int_equal(rig_rep(hvcall_unmap_gpa_pages, &unmap, sizeof(unmap), NULL, 0, 0, 1,
				 NULL), 0);
	assert_int_equal(vp->cpu.in_guest, 0);
	assert_int_equal(vp->cpu.flush, 1);

	assert_null(vp_get(p, 0));
	assert_int_equal(rig_call(hvcall_create_vp, &create, sizeof(create), NULL, 0),
			 HV_STATUS_INVALID_VP_INDEX);
	assert_int_equal(rig_call(hvcall_delete_vp, &delete, sizeof(delete), NULL, 0),
			 HV_STATUS_INVALID_VP_INDEX);
	/* A processor may be walking the tables. */
	assert_int_equal(hvcall_finalize_partition(&finalize), 0);
	assert_true(finalize.again);
	assert_non_null(p->nested.root);
	assert_ptr_equal(p->vp[0], vp);
	partition_put(p);
	vp_put(vp);
}

static void test_deleted_while_running(void **state)
{
	struct hv_input_delete_vp in = { .partition_id = partition };
	struct partition *p = partition_get(partition);

	(void)state;
	assert_ptr_equal(vp_get(p, 0), vp); /* as DISPATCH_VP */
	vcpu_open(&vp->cpu);
	rig_on_kick = beside_delete;
	assert_int_equal(rig_call(hvcall_delete_vp, &in, sizeof(in), NULL, 0), 0);
	assert_ptr_equal(rig_on_kick, leave_guest);
	assert_null(p->vp[0]);
	partition_put(p);
}

const struct CMUnitTest run_tests[] = {
	RUN_TEST(test_io_message),	  RUN_TEST(test_register_page),
	RUN_TEST(test_memory_messages),	  RUN_TEST(test_triple_fault),
	RUN_TEST(test_halt_and_signal),	  RUN_TEST(test_halt_without_interrupts),
	RUN_TEST(test_wake_before_block), RUN_TEST(test_dispatch_suspend),
	RUN_TEST(test_explicit_suspend),  RUN_TEST(test_endless_fault),
	RUN_TEST(test_signal_on_its_way), RUN_TEST(test_no_turn_for_ever),
	RUN_TEST(test_fault_in_delivery), RUN_TEST(test_deleted_while_running),
};
const size_t run_test_count = ARRAY_SIZE(run_tests);
