/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/svm/root.c as a program: the root's exits, one after the other, on a
 * processor of paper. A test is a list of them and what must be true at the entry
 * behind each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hypervisor/counters.h"
#include "hypervisor/cpu.h"
#include "hypervisor/hv/hypercall.h"
#include "hypervisor/hv/rootmsr.h"
#include "hypervisor/hv/stimer.h"
#include "hypervisor/hv/synic.h"
#include "hypervisor/hw/lapic.h"
#include "hypervisor/hw/power.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/mem/rootmem.h"
#include "hypervisor/svm/root.h"
#include "hypervisor/svm/svm.h"
#include "hypervisor/trace.h"
#include "hypervisor/vcpu.h"

#define TIMER_VECTOR 0xed
#define OTHER_VECTOR 0xf3
#define CALL_RIP     0x1000u
#define LONG_CALL    0x5000u
#define STRAY_GPA    0x7000u

/* --- the rest of the hypervisor --- */

struct cpu *cpus[HV_CPUS_MAX];
unsigned int cpu_count = 1;
struct svm_features svm_features;
bool trace_on;

static struct {
	struct cpu cpu;
	uint8_t page[4][PAGE_SIZE] __attribute__((aligned(4096)));
	unsigned int pages;
	uint32_t pending; /* vector the local APIC has */
	unsigned int calls;
	unsigned int entries;
	void (*step)(unsigned int entry, struct vmcb *v);
	jmp_buf end;
} rig;

void *page_alloc(void)
{
	return rig.page[rig.pages++];
}

void stack_switch(void *top, void (*fn)(void *), void *arg)
{
	(void)top;
	fn(arg);
	abort();
}

/* What the processor does until its next #VMEXIT. */
void world_run(uint64_t vmcb, struct world_gprs *gprs, bool host_if)
{
	(void)gprs;
	(void)host_if;
	rig.step(rig.entries++, phys_to_virt(vmcb));
}

uint32_t cpu_accept_interrupt(struct cpu *cpu)
{
	uint32_t vector = rig.pending;

	(void)cpu;
	rig.pending = CPU_NO_VECTOR;
	return vector;
}

uint64_t hypercall_root(struct hvcall_regs *r)
{
	r->fault = 0;
	r->again = r->control == LONG_CALL;
	r->control++;
	rig.calls++;
	return 7;
}

/* clang-format off: one line each */
bool rootmsr_hypercall_enabled(void)
{
	return true;
}
bool stimer_interrupt(struct cpu *cpu)
{
	(void)cpu;
	return true;
}
bool synic_wants_vector(struct cpu *cpu, uint8_t vector)
{
	(void)cpu;
	(void)vector;
	return true;
}
uint64_t root_msr_bitmap(void)
{
	return PAGE_SIZE;
}
uint64_t rootmem_table(void)
{
	return PAGE_SIZE;
}
bool rootmem_fault(uint64_t gpa, bool read)
{
	return gpa == STRAY_GPA && read;
}
bool phys_is_root_ram(uint64_t pa, uint64_t size)
{
	(void)pa;
	(void)size;
	return false;
}
void lapic_eoi(void)
{
}
void lapic_reset(struct cpu *cpu)
{
	(void)cpu;
}
void lapic_icr_write(uint64_t icr)
{
	(void)icr;
}
bool timer_due(void)
{
	return false;
}
void timer_run(void)
{
}
void power_reset(void)
{
	longjmp(rig.end, 2);
}
void log_line(const char *fmt, ...)
{
	(void)fmt;
}
void panic(const char *fmt, ...)
{
	(void)fmt;
	abort();
}
unsigned int root_prefixes(struct root_vp *vp)
{
	(void)vp;
	return 0;
}
uint8_t svm_flush_one(void)
{
	return SVM_TLB_FLUSH_ASID;
}
void root_exit_cpuid(struct root_vp *vp)
{
	(void)vp;
}
void root_exit_msr(struct root_vp *vp)
{
	(void)vp;
}
void root_exit_apic_store(struct root_vp *vp, uint64_t gpa)
{
	(void)vp;
	(void)gpa;
}
void trace_add(enum hv_trace_kind kind, uint64_t partition, uint32_t vp, uint64_t code, uint64_t a,
	       uint64_t b)
{
	(void)kind;
	(void)partition;
	(void)vp;
	(void)code;
	(void)a;
	(void)b;
}
uint64_t root_account(struct cpu *cpu, uint64_t code, uint64_t entered, uint64_t left,
		      uint64_t guests)
{
	(void)cpu;
	(void)code;
	(void)entered;
	(void)left;
	(void)guests;
	return 0;
}
/* clang-format on */

