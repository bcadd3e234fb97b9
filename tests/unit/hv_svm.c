/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/svm/guest.c, xstate.c and root_msr.c as a program: what a guest's
 * entry and exit, and the root's MSR accesses, do to the processor. Instructions
 * that only a hypervisor may execute fault here and are carried out by a signal
 * handler on a processor of paper.
 */
#include <asm/prctl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "hypervisor/cpu.h"
#include "hypervisor/hv/rootmsr.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/hw/lapic.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/svm/root.h"
#include "hypervisor/svm/svm.h"
#include "hypervisor/svm/vmcb.h"
#include "hypervisor/svm/world.h"
#include "hypervisor/svm/xstate.h"
#include "hypervisor/vcpu.h"
#include "hypervisor/x86.h"

#define ROOT_DR(n)  (0xffff800000000000 + (n))
#define GUEST_DR(n) (0x1000u + (n))

/* --- the processor --- */

static struct {
	uint64_t dr[4], cr4;
	uint64_t mcg_status, tsc_adjust;
	unsigned int barriers;
} hw;

static uint64_t msr_get(uint32_t msr)
{
	if (msr == MSR_TSC_ADJUST)
		return hw.tsc_adjust;
	return msr == MSR_MCG_STATUS ? hw.mcg_status : 0;
}

static void msr_set(uint32_t msr, uint64_t value)
{
	if (msr == MSR_PRED_CMD) {
		assert_int_equal(value, PRED_CMD_IBPB);
		hw.barriers++;
	}
	/* The hypervisor's own clock. */
	assert_int_not_equal(msr, MSR_TSC);
	assert_int_not_equal(msr, MSR_TSC_ADJUST);
}

static greg_t *reg_of(greg_t *g, unsigned int n)
{
	static const int order[] = {
		REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
		REG_R8,	 REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
	};

	return &g[order[n]];
}

/* 0f 20 … 0f 23: MOV from and to control (even) and debug (odd) registers. */
static bool mov_special(greg_t *g, const uint8_t *p, unsigned int rex)
{
	greg_t *r = reg_of(g, (p[2] & 7u) | (rex & 1) << 3);
	unsigned int n = p[2] >> 3 & 7;
	uint64_t *special = p[1] & 1 ? &hw.dr[n & 3] : &hw.cr4;
	uint64_t cr0 = 0;

	if (!(p[1] & 1) && n == 0)
		special = &cr0;
	if (p[1] & 2)
		*special = (uint64_t)*r;
	else
		*r = (greg_t)*special;
	return true;
}

static bool emulate(greg_t *g)
{
	const uint8_t *p = (const uint8_t *)g[REG_RIP];
	unsigned int rex = (p[0] & 0xf0) == 0x40 ? p[0] & 0xf : 0;
	uint64_t value;

	p += (p[0] & 0xf0) == 0x40;
	if (p[0] != 0x0f)
		return false;
	switch (p[1]) {
	case 0x20 ... 0x23:
		g[REG_RIP] = (greg_t)(p + 3);
		return mov_special(g, p, rex);
	case 0x30:
		msr_set((uint32_t)g[REG_RCX],
			(uint64_t)g[REG_RDX] << 32 | (uint32_t)g[REG_RAX]);
		g[REG_RIP] = (greg_t)(p + 2);
		return true;
	case 0x32:
		value = msr_get((uint32_t)g[REG_RCX]);
		g[REG_RAX] = (greg_t)(uint32_t)value;
		g[REG_RDX] = (greg_t)(value >> 32);
		g[REG_RIP] = (greg_t)(p + 2);
		return true;
	case 0x01: /* XSETBV */
		g[REG_RIP] = (greg_t)(p + 3);
		return p[2] == 0xd1;
	default:
		return false;
	}
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	(void)info;
	if (!emulate(u->uc_mcontext.gregs))
		signal(sig, SIG_DFL);
}

/* First in each test: cmocka sets its own handlers just before. */
static void power_on(void)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigaction(SIGSEGV, &action, NULL);
}

/* --- the rest of the hypervisor --- */

struct cpu *cpus[HV_CPUS_MAX];
unsigned int cpu_count = 1;
struct svm_features svm_features = { .asids = 16 };

static struct cpu cpu;

void *pages_alloc(unsigned int count)
{
	void *p = aligned_alloc(PAGE_SIZE, count * PAGE_SIZE);

	memset(p, 0, count * PAGE_SIZE);
	return p;
}

void *page_alloc(void)
{
	return pages_alloc(1);
}

void log_line(const char *fmt, ...)
{
	(void)fmt;
}

static bool x2apic;
static uint32_t apic_reg, apic_value; /* the last write */

bool lapic_is_x2apic(void)
{
	return x2apic;
}

uint32_t lapic_read(unsigned int reg)
{
	return reg == LAPIC_SVR ? 0x11ff : 0;
}

void root_apic_write(struct root_vp *vp, unsigned int reg, uint32_t value)
{
	(void)vp;
	apic_reg = reg;
	apic_value = value;
}

void lapic_write(unsigned int reg, uint32_t val)
{
	(void)reg;
	(void)val;
}

void lapic_eoi(void)
{
}

uint64_t svm_efer_mask(void)
{
	return 0;
}

uint8_t svm_flush_one(void)
{
	return 0;
}

bool rootmsr_read(struct cpu *c, uint32_t msr, uint64_t *value)
{
	(void)c;
	(void)msr;
	(void)value;
	return false;
}

bool rootmsr_write(struct cpu *c, uint32_t msr, uint64_t value)
{
	(void)c;
	(void)msr;
	(void)value;
	return false;
}

