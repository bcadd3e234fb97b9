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
	v->rflags &= ~RFLAGS_RF;
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
	if (r.again) {
		vp->gprs.r[VCPU_RCX] = r.control;
		v->int_state &= ~SVM_INTERRUPT_SHADOW;
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

/*
 * Triple fault: on a real machine the chipset would reset it now. An INIT that comes
 * this far is no start-up interrupt (root_apic.c keeps those) but the chipset's, of
 * old a reset as well; taken in guest mode it would run firmware inside the root.
 * NMIs and SMIs are not intercepted: they are the root's, and firmware's.
 */
static void exit_reset(struct root_vp *vp)
{
	log_line("root: %s on processor %u: reset",
		 vp->vmcb->exit_code == SVM_EXIT_INIT ? "INIT" : "triple fault", vp->cpu->index);
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
		exit_reset(vp);
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
	if (!(v->exit_info_1 & SVM_NPF_PRESENT) &&
	    rootmem_fault(gpa, !(v->exit_info_1 & (SVM_NPF_WRITE | SVM_NPF_FETCH | SVM_NPF_WALK))))
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
	/* An ordinary one is over at once: entered again, QEMU forgot its STI's shadow. */
	root_skip_opcode(vp, 1);
	cpu_relax();
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
	case SVM_EXIT_INIT:
	case SVM_EXIT_SHUTDOWN:
		return exit_reset;
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

	root_resume_state(vp);
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
	root_start_state(vp, (uint8_t)vp->start_vector);
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
