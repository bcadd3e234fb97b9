/* SPDX-License-Identifier: MIT */
/*
 * What hypervisor/svm/ makes of a processor's CPUID: with each feature and without,
 * on a processor of paper. QEMU's has none of them, real ones have most.
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
#include "hypervisor/hw/lapic.h"
#include "hypervisor/hw/timer.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/svm/insn.h"
#include "hypervisor/svm/root.h"
#include "hypervisor/svm/svm.h"
#include "hypervisor/svm/world.h"
#include "hypervisor/svm/xstate.h"
#include "hypervisor/vcpu.h"
#include "hypervisor/x86.h"

#define NRIPS	      BIT32(3)
#define FLUSH_BY_ASID BIT32(6)
#define DECODE	      BIT32(7)
#define EVERYTHING    0xffffffffu

/* --- the processor --- */

static struct {
	struct cpuid ext1, svm, sizes;
	uint64_t vm_cr, efer, hsave;
} hw;

static struct cpuid paper_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	switch (leaf) {
	case 0x80000000:
		return (struct cpuid){ .eax = 0x8000000a };
	case 0x80000001:
		return hw.ext1;
	case 0x80000008:
		return hw.sizes;
	case 0x8000000a:
		return hw.svm;
	default:
		return (struct cpuid){ 0 };
	}
}

static uint64_t paper_rdmsr(uint32_t msr)
{
	return msr == MSR_VM_CR ? hw.vm_cr : msr == MSR_EFER ? hw.efer : 0;
}

static void paper_wrmsr(uint32_t msr, uint64_t value)
{
	if (msr == MSR_EFER)
		hw.efer = value;
	else if (msr == MSR_VM_HSAVE_PA)
		hw.hsave = value;
}

/* CLGI, VMSAVE */
static void on_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	const uint8_t *p = (const uint8_t *)*rip;

	(void)info;
	if (p[0] == 0x0f && p[1] == 0x01 && (p[2] == 0xdd || p[2] == 0xdb))
		*rip += 3;
	else
		signal(sig, SIG_DFL);
}

#define cpuid(leaf, subleaf) paper_cpuid(leaf, subleaf)
#define rdmsr paper_rdmsr
#define wrmsr paper_wrmsr
#include "hypervisor/svm/guest.c"
#include "hypervisor/svm/root_apic.c"
#include "hypervisor/svm/svm.c"
#undef cpuid

/* --- the rest of the hypervisor --- */

struct cpu *cpus[HV_CPUS_MAX];
unsigned int cpu_count = 2;

static struct cpu cpu[2];
static struct vmcb *entered; /* by the last entry … */
static struct vmcb leaving;  /* … which ends like this */
static struct vmcb root_vmcb;
static uint32_t apic_value; /* the last store to the APIC page */
static unsigned int skipped, reads, faults;

static _Alignas(4096) uint8_t pool[64][4096]; /* of one test */
static unsigned int pool_used;

void *pages_alloc(unsigned int count)
{
	pool_used += count;
	assert_in_range(pool_used, count, ARRAY_SIZE(pool));
	return pool[pool_used - count];
}

void *page_alloc(void)
{
	return pages_alloc(1);
}

void world_run(uint64_t vmcb, struct world_gprs *gprs, bool host_if)
{
	(void)gprs;
	(void)host_if;
	entered = phys_to_virt(vmcb);
	entered->exit_code = leaving.exit_code;
	entered->exit_info_1 = leaving.exit_info_1;
	entered->exit_info_2 = leaving.exit_info_2;
	entered->next_rip = leaving.next_rip;
	entered->insn_count = leaving.insn_count;
	memcpy(entered->insn_bytes, leaving.insn_bytes, sizeof(leaving.insn_bytes));
}

unsigned int root_read_virtual(const struct root_vp *vp, uint64_t va, uint8_t *to,
			       unsigned int size)
{
	static const uint8_t store_esi[] = { 0x89, 0x37 }; /* mov [rdi],esi */

	(void)vp;
	(void)va;
	(void)size;
	reads++;
	memcpy(to, store_esi, sizeof(store_esi));
	return sizeof(store_esi);
}

void lapic_write(unsigned int reg, uint32_t value)
{
	assert_int_equal(reg, LAPIC_TPR);
	apic_value = value;
}

void root_skip(struct root_vp *vp, unsigned int length)
{
	(void)vp;
	skipped = length;
}

void root_inject_gp(struct root_vp *vp)
{
	(void)vp;
	faults++;
}