/* --- what the tests say --- */

/* How it ended: 1: by the test, 2: by a reset. */
static int run(void (*step)(unsigned int entry, struct vmcb *v))
{
	static struct counters counters;
	volatile int end;

	memset(&rig, 0, sizeof(rig));
	rig.pending = CPU_NO_VECTOR;
	rig.step = step;
	rig.cpu.timer_vector = TIMER_VECTOR;
	rig.cpu.vp_stats = rig.cpu.lp_stats = &counters;
	assert_true(root_create(&rig.cpu));
	rig.cpu.root->state = ROOT_STARTING; /* by a SIPI, which is over */
	end = setjmp(rig.end);
	if (!end)
		root_park(&rig.cpu);
	return end;
}

/* The root runs kernel code in 64-bit mode, interrupts on. */
static void kernel_code(struct vmcb *v)
{
	v->efer |= EFER_LMA;
	v->cs.attributes |= VMCB_SEG_L;
	v->cpl = 0;
	v->rflags |= RFLAGS_IF;
	v->rip = CALL_RIP;
}

static void interrupt(struct vmcb *v, uint32_t vector)
{
	rig.pending = vector;
	v->exit_code = SVM_EXIT_INTR;
}

static uint32_t offered(const struct vmcb *v)
{
	return v->int_ctl & SVM_V_IRQ ? (uint8_t)(v->int_ctl >> SVM_V_INTR_VECTOR_SHIFT) :
					CPU_NO_VECTOR;
}

static void take(struct vmcb *v)
{
	v->int_ctl &= ~SVM_V_IRQ;
}

/*
 * One interrupt overtakes another, and its handler does not end by an IRET but by
 * switching to a task that dispatches a guest. What was overtaken is in service:
 * it has to be taken before the call, or it would keep its like, and kicks, from
 * ending that guest's turn.
 */
static void overtaken_step(unsigned int entry, struct vmcb *v)
{
	switch (entry) {
	case 0:
		kernel_code(v);
		interrupt(v, TIMER_VECTOR);
		break;
	case 1:
		assert_int_equal(offered(v), TIMER_VECTOR);
		interrupt(v, OTHER_VECTOR);
		break;
	case 2:
		assert_int_equal(offered(v), OTHER_VECTOR);
		take(v);
		v->exit_code = SVM_EXIT_VMMCALL;
		break;
	case 3:
		assert_int_equal(rig.calls, 0);
		assert_int_equal(v->rip, CALL_RIP);
		assert_int_equal(offered(v), TIMER_VECTOR);
		take(v);
		v->exit_code = SVM_EXIT_VMMCALL;
		break;
	default:
		assert_int_equal(rig.calls, 1);
		assert_int_equal(v->rip, CALL_RIP + 3);
		assert_int_equal(offered(v), CPU_NO_VECTOR);
		longjmp(rig.end, 1);
	}
}

static void test_overtaken(void **state)
{
	(void)state;
	run(overtaken_step);
	assert_int_equal(rig.entries, 5);
}

/* The usual end: an IRET. */
static void iret_step(unsigned int entry, struct vmcb *v)
{
	switch (entry) {
	case 0 ... 1:
		overtaken_step(entry, v);
		break;
	case 2:
		assert_true(v->intercept1 & SVM_INTERCEPT_IRET);
		take(v);
		v->rflags &= ~RFLAGS_IF;
		v->exit_code = SVM_EXIT_IRET;
		break;
	default:
		assert_int_equal(offered(v), TIMER_VECTOR);
		assert_false(v->intercept1 & SVM_INTERCEPT_IRET);
		longjmp(rig.end, 1);
	}
}

static void test_iret(void **state)
{
	(void)state;
	run(iret_step);
	assert_int_equal(rig.entries, 4);
}

/* With interrupts off a call is carried out, whatever waits. */
static void masked_step(unsigned int entry, struct vmcb *v)
{
	switch (entry) {
	case 0:
		overtaken_step(entry, v);
		break;
	case 1:
		v->rflags &= ~RFLAGS_IF;
		v->exit_code = SVM_EXIT_VMMCALL;
		break;
	default:
		assert_int_equal(rig.calls, 1);
		assert_int_equal(offered(v), TIMER_VECTOR);
		longjmp(rig.end, 1);
	}
}

static void test_masked(void **state)
{
	(void)state;
	run(masked_step);
	assert_int_equal(rig.entries, 3);
}

