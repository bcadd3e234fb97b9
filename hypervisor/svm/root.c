/* SPDX-License-Identifier: MIT */
#include "hypervisor/svm/root.h"

#include "hypervisor/counters.h"
#include "hypervisor/cpu.h"
#include "hypervisor/hv/hypercall.h"
#include "hypervisor/hv/rootmsr.h"
#include "hypervisor/hv/stimer.h"
#include "hypervisor/hv/synic.h"
#include "hypervisor/hw/lapic.h"
#include "hypervisor/hw/power.h"
#include "hypervisor/hw/timer.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/mem/rootmem.h"
#include "hypervisor/svm/svm.h"
#include "hypervisor/trace.h"
#include "hypervisor/vcpu.h"
#include "hypervisor/x86.h"
#include "lib/mem.h"

/* --- setting up --- */

#define INTERCEPTS1                                                                             \
	(SVM_INTERCEPT_INTR | SVM_INTERCEPT_CPUID | SVM_INTERCEPT_INVLPGA | SVM_INTERCEPT_MSR | \
	 SVM_INTERCEPT_SHUTDOWN)
#define INTERCEPTS2                                                           \
	(SVM_INTERCEPT_VMRUN | SVM_INTERCEPT_VMMCALL | SVM_INTERCEPT_VMLOAD | \
	 SVM_INTERCEPT_VMSAVE | SVM_INTERCEPT_STGI | SVM_INTERCEPT_CLGI | SVM_INTERCEPT_SKINIT)

bool root_create(struct cpu *cpu)
{
	struct root_vp *vp;

	_Static_assert(sizeof(*vp) <= PAGE_SIZE, "one page");
	vp = page_alloc();
	if (!vp)
		return false;
	vp->vmcb = page_alloc();
	vp->cpu = cpu;
	vp->state = ROOT_PARKED;
	cpu->root = vp;
	return vp->vmcb && root_msr_bitmap();
}

static void control_reset(struct vmcb *v)
{
	uint64_t tsc_offset = v->tsc_offset;

	memset(v, 0, sizeof(*v));
	v->tsc_offset = tsc_offset; /* INIT leaves the TSC alone */
	v->intercept1 = INTERCEPTS1;
	v->intercept2 = INTERCEPTS2;
	v->msrpm_base = root_msr_bitmap();
	v->asid = SVM_ASID_ROOT;
	v->tlb_control = SVM_TLB_FLUSH_ALL;
	v->nested_ctl = SVM_NESTED_PAGING;
	v->nested_cr3 = rootmem_table();
	v->g_pat = 0x0007040600070406ull; /* APM vol. 2: PAT after reset */
}

/* What launch_hv's caller had where this program goes on to use its own. */
static struct {
	struct launch_context ctx;
	uint64_t efer, pat, dr6, dr7;
	struct vmcb loaded __aligned(4096); /* FS, GS, TR, LDTR, syscall MSRs */
} caller;