uint64_t root_gpr(const struct root_vp *vp, unsigned int n)
{
	(void)vp;
	return 0x100 + n;
}

/* clang-format off: one line each */
void log_line(const char *fmt, ...) { (void)fmt; }
bool xstate_init(void) { return true; }
void xstate_store(struct vcpu *v) { (void)v; }
void xstate_tsc_aux(uint64_t value) { (void)value; }
bool lapic_is_x2apic(void) { return false; }
void lapic_icr_write(uint64_t icr) { (void)icr; }
void timer_interrupt(void) { }
void root_init(struct cpu *c) { (void)c; }
void root_sipi(struct cpu *c, uint8_t vector) { (void)c, (void)vector; }
/* clang-format on */

/* --- fixture --- */

static void run_on(unsigned int n)
{
	assert_int_equal(syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu[n]), 0);
}

/* A processor whose leaf 0x8000000a has @count ASIDs and the features @edx. */
static void discover(uint32_t count, uint32_t edx)
{
	hw.svm = (struct cpuid){ .eax = 1, .ebx = count, .edx = edx };
	svm_discover();
	assert_true(vcpu_init());
	run_on(0);
}

static int setup(void **state)
{
	(void)state;
	memset(&hw, 0, sizeof(hw));
	hw.ext1 = (struct cpuid){ .ecx = BIT32(2), .edx = BIT32(20) };
	memset(&leaving, 0, sizeof(leaving));
	pool_used = 0;
	memset(pool, 0, sizeof(pool));
	skipped = reads = faults = apic_value = 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(cpu); i++) {
		cpu[i] = (struct cpu){ .self = &cpu[i], .index = i };
		cpus[i] = &cpu[i];
	}
	return 0;
}

static struct vmcb pages[16];

static void create(struct vcpu *v, struct vmcb *page)
{
	memset(v, 0, sizeof(*v));
	memset(page, 0, sizeof(*page));
	vcpu_create(v, page, NULL, 0);
	v->dr7 = 0x400;
	v->rip = 0x1000;
}

static struct vcpu_exit enter(struct vcpu *v)
{
	struct vcpu_exit e = { 0 };

	vcpu_open(v);
	vcpu_run(v, &e);
	return e;
}

static struct vcpu_exit exit_with(uint64_t code)
{
	struct vcpu v;

	create(&v, &pages[0]);
	leaving.exit_code = code;
	return enter(&v);
}

/* --- may we run here? --- */

static void test_present(void **state)
{
	(void)state;
	hw.svm = (struct cpuid){ .ebx = 3, .edx = CPUID_SVM_EDX_NP };
	assert_true(svm_present());
	hw.ext1.ecx = 0;
	assert_false(svm_present());
	hw.ext1.ecx = BIT32(2);
	hw.svm.edx = ~CPUID_SVM_EDX_NP;
	assert_false(svm_present());
	hw.svm.edx = EVERYTHING;
	hw.vm_cr = VM_CR_SVMDIS;
	assert_false(svm_present());
	hw.vm_cr = VM_CR_LOCK;
	assert_true(svm_present());
	/* One for the host, one for the root, none for a guest. */
	hw.svm.ebx = 2;
	assert_false(svm_present());
}

/* Nested tables are read with the host's EFER: a set NX bit would be a reserved one. */
static void test_enable(void **state)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	(void)state;
	/* Here, for cmocka sets its own just before. */
	sigaction(SIGILL, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	hw.svm = (struct cpuid){ .ebx = 8, .edx = CPUID_SVM_EDX_NP };
	hw.efer = EFER_LME | EFER_LMA;
	assert_true(svm_enable(&cpu[0]));
	assert_int_equal(hw.efer, EFER_LME | EFER_LMA | EFER_SVME | EFER_NXE);
	assert_int_equal(hw.hsave, cpu[0].host_save);
	hw.ext1.edx = 0;
	hw.efer = EFER_LME | EFER_LMA;
	assert_true(svm_enable(&cpu[0]));
	assert_int_equal(hw.efer, EFER_LME | EFER_LMA | EFER_SVME);
}

/* --- NRIP save --- */