/* Reads are told from writes, fetches, and from walks of the root's own tables. */
static void stray_step(unsigned int entry, struct vmcb *v)
{
	static const uint64_t how[] = { 0, SVM_NPF_WRITE, SVM_NPF_FETCH, SVM_NPF_WALK,
					SVM_NPF_PRESENT };

	if (entry)
		assert_int_equal(v->event_inj != 0, entry > 1);
	if (entry == ARRAY_SIZE(how))
		longjmp(rig.end, 1);
	v->event_inj = 0;
	v->exit_code = SVM_EXIT_NPF;
	v->exit_info_1 = SVM_NPF_FINAL | how[entry];
	v->exit_info_2 = STRAY_GPA;
}

static void test_stray(void **state)
{
	(void)state;
	run(stray_step);
}

/* A long call is left and taken up again; interrupts come in between, STI's shadow or not. */
static void turns_step(unsigned int entry, struct vmcb *v)
{
	switch (entry) {
	case 0:
		kernel_code(v);
		v->rax = 3;
		v->int_state = SVM_INTERRUPT_SHADOW;
		rig.cpu.root->gprs.r[VCPU_RCX] = LONG_CALL;
		v->exit_code = SVM_EXIT_VMMCALL;
		break;
	case 1:
		assert_int_equal(rig.calls, 1);
		assert_int_equal(v->rip, CALL_RIP);
		assert_int_equal(v->rax, 3);
		assert_int_equal(v->int_state, 0);
		assert_int_equal(rig.cpu.root->gprs.r[VCPU_RCX], LONG_CALL + 1);
		interrupt(v, OTHER_VECTOR);
		break;
	case 2:
		assert_int_equal(offered(v), OTHER_VECTOR);
		take(v);
		v->exit_code = SVM_EXIT_VMMCALL;
		break;
	default:
		assert_int_equal(rig.calls, 2);
		assert_int_equal(v->rip, CALL_RIP + 3);
		assert_int_equal(v->rax, 7);
		longjmp(rig.end, 1);
	}
}

static void test_turns(void **state)
{
	(void)state;
	run(turns_step);
	assert_int_equal(rig.entries, 4);
}

/* An INIT of the chipset's resets the machine: in guest mode it would only reset the root. */
static void init_step(unsigned int entry, struct vmcb *v)
{
	assert_int_equal(entry, 0);
	assert_int_equal(v->intercept1 & (SVM_INTERCEPT_INTR | SVM_INTERCEPT_NMI |
					  SVM_INTERCEPT_SMI | SVM_INTERCEPT_INIT),
			 SVM_INTERCEPT_INTR | SVM_INTERCEPT_INIT);
	v->exit_code = SVM_EXIT_INIT;
}

static void test_init(void **state)
{
	(void)state;
	assert_int_equal(run(init_step), 2);
}

/* Single-stepped: the trap behind it, and no trap of its breakpoints held back longer. */
static void stepped_step(unsigned int entry, struct vmcb *v)
{
	if (!entry) {
		kernel_code(v);
		v->rflags |= RFLAGS_TF | RFLAGS_RF;
		v->int_state = SVM_INTERRUPT_SHADOW;
		v->exit_code = SVM_EXIT_VMMCALL;
		return;
	}
	assert_int_equal(v->rip, CALL_RIP + 3);
	assert_int_equal(v->event_inj, SVM_EVENT_VALID | SVM_EVENT_EXCEPTION | VECTOR_DB);
	assert_true(v->dr6 & DR6_BS);
	assert_false((v->rflags & RFLAGS_RF) || v->int_state);
	longjmp(rig.end, 1);
}

static void test_stepped(void **state)
{
	(void)state;
	run(stepped_step);
}

/*
 * A halt in an STI's shadow while this processor is on its way offline. QEMU would
 * forget the shadow: what was to end the halt must not be taken before it.
 */
static void halt_step(unsigned int entry, struct vmcb *v)
{
	if (!entry) {
		kernel_code(v);
		rig.cpu.root->going_offline = true;
		v->int_state = SVM_INTERRUPT_SHADOW;
		v->exit_code = SVM_EXIT_HLT;
		return;
	}
	assert_int_equal(v->rip, CALL_RIP + 1);
	assert_false(v->int_state);
	assert_true(v->intercept1 & SVM_INTERCEPT_HLT);
	longjmp(rig.end, 1);
}

static void test_halt(void **state)
{
	(void)state;
	run(halt_step);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overtaken),
		cmocka_unit_test(test_iret),
		cmocka_unit_test(test_masked),
		cmocka_unit_test(test_stray),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_stepped),
		cmocka_unit_test(test_halt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
