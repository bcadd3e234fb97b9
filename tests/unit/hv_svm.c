/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/svm/guest.c and xstate.c as a program: what a guest's entry and exit
 * do to the processor.
 */
#include "hv_svm_rig.h"

#include <stdlib.h>
#include <string.h>

#include "hypervisor/mem/pages.h"
#include "hypervisor/svm/xstate.h"
#include "hypervisor/x86.h"

#define ROOT_DR(n)  (0xffff800000000000 + (n))
#define GUEST_DR(n) (0x1000u + (n))

/* --- fixture --- */

static struct vcpu v;

static int setup(void **state)
{
	(void)state;
	memset(&v, 0, sizeof(v));
	rig_setup();
	vcpu_create(&v, vmcb, page_alloc(), 0);
	v.xcr0 = 1;
	v.dr7 = 0x400;
	for (unsigned int i = 0; i < 4; i++)
		hw.dr[i] = ROOT_DR(i);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(v.xsave);
	rig_teardown();
	return 0;
}

static enum vcpu_exit_reason turn(void)
{
	struct vcpu_exit e = { 0 };

	vcpu_open(&v);
	vcpu_run(&v, &e);
	return e.reason;
}

/* --- branch predictors --- */

static void test_barrier(void **state)
{
	(void)state;
	power_on();
	vcpu_attach(&v);
	turn();
	turn();
	assert_int_equal(hw.barriers, 0);
	/* The root must not predict by what the guest has taught, nor the next guest. */
	vcpu_detach(&v);
	assert_int_equal(hw.barriers, 1);
}

static void test_no_barrier_without_cpuid(void **state)
{
	(void)state;
	power_on();
	svm_features.ibpb = false;
	vcpu_attach(&v);
	turn();
	vcpu_detach(&v);
	assert_int_equal(hw.barriers, 0);
}

/* --- MXCSR --- */

static void test_mxcsr(void **state)
{
	_Alignas(16) uint32_t image[128];

	(void)state;
	__asm__ volatile("fxsave64 %0" : "=m"(image));
	assert_int_equal(vcpu_mxcsr_mask(), image[7]);
	assert_int_not_equal(image[7], 0);
}

/* --- debug registers --- */

static unsigned int turns;

/* Whatever a guest can reach without an exit must be its own. */
static void check_debug(struct vmcb *b)
{
	turns++;
	for (unsigned int i = 0; i < 4; i++) {
		if (!(b->intercept_dr_read & BIT32(i)) || !(b->intercept_dr_write & BIT32(i)))
			assert_int_equal(hw.dr[i], GUEST_DR(i));
	}
	if (hw.dr[0] == ROOT_DR(0)) {
		/* Enabling breakpoints: DR7, or DR5, which is the same while CR4.DE is clear. */
		assert_int_equal(b->intercept_dr_write & 0xa0, 0xa0);
		assert_int_equal(b->dr7 & 0xff, 0);
	}
}

static void write_dr7(struct vmcb *b)
{
	check_debug(b);
	if (b->intercept_dr_write & BIT32(7))
		b->exit_code = SVM_EXIT_DR0_WRITE + 7;
	else
		b->dr7 = 0x401;
}

static void write_dr5(struct vmcb *b)
{
	check_debug(b);
	if (b->intercept_dr_write & BIT32(5))
		b->exit_code = SVM_EXIT_DR0_WRITE + 5;
	else
		b->dr7 = 0x403;
}

static void test_debug_registers(void **state)
{
	(void)state;
	power_on();
	for (unsigned int i = 0; i < 4; i++)
		v.dr[i] = GUEST_DR(i);
	guest = check_debug;
	assert_int_equal(turn(), VCPU_EXIT_HOST);
	guest = write_dr7;
	assert_int_equal(turn(), VCPU_EXIT_NOTHING);
	assert_int_equal(v.dr7, 0x400);
	assert_int_equal(turn(), VCPU_EXIT_HOST);
	assert_int_equal(v.dr7, 0x401);
	/* Armed: its registers are in the processor whenever it runs, and only then. */
	guest = check_debug;
	turn();
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(hw.dr[i], ROOT_DR(i));
	v.dr7 = 0x400;
	turn();
	guest = write_dr5;
	assert_int_equal(turn(), VCPU_EXIT_NOTHING);
	assert_int_equal(turn(), VCPU_EXIT_HOST);
	assert_int_equal(v.dr7, 0x403);
	assert_int_equal(turns, 7);
}

/* --- writes to control registers --- */

static uint16_t cr_writes;

static void note_cr(struct vmcb *b)
{
	cr_writes = b->intercept_cr_write;
}

static unsigned int cr_number;

static void write_cr(struct vmcb *b)
{
	b->exit_code = SVM_EXIT_CR0_WRITE + cr_number;
	b->exit_info_1 = SVM_CR_MOV | 11;
	b->next_rip = b->rip + 4;
}

/*
 * Of CR8 they exit while an interrupt waits, and only then; of CR4 always, whose bits a
 * processor may have without a guest having them.
 */
