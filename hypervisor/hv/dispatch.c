/* SPDX-License-Identifier: MIT */
/*
 * DISPATCH_VP: run a guest processor on this CPU until something happens that
 * the root has to know: an intercept for the VMM, an interrupt of the host, or
 * nothing left to do. Everything else is dealt with in the loop below.
 */
#include "hypervisor/counters.h"
#include "hypervisor/cpu.h"
#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/gpa.h"
#include "hypervisor/hv/guestcpuid.h"
#include "hypervisor/hv/guestmsr.h"
#include "hypervisor/hv/guestsynic.h"
#include "hypervisor/hv/intercept.h"
#include "hypervisor/hv/hypercall.h"
#include "hypervisor/hv/operand.h"
#include "hypervisor/hv/port.h"
#include "hypervisor/hv/stats.h"
#include "hypervisor/hv/vp.h"
#include "hypervisor/hv/walk.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/log.h"
#include "hypervisor/svm/insn.h"
#include "hypervisor/trace.h"

/* A fault that repeats although the nested table allows the access: give up. */
#define NESTED_FAULTS_MAX 100000

#define OPCODE_HLT	  0xf4

/* What the loop does after an exit. */
enum next { AGAIN, RETURN_READY, RETURN_INTERCEPT };

/* --- exits --- */

/* Instead of what the instruction would do. */
static enum next fault(struct vp *vp, uint8_t vector)
{
	vcpu_inject(&vp->cpu, vector, vector == VECTOR_GP, 0);
	return AGAIN;
}

/* Once more without old translations: it faults for the root to see, or not at all. */
static enum next retry(struct vp *vp)
{
	vp->cpu.flush = 1;
	return AGAIN;
}

/* A local APIC access may have ended a level-triggered interrupt. */
static enum next after_apic(struct vp *vp)
{
	int vector;

	lock_take(&vp->lock);
	vector = vp->apic.eoi_vector;
	vp->apic.eoi_vector = -1;
	lock_drop(&vp->lock);
	if (vector < 0)
		return AGAIN;
	intercept_apic_eoi(vp, (uint8_t)vector);
	return RETURN_INTERCEPT;
}

static enum next exit_io(struct vp *vp, const struct vcpu_exit *e)
{
	struct insn_bytes insn = { 0 };

	/* Only string instructions need to be looked at. */
	if (e->io.string && walk_fetch(vp, insn.byte, &insn.count) == WALK_RETRY)
		return retry(vp);
	intercept_io(vp, e, &insn);
	return RETURN_INTERCEPT;
}

static enum next unhandled(struct vp *vp, const char *what, uint64_t gpa)
{
	log_line("hv: partition %llu VP %u: %s (gpa %#llx, rip %#llx)",
		 LLU(vp->partition->id), vp->index, what, LLU(gpa), LLU(vp->cpu.rip));
	intercept_unrecoverable(vp);
	return RETURN_INTERCEPT;
}

/*
 * The xAPIC page. Registers are 32 bits wide at 16-byte steps; anything but an
 * aligned 32-bit MOV is undefined by the architecture, and ends the guest here
 * so that it is noticed.
 */
static enum next apic_page(struct vp *vp, uint64_t gpa, const struct insn *insn)
{
	unsigned int reg = gpa & 0xfff;
	enum vlapic_todo todo;
	uint32_t val = 0;

	count(vp->stats, VP_COUNTER_EMULATED);
	count(vp->stats, VP_COUNTER_APIC_MMIO);
	if (insn->size != 4 || (reg & 3))
		return unhandled(vp, "local APIC access of a strange size", gpa);

	/* Offsets 4, 8, 12 within a register's 16 bytes read as zero. */
	lock_take(&vp->lock);
	if (reg & 0xf)
		todo = VLAPIC_DONE;
	else if (insn->store)
		todo = vlapic_write(vp, reg, (uint32_t)operand_stored(&vp->cpu, insn));
	else
		todo = vlapic_read(vp, reg, &val);
	vlapic_finish(vp, todo);

	if (!insn->store)
		operand_load(&vp->cpu, insn, val);
	vp_skip(vp, insn->length);
	return after_apic(vp);
}

static enum next exit_memory(struct vp *vp, const struct vcpu_exit *e)
{
	struct partition *p = vp->partition;
	uint64_t gpa = e->memory.gpa;
	bool apic, doorbell = false;
	struct insn_bytes bytes = { 0 };
	enum hv_message_type type;
	struct insn insn;

