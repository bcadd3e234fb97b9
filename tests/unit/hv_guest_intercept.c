/* SPDX-License-Identifier: MIT */
/* INSTALL_INTERCEPT: what a VMM may have instead of the hypervisor's own answer. */
#include "hypervisor/hv/guestcpuid.h"
#include "tests/unit/hv_guest_run.h"

static enum hv_status install(uint32_t type, uint32_t access, uint64_t parameter)
{
	struct hv_input_install_intercept in = {
		.partition_id = partition, .type = type, .access = access, .parameter = parameter,
	};

	return rig_call(hvcall_install_intercept, &in, sizeof(in), NULL, 0);
}

/* The guest executes it; the message, or HV_MESSAGE_NONE. */
static uint32_t execute(struct vcpu_exit e)
{
	bool message;

	vp->cpu.rip = 0x1000;
	vp->message->header.type = HV_MESSAGE_NONE;
	script(e);
	message = rig_dispatch(vp, CLEAR).dispatch_event == HV_VP_DISPATCH_EVENT_INTERCEPT;
	assert_int_equal(message, vp->message->header.type != HV_MESSAGE_NONE);
	/* The VMM's to step over. */
	assert_true(!message || vp->cpu.rip == 0x1000);
	return vp->message->header.type;
}

static uint32_t cpuid_of(uint32_t leaf)
{
	vp->cpu.gpr[VCPU_RAX] = leaf;
	vp->cpu.gpr[VCPU_RCX] = 0;
	return execute((struct vcpu_exit){ .reason = VCPU_EXIT_CPUID, .insn_len = 2 });
}

static uint32_t msr(uint32_t n, bool write)
{
	vp->cpu.gpr[VCPU_RCX] = n;
	vp->cpu.gpr[VCPU_RAX] = vp->cpu.gpr[VCPU_RDX] = 0;
	vp->cpu.event.valid = false;
	return execute((struct vcpu_exit){ .reason = VCPU_EXIT_MSR, .insn_len = 2,
					   .msr.write = write });
}

static void test_cpuid(void **state)
{
	struct hv_input_register_intercept_result own = {
		.partition_id = partition, .intercept_type = HV_INTERCEPT_CPUID, .eax = 0x40000001,
		.result = { { 7, ~0u } },
	};
	const struct hv_x64_cpuid_intercept *m = (void *)vp->message->payload;

	(void)state;
	assert_int_equal(install(HV_INTERCEPT_CPUID, HV_INTERCEPT_EXECUTE, 0x40000001), 0);
	vp->cpu.gpr[VCPU_RBX] = 0xb;
	assert_int_equal(cpuid_of(0x40000001), HV_MESSAGE_X64_CPUID_INTERCEPT);
	assert_int_equal(vp->message->header.payload_size, 104);
	assert_int_equal(m->header.length_cr8 & 15, 2);
	assert_int_equal(m->header.access, HV_ACCESS_EXECUTE);
	assert_int_equal(m->rax, 0x40000001);
	assert_int_equal(m->rbx, 0xb);
	assert_int_equal(m->default_rax, 0x31237648);
	assert_int_equal(cpuid_of(0x40000000), HV_MESSAGE_NONE);
	/* What the VMM has said once and for all goes first. */
	assert_int_equal(rig_call(hvcall_register_intercept_result, &own, sizeof(own), NULL, 0), 0);
	assert_int_equal(cpuid_of(0x40000001), HV_MESSAGE_NONE);
	assert_int_equal(vp->cpu.gpr[VCPU_RAX], 7);
	assert_int_equal(vp->cpu.rip, 0x1002);
	assert_int_equal(install(HV_INTERCEPT_CPUID, HV_INTERCEPT_EXECUTE, 1), 0);
	assert_int_equal(cpuid_of(1), HV_MESSAGE_X64_CPUID_INTERCEPT);
	assert_int_equal(install(HV_INTERCEPT_CPUID, 0, 1), 0);
	assert_int_equal(cpuid_of(1), HV_MESSAGE_NONE);
}

