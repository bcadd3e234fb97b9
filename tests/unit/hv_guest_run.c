/* SPDX-License-Identifier: MIT */
/* DISPATCH_VP: exits, messages, the register page, blocking and signals. */
#include "tests/unit/hv_guest.h"

#define RWX   (HV_MAP_GPA_READABLE | HV_MAP_GPA_WRITABLE | HV_MAP_GPA_KERNEL_EXECUTABLE)
#define CLEAR HV_DISPATCH_CLEAR_INTERCEPT_SUSPEND

static uint64_t partition;
static struct vp *vp;
static uint64_t ram; /* root frame behind guest page 0 */

static int setup(void **state)
{
	rig_reset(state);
	partition = rig_partition();
	vp = rig_vp(partition, 0);
	ram = rig_map(partition, 0, 16, RWX);
	vp->cpu.seg[VCPU_CS] = (struct hv_segment_register){ .limit = 0xffff, .attributes = 0x9b };
	vp->cpu.rip = 0x1000;
	return 0;
}

static int teardown(void **state)
{
	rig_partition_end(partition);
	return rig_check(state);
}

static void code(const void *bytes, size_t size)
{
	struct partition *p = partition_get(partition);

	assert_int_equal(gpa_write(p, 0x1000, bytes, (uint32_t)size), GPA_OK);
	partition_put(p);
}