static void test_length(void **state)
{
	struct vcpu_exit e;

	(void)state;
	leaving.next_rip = 0x1004; /* two prefixes */
	discover(8, EVERYTHING & ~NRIPS);
	e = exit_with(SVM_EXIT_CPUID);
	assert_int_equal(e.insn_len, 2);
	assert_true(e.opcode_only);
	discover(8, NRIPS);
	e = exit_with(SVM_EXIT_CPUID);
	assert_int_equal(e.insn_len, 4);
	assert_false(e.opcode_only);
	e = exit_with(SVM_EXIT_WBINVD);
	assert_int_equal(e.reason, VCPU_EXIT_NOTHING);
	assert_int_equal(e.insn_len, 4);
	/* It says so, and does not do it. */
	leaving.next_rip = 0;
	e = exit_with(SVM_EXIT_VMMCALL);
	assert_int_equal(e.insn_len, 3);
	assert_true(e.opcode_only);
	leaving.next_rip = 0x1000;
	assert_true(exit_with(SVM_EXIT_HLT).opcode_only);
	/* Nothing to step over. */
	assert_int_equal(exit_with(SVM_EXIT_IRET).insn_len, 0);
}

/* --- decode assists --- */

static void test_bytes(void **state)
{
	struct vcpu_exit e;

	(void)state;
	leaving.insn_count = 0xf3; /* upper half reserved */
	memcpy(leaving.insn_bytes, "\x89\x07\x90", 3);
	discover(8, EVERYTHING & ~DECODE);
	assert_int_equal(exit_with(SVM_EXIT_NPF).memory.insn_count, 0);
	discover(8, DECODE);
	e = exit_with(SVM_EXIT_NPF);
	assert_int_equal(e.memory.insn_count, 3);
	assert_memory_equal(e.memory.insn, "\x89\x07\x90", 3);
}

/* The root's stores to its APIC page: the same choice. */
static void test_root_bytes(void **state)
{
	struct root_vp vp = { .vmcb = &root_vmcb, .cpu = &cpu[0] };

	(void)state;
	root_vmcb.insn_count = 3;
	memcpy(root_vmcb.insn_bytes, "\x44\x89\x07", 3); /* mov [rdi],r8d */
	discover(8, EVERYTHING & ~DECODE);
	root_exit_apic_store(&vp, LAPIC_BASE + LAPIC_TPR);
	assert_int_equal(reads, 1);
	assert_int_equal(apic_value, 0x100 + VCPU_RSI);
	assert_int_equal(skipped, 2);
	discover(8, DECODE);
	root_exit_apic_store(&vp, LAPIC_BASE + LAPIC_TPR);
	assert_int_equal(reads, 1);
	assert_int_equal(apic_value, 0x108);
	assert_int_equal(skipped, 3);
	/* It may have none to give. */
	root_vmcb.insn_count = 0;
	root_exit_apic_store(&vp, LAPIC_BASE + LAPIC_TPR);
	assert_int_equal(reads, 2);
	assert_int_equal(faults, 0);
}

/* --- address space identifiers --- */

/* No two guests share one unless all translations went in between. */
static void test_wrap(void **state)
{
	static const uint32_t counts[] = { 3, 8, 16, 32768 };
	struct vcpu v[ARRAY_SIZE(pages)];

	(void)state;
	for (unsigned int c = 0; c < ARRAY_SIZE(counts); c++) {
		uint32_t owner[32] = { 0 };
		unsigned int wraps = 0;

		discover(counts[c], 0);
		for (unsigned int i = 0; i < ARRAY_SIZE(v); i++)
			create(&v[i], &pages[i]);
		for (unsigned int n = 0; n < 4 * ARRAY_SIZE(v); n++) {
			uint32_t who = n * 7 % ARRAY_SIZE(v);

			enter(&v[who]);
			assert_in_range(entered->asid, SVM_ASID_GUESTS, counts[c] - 1);
			if (entered->tlb_control == SVM_TLB_FLUSH_ALL) {
				memset(owner, 0, sizeof(owner));
				wraps++;
			} else {
				assert_int_equal(entered->tlb_control, SVM_TLB_KEEP);
			}
			assert_in_range(entered->asid, 0, ARRAY_SIZE(owner) - 1);
			if (owner[entered->asid] != who + 1)
				assert_int_equal(owner[entered->asid], 0);
			owner[entered->asid] = who + 1;
		}
		assert_int_equal(wraps != 0, counts[c] < 2 + ARRAY_SIZE(v));
	}
}