static void result(uint32_t leaf, uint32_t subleaf, bool specific, uint32_t eax)
{
	struct hv_input_register_intercept_result in = {
		.partition_id = partition, .intercept_type = HV_INTERCEPT_CPUID, .eax = leaf,
		.ecx = subleaf, .subleaf_specific = specific, .result = { { eax, ~0u } },
	};

	assert_int_equal(rig_call(hvcall_register_intercept_result, &in, sizeof(in), NULL, 0), 0);
}

static uint32_t result_of(uint32_t leaf, uint32_t subleaf)
{
	uint32_t r[4];

	guestcpuid_get(vp, leaf, subleaf, r);
	return r[0];
}

/* A subleaf's own result goes before that of the leaf, whichever came first. */
static void test_results(void **state)
{
	uint32_t free_pages;

	(void)state;
	result(4, 2, true, 100);
	result(4, 2, false, 200); /* without "specific" the subleaf means nothing */
	result(5, 0, false, 201);
	result(5, 2, true, 101);
	assert_int_equal(result_of(4, 2), 100);
	assert_int_equal(result_of(4, 9), 200);
	assert_int_equal(result_of(5, 2), 101);
	assert_int_equal(result_of(5, 9), 201);

	/* What is said again replaces what was said, and takes no more room. */
	free_pages = vp->partition->pool.free_count;
	for (uint32_t i = 0; i <= 200; i++) {
		result(4, i % 2, false, i);
		result(4, 2, true, 1000 + i);
	}
	assert_int_equal(vp->partition->pool.free_count, free_pages);
	assert_int_equal(result_of(4, 9), 200);
	assert_int_equal(result_of(4, 2), 1200);
	assert_int_equal(result_of(5, 2), 101);
}

static void test_msr(void **state)
{
	const struct hv_x64_msr_intercept *m = (void *)vp->message->payload;

	(void)state;
	/* One the hypervisor knows: writes only. */
	assert_int_equal(install(HV_INTERCEPT_MSR_INDEX, HV_INTERCEPT_WRITE, 0x277), 0);
	assert_int_equal(msr(0x277, false), HV_MESSAGE_NONE);
	assert_int_equal(msr(0x277, true), HV_MESSAGE_X64_MSR_INTERCEPT);
	assert_int_equal(vp->message->header.payload_size, 64);
	assert_int_equal(m->msr, 0x277);
	assert_int_equal(m->header.access, HV_ACCESS_WRITE);
	assert_int_not_equal(vp->cpu.pat, 0);
	/* Both ways now, and none. */
	assert_int_equal(install(HV_INTERCEPT_MSR_INDEX, HV_INTERCEPT_READ | HV_INTERCEPT_WRITE,
				 0x277), 0);
	assert_int_equal(msr(0x277, false), HV_MESSAGE_X64_MSR_INTERCEPT);
	assert_int_equal(install(HV_INTERCEPT_MSR_INDEX, 0, 0x277), 0);
	assert_int_equal(msr(0x277, true), HV_MESSAGE_NONE);

	/* Those it does not: #GP without, whatever the property says with. */
	assert_int_equal(msr(0xc0000f00, false), HV_MESSAGE_NONE);
	assert_int_equal(vp->cpu.rip, 0x1000);
	assert_int_equal(install(HV_INTERCEPT_MSR, HV_INTERCEPT_READ, 99), 0);
	assert_int_equal(msr(0xc0000f00, false), HV_MESSAGE_X64_MSR_INTERCEPT);
	assert_false(vp->cpu.event.valid);
	assert_int_equal(msr(0xc0000f00, true), HV_MESSAGE_NONE);
	assert_int_equal(msr(0x277, false), HV_MESSAGE_NONE);
	assert_int_equal(vp->cpu.rip, 0x1002);
	vp->partition->unimplemented_msr_ignore = 1;
	assert_int_equal(msr(0xc0000f00, false), HV_MESSAGE_X64_MSR_INTERCEPT);
	assert_int_equal(install(HV_INTERCEPT_MSR, 0, 0), 0);
	assert_int_equal(msr(0xc0000f00, false), HV_MESSAGE_NONE);
}

