/* SPDX-License-Identifier: MIT */
/*
 * What reaches a guest (start-up, interrupts, exceptions) and what the hypervisor
 * answers without its VMM (APIC page, doorbells, hypercalls, MSRs).
 */
#include "abi/hv/msr.h"
#include "tests/unit/hv_guest_run.h"

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
	ap->cpu.nmi_masked = ap->cpu.nmi_iret = true; /* about to leave an NMI's handler */
	vlapic_ipi(vp, 1ULL << 56 | 0x4500);
	EXPECT_RESULT(rig_dispatch(ap, 0), BLOCKED, NONE);
	assert_int_equal(vlapic_requested(ap), -1);
	assert_false(ap->cpu.nmi_masked || ap->cpu.nmi_iret);
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
	assert_true(vp->cpu.window && vp->cpu.cr8_window);
	vp->cpu.rflags = 0x202;
	vp->cpu.interrupt_shadow = true;
	rig_dispatch(vp, 0);
	assert_int_equal(injected, 0);
	vp->cpu.interrupt_shadow = false;
	rig_dispatch(vp, 0);
	assert_int_equal(injected, 0x50);
	assert_false(vp->cpu.window || vp->cpu.cr8_window);
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
	assert_true(vp->cpu.window);
}

/*
 * An interrupt of the host between STI and HLT, and then the guest's own: it ends
 * the halt, so it must not come before it.
 */
static void test_shadowed_hlt(void **state)
{
	static const uint8_t hlt = 0xf4, nop = 0x90;

	(void)state;
	vlapic_write(vp, 0xf0, 0x1ff);
	rig_guest = note_event;
	code(&hlt, 1);
	vp->cpu.rflags = 0x202;
	vp->cpu.interrupt_shadow = true;
	EXPECT_RESULT(rig_dispatch(vp, 0), BLOCKED, NONE);
	assert_int_equal(rig_entries, 0);
	assert_int_equal(vp->cpu.rip, 0x1001);
	assert_irq(0x50);
	assert_int_equal(rig_signals, 1);
	rig_dispatch(vp, 0);
	assert_int_equal(injected, 0x50);
	assert_int_equal(vp->cpu.rip, 0x1001);

	/* Here already. */
	vlapic_write(vp, 0xb0, 0);
	assert_irq(0x51);
	vp->cpu.rip = 0x1000;
	vp->cpu.interrupt_shadow = true;
	rig_dispatch(vp, 0);
	assert_int_equal(injected, 0x51);
	assert_int_equal(vp->cpu.rip, 0x1001);

	/* Any other instruction is the guest's; HLT without the right to it, too. */
	vlapic_write(vp, 0xb0, 0);
	assert_irq(0x52);
	code(&nop, 1);
	vp->cpu.rip = 0x1000;
	vp->cpu.interrupt_shadow = true;
	rig_dispatch(vp, 0);
	assert_int_equal(injected, 0);
	assert_int_equal(vp->cpu.rip, 0x1000);
	code(&hlt, 1);
	vp->cpu.cr0 |= CR0_PE;
	vp->cpu.seg[VCPU_SS].attributes |= 3 << 5;
	rig_dispatch(vp, 0);
	assert_int_equal(vp->cpu.rip, 0x1000);
	assert_true(vp->cpu.interrupt_shadow);
}

static struct vcpu_exit cr8_exit;

/* Lowers CR8 once, while 0x75 waits for that; then an interrupt of the host. */
static void write_cr8(struct vcpu *v, struct vcpu_exit *e)
{
	note_event(v, e);
	if (cr8_exit.reason != VCPU_EXIT_CR)
		return;
	assert_int_equal(injected, 0);
	assert_true(v->cr8_window);
	assert_false(v->window);
	assert_int_equal(v->cr8, 7);
	*e = cr8_exit;
	cr8_exit.reason = VCPU_EXIT_HOST;
}