void root_capture(const struct launch_context *ctx)
{
	caller.ctx = *ctx;
	caller.efer = rdmsr(MSR_EFER);
	caller.pat = rdmsr(MSR_PAT);
	__asm__ volatile("mov %%dr6, %0" : "=r"(caller.dr6));
	__asm__ volatile("mov %%dr7, %0" : "=r"(caller.dr7));
	/* VMSAVE needs SVME; nothing else of SVM is on yet. */
	wrmsr(MSR_EFER, caller.efer | EFER_SVME);
	__asm__ volatile("vmsave %%rax" : : "a"(virt_to_phys(&caller.loaded)) : "memory");
	wrmsr(MSR_EFER, caller.efer);
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* A segment register as the processor would load it from the caller's GDT. */
static struct vmcb_segment segment_of(uint16_t selector)
{
	struct vmcb_segment s = { .selector = selector };
	uint64_t base = load64(caller.ctx.gdt_base);
	uint64_t d;

	if (!(selector & ~7u) || (selector & ~7u) + 7 > caller.ctx.gdt_limit)
		return s;
	d = load64((const uint8_t *)phys_to_virt(base) + (selector & ~7u));
	s.attributes = (uint16_t)((d >> 40 & 0xff) | (d >> 44 & 0xf00));
	s.base = (d >> 16 & 0xffffff) | (d >> 32 & 0xff000000);
	s.limit = (uint32_t)((d & 0xffff) | (d >> 32 & 0xf0000));
	if (s.attributes & VMCB_SEG_G)
		s.limit = s.limit << 12 | 0xfff;
	return s;
}

static void resume_state(struct root_vp *vp)
{
	const struct launch_context *ctx = &caller.ctx;
	struct vmcb *v = vp->vmcb;

	control_reset(v);
	v->es = segment_of(ctx->es);
	v->cs = segment_of(ctx->cs);
	v->ss = segment_of(ctx->ss);
	v->ds = segment_of(ctx->ds);
	v->fs = caller.loaded.fs;
	v->gs = caller.loaded.gs;
	v->ldtr = caller.loaded.ldtr;
	v->tr = caller.loaded.tr;
	v->gdtr.base = load64(ctx->gdt_base);
	v->gdtr.limit = ctx->gdt_limit;
	v->idtr.base = load64(ctx->idt_base);
	v->idtr.limit = ctx->idt_limit;
	memcpy(&v->star, &caller.loaded.star,
	       offsetof(struct vmcb, cr2) - offsetof(struct vmcb, star));
	v->cr0 = ctx->cr0;
	v->cr3 = ctx->cr3;
	v->cr4 = ctx->cr4;
	v->efer = caller.efer | EFER_SVME;
	v->g_pat = caller.pat;
	v->dr6 = caller.dr6;
	v->dr7 = caller.dr7;
	v->rflags = ctx->rflags;
	v->rip = ctx->rip;
	v->rsp = ctx->rsp;
	v->rax = 0;

	vp->gprs = (struct world_gprs){ 0 };
	vp->gprs.r[VCPU_RBX] = ctx->rbx;
	vp->gprs.r[VCPU_RBP] = ctx->rbp;
	vp->gprs.r[VCPU_RSI] = ctx->rsi;
	vp->gprs.r[VCPU_RDI] = ctx->rdi;
	vp->gprs.r[12] = ctx->r12;
	vp->gprs.r[13] = ctx->r13;
	vp->gprs.r[14] = ctx->r14;
	vp->gprs.r[15] = ctx->r15;
}

/* APM vol. 2, "Processor Initialization State", then CS from the SIPI. */
static void start_state(struct root_vp *vp, uint8_t vector)
{
	struct vmcb_segment data = { .attributes = VMCB_SEG_P | VMCB_SEG_S | 3, .limit = 0xffff };
	struct vmcb *v = vp->vmcb;

	control_reset(v);
	v->es = v->ss = v->ds = v->fs = v->gs = data;
	v->cs = data;
	v->cs.attributes |= 8; /* code */
	v->cs.selector = (uint16_t)(vector << 8);
	v->cs.base = (uint64_t)vector << 12;
	v->gdtr.limit = v->idtr.limit = 0xffff;
	v->ldtr = (struct vmcb_segment){ .attributes = VMCB_SEG_P | 2, .limit = 0xffff };
	v->tr = (struct vmcb_segment){ .attributes = VMCB_SEG_P | 11, .limit = 0xffff };
	v->cr0 = 0x60000010;
	v->efer = EFER_SVME;
	v->dr6 = 0xffff0ff0;
	v->dr7 = 0x400;
	v->rflags = 2;
	vp->gprs = (struct world_gprs){ .r = { [VCPU_RDX] = cpuid(1, 0).eax } };
	vp->going_offline = false;
	vp->held_count = 0;
}

/* --- helpers for exits --- */

uint64_t root_gpr(const struct root_vp *vp, unsigned int n)
{
	if (n == VCPU_RAX)
		return vp->vmcb->rax;
	if (n == VCPU_RSP)
		return vp->vmcb->rsp;
	return vp->gprs.r[n];
}

static void inject_exception(struct root_vp *vp, uint8_t vector, bool has_error, uint32_t error)
{
	vp->vmcb->event_inj = SVM_EVENT_VALID | SVM_EVENT_EXCEPTION | vector |
			      (has_error ? SVM_EVENT_ERROR : 0) |
			      (uint64_t)error << SVM_EVENT_ERROR_SHIFT;
}

void root_inject_ud(struct root_vp *vp)
{
	inject_exception(vp, VECTOR_UD, false, 0);
}

void root_inject_gp(struct root_vp *vp)
{
	inject_exception(vp, VECTOR_GP, true, 0);
}

#define RFLAGS_TF BIT64(8)
#define DR6_BS	  BIT64(14)

void root_skip_opcode(struct root_vp *vp, unsigned int length)
{
	const struct vmcb *v = vp->vmcb;

	if (svm_features.nrips && v->next_rip > v->rip)
		root_skip(vp, (unsigned int)(v->next_rip - v->rip));
	else
		root_skip(vp, length + root_prefixes(vp));
}

void root_skip(struct root_vp *vp, unsigned int length)
{
	struct vmcb *v = vp->vmcb;

	v->rip += length;
	v->int_state &= ~SVM_INTERRUPT_SHADOW;
	if (v->rflags & RFLAGS_TF) {
		v->dr6 |= DR6_BS;
		inject_exception(vp, VECTOR_DB, false, 0);
	}
}

/* --- exits --- */

/*
 * Interrupts are delivered as virtual ones (V_IRQ), not by EVENTINJ, for the
 * sake of QEMU: its VMRUN leaves an injected interrupt's number behind in a
 * place where the next request to leave the emulation loop delivers it a
 * second time, whatever RFLAGS.IF says (target/i386, helper_vmrun,
 * SVM_EVTINJ_TYPE_INTR). With two processors that deadlocks Linux in seconds.
 *
 * A physical interrupt goes before a pending virtual one, so the root may exit
 * before it has taken what we gave it. The LAPIC only lets higher priorities
 * through then; they overtake, and what they overtook is given again when a
 * handler ends (IRET intercept).
 */
static uint64_t virtual_interrupt(uint8_t vector)
{
	return SVM_V_IRQ | SVM_V_IGN_TPR | (uint64_t)0xf << SVM_V_INTR_PRIO_SHIFT |
	       (uint64_t)vector << SVM_V_INTR_VECTOR_SHIFT;
}

static void deliver(struct root_vp *vp, uint8_t vector)
{
	struct vmcb *v = vp->vmcb;

	if (v->int_ctl & SVM_V_IRQ) {
		CHECK(vp->held_count < ARRAY_SIZE(vp->held));
		vp->held[vp->held_count++] = (uint8_t)(v->int_ctl >> SVM_V_INTR_VECTOR_SHIFT);
		v->intercept1 |= SVM_INTERCEPT_IRET;
	}
	v->int_ctl = virtual_interrupt(vector);
	count(vp->cpu->vp_stats, VP_COUNTER_HARDWARE_INTERRUPTS);
	trace(HV_TRACE_INJECT, 1, vp->cpu->index, vector, 0, v->rip);
}

/*
 * The root's interrupts come through here: it exits where it could take one
 * (INTR intercept, V_INTR_MASKING off), we take it, and hand the same vector
 * on. Its in-service bit stays set for the root's own EOI.
 */
static void exit_intr(struct root_vp *vp)
{
	struct cpu *cpu = vp->cpu;
	uint32_t vector = cpu_accept_interrupt(cpu);

	if (cpu->accepted_nmi) {
		/* The root's: pending again, and taken by it as soon as it runs. */
		cpu->accepted_nmi = 0;
		lapic_icr_write((uint64_t)cpu->apic_id << 32 | LAPIC_ICR_ASSERT |
				LAPIC_NMI << LAPIC_ICR_MODE_SHIFT);
	}
	if (vector == CPU_NO_VECTOR)
		return;
	count(cpu->lp_stats, vector == cpu->timer_vector ? LP_COUNTER_TIMER_INTERRUPTS :
							   LP_COUNTER_HARDWARE_INTERRUPTS);
	if (vector == cpu->timer_vector ? !stimer_interrupt(cpu) :
					  !synic_wants_vector(cpu, (uint8_t)vector)) {
		lapic_eoi();
		return;
	}
	deliver(vp, (uint8_t)vector);
}

/* What was overtaken is offered as soon as there is room. */
static void offer_held(struct root_vp *vp)
{
	if (vp->held_count && !(vp->vmcb->int_ctl & SVM_V_IRQ))
		vp->vmcb->int_ctl = virtual_interrupt(vp->held[--vp->held_count]);
}

/*
 * Intercepted while interrupts are held: after this one there is room for the
 * next. The IRET itself has to happen first, so the intercept rests until the
 * next exit (root_loop), which is the next handler's EOI at the latest.
 */
static void exit_iret(struct root_vp *vp)
{
	offer_held(vp);
	vp->vmcb->intercept1 &= ~SVM_INTERCEPT_IRET;
}

static void exit_vmmcall(struct root_vp *vp)
{
	struct vmcb *v = vp->vmcb;
	struct hvcall_regs r = {
		.control = vp->gprs.r[VCPU_RCX],
		.input = vp->gprs.r[VCPU_RDX],
		.output = vp->gprs.r[8],
	};
	uint64_t result;

	/* TLFS "Legal Hypercall Environments": any process could call otherwise. */
	if (v->cpl != 0 || !(v->efer & EFER_LMA) || !(v->cs.attributes & VMCB_SEG_L) ||
	    !rootmsr_hypercall_enabled()) {
		root_inject_ud(vp);
		return;
	}
	/*
	 * The handler that overtook an interrupt may have switched tasks, without an
	 * IRET so far. What it overtook is in service: a guest dispatched now could be
	 * interrupted by nothing of its class or below, no kick and no timer. So it is
	 * taken first, and the call comes again.
	 */
	offer_held(vp);
	if ((v->int_ctl & SVM_V_IRQ) && (v->rflags & RFLAGS_IF)) {
		v->int_state &= ~SVM_INTERRUPT_SHADOW;
		return;
	}
	result = hypercall_root(&r);
	if (r.fault) {
		log_line(
			"root: hypercall parameters outside its memory (control %#llx, input %#llx, output %#llx)",
			(unsigned long long)r.control, (unsigned long long)r.input,
			(unsigned long long)r.output);
		root_inject_gp(vp);
		return;
	}
	v->rax = result;
	root_skip_opcode(vp, 3);
	/*
	 * A dispatch mostly ends because an interrupt is pending for the root:
	 * take it here rather than in an exit of its own.
	 */
	if ((v->rflags & RFLAGS_IF) && !(v->int_ctl & SVM_V_IRQ) && !v->event_inj)
		exit_intr(vp);
}

/* Triple fault: on a real machine the chipset would reset it now. */
static void exit_shutdown(struct root_vp *vp)
{
	log_line("root: triple fault on processor %u", vp->cpu->index);
	power_reset();
}

/*
 * #GP, or what becomes of it where one of these exceptions was being delivered
 * (APM vol. 2, "Double-Fault Exception"): else a root whose tables or stack are in
 * our memory would fault for ever.
 */
static void refuse(struct root_vp *vp)
{
	uint64_t cut = vp->vmcb->event_inj;
	uint64_t vector = cut & SVM_EVENT_VECTOR;

	if (!(cut & SVM_EVENT_VALID) ||
	    (cut & SVM_EVENT_TYPE_MASK) != SVM_EVENT_EXCEPTION || vector < VECTOR_DF)
		root_inject_gp(vp);
	else if (vector == VECTOR_DF)
		exit_shutdown(vp);
	else
		inject_exception(vp, VECTOR_DF, true, 0);
}

static void exit_npf(struct root_vp *vp)
{
	struct vmcb *v = vp->vmcb;
	uint64_t gpa = v->exit_info_2;

	if (ALIGN_DOWN(gpa, PAGE_SIZE) == LAPIC_BASE && (v->exit_info_1 & SVM_NPF_WRITE)) {
		root_exit_apic_store(vp, gpa);
		return;
	}
	if (!(v->exit_info_1 & SVM_NPF_PRESENT) && rootmem_fault(gpa))
		return;
	log_line("root: refused access (gpa %#llx, error %#llx, rip %#llx)",
		 (unsigned long long)gpa, (unsigned long long)v->exit_info_1,
		 (unsigned long long)v->rip);
	refuse(vp);
}

/*
 * Only intercepted while the root takes this processor offline. A halt that
 * nothing but INIT could end is our cue to take it back.
 */
static void exit_hlt(struct root_vp *vp)
{
	if (!(vp->vmcb->rflags & RFLAGS_IF)) {
		vp->cpu->online = false;
		WRITE_ONCE(vp->state, ROOT_PARKED);
		log_line("cpu %u: offline", vp->cpu->index);
		root_park(vp->cpu);
	}
	/* An ordinary halt: let it happen; the next exit arms this again. */
	vp->vmcb->intercept1 &= ~SVM_INTERCEPT_HLT;
}

typedef void (*exit_fn)(struct root_vp *vp);

/* clang-format off: a table */
static exit_fn exit_handler(uint64_t code)
{
	switch (code) {
	case SVM_EXIT_INTR:
		return exit_intr;
	case SVM_EXIT_IRET:
		return exit_iret;
	case SVM_EXIT_CPUID:
		return root_exit_cpuid;
	case SVM_EXIT_MSR:
		return root_exit_msr;
	case SVM_EXIT_VMMCALL:
		return exit_vmmcall;
	case SVM_EXIT_NPF:
		return exit_npf;
	case SVM_EXIT_HLT:
		return exit_hlt;
	case SVM_EXIT_SHUTDOWN:
		return exit_shutdown;
	/* SVM does not exist for the root, as CPUID said. */
	case SVM_EXIT_VMRUN:
	case SVM_EXIT_VMLOAD:
	case SVM_EXIT_VMSAVE:
	case SVM_EXIT_STGI:
	case SVM_EXIT_CLGI:
	case SVM_EXIT_SKINIT:
	case SVM_EXIT_INVLPGA:
		return root_inject_ud;
	default:
		return NULL;
	}
}
/* clang-format on */

/* An event whose delivery the exit cut off is delivered again. */
static uint64_t cut_off_event(const struct vmcb *v)
{
	uint64_t info = v->exit_int_info;
	uint64_t type = info & SVM_EVENT_TYPE_MASK;
	uint64_t vector = info & SVM_EVENT_VECTOR;

	if (!(info & SVM_EVENT_VALID) || v->exit_code == SVM_EXIT_SHUTDOWN)
		return 0;
	/* INT n, INT3, INTO: RIP is still at the instruction, which comes again. */
	if (type == SVM_EVENT_SOFT || (type == SVM_EVENT_EXCEPTION && (vector == 3 || vector == 4)))
		return 0;
	return info;
}

static __noreturn void root_loop(struct root_vp *vp)
{
	struct vmcb *v = vp->vmcb;
	struct cpu *cpu = vp->cpu;
	uint64_t entered = rdtsc();

	cpu->online = true;
	WRITE_ONCE(vp->state, ROOT_RUNNING);
	for (;;) {
		uint64_t left, dispatched = cpu->dispatched;
		uint64_t code;
		exit_fn handler;

		__atomic_store_n(&cpu->in_root, 1, __ATOMIC_SEQ_CST);
		if (cpu->root_flush) {
			cpu->root_flush = 0;
			if (v->tlb_control == SVM_TLB_KEEP)
				v->tlb_control = svm_flush_one();
			/* Whoever asked for it waits; an emulator runs it now. */
			cpu_relax();
		}
		world_run(virt_to_phys(v), &vp->gprs, false);
		cpu->in_root = 0;
		left = rdtsc();
		code = v->exit_code;
		trace(HV_TRACE_ROOT_EXIT, 1, cpu->index, code,
		      code == SVM_EXIT_NPF ? v->exit_info_2 : vp->gprs.r[VCPU_RCX], v->rip);
		v->tlb_control = SVM_TLB_KEEP;
		v->event_inj = cut_off_event(v);
		handler = exit_handler(v->exit_code);
		if (!handler)
			panic("root: unexpected exit %#llx", (unsigned long long)v->exit_code);
		if (vp->going_offline)
			v->intercept1 |= SVM_INTERCEPT_HLT;
		if (vp->held_count)
			v->intercept1 |= SVM_INTERCEPT_IRET;
		handler(vp);
		/* A guest's turn ended by it; the banks are as the processor left them. */
		if (vp->cpu->machine_check && !v->event_inj) {
			vp->cpu->machine_check = false;
			inject_exception(vp, VECTOR_MC, false, 0);
		}
		entered = root_account(cpu, code, entered, left, cpu->dispatched - dispatched);
	}
}

/* --- starting --- */

static void resume_on_stack(void *arg)
{
	struct root_vp *vp = arg;

	resume_state(vp);
	root_loop(vp);
}

static void park_on_stack(void *arg)
{
	struct root_vp *vp = arg;

	/* Sleeping would need an interrupt to end it, and we take none here. */
	while (READ_ONCE(vp->state) != ROOT_STARTING) {
		cpu_relax();
		/* A guest's timers may have been left on this processor. */
		if (timer_due())
			timer_run();
		/* GIF also holds SMIs back, for which others may wait. */
		__asm__ volatile("stgi; clgi" ::: "memory");
	}
	lapic_reset(vp->cpu);
	vp->cpu->timer_programmed = 0;
	vp->cpu->accepted_nmi = 0;
	log_line("cpu %u: started by the root (vector %#x)", vp->cpu->index, vp->start_vector);
	start_state(vp, (uint8_t)vp->start_vector);
	root_loop(vp);
}

void root_resume(struct cpu *cpu)
{
	stack_switch(cpu->stack_top, resume_on_stack, cpu->root);
}

void root_park(struct cpu *cpu)
{
	/* From the top of the stack: this may be deep in an exit handler. */
	stack_switch(cpu->stack_top, park_on_stack, cpu->root);
}

/* Any processor. The first INIT after a halt or the launch; later ones change nothing. */
void root_init(struct cpu *cpu)
{
	uint32_t parked = ROOT_PARKED;

	if (cpu->root->state == ROOT_RUNNING)
		log_line("cpu %u: INIT while running ignored", cpu->index);
	__atomic_compare_exchange_n(&cpu->root->state, &parked, ROOT_WAIT_SIPI, false,
				    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

void root_sipi(struct cpu *cpu, uint8_t vector)
{
	uint32_t waiting = ROOT_WAIT_SIPI;

	if (cpu->root->state != ROOT_WAIT_SIPI)
		return;
	cpu->root->start_vector = vector;
	__atomic_compare_exchange_n(&cpu->root->state, &waiting, ROOT_STARTING, false,
				    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