static void test_exception(void **state)
{
	const struct hv_x64_exception_intercept *m = (void *)vp->message->payload;
	struct vcpu_exit e = {
		.reason = VCPU_EXIT_EXCEPTION,
		.exception = { .vector = VECTOR_PF, .has_error = true, .error = 6,
			       .address = 0x123456 },
	};

	(void)state;
	assert_int_equal(install(HV_INTERCEPT_EXCEPTION, HV_INTERCEPT_EXECUTE, VECTOR_PF), 0);
	assert_int_equal(install(HV_INTERCEPT_EXCEPTION, HV_INTERCEPT_EXECUTE, VECTOR_DB), 0);
	vp->cpu.gpr[VCPU_RSP] = 0x8000;
	assert_int_equal(execute(e), HV_MESSAGE_X64_EXCEPTION_INTERCEPT);
	assert_int_equal(vp->cpu.exceptions, BIT32(VECTOR_PF) | BIT32(VECTOR_DB));
	assert_int_equal(vp->message->header.payload_size, 240);
	assert_int_equal(m->vector, VECTOR_PF);
	assert_int_equal(m->info, HV_EXCEPTION_ERROR_CODE_VALID);
	assert_int_equal(m->error_code, 6);
	assert_int_equal(m->parameter, 0x123456);
	assert_int_equal(m->gpr[VCPU_RSP], 0x8000);
	/* The VMM lets the guest have it after all. */
	assert_int_equal(set_reg(HV_REGISTER_PENDING_INTERRUPTION,
				 1 | 3 << 1 | 1 << 4 | VECTOR_PF << 16 | 6ull << 32), 0);
	assert_int_equal(set_reg(HV_X64_REGISTER_CR2, m->parameter), 0);
	assert_true(vp->cpu.event.valid && vp->cpu.event.has_error);
	assert_int_equal(vp->cpu.event.vector, VECTOR_PF);
	vp->cpu.event.valid = false;
	vp->cpu.dr6 = 0xffff4ff0;
	e.exception.vector = VECTOR_DB;
	e.exception.has_error = false;
	assert_int_equal(execute(e), HV_MESSAGE_X64_EXCEPTION_INTERCEPT);
	assert_int_equal(m->info, 0);
	assert_int_equal(m->parameter, 0xffff4ff0);
	assert_int_equal(install(HV_INTERCEPT_EXCEPTION, 0, VECTOR_PF), 0);
	rig_guest = NULL;
	rig_dispatch(vp, CLEAR);
	assert_int_equal(vp->cpu.exceptions, BIT32(VECTOR_DB));
}

static struct vcpu_event entered; /* with what, after the script's exit */

static void note_entry(struct vcpu *v, struct vcpu_exit *e)
{
	entered = v->event;
	scripted(v, e);
}

/* QEMU's exit for INT3, INTn and INTO alike: the message, or what the guest is given. */
static void test_int(void **state)
{
	static const struct {
		uint8_t code[2], vector;
	} go_on[] = { { { 0xcd, 0x80 }, 0x80 }, { { 0xcd, 3 }, 3 }, { { 0xce, 0xcc }, 4 } };
	const struct hv_x64_exception_intercept *m = (void *)vp->message->payload;
	const struct vcpu_exit e = {
		.reason = VCPU_EXIT_EXCEPTION,
		.exception = { .vector = VECTOR_BP, .by_int = true },
	};

	(void)state;
	assert_int_equal(install(HV_INTERCEPT_EXCEPTION, HV_INTERCEPT_EXECUTE, VECTOR_BP), 0);
	code("\xcc\xcd", 2);
	vp->cpu.rip = 0x1000;
	assert_int_equal(execute(e), HV_MESSAGE_X64_EXCEPTION_INTERCEPT);
	assert_int_equal(m->vector, VECTOR_BP);
	assert_int_equal(m->info, 0);
	assert_int_equal(m->header.rip, 0x1000);
	for (size_t i = 0; i < ARRAY_SIZE(go_on); i++) {
		code(go_on[i].code, 2);
		vp->cpu.rip = 0x1000;
		vp->cpu.event.valid = false;
		script(e);
		rig_guest = note_entry;
		EXPECT_RESULT(rig_dispatch(vp, CLEAR), READY, NONE);
		assert_true(entered.valid && !entered.has_error);
		assert_int_equal(entered.type, VCPU_EVENT_SOFTWARE);
		assert_int_equal(entered.vector, go_on[i].vector);
		assert_int_equal(vp->cpu.rip, go_on[i].code[0] == 0xcd ? 0x1002 : 0x1001);
	}
}