	apic = vlapic_xapic(&vp->apic) && !e->memory.table_walk && !e->memory.execute &&
	       (gpa & PAGE_MASK) == (vp->apic.base_msr & APIC_BASE_ADDRESS);
	if (!apic) {
		switch (gpa_probe(p, gpa, e->memory.write, e->memory.execute)) {
		case GPA_OK:
		case GPA_DEVICE:
			/* The mapping came between the fault and now, or is stale. */
			if (++vp->nested_faults > NESTED_FAULTS_MAX)
				return unhandled(vp, "nested fault without a reason", gpa);
			return retry(vp);
		case GPA_NO_ACCESS:
			/* The root populates the page, or it is a ROM's. */
		case GPA_RESTRICTED:
			type = HV_MESSAGE_GPA_INTERCEPT;
			break;
		case GPA_UNMAPPED:
		default:
			type = HV_MESSAGE_UNMAPPED_GPA;
			doorbell = e->memory.write && port_watched(p, gpa);
			break;
		}
	}

	/*
	 * Where the delivery of an event faults it was not by the instruction at RIP. Retry:
	 * the processor's own fetch will fault and have the root populate the page.
	 */
	if (!e->memory.table_walk && !e->memory.execute && !vp->cpu.event.valid &&
	    walk_insn(vp, e, bytes.byte, &bytes.count) == WALK_RETRY)
		return retry(vp);
	if (apic || doorbell) {
		bool mov =
			insn_decode_mov(&insn, bytes.byte, bytes.count, operand_mode(&vp->cpu)) &&
			insn.store == e->memory.write;

		if (apic)
			return mov ? apic_page(vp, gpa, &insn) :
				     unhandled(vp, "local APIC access not by MOV", gpa);
		if (mov && port_ring(p, gpa, insn.size, operand_stored(&vp->cpu, &insn))) {
			vp_skip(vp, insn.length);
			return AGAIN;
		}
	}
	intercept_memory(vp, type, e, &bytes);
	return RETURN_INTERCEPT;
}

static enum next exit_cpuid(struct vp *vp, const struct vcpu_exit *e)
{
	struct vcpu *v = &vp->cpu;
	uint32_t leaf = (uint32_t)v->gpr[VCPU_RAX], out[4];

	if (!guestcpuid_get(vp, leaf, (uint32_t)v->gpr[VCPU_RCX], out) &&
	    intercept_installed(vp->partition, HV_INTERCEPT_CPUID, leaf, HV_INTERCEPT_EXECUTE)) {
		intercept_cpuid(vp, e, out);
		return RETURN_INTERCEPT;
	}
	v->gpr[VCPU_RAX] = out[0];
	v->gpr[VCPU_RBX] = out[1];
	v->gpr[VCPU_RCX] = out[2];
	v->gpr[VCPU_RDX] = out[3];
	vp_skip(vp, e->insn_len);
	return AGAIN;
}

static enum next exit_msr(struct vp *vp, const struct vcpu_exit *e)
{
	struct vcpu *v = &vp->cpu;
	uint32_t msr = (uint32_t)v->gpr[VCPU_RCX];
	uint64_t val;
	bool ok = false;

	vp->unknown_msr = intercept_installed(vp->partition, HV_INTERCEPT_MSR_INDEX, msr,
					      e->msr.write ? HV_INTERCEPT_WRITE :
							     HV_INTERCEPT_READ);
	if (vp->unknown_msr) {
		/* Also of those we know. */
	} else if (e->msr.write) {
		ok = guestmsr_write(vp, msr, vcpu_pair(v, VCPU_RDX, VCPU_RAX));
	} else {
		ok = guestmsr_read(vp, msr, &val);
		if (ok) {
			v->gpr[VCPU_RAX] = (uint32_t)val;
			v->gpr[VCPU_RDX] = val >> 32;
		}
	}
	if (vp->unknown_msr) {
		intercept_msr(vp, e);
		return RETURN_INTERCEPT;
	}
	if (!ok)
		return fault(vp, VECTOR_GP);
	vp_skip(vp, e->insn_len);
	return after_apic(vp);
}

static enum next exit_xsetbv(struct vp *vp, const struct vcpu_exit *e)
{
	struct vcpu *v = &vp->cpu;
	uint64_t val = vcpu_pair(v, VCPU_RDX, VCPU_RAX);