static void test_flush(void **state)
{
	struct vcpu v;
	uint32_t first;

	(void)state;
	discover(64, EVERYTHING & ~FLUSH_BY_ASID);
	assert_int_equal(svm_flush_one(), SVM_TLB_FLUSH_ALL);
	create(&v, &pages[0]);
	enter(&v);
	first = entered->asid;
	enter(&v);
	assert_int_equal(entered->asid, first);
	v.flush = 1;
	enter(&v);
	assert_int_equal(entered->asid, first + 1);
	assert_int_equal(entered->tlb_control, SVM_TLB_KEEP);

	discover(64, FLUSH_BY_ASID);
	assert_int_equal(svm_flush_one(), SVM_TLB_FLUSH_ASID);
	create(&v, &pages[0]);
	v.flush = 1;
	enter(&v);
	assert_int_equal(entered->asid, SVM_ASID_GUESTS);
	assert_int_equal(entered->tlb_control, SVM_TLB_KEEP); /* nobody had it before */
	v.flush = 1;
	enter(&v);
	assert_int_equal(entered->asid, SVM_ASID_GUESTS);
	assert_int_equal(entered->tlb_control, SVM_TLB_FLUSH_ASID);
	enter(&v);
	assert_int_equal(entered->tlb_control, SVM_TLB_KEEP);
	/* On another processor that number is somebody else's. */
	run_on(1);
	enter(&v);
	run_on(0);
	v.flush = 1;
	enter(&v);
	assert_int_equal(entered->asid, SVM_ASID_GUESTS + 1);
}

/* --- exceptions a VMM asks for --- */

static void test_exceptions(void **state)
{
	struct vcpu_exit e;
	struct vcpu v;

	(void)state;
	discover(8, 0);
	create(&v, &pages[0]);
	v.exceptions = BIT32(VECTOR_PF) | BIT32(VECTOR_UD);
	leaving.exit_code = SVM_EXIT_EXCEPTION + VECTOR_PF;
	leaving.exit_info_1 = 7;
	leaving.exit_info_2 = 0x1234;
	e = enter(&v);
	assert_int_equal(entered->intercept_exceptions, EXCEPTIONS | v.exceptions);
	assert_int_equal(e.reason, VCPU_EXIT_EXCEPTION);
	assert_int_equal(e.exception.vector, VECTOR_PF);
	assert_true(e.exception.has_error && e.exception.error == 7);
	assert_int_equal(e.exception.address, 0x1234);
	assert_false(v.event.valid);
	leaving.exit_code = SVM_EXIT_EXCEPTION + VECTOR_UD;
	e = enter(&v);
	assert_true(e.reason == VCPU_EXIT_EXCEPTION && !e.exception.has_error);
	/* Ours: back to the guest. */
	leaving.exit_code = SVM_EXIT_EXCEPTION + VECTOR_AC;
	e = enter(&v);
	assert_int_equal(e.reason, VCPU_EXIT_NOTHING);
	assert_true(v.event.valid && v.event.has_error && v.event.error == 7);
	leaving.exit_code = SVM_EXIT_EXCEPTION + VECTOR_DB;
	enter(&v);
	assert_true(v.event.valid && !v.event.has_error && v.event.vector == VECTOR_DB);
}

/* --- what we never switch on --- */

static void test_unused(void **state)
{
	const uint64_t v_gif_enable = BIT64(25), x2avic = BIT64(30), avic = BIT64(31);
	struct vcpu v;

	(void)state;
	discover(64, EVERYTHING);
	create(&v, &pages[0]);
	enter(&v);
	assert_int_equal(entered->int_ctl & (v_gif_enable | x2avic | avic), 0);
	assert_int_equal(entered->virt_ext, 0);
	/* Host interrupts end a guest's turn; SMIs are the firmware's. */
	assert_int_equal(entered->intercept1 & (SVM_INTERCEPT_NMI | SVM_INTERCEPT_INIT |
						SVM_INTERCEPT_INTR | SVM_INTERCEPT_SMI),
			 SVM_INTERCEPT_NMI | SVM_INTERCEPT_INIT | SVM_INTERCEPT_INTR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_present, setup),
		cmocka_unit_test_setup(test_enable, setup),
		cmocka_unit_test_setup(test_length, setup),
		cmocka_unit_test_setup(test_bytes, setup),
		cmocka_unit_test_setup(test_root_bytes, setup),
		cmocka_unit_test_setup(test_wrap, setup),
		cmocka_unit_test_setup(test_flush, setup),
		cmocka_unit_test_setup(test_exceptions, setup),
		cmocka_unit_test_setup(test_unused, setup),
	};

	return cmocka_run_group_tests_name("hv_features", tests, NULL, NULL);
}