static bool trapped; /* the last entry began with #DB */

static void note_trap(struct vcpu *v, struct vcpu_exit *e)
{
	trapped = v->event.valid && v->event.type == VCPU_EVENT_EXCEPTION &&
		  v->event.vector == VECTOR_DB && !v->event.has_error;
	scripted(v, e);
}

/* Executes it with TF set; did the guest get its #DB behind it? */
static bool steps(struct vcpu_exit e)
{
	vp->cpu.rip = 0x1000;
	vp->cpu.dr6 = 0xffff0ff0;
	vp->cpu.rflags = 2 | RFLAGS_TF | RFLAGS_RF;
	vp->cpu.interrupt_shadow = true;
	vp->message->header.type = HV_MESSAGE_NONE;
	vp->cpu.event.valid = false;
	script(e);
	rig_guest = note_trap;
	trapped = false;
	rig_dispatch(vp, CLEAR);
	assert_int_equal(trapped, vp->cpu.dr6 == (0xffff0ff0 | DR6_BS));
	if (vp->cpu.rip != 0x1000)
		assert_false((vp->cpu.rflags & RFLAGS_RF) || vp->cpu.interrupt_shadow);
	return trapped;
}

/* APM vol. 2, "Single Stepping": instructions that we carry out trap like all others. */
static void test_single_step(void **state)
{
	const struct hv_x64_exception_intercept *m = (void *)vp->message->payload;
	struct vcpu_exit eoi = { .reason = VCPU_EXIT_MEMORY,
				 .memory = { .gpa = 0xfee000b0, .write = true } };

	(void)state;
	vp->cpu.gpr[VCPU_RCX] = 0x277;
	assert_true(steps((struct vcpu_exit){ .reason = VCPU_EXIT_CPUID, .insn_len = 2 }));
	vp->cpu.gpr[VCPU_RCX] = 0x277;
	assert_true(steps((struct vcpu_exit){ .reason = VCPU_EXIT_MSR, .insn_len = 2 }));
	assert_true(steps((struct vcpu_exit){ .reason = VCPU_EXIT_NOTHING, .insn_len = 2 }));
	/* It ends a halt at once. */
	assert_true(steps((struct vcpu_exit){ .reason = VCPU_EXIT_HLT, .insn_len = 1 }));
	assert_false(vp->halted);
	assert_int_equal(vp->cpu.rip, 0x1001);
	/* Nothing was carried out: a fault, an interrupt, the VMM's to do. */
	assert_false(steps((struct vcpu_exit){ .reason = VCPU_EXIT_HYPERCALL, .insn_len = 3 }));
	assert_int_equal(vp->cpu.rip, 0x1000);
	assert_false(steps((struct vcpu_exit){ .reason = VCPU_EXIT_WINDOW }));
	assert_false(steps((struct vcpu_exit){ .reason = VCPU_EXIT_IO, .insn_len = 2 }));

	/* With a message in between. */
	code("\x66\x89\x07", 3); /* mov [bx],eax */
	vlapic_write(vp, 0xf0, 0x1ff);
	vlapic_accept(vp, 0x50, true);
	vlapic_take(vp, 0x50);
	assert_false(steps(eoi));
	assert_int_equal(vp->message->header.type, HV_MESSAGE_X64_APIC_EOI);
	rig_dispatch(vp, CLEAR);
	assert_true(trapped);
	/* And not after an INIT. */
	vlapic_accept(vp, 0x50, true);
	vlapic_take(vp, 0x50);
	assert_false(steps(eoi));
	vp->apic.init_pending = true;
	rig_dispatch(vp, CLEAR);
	assert_false(trapped);

	/* A VMM that wants the guest's #DB (gdb steps) gets this one as well. */
	vp->cpu.event.valid = false;
	assert_int_equal(install(HV_INTERCEPT_EXCEPTION, HV_INTERCEPT_EXECUTE, VECTOR_DB), 0);
	vp->cpu.rip = 0x1000;
	vp->cpu.rflags = 2 | RFLAGS_TF;
	script((struct vcpu_exit){ .reason = VCPU_EXIT_HLT, .insn_len = 1 });
	EXPECT_RESULT(rig_dispatch(vp, CLEAR), READY, INTERCEPT);
	assert_int_equal(vp->message->header.type, HV_MESSAGE_X64_EXCEPTION_INTERCEPT);
	assert_int_equal(m->vector, VECTOR_DB);
	assert_int_equal(m->parameter, 0xffff0ff0 | DR6_BS);
	assert_int_equal(m->header.rip, 0x1001);
	assert_true(vp->halted);
	/* And has it once. */
	trapped = false;
	rig_guest = note_trap;
	EXPECT_RESULT(rig_dispatch(vp, CLEAR), BLOCKED, NONE);
	assert_false(trapped);
}