	if (!(v->cr4 & CR4_OSXSAVE))
		return fault(vp, VECTOR_UD);
	if (vcpu_cpl(v) != 0 || (uint32_t)v->gpr[VCPU_RCX] != 0 || !vcpu_xcr0_valid(val))
		return fault(vp, VECTOR_GP);
	v->xcr0 = val;
	vcpu_xcr0_changed(v);
	vp_skip(vp, e->insn_len);
	return AGAIN;
}

/* Guest's move to CR8 changes the local APIC's TPR. */
static void sync_tpr(struct vp *vp)
{
	if (vp->cpu.cr8 == vp->apic.tpr >> 4)
		return;
	lock_scope(&vp->lock);
	vp->apic.tpr = (uint32_t)vp->cpu.cr8 << 4;
}

/*
 * CR8 while an interrupt waits: what it says decides about it. CR4: the processor has
 * more bits than guests (APM vol. 2, "CR4 Register": reserved ones are #GP).
 */
static enum next exit_cr(struct vp *vp, const struct vcpu_exit *e)
{
	struct vcpu *v = &vp->cpu;
	struct insn insn = {
		.length = e->insn_len,
		.size = vcpu_long64(v) ? 8 : 4,
		.reg = e->cr.reg,
	};
	struct insn_bytes bytes = { 0 };
	uint64_t val;

	if (!e->insn_len) {
		/* No bytes: another VP has unmapped them since. */
		if (walk_fetch(vp, bytes.byte, &bytes.count) == WALK_RETRY || !bytes.count)
			return retry(vp);
		if (!insn_decode_mov_cr(&insn, bytes.byte, bytes.count, operand_mode(v)))
			return unhandled(vp, "write to CR not by MOV", 0);
	}
	val = operand_stored(v, &insn);
	if (e->cr.number == 4) {
		if ((val & ~vcpu_cr4_mask()) ||
		    ((v->efer & EFER_LMA) && !(val & CR4_PAE)))
			return fault(vp, VECTOR_GP);
		v->cr4 = val;
		v->flush = 1;
	} else {
		if (val > 15)
			return fault(vp, VECTOR_GP);
		v->cr8 = val;
		sync_tpr(vp);
	}
	vp_skip(vp, insn.length);
	return AGAIN;
}

static enum next exit_hlt(struct vp *vp, const struct vcpu_exit *e)
{
	vp_skip(vp, e->insn_len);
	lock_scope(&vp->lock);
	vp->halted = true;
	return AGAIN;
}

static enum next handle(struct vp *vp, struct vcpu_exit *e)
{
	if (e->opcode_only)
		walk_prefixes(vp, e);
	if (e->reason != VCPU_EXIT_MEMORY)
		vp->nested_faults = 0;
	switch (e->reason) {
	case VCPU_EXIT_NOTHING:
		if (e->insn_len)
			vp_skip(vp, e->insn_len);
		return AGAIN;
	case VCPU_EXIT_WINDOW:
		return AGAIN;
	case VCPU_EXIT_HOST:
		return RETURN_READY;
	case VCPU_EXIT_IO:
		return exit_io(vp, e);
	case VCPU_EXIT_MEMORY:
		return exit_memory(vp, e);
	case VCPU_EXIT_CPUID:
		return exit_cpuid(vp, e);
	case VCPU_EXIT_MSR:
		return exit_msr(vp, e);
	case VCPU_EXIT_HLT:
		return exit_hlt(vp, e);
	case VCPU_EXIT_HYPERCALL:
		return guestcalls_exit(vp, e->insn_len) ? RETURN_READY : AGAIN;
	case VCPU_EXIT_XSETBV:
		return exit_xsetbv(vp, e);
	case VCPU_EXIT_CR:
		return exit_cr(vp, e);
	case VCPU_EXIT_SHUTDOWN:
		intercept_unrecoverable(vp);
		return RETURN_INTERCEPT;
	case VCPU_EXIT_EXCEPTION:
		return intercept_exception(vp, e) ? RETURN_INTERCEPT : AGAIN;
	case VCPU_EXIT_INVALID:
		return unhandled(vp, "state refused by the processor", 0);
	}
	return unhandled(vp, "unknown exit", 0);
}

/* --- before an entry --- */

/* vp.lock held. */
static bool startup_pending(const struct vp *vp)
{
	return vp->apic.init_pending || (vp->wait_sipi && vp->apic.sipi_pending);
}