static void test_cr_writes(void **state)
{
	struct vcpu_exit e = { 0 };

	(void)state;
	power_on();
	guest = note_cr;
	turn();
	assert_int_equal(cr_writes, BIT32(4));
	v.cr8_window = true;
	turn();
	assert_int_equal(cr_writes, BIT32(4) | BIT32(8));
	v.cr8_window = false;
	v.window = true;
	turn();
	assert_int_equal(cr_writes, BIT32(4) | BIT32(8));
	v.window = false;
	v.rflags = RFLAGS_IF;
	v.event = (struct vcpu_event){ .valid = true, .type = VCPU_EVENT_EXTERNAL };
	turn();
	assert_int_equal(cr_writes, BIT32(4) | BIT32(8));

	/* Ours with XSAVE, SMEP, SMAP, and what all have: no PCID, PKU, CET, LA57. */
	hw.cr4 = 0x3406f0;
	assert_int_equal(vcpu_cr4_mask(), 0x3407ff);

	/* Who knows nothing about the instruction says so. */
	v.event.valid = false;
	guest = write_cr;
	for (unsigned int i = 0; i < 8; i++) {
		cr_number = i & 4 ? 4 : 8;
		svm_features.decode_assists = i & 1;
		svm_features.nrips = i & 2;
		e = (struct vcpu_exit){ 0 };
		vcpu_open(&v);
		vcpu_run(&v, &e);
		assert_int_equal(e.reason, VCPU_EXIT_CR);
		assert_int_equal(e.cr.number, cr_number);
		assert_int_equal(e.insn_len, (i & 3) == 3 ? 4 : 0);
		if ((i & 3) == 3)
			assert_int_equal(e.cr.reg, 11);
	}
	svm_features.decode_assists = svm_features.nrips = false;
}

/* --- NMIs --- */

static bool iret_exits;

static void note_iret(struct vmcb *b)
{
	iret_exits = b->intercept1 & SVM_INTERCEPT_IRET;
	if (b->event_inj & SVM_EVENT_VALID)
		b->rip = 0x2000; /* the handler */
}

static void iret(struct vmcb *b)
{
	note_iret(b);
	b->exit_code = SVM_EXIT_IRET;
}

static void iret_done(struct vmcb *b)
{
	note_iret(b);
	b->rip = 0x1000;
}

/* Masked from delivery, whoever asked for it, to the end of the handler's IRET. */
static void test_nmi(void **state)
{
	(void)state;
	power_on();
	for (unsigned int i = 0; i < 2; i++) {
		v.event = (struct vcpu_event){ .valid = true, .type = VCPU_EVENT_NMI, .vector = 2 };
		v.rip = 0x1000;
		guest = note_iret;
		turn();
		assert_true(v.nmi_masked);
		turn();
		assert_true(v.nmi_masked && iret_exits);
		guest = iret;
		turn();
		assert_true(v.nmi_masked && iret_exits);
		/* Another exit before it is carried out. */
		guest = note_iret;
		turn();
		assert_true(v.nmi_masked && !iret_exits);
		/* A VMM starts anew, instead of the IRET. */
		if (i == 0)
			continue;
		guest = iret_done;
		turn();
		assert_false(v.nmi_masked || iret_exits);
		turn();
		assert_false(iret_exits);
	}
}

static uint64_t rflags, dr6;

/* The IRET's trap, if TF was set; it restores flags with TF clear. */
static void step(struct vmcb *b)
{
	note_iret(b);
	rflags = b->rflags;
	if (!(rflags & RFLAGS_TF))
		return;
	b->rip = 0x1000;
	b->rflags &= ~RFLAGS_TF;
	dr6 = b->dr6;
	b->dr6 |= DR6_BS;
	b->exit_code = SVM_EXIT_EXCEPTION + VECTOR_DB;
}

/* Or it faults. */
static void fault(struct vmcb *b)
{
	assert_true(b->rflags & RFLAGS_TF);
	assert_true(b->intercept_exceptions & BIT32(VECTOR_PF));
	b->exit_code = SVM_EXIT_EXCEPTION + VECTOR_PF;
	b->exit_info_1 = 4;
	b->exit_info_2 = 0x5678;
}

/* In the handler of an NMI, at its IRET. */
static void handler(void)
{
	v.event = (struct vcpu_event){ .valid = true, .type = VCPU_EVENT_NMI, .vector = 2 };
	v.rflags = 2;
	v.dr6 = 0xffff0ff0;
	guest = note_iret;
	turn();
	guest = iret;
	turn();
	assert_true(v.nmi_masked && v.nmi_iret);
}