/* By @bytes, or if told @length and @reg by those; what the guest is given next. */
static uint8_t cr8_write(const void *bytes, size_t size, uint8_t length, uint8_t reg)
{
	code(bytes, size);
	cr8_exit = (struct vcpu_exit){ .reason = VCPU_EXIT_CR, .insn_len = length };
	cr8_exit.cr.number = 8;
	cr8_exit.cr.reg = reg;
	rig_guest = write_cr8;
	vp->cpu.rip = 0x1000;
	vp->cpu.rflags = 0x202;
	vp->cpu.gpr[VCPU_RCX] = ~0xfULL << 32 | 6; /* bits above 31 are not there */
	vp->cpu.gpr[VCPU_RSI] = 0x10;
	vlapic_write(vp, 0xf0, 0x1ff);
	assert_int_equal(set_reg(HV_X64_REGISTER_CR8, 7), 0);
	assert_irq(0x75);
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, NONE);
	return injected;
}

static void test_cr8(void **state)
{
	static const uint8_t good[] = { 0x66, 0xf0, 0x0f, 0x22, 0xc1 }; /* mov cr8, ecx */
	static const uint8_t bad[] = { 0xf0, 0x0f, 0x22, 0xc6 };	/* mov cr8, esi */

	(void)state;
	assert_int_equal(cr8_write(bad, sizeof(bad), 0, 0), VECTOR_GP);
	assert_int_equal(vp->cpu.rip, 0x1000);
	assert_int_equal(get_reg(HV_X64_REGISTER_CR8), 7);
	/* What waited comes in right behind the instruction. */
	assert_int_equal(cr8_write(good, sizeof(good), 0, 0), 0x75);
	assert_int_equal(vp->cpu.rip, 0x1005);
	assert_int_equal(get_reg(HV_X64_REGISTER_CR8), 6);
}

/* The processor has decoded it. */
static void test_cr8_told(void **state)
{
	(void)state;
	assert_int_equal(cr8_write("", 1, 4, VCPU_RSI), VECTOR_GP);
	assert_int_equal(vp->cpu.rip, 0x1000);
	assert_int_equal(cr8_write("", 1, 4, VCPU_RCX), 0x75);
	assert_int_equal(vp->cpu.rip, 0x1004);
}

/* Another processor has changed the code meanwhile: the guest's end, not ours. */
static void test_cr8_not_there(void **state)
{
	(void)state;
	code("\x0f\x20\xc1", 3);
	script((struct vcpu_exit){ .reason = VCPU_EXIT_CR, .cr.number = 8 });
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, INTERCEPT);
	assert_int_equal(vp->message->header.type, HV_MESSAGE_UNRECOVERABLE_EXCEPTION);
}

static void note_script(struct vcpu *v, struct vcpu_exit *e)
{
	note_event(v, e);
	scripted(v, e);
}

/* MOV to CR4: what becomes of it, or of the guest. */
static uint64_t cr4_write(uint64_t old, uint64_t new)
{
	vp->cpu.cr4 = old;
	vp->cpu.gpr[VCPU_RCX] = new;
	vp->cpu.event.valid = false;
	vp->cpu.rip = 0x1000;
	code("\x0f\x22\xe1", 3); /* mov cr4,ecx */
	script((struct vcpu_exit){ .reason = VCPU_EXIT_CR, .cr.number = 4 });
	rig_guest = note_script;
	rig_dispatch(vp, 0);
	assert_int_equal(vp->cpu.rip, injected == VECTOR_GP ? 0x1000 : 0x1003);
	assert_int_equal(rig_flush, injected != VECTOR_GP);
	if (injected == VECTOR_GP)
		assert_int_equal(vp->cpu.cr4, old);
	return injected ? ~0ULL : vp->cpu.cr4;
}

static void test_cr4(void **state)
{
	/* VME … OSXMMEXCPT, UMIP, FSGSBASE, OSXSAVE, SMEP, SMAP */
	const uint64_t most = 0x350fff;

	(void)state;
	assert_int_equal(cr4_write(0, most), most);
	assert_int_equal(cr4_write(most, CR4_PAE), CR4_PAE);
	for (unsigned int bit = 0; bit < 32; bit++) {
		bool ok = most & BIT64(bit);

		assert_int_equal(cr4_write(0, BIT64(bit)), ok ? BIT64(bit) : ~0ULL);
		assert_int_equal(set_reg(HV_X64_REGISTER_CR4, BIT64(bit)),
				 ok ? 0 : HV_STATUS_INVALID_REGISTER_VALUE);
	}
	/* Not in long mode. */
	vp->cpu.efer = EFER_LME | EFER_LMA;
	assert_int_equal(cr4_write(CR4_PAE, CR4_PAE | CR4_PSE), CR4_PAE | CR4_PSE);
	assert_int_equal(cr4_write(CR4_PAE, 0), ~0ULL);
	vp->cpu.seg[VCPU_CS].attributes |= SEG_LONG;
	vp->cpu.cr0 |= CR0_PE;
	assert_int_equal(cr4_write(CR4_PAE, 1ULL << 32 | CR4_PAE), ~0ULL);
}