/* INIT and SIPI, in this order if both came. vp.lock not held. */
static void startup_signals(struct vp *vp)
{
	bool start;
	uint8_t vector;

	/* Only we clear it, and a SIPI that follows counts from now on. */
	if (vp->apic.init_pending)
		vp_init_signal(vp);

	lock_take(&vp->lock);
	start = vp->wait_sipi && vp->apic.sipi_pending;
	vector = vp->apic.sipi_vector;
	vp->apic.sipi_pending = false;
	if (start)
		vp->wait_sipi = false;
	lock_drop(&vp->lock);
	if (start)
		vp_start(vp, vector);
}

static void inject_event(struct vp *vp, enum vcpu_event_type type, uint8_t vector)
{
	struct vcpu *v = &vp->cpu;

	v->event = (struct vcpu_event){ .valid = true, .type = (uint8_t)type, .vector = vector };
	count(vp->stats, VP_COUNTER_VIRTUAL_INTERRUPTS);
}

/*
 * Choose what the guest takes at this entry and ask for a window for the
 * rest. vp.lock held, VP opened: whatever arrives from now on kicks us.
 */
static void prepare_events(struct vp *vp)
{
	struct vlapic *a = &vp->apic;
	struct vcpu *v = &vp->cpu;
	bool open = (v->rflags & RFLAGS_IF) && !v->interrupt_shadow;
	int vector;

	if (!v->event.valid && a->nmi_pending && !v->nmi_masked && !v->interrupt_shadow) {
		inject_event(vp, VCPU_EVENT_NMI, VECTOR_NMI);
		a->nmi_pending = false;
	}
	if (!v->event.valid && open && a->extint_pending) {
		inject_event(vp, VCPU_EVENT_EXTERNAL, a->extint_vector);
		a->extint_pending = false;
	}
	vector = vlapic_deliverable(vp);
	if (!v->event.valid && open && vector >= 0) {
		inject_event(vp, VCPU_EVENT_EXTERNAL, (uint8_t)vector);
		vlapic_take(vp, (uint8_t)vector);
		if (guestsynic_auto_eoi(vp, (uint8_t)vector))
			vlapic_eoi(vp);
	}

	v->nmi_window = a->nmi_pending;
	v->window = a->extint_pending || vlapic_deliverable(vp) >= 0;
	v->cr8_window = vlapic_requested(vp) >= 0;
	v->cr8 = a->tpr >> 4;
	guestsynic_assist_arm(vp);
}

/*
 * An exit may come between STI and HLT. QEMU's VMRUN forgets the STI's shadow
 * (tests/hv/shadow.c): what was to end the halt would be over before it began. So
 * such a HLT is carried out here, where it is in order on any processor. vp.lock
 * not held.
 */
static void shadowed_hlt(struct vp *vp)
{
	const struct vcpu *v = &vp->cpu;
	const struct vcpu_exit e = { .insn_len = 1 };
	uint64_t gpa;
	uint8_t opcode = 0;

	if (!v->interrupt_shadow || v->event.valid || vcpu_cpl(v) ||
	    walk(vp, walk_rip(v), WALK_EXECUTE, &gpa) != HV_TRANSLATE_SUCCESS)
		return;
	if (gpa_read(vp->partition, gpa, &opcode, 1) == GPA_NO_ACCESS)
		vp_missing(vp, gpa, false);
	if (opcode == OPCODE_HLT)
		exit_hlt(vp, &e);
}

/* How a turn ends, unless the VP is blocked. */
static const struct hv_output_dispatch_vp preempted = { HV_VP_DISPATCH_STATE_READY,
							 HV_VP_DISPATCH_EVENT_NONE };
static const struct hv_output_dispatch_vp intercepted = { HV_VP_DISPATCH_STATE_READY,
							   HV_VP_DISPATCH_EVENT_INTERCEPT };

/*
 * The root's interrupts end a guest's turn, but only where the guest gets as far
 * as an instruction: an exit while an event is being delivered comes before them.
 * A guest can make every entry exit like that, so turns also end by the clock.
 */
#define TURN_US 1000

/* What a trace says of an exit beside its reason. */
static uint64_t detail(const struct vp *vp, const struct vcpu_exit *e)
{
	if (e->reason == VCPU_EXIT_IO)
		return e->io.port;
	return e->reason == VCPU_EXIT_MEMORY ? e->memory.gpa : vp->cpu.gpr[VCPU_RCX];
}

static struct hv_output_dispatch_vp run(struct vp *vp)
{
	uint64_t entered = rdtsc();