#define EXPECT_RESULT(r, state_, event_)                                            \
	do {                                                                        \
		struct hv_output_dispatch_vp r_ = (r);                              \
		assert_int_equal(r_.dispatch_state, HV_VP_DISPATCH_STATE_##state_); \
		assert_int_equal(r_.dispatch_event, HV_VP_DISPATCH_EVENT_##event_); \
	} while (0)

static void assert_irq(uint8_t vector)
{
	struct hv_input_assert_virtual_interrupt in = {
		.partition_id = partition,
		.vector = vector,
	};

	assert_int_equal(rig_call(hvcall_assert_virtual_interrupt, &in, sizeof(in), NULL, 0), 0);
}

static enum hv_status set_reg(uint32_t name, uint64_t val)
{
	struct {
		struct hv_input_vp_registers h;
		struct hv_register_assoc reg;
	} in = { .h.partition_id = partition, .reg = { .name = name, .value.reg64 = val } };

	return rig_rep(hvcall_set_vp_registers, &in, sizeof(in), NULL, 0, 0, 1, NULL);
}

static uint64_t get_reg(uint32_t name)
{
	struct {
		struct hv_input_vp_registers h;
		uint32_t name;
	} in = { .h.partition_id = partition, .name = name };
	union hv_register_value v;

	assert_int_equal(
		rig_rep(hvcall_get_vp_registers, &in, sizeof(in), &v, sizeof(v), 0, 1, NULL), 0);
	return v.reg64;
}

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

static struct vcpu_exit next_exit;
static unsigned int exits_left;

/* next_exit, exits_left times; then an interrupt of the host. */
static void scripted(struct vcpu *v, struct vcpu_exit *e)
{
	(void)v;
	if (exits_left) {
		exits_left--;
		*e = next_exit;
	}
}

static void script(struct vcpu_exit e)
{
	next_exit = e;
	exits_left = 1;
	rig_guest = scripted;
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

static void test_startup(void **state)
{
	struct vp *ap = rig_vp(partition, 1);

	(void)state;
	EXPECT_RESULT(rig_dispatch(ap, 0), BLOCKED, NONE);
	assert_int_equal(rig_entries, 0);
	vlapic_ipi(vp, 1ULL << 56 | 0x4500);
	assert_int_equal(rig_signals, 0); /* INIT alone is no reason */
	vlapic_ipi(vp, 1ULL << 56 | 0x469a);
	assert_int_equal(rig_signals, 1);
	assert_int_equal(rig_signal_vp, 1);
	EXPECT_RESULT(rig_dispatch(ap, 0), READY, NONE);
	assert_int_equal(ap->cpu.rip, 0);
	assert_int_equal(ap->cpu.seg[VCPU_CS].selector, 0x9a00);
	assert_int_equal(ap->cpu.seg[VCPU_CS].base, 0x9a000);
	assert_int_equal(rig_entries, 1);
	/* INIT arrives while it runs: back to waiting, with nothing left over. */
	vlapic_write(ap, 0xf0, 0x1ff);
	vlapic_accept(ap, 0x60, false);
	vlapic_ipi(vp, 1ULL << 56 | 0x4500);
	EXPECT_RESULT(rig_dispatch(ap, 0), BLOCKED, NONE);
	assert_int_equal(vlapic_requested(ap), -1);
	vlapic_ipi(vp, 1ULL << 56 | 0x469a);
	EXPECT_RESULT(rig_dispatch(ap, 0), READY, NONE);
	assert_int_equal(rig_signals, 2);

	/* A second SIPI, as the algorithm demands, changes nothing. */
	ap->cpu.rip = 0x123;
	vlapic_ipi(vp, 1ULL << 56 | 0x469b);
	EXPECT_RESULT(rig_dispatch(ap, 0), READY, NONE);
	assert_int_equal(ap->cpu.rip, 0x123);
}

static uint8_t injected;

static void note_event(struct vcpu *v, struct vcpu_exit *e)
{
	(void)e;
	injected = v->event.valid ? v->event.vector : 0;
}

static void test_injection(void **state)
{
	(void)state;
	vlapic_write(vp, 0xf0, 0x1ff);
	vp->cpu.rflags = 2;
	rig_guest = note_event;
	assert_irq(0x50);
	rig_dispatch(vp, 0);
	assert_int_equal(injected, 0);
	assert_int_equal(vp->cpu.window, 5); /* asked for a window */
	vp->cpu.rflags = 0x202;
	vp->cpu.interrupt_shadow = true;
	rig_dispatch(vp, 0);
	assert_int_equal(injected, 0);
	vp->cpu.interrupt_shadow = false;
	rig_dispatch(vp, 0);
	assert_int_equal(injected, 0x50);
	assert_int_equal(vp->cpu.window, 0);
	/* NMI before all, and not inside itself. */
	vlapic_ipi(vp, 0x400);
	rig_dispatch(vp, 0);
	assert_int_equal(injected, VECTOR_NMI);
	vlapic_ipi(vp, 0x400);
	rig_dispatch(vp, 0);
	assert_int_equal(injected, 0);
	vp->cpu.nmi_masked = false;
	rig_dispatch(vp, 0);
	assert_int_equal(injected, VECTOR_NMI);
	/* The VMM's own event has precedence over the local APIC's. */
	vlapic_write(vp, 0xb0, 0);
	assert_irq(0x60);
	assert_int_equal(set_reg(HV_REGISTER_PENDING_INTERRUPTION,
				 1 | 3 << 1 | (uint64_t)VECTOR_GP << 16 | 1 << 4),
			 0);
	rig_dispatch(vp, 0);
	assert_int_equal(injected, VECTOR_GP);
	assert_int_equal(vp->cpu.window, 6);
}

static void test_apic_page_and_eoi_message(void **state)
{
	static const uint8_t store[] = { 0x66, 0x89, 0x07 }; /* mov [bx],eax */
	const struct hv_x64_apic_eoi *m = (void *)vp->message->payload;
	struct vcpu_exit e = {
		.reason = VCPU_EXIT_MEMORY,
		.memory = { .gpa = 0xfee000f0, .write = true },
	};

	(void)state;
	code(store, sizeof(store));
	vp->cpu.gpr[VCPU_RAX] = 0x1ff;
	script(e);
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, NONE);
	assert_int_equal(vp->apic.svr, 0x1ff);
	assert_int_equal(vp->cpu.rip, 0x1003);

	vlapic_accept(vp, 0x50, true);
	vlapic_take(vp, 0x50);
	vp->cpu.rip = 0x1000;
	e.memory.gpa = 0xfee000b0;
	script(e);
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, INTERCEPT);
	assert_int_equal(vp->message->header.type, HV_MESSAGE_X64_APIC_EOI);
	assert_int_equal(vp->message->header.payload_size, 8);
	assert_int_equal(m->vp_index, 0);
	assert_int_equal(m->vector, 0x50);
	assert_int_equal(vp->cpu.rip, 0x1003); /* the store is done */
}

static void test_doorbell(void **state)
{
	static const uint8_t store[] = { 0xc7, 0x07, 0x03, 0x00 }; /* mov word [bx],3 */
	struct hv_input_create_port create = {
		.port_partition = HV_PARTITION_ID_SELF,
		.port_id = 11,
		.port_type = HV_PORT_TYPE_DOORBELL,
		.target_sint = 5,
	};
	struct hv_input_connect_port connect = {
		.connection_id = 11,
		.port_partition = ROOT_PARTITION_ID,
		.port_id = 11,
		.connection_partition = partition,
		.port_type = HV_PORT_TYPE_DOORBELL,
		.gpa = 0xe0001000,
		.match_value = 3,
		.flags = 2,
	};
	struct hv_input_port del = { .partition_id = ROOT_PARTITION_ID, .id = 11 };
	struct vcpu_exit e = {
		.reason = VCPU_EXIT_MEMORY,
		.memory = { .gpa = 0xe0001000, .write = true },
	};

	(void)state;
	code(store, sizeof(store));
	assert_int_equal(rig_deposit(HV_PARTITION_ID_SELF, 1), 0);
	assert_int_equal(rig_call(hvcall_create_port, &create, sizeof(create), NULL, 0), 0);
	assert_int_equal(rig_call(hvcall_connect_port, &connect, sizeof(connect), NULL, 0), 0);
	script(e);
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, NONE);
	assert_int_equal(rig_rung_port, 11);
	assert_int_equal(vp->cpu.rip, 0x1004);

	/* Another value, another address, a load: the VMM's. */
	rig_rung_port = 0;
	vp->cpu.rip = 0x1000;
	code("\xc7\x07\x04\x00", 4);
	script(e);
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, INTERCEPT);
	assert_int_equal(vp->message->header.type, HV_MESSAGE_UNMAPPED_GPA);
	code(store, sizeof(store));
	e.memory.gpa += 2;
	script(e);
	EXPECT_RESULT(rig_dispatch(vp, CLEAR), READY, INTERCEPT);
	assert_int_equal(rig_rung_port, 0);
	assert_int_equal(rig_call(hvcall_delete_port, &del, sizeof(del), NULL, 0), 0);
}