static unsigned int tsc_moved, faults;

void rootmsr_tsc_moved(void)
{
	tsc_moved++;
}

void root_icr_write(struct root_vp *vp, uint64_t icr)
{
	(void)vp;
	(void)icr;
}

void root_skip_opcode(struct root_vp *vp, unsigned int length)
{
	vp->vmcb->rip += length;
}

void root_inject_gp(struct root_vp *vp)
{
	(void)vp;
	faults++;
}

/* One turn of the guest. */
static struct vmcb *vmcb;
static void (*guest)(struct vmcb *b);

void world_run(uint64_t pa, struct world_gprs *gprs, bool host_if)
{
	(void)gprs;
	assert_true(host_if);
	assert_int_equal(pa, virt_to_phys(vmcb));
	vmcb->exit_code = SVM_EXIT_INTR;
	if (guest)
		guest(vmcb);
}

/* --- fixture --- */

static struct vcpu v;

static int setup(void **state)
{
	(void)state;
	memset(&v, 0, sizeof(v));
	memset(&hw, 0, sizeof(hw));
	memset(&cpu, 0, sizeof(cpu));
	cpus[0] = &cpu;
	cpu.self = &cpu;
	svm_features.ibpb = true;
	guest = NULL;
	assert_int_equal(syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu), 0);
	vmcb = page_alloc();
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
	free(vmcb);
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

/* --- the root's time stamp counter --- */

static struct root_vp root;

static bool root_msr(uint32_t msr, bool write, uint64_t *value)
{
	unsigned int before = faults;

	root = (struct root_vp){ .vmcb = vmcb, .cpu = &cpu };
	root.gprs.r[VCPU_RCX] = msr;
	root.gprs.r[VCPU_RDX] = *value >> 32;
	vmcb->rax = (uint32_t)*value;
	vmcb->exit_info_1 = write;
	root_exit_msr(&root);
	if (!write)
		*value = root.gprs.r[VCPU_RDX] << 32 | (uint32_t)vmcb->rax;
	return faults == before;
}

static bool root_exits(uint32_t msr, unsigned int write)
{
	const uint8_t *bitmap = phys_to_virt(root_msr_bitmap());
	uint32_t at = msr < 0x2000 ? msr : (msr & 0x1fff) + 0x2000;

	return bitmap[at / 4] & (1u << write) << at % 4 * 2;
}

static void test_root_tsc(void **state)
{
	uint64_t value = 1000, now;

	(void)state;
	power_on();
	tsc_moved = 0;
	assert_true(root_exits(MSR_TSC, 1));
	assert_true(root_msr(MSR_TSC, true, &value));
	now = rdtsc();
	assert_in_range(now + vmcb->tsc_offset, 1000, 1000 + (1ull << 36));
	assert_int_equal(tsc_moved, 1);
}

static void test_root_tsc_adjust(void **state)
{
	uint64_t value = 500;

	(void)state;
	power_on();
	tsc_moved = 0;
	hw.tsc_adjust = 100; /* the firmware's */
	assert_true(root_exits(MSR_TSC_ADJUST, 0));
	assert_true(root_exits(MSR_TSC_ADJUST, 1));
	svm_features.tsc_adjust = true;
	assert_true(root_msr(MSR_TSC_ADJUST, true, &value));
	assert_int_equal(vmcb->tsc_offset, 400);
	assert_int_equal(tsc_moved, 1);
	value = 0;
	assert_true(root_msr(MSR_TSC_ADJUST, false, &value));
	assert_int_equal(value, 500);
	/* A write to the counter shows here, as the SDM wants it. */
	value = rdtsc();
	assert_true(root_msr(MSR_TSC, true, &value));
	assert_true(root_msr(MSR_TSC_ADJUST, false, &value));
	assert_int_equal(value, 100 + vmcb->tsc_offset);
	svm_features.tsc_adjust = false;
	assert_false(root_msr(MSR_TSC_ADJUST, false, &value));
	assert_false(root_msr(MSR_TSC_ADJUST, true, &value));
	/* Scales what a processor in guest mode reads: the root is in guest mode. */
	assert_true(root_exits(MSR_TSC_RATIO, 1));
}

/* --- the root's x2APIC --- */

static void test_root_svr(void **state)
{
	const uint32_t svr = MSR_X2APIC + LAPIC_SVR / 16;
	uint64_t value = 0x10ff;

	(void)state;
	power_on();
	assert_true(root_exits(svr, 1));
	x2apic = false;
	assert_false(root_msr(svr, true, &value));
	x2apic = true;
	assert_true(root_msr(svr, true, &value));
	assert_int_equal(apic_reg, LAPIC_SVR);
	assert_int_equal(apic_value, 0x10ff);
	/* It would fault in the hypervisor. */
	value = 0x20ff;
	assert_false(root_msr(svr, true, &value));
	value = 1ull << 32 | 0xff;
	assert_false(root_msr(svr, true, &value));
	assert_int_equal(apic_value, 0x10ff);
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
		cmocka_unit_test_setup_teardown(test_machine_check, setup, teardown),
		cmocka_unit_test_setup_teardown(test_root_tsc, setup, teardown),
		cmocka_unit_test_setup_teardown(test_root_tsc_adjust, setup, teardown),
		cmocka_unit_test_setup_teardown(test_root_svr, setup, teardown),
	};
	/* clang-format on */

	(void)argc;
	(void)argv;
	power_on();
	cpus[0] = &cpu;
	cpu.self = &cpu;
	if (!vcpu_init())
		return 1;
	return cmocka_run_group_tests_name("hv_svm", tests, NULL, NULL);
}