/* Prefixes mean nothing. Unmapped by another processor meanwhile: it faults, or not. */
static void test_cr4_code_gone(void **state)
{
	const struct vcpu_exit e = { .reason = VCPU_EXIT_CR, .cr.number = 4 };

	(void)state;
	vp->cpu.gpr[VCPU_RCX] = CR4_PAE;
	code("\xf3\x0f\x22\xe1", 4); /* rep mov cr4,ecx */
	script(e);
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, NONE);
	assert_int_equal(vp->cpu.rip, 0x1004);
	assert_int_equal(vp->cpu.cr4, CR4_PAE);
	vp->cpu.cr4 = 0;
	vp->cpu.rip = 0x50000; /* mapped nowhere */
	script(e);
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, NONE);
	assert_int_equal(rig_entries, 2);
	assert_true(rig_flush);
	assert_int_equal(vp->cpu.rip, 0x50000);
	assert_int_equal(vp->cpu.cr4, 0);
}

/* 64-bit code has no base, whatever the register holds. */
static void test_code_segment_base(void **state)
{
	(void)state;
	vp->cpu.gpr[VCPU_RCX] = CR4_PAE;
	vp->cpu.seg[VCPU_CS].base = 0x800;
	vp->cpu.rip = 0x800;
	code("\x0f\x22\xe1", 3);
	script((struct vcpu_exit){ .reason = VCPU_EXIT_CR, .cr.number = 4 });
	rig_dispatch(vp, 0);
	assert_int_equal(vp->cpu.rip, 0x803);
	vp->cpu.efer |= EFER_LMA;
	vp->cpu.seg[VCPU_CS].attributes |= SEG_LONG;
	vp->cpu.rip = 0x1000;
	script((struct vcpu_exit){ .reason = VCPU_EXIT_CR, .cr.number = 4 });
	rig_dispatch(vp, 0);
	assert_int_equal(vp->cpu.rip, 0x1003);

	code("\xf4", 1);
	vp->cpu.rip = 0x1000;
	vp->cpu.interrupt_shadow = true;
	EXPECT_RESULT(rig_dispatch(vp, 0), BLOCKED, NONE);
	assert_int_equal(vp->cpu.rip, 0x1001);
}

static void push_to_apic(struct vcpu *v, struct vcpu_exit *e)
{
	scripted(v, e);
	if (e->reason == VCPU_EXIT_MEMORY)
		vcpu_inject(v, VECTOR_UD, false, 0);
}

/* A stack there is nobody's, and the instruction that was left did not store. */
static void test_apic_page_in_delivery(void **state)
{
	(void)state;
	code("\x66\x89\x07", 3); /* mov [bx],eax */
	vp->cpu.gpr[VCPU_RAX] = 0x1ff;
	script((struct vcpu_exit){
		.reason = VCPU_EXIT_MEMORY,
		.memory = { .gpa = 0xfee000f0, .write = true },
	});
	rig_guest = push_to_apic;
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, INTERCEPT);
	assert_int_equal(vp->message->header.type, HV_MESSAGE_UNRECOVERABLE_EXCEPTION);
	assert_int_not_equal(vp->apic.svr, 0x1ff);
}