static void test_hypercall(void **state)
{
	(void)state;
	/* Not enabled: as if the instruction did not exist. */
	script((struct vcpu_exit){ .reason = VCPU_EXIT_HYPERCALL, .insn_len = 3 });
	rig_guest = scripted;
	rig_dispatch(vp, 0);
	assert_int_equal(vp->cpu.rip, 0x1000);
	/* User mode: the same, whatever is enabled. */
	assert_int_equal(set_reg(HV_REGISTER_GUEST_OS_ID, 1), 0);
	assert_int_equal(set_reg(HV_X64_REGISTER_HYPERCALL, 0x2001), 0);
	vp->cpu.cr0 |= CR0_PE;
	vp->cpu.seg[VCPU_SS].attributes |= 3 << 5;
	script((struct vcpu_exit){ .reason = VCPU_EXIT_HYPERCALL, .insn_len = 3 });
	rig_dispatch(vp, 0);
	assert_int_equal(vp->cpu.rip, 0x1000);
	vp->cpu.seg[VCPU_SS].attributes &= (uint16_t) ~(3 << 5);
	script((struct vcpu_exit){ .reason = VCPU_EXIT_HYPERCALL, .insn_len = 3 });
	rig_dispatch(vp, 0);
	assert_int_equal(vp->cpu.rip, 0x1003);
	assert_int_equal(vp->cpu.gpr[VCPU_RAX], HV_STATUS_INVALID_HYPERCALL_CODE);
	/* The page the guest chose holds VMMCALL; RET. */
	assert_memory_equal((uint8_t *)rig_page(ram + 2), "\x0f\x01\xd9\xc3", 4);
}

static void test_msr_faults(void **state)
{
	struct hv_input_set_partition_property in = {
		.partition_id = partition,
		.property_code = HV_PROPERTY_UNIMPLEMENTED_MSR_ACTION,
		.value = 1,
	};
	struct vcpu_exit e = { .reason = VCPU_EXIT_MSR, .insn_len = 2 };

	(void)state;
	vp->cpu.gpr[VCPU_RCX] = 0xc0000f00;
	script(e);
	rig_dispatch(vp, 0);
	assert_int_equal(vp->cpu.rip, 0x1000); /* #GP */
	assert_int_equal(rig_call(hvcall_set_partition_property, &in, sizeof(in), NULL, 0), 0);
	script(e);
	rig_dispatch(vp, 0);
	assert_int_equal(vp->cpu.rip, 0x1002); /* reads as zero */
	assert_int_equal(vp->cpu.gpr[VCPU_RAX], 0);
	/* EFER: not SVME, and LMA is the processor's. */
	vp->cpu.gpr[VCPU_RCX] = 0xc0000080;
	vp->cpu.gpr[VCPU_RDX] = 0;
	vp->cpu.gpr[VCPU_RAX] = EFER_SVME;
	e.msr.write = true;
	script(e);
	rig_dispatch(vp, 0);
	assert_int_equal(vp->cpu.rip, 0x1002);
	vp->cpu.gpr[VCPU_RAX] = EFER_LME | EFER_LMA | EFER_NXE;
	script(e);
	rig_dispatch(vp, 0);
	assert_int_equal(vp->cpu.efer, EFER_LME | EFER_NXE);
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

#define RUN_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

const struct CMUnitTest run_tests[] = {
	RUN_TEST(test_io_message),	  RUN_TEST(test_register_page),
	RUN_TEST(test_memory_messages),	  RUN_TEST(test_triple_fault),
	RUN_TEST(test_halt_and_signal),	  RUN_TEST(test_halt_without_interrupts),
	RUN_TEST(test_wake_before_block), RUN_TEST(test_dispatch_suspend),
	RUN_TEST(test_explicit_suspend),  RUN_TEST(test_startup),
	RUN_TEST(test_injection),	  RUN_TEST(test_apic_page_and_eoi_message),
	RUN_TEST(test_doorbell),	  RUN_TEST(test_hypercall),
	RUN_TEST(test_msr_faults),	  RUN_TEST(test_endless_fault),
	RUN_TEST(test_signal_on_its_way), RUN_TEST(test_no_turn_for_ever),  RUN_TEST(test_fault_in_delivery),
};
const size_t run_test_count = ARRAY_SIZE(run_tests);