/* One NMI in another's handler comes when that has executed its IRET, and no later. */
static void test_nmi_waits(void **state)
{
	(void)state;
	power_on();
	handler();
	guest = step;
	assert_int_equal(turn(), VCPU_EXIT_HOST); /* none waits */
	assert_false(rflags & RFLAGS_TF);
	v.nmi_window = true;
	v.exceptions = BIT32(VECTOR_DB); /* the VMM does not see ours */
	/* First an interrupt of the host: nothing shows. */
	guest = note_iret;
	turn();
	assert_int_equal(v.rflags, 2);
	assert_true(v.nmi_masked);
	guest = step;
	assert_int_equal(turn(), VCPU_EXIT_NOTHING);
	assert_false(v.nmi_masked || v.event.valid);
	assert_int_equal(v.dr6, 0xffff0ff0);
	assert_int_equal(v.rflags, 2);
	v.exceptions = 0;

	handler();
	guest = fault;
	assert_int_equal(turn(), VCPU_EXIT_NOTHING);
	assert_true(v.event.valid && v.event.vector == VECTOR_PF && v.event.error == 4);
	assert_int_equal(v.cr2, 0x5678);
	assert_int_equal(v.rflags, 2);

	/* Whoever debugs sees what is its own. */
	handler();
	v.rflags |= RFLAGS_TF;
	guest = step;
	turn();
	assert_true(v.event.valid && v.event.vector == VECTOR_DB);
	assert_true(v.dr6 & DR6_BS);
	handler();
	v.dr7 = 0x401;
	guest = step;
	turn();
	assert_false(rflags & RFLAGS_TF);
}

/* A task return would save the flag; an IRET to itself has been executed all the same. */
static void step_to_itself(struct vmcb *b)
{
	step(b);
	b->rip = 0x2000;
	b->rflags |= RFLAGS_TF; /* the guest's, from its stack */
}

static void test_nmi_odd_iret(void **state)
{
	(void)state;
	power_on();
	handler();
	v.nmi_window = true;
	v.rflags |= RFLAGS_NT;
	guest = step;
	turn();
	assert_false(rflags & RFLAGS_TF);
	handler();
	assert_int_equal(v.rip, 0x2000);
	guest = step_to_itself;
	assert_int_equal(turn(), VCPU_EXIT_NOTHING);
	assert_false(v.nmi_masked);
	assert_int_equal(v.rflags, 2 | RFLAGS_TF);
}

/* --- interrupts --- */

/* What waits behind an interrupt that has no end of its own comes at its handler's IRET. */
static void test_window_behind_interrupt(void **state)
{
	(void)state;
	power_on();
	guest = note_iret;
	for (unsigned int i = 0; i < 2; i++) {
		v.rflags = 2 | RFLAGS_IF;
		v.event = (struct vcpu_event){ .valid = true, .type = VCPU_EVENT_EXTERNAL };
		v.window = i;
		turn();
		assert_int_equal(iret_exits, i);
	}
	/* Which ends no NMI. */
	guest = iret;
	turn();
	assert_false(v.nmi_iret);
	guest = note_iret;
	v.event.valid = false;
	turn();
	assert_false(iret_exits);
	assert_true(vmcb->intercept1 & SVM_INTERCEPT_VINTR);
	v.nmi_masked = true;
	turn();
	assert_true(v.nmi_masked && iret_exits);
}

/* --- machine checks --- */

static void machine_check(struct vmcb *b)
{
	b->exit_code = SVM_EXIT_EXCEPTION + VECTOR_MC;
}

static void test_machine_check(void **state)
{
	(void)state;
	power_on();
	/* The guest can go on, if the root, which gets the exception, wants it to. */
	hw.mcg_status = MCG_STATUS_RIPV | BIT64(2);
	guest = machine_check;
	assert_int_equal(turn(), VCPU_EXIT_HOST);
	assert_true(cpu.machine_check);
	assert_false(v.event.valid);
	/* Its RIP is lost. */
	cpu.machine_check = false;
	hw.mcg_status = BIT64(2);
	assert_int_equal(turn(), VCPU_EXIT_SHUTDOWN);
	assert_true(cpu.machine_check);
}

/* --- MSRs --- */

/* What hv/ is told of each is what the processor goes by (APM vol. 2, "MSR Intercepts"). */
static void test_msr_exits(void **state)
{
	static const uint32_t range[] = { 0, 0xc0000000, 0xc0010000 };
	const uint8_t *bitmap = phys_to_virt(vmcb->msrpm_base);
	unsigned int own = 0;

	(void)state;
	for (uint32_t at = 0; at < ARRAY_SIZE(range) * 0x2000; at++) {
		bool exits = vcpu_msr_exits(range[at / 0x2000] + at % 0x2000);

		assert_int_equal(bitmap[at / 4] >> at % 4 * 2 & 3, exits ? 3 : 0);
		own += !exits;
	}
	assert_int_equal(own, 10);
	assert_true(vcpu_msr_exits(0x2174));
	assert_true(vcpu_msr_exits(0x40000102));
}

int main(int argc, char **argv)
{
	/* clang-format off: a list */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_barrier, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_barrier_without_cpuid, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mxcsr, setup, teardown),
		cmocka_unit_test_setup_teardown(test_debug_registers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cr_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nmi, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nmi_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nmi_odd_iret, setup, teardown),
		cmocka_unit_test_setup_teardown(test_window_behind_interrupt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_machine_check, setup, teardown),
		cmocka_unit_test_setup_teardown(test_msr_exits, setup, teardown),
	};
	/* clang-format on */

	(void)argc;
	(void)argv;
	if (!rig_begin())
		return 1;
	return cmocka_run_group_tests_name("hv_svm", tests, NULL, NULL);
}