	for (;;) {
		struct vcpu_exit e = { 0 };
		enum next next;
		uint64_t now;

		timer_run();
		if (!vp->explicit_suspend) {
			guestsynic_work(vp);
			shadowed_hlt(vp);
		}
		if (vp->missing && !vp->explicit_suspend) {
			if (intercept_missing(vp))
				return intercepted;
			continue;
		}
		if (vp->stepped && !vp->explicit_suspend && intercept_step(vp))
			return intercepted;
		lock_take(&vp->lock);
		if (startup_pending(vp)) {
			lock_drop(&vp->lock);
			startup_signals(vp);
			continue;
		}
		vlapic_timer_poll(vp, rdtsc());
		guesttimer_poll(vp, rdtsc());
		if (vp->todo && !vp->explicit_suspend) {
			lock_drop(&vp->lock);
			continue;
		}
		if (!vp_runnable(vp)) {
			bool suspended = vp->explicit_suspend;

			vp_set_blocked(vp, true);
			lock_drop(&vp->lock);
			/* It wakes us by a signal, at once perhaps. */
			vp_sync_timer(vp);
			return (struct hv_output_dispatch_vp){
				HV_VP_DISPATCH_STATE_BLOCKED,
				suspended ? HV_VP_DISPATCH_EVENT_SUSPEND : HV_VP_DISPATCH_EVENT_NONE
			};
		}
		vp->halted = vp->idle = false;
		vcpu_open(&vp->cpu);
		prepare_events(vp);
		lock_drop(&vp->lock);
		vp_sync_timer(vp);

		if (vp->cpu.event.valid)
			trace(HV_TRACE_INJECT, vp->partition->id, vp->index,
			      vp->cpu.event.type << 8 | vp->cpu.event.vector, 0, vp->cpu.rip);
		vcpu_run(&vp->cpu, &e);
		trace(HV_TRACE_GUEST_EXIT, vp->partition->id, vp->index, e.reason, detail(vp, &e),
		      vp->cpu.rip);
		sync_tpr(vp);
		guestsynic_assist_settle(vp);
		next = handle(vp, &e);
		now = stats_exit(vp, e.reason);
		switch (next) {
		case AGAIN:
			if (now - entered > clock_ticks_of_us(TURN_US))
				return preempted;
			break;
		case RETURN_READY:
			return preempted;
		case RETURN_INTERCEPT:
			return intercepted;
		}
	}
}

/* --- the call --- */

static enum hv_status dispatch(struct vp *vp, uint32_t flags, struct hv_output_dispatch_vp *out)
{
	struct cpu *cpu = cpu_this();
	uint64_t start = rdtsc(), ran = vp->cpu.ran;

	if (vp->dispatch_suspend || !vp->message)
		return HV_STATUS_INVALID_VP_STATE;
	if (vp->intercept_suspend && !(flags & HV_DISPATCH_CLEAR_INTERCEPT_SUSPEND)) {
		*out = intercepted;
		return HV_STATUS_SUCCESS;
	}
	vp->intercept_suspend = false;
	vp->cpu.exceptions = vp->partition->exceptions;
	regpage_load(vp);
	if (!vp->has_run) {
		uint64_t tsc = rdtsc();

		/* What make bench measures from. */
		log_line("hv: partition %llu VP %u: first run (TSC %llu, the guest's %llu)",
			 LLU(vp->partition->id), vp->index, LLU(tsc),
			 LLU(tsc + vp->cpu.tsc_offset));
		vp->has_run = true;
	}

	lock_take(&vp->lock);
	vp_set_blocked(vp, false);
	if (vp->cpu.host != cpu)
		count(vp->stats, VP_COUNTER_MIGRATIONS);
	vp->cpu.host = cpu;
	lock_drop(&vp->lock);

	cpu->current = vp;
	vcpu_attach(&vp->cpu);
	*out = run(vp);
	vcpu_detach(&vp->cpu);
	cpu->current = NULL;
	stats_turn(vp, cpu, start, ran);
	return HV_STATUS_SUCCESS;
}

/* The kernel's mutex prevents a second dispatch; we do not rely on it. */
static bool begin(struct vp *vp)
{
	bool before;

	lock_scope(&vp->partition->lock);
	before = vp->dispatching;
	vp->dispatching = true;
	return !before;
}

enum hv_status hvcall_dispatch_vp(struct hvcall *c)
{
	const struct hv_input_dispatch_vp *in = c->in;
	enum hv_status status;

	if (!begin(c->vp))
		return HV_STATUS_INVALID_VP_STATE;
	vp_acquire(c->vp);
	status = dispatch(c->vp, in->flags, c->out);
	vp_drop(c->vp);
	c->vp->dispatching = false;
	return status;
}