/* The processor would refuse to run. */
static void test_no_exception_2(void **state)
{
	(void)state;
	assert_int_equal(set_reg(HV_REGISTER_PENDING_EVENT0, 2 << 16 | 1),
			 HV_STATUS_INVALID_REGISTER_VALUE);
	assert_int_equal(set_reg(HV_REGISTER_PENDING_EVENT0, 6 << 16 | 1), 0);
	assert_int_equal(vp->cpu.event.vector, VECTOR_UD);
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

/* --- what the processor tells of an instruction, or does not --- */

/* Without NRIP save its prefixes have to be counted. */
static void test_prefixes(void **state)
{
	static const uint8_t msr_read[] = { 0x66, 0xf3, 0x0f, 0x32 };
	static const uint8_t flush[] = { 0xf3, 0x48, 0x0f, 0x09 }; /* REX.W is DEC here */
	struct vcpu_exit e = { .reason = VCPU_EXIT_MSR, .insn_len = 2, .opcode_only = true };

	(void)state;
	code(msr_read, sizeof(msr_read));
	vp->cpu.gpr[VCPU_RCX] = 0x10;
	script(e);
	rig_dispatch(vp, 0);
	assert_int_equal(vp->cpu.rip, 0x1004);
	vp->cpu.rip = 0x1000;
	e.opcode_only = false;
	script(e);
	rig_dispatch(vp, 0);
	assert_int_equal(vp->cpu.rip, 0x1002);

	code(flush, sizeof(flush));
	e = (struct vcpu_exit){ .reason = VCPU_EXIT_NOTHING, .insn_len = 2, .opcode_only = true };
	vp->cpu.rip = 0x1000;
	script(e);
	rig_dispatch(vp, 0);
	assert_int_equal(vp->cpu.rip, 0x1003);
	vp->cpu.rip = 0x1000;
	vp->cpu.efer |= EFER_LMA;
	vp->cpu.seg[VCPU_CS].attributes |= SEG_LONG;
	script(e);
	rig_dispatch(vp, 0);
	assert_int_equal(vp->cpu.rip, 0x1004);
	/* That one has none is remembered of one place in one address space. */
	vp->cpu.rip = 0x1002;
	script(e);
	rig_dispatch(vp, 0);
	assert_int_equal(vp->cpu.rip, 0x1004);
	code("\xf3\xf3\xf3", 3);
	vp->cpu.rip = 0x1002;
	vp->cpu.cr3 = 0x5000;
	script(e);
	rig_dispatch(vp, 0);
	assert_int_equal(vp->cpu.rip, 0x1005);
	/* Its page is gone: then none are counted. */
	rig_map(partition, 1, 1, HV_MAP_GPA_NO_ACCESS);
	vp->cpu.rip = 0x1000;
	script(e);
	rig_dispatch(vp, 0);
	assert_int_equal(vp->cpu.rip, 0x1002);
}

/* Decode assists: the processor's bytes count, not what memory holds by now. */
static void test_bytes_from_processor(void **state)
{
	static const uint8_t fetched[] = { 0x89, 0x07, 0x90 };
	const struct hv_x64_memory_intercept *m = (void *)vp->message->payload;
	struct vcpu_exit e = {
		.reason = VCPU_EXIT_MEMORY,
		.memory = { .gpa = 0xb8000, .write = true, .insn_count = 3, .insn = fetched },
	};

	(void)state;
	rig_map(partition, 1, 1, HV_MAP_GPA_NO_ACCESS);
	script(e);
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, INTERCEPT);
	assert_int_equal(vp->message->header.type, HV_MESSAGE_UNMAPPED_GPA);
	assert_int_equal(m->insn_byte_count, 3);
	assert_memory_equal(m->insn_bytes, fetched, 3);
}

const struct CMUnitTest event_tests[] = {
	RUN_TEST(test_startup),	 RUN_TEST(test_injection), RUN_TEST(test_shadowed_hlt),
	RUN_TEST(test_cr8),	 RUN_TEST(test_cr8_told), RUN_TEST(test_cr8_not_there),
	RUN_TEST(test_cr4),	 RUN_TEST(test_cr4_code_gone), RUN_TEST(test_code_segment_base),
	RUN_TEST(test_apic_page_in_delivery), RUN_TEST(test_no_exception_2),
	RUN_TEST(test_apic_page_and_eoi_message),
	RUN_TEST(test_doorbell), RUN_TEST(test_hypercall),
	RUN_TEST(test_msr_faults), RUN_TEST(test_prefixes), RUN_TEST(test_bytes_from_processor),
};
const size_t event_test_count = ARRAY_SIZE(event_tests);