static void test_refused(void **state)
{
	static const struct {
		uint32_t type, access;
		uint64_t parameter;
	} bad[] = {
		{ HV_INTERCEPT_CPUID, HV_INTERCEPT_READ, 1 },
		{ HV_INTERCEPT_MSR, HV_INTERCEPT_EXECUTE, 0 },
		{ HV_INTERCEPT_MSR_INDEX, 8, 0x10 },
		{ HV_INTERCEPT_MSR_INDEX, HV_INTERCEPT_READ, RIG_OWN_MSR },
		{ HV_INTERCEPT_MSR_INDEX, 0, RIG_OWN_MSR },
		{ HV_INTERCEPT_EXCEPTION, HV_INTERCEPT_EXECUTE, VECTOR_NMI },
		{ HV_INTERCEPT_EXCEPTION, HV_INTERCEPT_EXECUTE, VECTOR_MC },
		{ HV_INTERCEPT_EXCEPTION, HV_INTERCEPT_EXECUTE, 32 },
		{ HV_INTERCEPT_EXCEPTION, HV_INTERCEPT_EXECUTE, 1ull << 32 | VECTOR_PF },
		{ 8, HV_INTERCEPT_EXECUTE, 0 },
		{ 0x1000002, HV_INTERCEPT_EXECUTE, 0 },
		{ ~0u, HV_INTERCEPT_EXECUTE, 0 },
	};
	struct hv_input_install_intercept in = {
		.partition_id = HV_PARTITION_ID_SELF, .type = HV_INTERCEPT_CPUID,
		.access = HV_INTERCEPT_EXECUTE,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(install(bad[i].type, bad[i].access, bad[i].parameter),
				 HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(rig_call(hvcall_install_intercept, &in, sizeof(in), NULL, 0),
			 HV_STATUS_INVALID_PARTITION_ID);
	/* Ports reach the VMM in any case: nothing to remember. */
	for (uint32_t i = 0; i < 2 * PARTITION_INTERCEPTS; i++)
		assert_int_equal(install(HV_INTERCEPT_IO_PORT,
					 HV_INTERCEPT_READ | HV_INTERCEPT_WRITE, i), 0);
	/* A removed one makes room for another. */
	for (uint32_t i = 0; i < PARTITION_INTERCEPTS; i++)
		assert_int_equal(install(HV_INTERCEPT_CPUID, HV_INTERCEPT_EXECUTE, i), 0);
	assert_int_equal(install(HV_INTERCEPT_CPUID, HV_INTERCEPT_EXECUTE, 0x80),
			 HV_STATUS_NO_RESOURCES);
	assert_int_equal(install(HV_INTERCEPT_CPUID, HV_INTERCEPT_EXECUTE, 5), 0);
	assert_int_equal(install(HV_INTERCEPT_CPUID, 0, 5), 0);
	assert_int_equal(install(HV_INTERCEPT_CPUID, HV_INTERCEPT_EXECUTE, 0x80), 0);
	assert_int_equal(cpuid_of(0x80), HV_MESSAGE_X64_CPUID_INTERCEPT);
	assert_int_equal(cpuid_of(5), HV_MESSAGE_NONE);
}

const struct CMUnitTest intercept_tests[] = {
	RUN_TEST(test_cpuid),
	RUN_TEST(test_results),
	RUN_TEST(test_msr),
	RUN_TEST(test_exception),
	RUN_TEST(test_int),
	RUN_TEST(test_single_step),
	RUN_TEST(test_refused),
};
const size_t intercept_test_count = ARRAY_SIZE(intercept_tests);
