/* SPDX-License-Identifier: MIT */
/*
 * Running a guest's virtual processor: its VMCB from neutral state, one entry,
 * the #VMEXIT back in neutral terms. AMD64 APM vol. 2, chapter 15.
 */
#include "hypervisor/cpu.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/svm/insn.h"
#include "hypervisor/svm/svm.h"
#include "hypervisor/svm/vmcb.h"
#include "hypervisor/svm/world.h"
#include "hypervisor/svm/xstate.h"
#include "hypervisor/vcpu.h"
#include "hypervisor/x86.h"
#include "lib/mem.h"

/* Those that could keep a processor busy delivering without end; the machine's own. */
#define EXCEPTIONS	(BIT32(VECTOR_DB) | BIT32(VECTOR_AC) | BIT32(VECTOR_MC))

/* #TS #NP #SS #GP #PF, and #AC above */
#define IRET_FAULTS	0x7c00u

#define INTERCEPTS1	(SVM_INTERCEPT_INTR | SVM_INTERCEPT_NMI | SVM_INTERCEPT_INIT | \
			 SVM_INTERCEPT_RDPMC | SVM_INTERCEPT_CPUID | SVM_INTERCEPT_INVD | \
			 SVM_INTERCEPT_HLT | SVM_INTERCEPT_INVLPGA | SVM_INTERCEPT_IOIO | \
			 SVM_INTERCEPT_MSR | SVM_INTERCEPT_SHUTDOWN)
#define INTERCEPTS2	(SVM_INTERCEPT_VMRUN | SVM_INTERCEPT_VMMCALL | SVM_INTERCEPT_VMLOAD | \
			 SVM_INTERCEPT_VMSAVE | SVM_INTERCEPT_STGI | SVM_INTERCEPT_CLGI | \
			 SVM_INTERCEPT_SKINIT | SVM_INTERCEPT_WBINVD | \
			 SVM_INTERCEPT_MONITOR | SVM_INTERCEPT_MWAIT | \
			 SVM_INTERCEPT_MWAIT_ARMED | SVM_INTERCEPT_XSETBV | \
			 SVM_INTERCEPT_RDPRU)
/* Whether it may come in is the local APIC's decision, which has been made. */
#define VIRTUAL_INTERRUPT \
	(SVM_V_IRQ | SVM_V_IGN_TPR | (uint64_t)0xf << SVM_V_INTR_PRIO_SHIFT)
#define CR4		0x0010u
#define CR8		0x0100u
#define DR0_TO_DR3	0x000fu
/* Breakpoints are enabled by DR7, or DR5, the same register while CR4.DE is clear. */
#define DR5_AND_DR7	0x00a0u

/* --- shared by all guests --- */

#define IOPM_PAGES	3
#define MSRPM_PAGES	2

static uint8_t *io_bitmap;		/* all ones: every port exits */
static uint8_t *msr_bitmap;

/* ASIDs are handed out per CPU; a new generation begins with a full flush. */
static struct asids {
	uint64_t generation;
	uint32_t next;
} asids[HV_CPUS_MAX];

/* MSRs that live in the VMCB (or beside it) and need no check. Default deny. */
static const uint32_t direct_msrs[] = {
	0x174, 0x175, 0x176,			/* SYSENTER_CS, _ESP, _EIP */
	0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084,	/* STAR … SFMASK */
	0xc0000100, 0xc0000101, 0xc0000102,	/* FS, GS, kernel GS base */
};

/* APM "MSR Intercepts": two bits per MSR, three ranges of 2 KiB. */
static void msr_allow(uint32_t msr)
{
	uint32_t bit = (msr & 0x1fff) * 2 + (msr >= 0xc0000000 ? 0x800 * 8 : 0);

	msr_bitmap[bit / 8] &= (uint8_t)~(3u << bit % 8);
}

bool vcpu_msr_exits(uint32_t msr)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(direct_msrs); i++)
		if (direct_msrs[i] == msr)
			return false;
	return true;
}

bool vcpu_init(void)
{
	io_bitmap = pages_alloc(IOPM_PAGES);
	msr_bitmap = pages_alloc(MSRPM_PAGES);
	if (!io_bitmap || !msr_bitmap)
		return false;
	memset(io_bitmap, 0xff, IOPM_PAGES * PAGE_SIZE);
	memset(msr_bitmap, 0xff, MSRPM_PAGES * PAGE_SIZE);
	for (unsigned int i = 0; i < ARRAY_SIZE(direct_msrs); i++)
		msr_allow(direct_msrs[i]);
	for (unsigned int i = 0; i < HV_CPUS_MAX; i++)
		asids[i] = (struct asids){ .generation = 1, .next = SVM_ASID_GUESTS };
	return xstate_init();
}

void vcpu_create(struct vcpu *v, void *vmcb, void *xsave, uint64_t nested_root)
{
	struct vmcb *b = vmcb;

	v->vmcb = vmcb;
	v->xsave = xsave;
	b->intercept2 = INTERCEPTS2;
	b->iopm_base = virt_to_phys(io_bitmap);
	b->msrpm_base = virt_to_phys(msr_bitmap);
	b->nested_ctl = SVM_NESTED_PAGING;
	b->nested_cr3 = nested_root;
}

void cpuid_native(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	struct cpuid c = cpuid(leaf, subleaf);

	out[0] = c.eax;
	out[1] = c.ebx;
	out[2] = c.ecx;
	out[3] = c.edx;
}

/*
 * Ours (cpu.c), which are features that a guest may have seen in CPUID, and VME, PVI, TSD,
 * DE and PCE: every processor with SVM has them. So no PCID, LA57, PKU or CET.
 */
uint64_t vcpu_cr4_mask(void)
{
	return read_cr4() | 0x7ff;
}

/* --- state in --- */

static struct vmcb_segment to_vmcb(const struct hv_segment_register *s)
{
	return (struct vmcb_segment){
		.selector = s->selector,
		.attributes = (uint16_t)((s->attributes & 0xff) | (s->attributes >> 4 & 0xf00)),
		.limit = s->limit,
		.base = s->base,
	};
}

static struct hv_segment_register from_vmcb(const struct vmcb_segment *s)
{
	return (struct hv_segment_register){
		.selector = s->selector,
		.attributes = (uint16_t)((s->attributes & 0xff) | (s->attributes & 0xf00) << 4),
		.limit = s->limit,
		.base = s->base,
	};
}

static uint64_t event_word(const struct vcpu_event *e)
{
	if (!e->valid)
		return 0;
	return SVM_EVENT_VALID | (uint64_t)e->type << SVM_EVENT_TYPE_SHIFT | e->vector |
	       (e->has_error ? SVM_EVENT_ERROR | (uint64_t)e->error << SVM_EVENT_ERROR_SHIFT : 0);
}

static void load_segments(const struct vcpu *v, struct vmcb *b)
{
	b->es = to_vmcb(&v->seg[VCPU_ES]);
	b->cs = to_vmcb(&v->seg[VCPU_CS]);
	b->ss = to_vmcb(&v->seg[VCPU_SS]);
	b->ds = to_vmcb(&v->seg[VCPU_DS]);
	b->fs = to_vmcb(&v->seg[VCPU_FS]);
	b->gs = to_vmcb(&v->seg[VCPU_GS]);
	b->ldtr = to_vmcb(&v->seg[VCPU_LDTR]);
	b->tr = to_vmcb(&v->seg[VCPU_TR]);
	b->gdtr = (struct vmcb_segment){ .limit = v->gdtr.limit, .base = v->gdtr.base };
	b->idtr = (struct vmcb_segment){ .limit = v->idtr.limit, .base = v->idtr.base };
	b->cpl = (uint8_t)vcpu_cpl(v);
}

/*
 * An external interrupt that the guest can take at once goes in as a virtual
 * one: QEMU delivers those injected by EVENTINJ twice at times (see
 * svm/root.c, virtual_interrupt).
 */
static bool is_virtual_interrupt(const struct vcpu *v)
{
	return v->event.valid && v->event.type == VCPU_EVENT_EXTERNAL &&
	       (v->rflags & RFLAGS_IF) && !v->interrupt_shadow;
}

static void load_controls(struct vcpu *v, struct vmcb *b)
{
	b->intercept_exceptions = EXCEPTIONS | v->exceptions;
	b->intercept1 = INTERCEPTS1;
	/* QEMU (without NRIP save) looks for an intercept of INTn where INT3 is executed. */
	if ((v->exceptions & BIT32(VECTOR_BP)) && !svm_features.nrips)
		b->intercept1 |= SVM_INTERCEPT_INTN;
	b->int_ctl = SVM_V_INTR_MASKING | (v->cr8 & 0xf);
	if (is_virtual_interrupt(v)) {
		/*
		 * No room for a window beside it. Its EOI is an exit; if it has none (AutoEOI,
		 * 8259), others are deliverable already, and the handler's IRET is one.
		 */
		b->int_ctl |= VIRTUAL_INTERRUPT |
			      (uint64_t)v->event.vector << SVM_V_INTR_VECTOR_SHIFT;
		if (v->window)
			b->intercept1 |= SVM_INTERCEPT_IRET;
	} else if (v->window) {
		b->intercept1 |= SVM_INTERCEPT_VINTR;
		b->int_ctl |= VIRTUAL_INTERRUPT;
	}
	/* QEMU 7.2 aborts when CR8 is written beside V_IRQ (docs/LIMITS.md). */
	b->intercept_cr_write = v->cr8_window || (b->int_ctl & SVM_V_IRQ) ? CR4 | CR8 : CR4;
	if (v->event.valid) {
		v->nmi_masked |= v->event.type == VCPU_EVENT_NMI;
		v->nmi_iret = false;
	}
	/* The end of an NMI handler; nmi_iret: it is about to execute. */
	if (v->nmi_masked && !v->nmi_iret)
		b->intercept1 |= SVM_INTERCEPT_IRET;
	/*
	 * The next NMI comes right behind it: its #DB is ours. Its faults exit as well, for
	 * they would push TF. A guest that debugs waits for its next exit instead, and so does
	 * one that returns to another task: TF would be saved in the old one's segment.
	 */
	v->nmi_step = v->nmi_iret && v->nmi_window &&
		      !(v->rflags & (RFLAGS_TF | RFLAGS_NT)) && !(v->dr7 & 0xff);
	if (v->nmi_step) {
		b->rflags |= RFLAGS_TF;
		b->intercept_exceptions |= IRET_FAULTS;
	}
	b->int_state = v->interrupt_shadow ? SVM_INTERRUPT_SHADOW : 0;
	b->event_inj = is_virtual_interrupt(v) ? 0 : event_word(&v->event);
	b->tsc_offset = v->tsc_offset;
	b->intercept_dr_read = v->dr_live ? 0 : DR0_TO_DR3;
	b->intercept_dr_write = v->dr_live ? 0 : DR0_TO_DR3 | DR5_AND_DR7;
}

static void load_state(struct vcpu *v, struct vmcb *b, struct world_gprs *gprs)
{
	memcpy(gprs->r, v->gpr, sizeof(gprs->r));
	b->rax = v->gpr[VCPU_RAX];
	b->rsp = v->gpr[VCPU_RSP];
	b->rip = v->rip;
	b->rflags = v->rflags;
	b->cr0 = v->cr0;
	b->cr2 = v->cr2;
	b->cr3 = v->cr3;
	b->cr4 = v->cr4;
	b->efer = v->efer | EFER_SVME;	/* VMRUN insists on it */
	b->dr6 = v->dr6;
	b->dr7 = v->dr7;
	b->g_pat = v->pat;
	b->star = v->star;
	b->lstar = v->lstar;
	b->cstar = v->cstar;
	b->sfmask = v->sfmask;
	b->kernel_gs_base = v->kernel_gs_base;
	b->sysenter_cs = v->sysenter_cs;
	b->sysenter_esp = v->sysenter_esp;
	b->sysenter_eip = v->sysenter_eip;
	load_segments(v, b);
	load_controls(v, b);
}

/* --- state out --- */

static void store_segments(struct vcpu *v, const struct vmcb *b)
{
	v->seg[VCPU_ES] = from_vmcb(&b->es);
	v->seg[VCPU_CS] = from_vmcb(&b->cs);
	v->seg[VCPU_SS] = from_vmcb(&b->ss);
	v->seg[VCPU_DS] = from_vmcb(&b->ds);
	v->seg[VCPU_FS] = from_vmcb(&b->fs);
	v->seg[VCPU_GS] = from_vmcb(&b->gs);
	v->seg[VCPU_LDTR] = from_vmcb(&b->ldtr);
	v->seg[VCPU_TR] = from_vmcb(&b->tr);
	v->gdtr.limit = (uint16_t)b->gdtr.limit;
	v->gdtr.base = b->gdtr.base;
	v->idtr.limit = (uint16_t)b->idtr.limit;
	v->idtr.base = b->idtr.base;
	/* The processor keeps CPL apart; a null SS may carry another DPL. */
	if ((b->cr0 & CR0_PE) && !(b->rflags & RFLAGS_VM))
		v->seg[VCPU_SS].attributes = (uint16_t)
			((v->seg[VCPU_SS].attributes & ~0x60u) | (b->cpl & 3u) << 5);
}

/*
 * The event whose delivery was cut off has to come again, except for INT n,
 * INT3 and INTO: RIP is still at the instruction, which does it. A triple fault
 * leaves a meaningless one behind.
 */
static void store_event(struct vcpu *v, const struct vmcb *b)
{
	uint64_t info = b->exit_int_info;
	uint8_t type = (uint8_t)((info & SVM_EVENT_TYPE_MASK) >> SVM_EVENT_TYPE_SHIFT);
	uint8_t vector = (uint8_t)(info & SVM_EVENT_VECTOR);

	/* A virtual interrupt that was not taken yet (a host interrupt came first). */
	if ((b->int_ctl & SVM_V_IRQ) && !(b->intercept1 & SVM_INTERCEPT_VINTR) &&
	    !(info & SVM_EVENT_VALID))
		return;
	v->event.valid = false;
	if (!(info & SVM_EVENT_VALID) || b->exit_code == SVM_EXIT_SHUTDOWN ||
	    type == VCPU_EVENT_SOFTWARE ||
	    (type == VCPU_EVENT_EXCEPTION && (vector == 3 || vector == 4)))
		return;
	v->event = (struct vcpu_event){
		.valid = true, .type = type, .vector = vector,
		.has_error = info & SVM_EVENT_ERROR,
		.error = (uint32_t)(info >> SVM_EVENT_ERROR_SHIFT),
	};
}

static void store_state(struct vcpu *v, const struct vmcb *b, const struct world_gprs *gprs)
{
	/* Not executed yet; one that returned to itself has trapped, if it was stepped. */
	bool at_iret = b->rip == v->iret_rip &&
		       !(v->nmi_step && b->exit_code == SVM_EXIT_EXCEPTION + VECTOR_DB);

	memcpy(v->gpr, gprs->r, sizeof(v->gpr));
	v->gpr[VCPU_RAX] = b->rax;
	v->gpr[VCPU_RSP] = b->rsp;
	v->rip = b->rip;
	v->rflags = b->rflags;
	v->cr0 = b->cr0;
	v->cr2 = b->cr2;
	v->cr3 = b->cr3;
	v->cr4 = b->cr4;
	v->cr8 = b->int_ctl & 0xf;
	v->efer = b->efer & ~EFER_SVME;
	if (!v->nmi_step)
		v->dr6 = b->dr6;
	else if (at_iret)
		v->rflags &= ~RFLAGS_TF;
	v->dr7 = b->dr7;
	v->pat = b->g_pat;
	v->star = b->star;
	v->lstar = b->lstar;
	v->cstar = b->cstar;
	v->sfmask = b->sfmask;
	v->kernel_gs_base = b->kernel_gs_base;
	v->sysenter_cs = b->sysenter_cs;
	v->sysenter_esp = b->sysenter_esp;
	v->sysenter_eip = b->sysenter_eip;
	v->interrupt_shadow = b->int_state & SVM_INTERRUPT_SHADOW;
	store_segments(v, b);
	store_event(v, b);
	if (v->nmi_iret && !at_iret) {
		v->nmi_iret = false;
		v->nmi_masked = false;
	}
}

/* --- debug registers: DR0 … DR3 are not in the VMCB --- */

#define DR_SWAP(n) \
	do { \
		uint64_t old_; \
		__asm__ volatile("mov %%dr" #n ", %0" : "=r"(old_)); \
		__asm__ volatile("mov %0, %%dr" #n : : "r"(dr[n])); \
		dr[n] = old_; \
	} while (0)

static __attribute__((noinline)) void dr_exchange(uint64_t dr[4])
{
	DR_SWAP(0);
	DR_SWAP(1);
	DR_SWAP(2);
	DR_SWAP(3);
}

/* --- address space identifiers --- */

/*
 * A new identifier is a flush of one guest's translations that every processor
 * can do; one that can flush an identifier keeps it. Called between vcpu_open and
 * VMRUN, so that a flush asked for later finds the VP in guest mode and kicks it.
 */
static void asid_update(struct vcpu *v, struct vmcb *b)
{
	struct cpu *cpu = cpu_this();
	struct asids *a = &asids[cpu->index];
	bool flush = __atomic_exchange_n(&v->flush, 0, __ATOMIC_SEQ_CST);

	b->tlb_control = flush ? SVM_TLB_FLUSH_ASID : SVM_TLB_KEEP;
	if (v->asid_cpu == cpu && v->asid_generation == a->generation &&
	    (!flush || svm_features.flush_by_asid))
		return;
	b->tlb_control = SVM_TLB_KEEP;
	if (a->next >= svm_features.asids) {
		a->generation++;
		a->next = SVM_ASID_GUESTS;
		b->tlb_control = SVM_TLB_FLUSH_ALL;
	}
	b->asid = a->next++;
	v->asid_cpu = cpu;
	v->asid_generation = a->generation;
}

/* --- exits --- */

static void exit_io(const struct vmcb *b, struct vcpu_exit *e)
{
	uint64_t info = b->exit_info_1;

	e->reason = VCPU_EXIT_IO;
	e->io.port = (uint16_t)(info >> SVM_IOIO_PORT_SHIFT);
	e->io.size = (uint8_t)(info >> SVM_IOIO_SIZE_SHIFT & SVM_IOIO_SIZE_MASK);
	e->io.in = info & SVM_IOIO_IN;
	e->io.string = info & SVM_IOIO_STRING;
	e->io.rep = info & SVM_IOIO_REP;
	/* exit_info_2 is the next RIP; it wraps with the code segment. */
	e->insn_len = (uint8_t)((b->exit_info_2 - b->rip) & 0xf);
}

static void exit_npf(const struct vmcb *b, struct vcpu_exit *e)
{
	e->reason = VCPU_EXIT_MEMORY;
	e->memory.gpa = b->exit_info_2;
	e->memory.write = b->exit_info_1 & SVM_NPF_WRITE;
	e->memory.execute = b->exit_info_1 & SVM_NPF_FETCH;
	e->memory.table_walk = b->exit_info_1 & SVM_NPF_WALK;
	if (e->memory.table_walk)
		e->memory.execute = false;
	e->memory.insn_count = svm_insn_count(b);
	e->memory.insn = b->insn_bytes;
}

static void exit_exception(struct vcpu *v, const struct vmcb *b, struct vcpu_exit *e)
{
	uint8_t vector = (uint8_t)(b->exit_code - SVM_EXIT_EXCEPTION);
	/* #DF #TS #NP #SS #GP #PF #AC #CP: as world.S says. */
	bool has_error = 0x60227d00u >> vector & 1;
	uint32_t error = has_error ? (uint32_t)b->exit_info_1 : 0;

	e->reason = VCPU_EXIT_NOTHING;
	if (v->nmi_step && vector == VECTOR_DB)
		return;
	if (v->exceptions & BIT32(vector)) {
		e->reason = VCPU_EXIT_EXCEPTION;
		e->exception.vector = vector;
		e->exception.has_error = has_error;
		e->exception.error = error;
		e->exception.address = b->exit_info_2;
		e->exception.by_int = false;
		return;
	}
	switch (vector) {
	case VECTOR_MC:
		/* The machine's, so the root's. Without a valid RIP it took the guest along. */
		cpu_this()->machine_check = true;
		e->reason = rdmsr(MSR_MCG_STATUS) & MCG_STATUS_RIPV ? VCPU_EXIT_HOST :
								      VCPU_EXIT_SHUTDOWN;
		log_line("guest: machine check (guest %s)",
			 e->reason == VCPU_EXIT_HOST ? "can go on" : "lost");
		break;
	default:
		if (vector == VECTOR_PF)
			v->cr2 = b->exit_info_2;
		vcpu_inject(v, vector, has_error, error);
		break;
	}
}

/* Without NRIP save (QEMU) nobody knows of prefixes before the @opcode's bytes. */
static void instruction(const struct vmcb *b, struct vcpu_exit *e, enum vcpu_exit_reason reason,
			uint8_t opcode)
{
	uint64_t length = b->next_rip - b->rip;

	e->reason = reason;
	e->opcode_only = !svm_features.nrips || length - 1 >= INSN_LENGTH_MAX;
	e->insn_len = e->opcode_only ? opcode : (uint8_t)length;
}

static void decode_exit(struct vcpu *v, const struct vmcb *b, struct vcpu_exit *e)
{
	uint64_t code = b->exit_code;

	e->reason = VCPU_EXIT_NOTHING;
	switch (code) {
	case SVM_EXIT_INTR:
	case SVM_EXIT_NMI:
	case SVM_EXIT_INIT:
		e->reason = VCPU_EXIT_HOST;
		break;
	case SVM_EXIT_VINTR:
		e->reason = VCPU_EXIT_WINDOW;
		break;
	case SVM_EXIT_IOIO:
		exit_io(b, e);
		break;
	case SVM_EXIT_NPF:
		exit_npf(b, e);
		break;
	case SVM_EXIT_CPUID:
		instruction(b, e, VCPU_EXIT_CPUID, 2);
		break;
	case SVM_EXIT_MSR:
		instruction(b, e, VCPU_EXIT_MSR, 2);
		e->msr.write = b->exit_info_1 & 1;
		break;
	case SVM_EXIT_HLT:
		instruction(b, e, VCPU_EXIT_HLT, 1);
		break;
	case SVM_EXIT_VMMCALL:
		instruction(b, e, VCPU_EXIT_HYPERCALL, 3);
		break;
	case SVM_EXIT_XSETBV:
		instruction(b, e, VCPU_EXIT_XSETBV, 3);
		break;
	case SVM_EXIT_WBINVD:
	case SVM_EXIT_INVD:
		/* Caches are coherent with everything a guest can reach. */
		instruction(b, e, VCPU_EXIT_NOTHING, 2);
		break;
	case SVM_EXIT_RDPMC:
		vcpu_inject(v, VECTOR_GP, true, 0);
		break;
	case SVM_EXIT_CR0_WRITE + 4:
	case SVM_EXIT_CR0_WRITE + 8:
		instruction(b, e, VCPU_EXIT_CR, 0);
		/* Without decode assists (QEMU) the length stays unknown. */
		if (!svm_features.decode_assists || !(b->exit_info_1 & SVM_CR_MOV))
			e->insn_len = 0;
		e->opcode_only = false;
		e->cr.number = code & 15;
		e->cr.reg = b->exit_info_1 & SVM_CR_GPR;
		break;
	case SVM_EXIT_IRET:
		v->nmi_iret = v->nmi_masked;
		v->iret_rip = v->rip;
		break;
	case SVM_EXIT_INTN:
		e->reason = VCPU_EXIT_EXCEPTION;
		e->exception.vector = VECTOR_BP;
		e->exception.by_int = true;
		break;
	case SVM_EXIT_SHUTDOWN:
		e->reason = VCPU_EXIT_SHUTDOWN;
		break;
	case SVM_EXIT_DR0_READ ... SVM_EXIT_DR0_READ + 3:
	case SVM_EXIT_DR0_WRITE ... SVM_EXIT_DR0_WRITE + 7:
		/* The root's were in the processor: the guest's now, and again. */
		v->dr_live = true;
		break;
	case SVM_EXIT_EXCEPTION ... SVM_EXIT_EXCEPTION + 31:
		exit_exception(v, b, e);
		break;
	/* None of these is in a guest's CPUID. */
	case SVM_EXIT_VMRUN:
	case SVM_EXIT_VMLOAD:
	case SVM_EXIT_VMSAVE:
	case SVM_EXIT_STGI:
	case SVM_EXIT_CLGI:
	case SVM_EXIT_SKINIT:
	case SVM_EXIT_INVLPGA:
	case SVM_EXIT_MONITOR:
	case SVM_EXIT_MWAIT:
	case SVM_EXIT_MWAIT_ARMED:
	case SVM_EXIT_RDPRU:
		vcpu_inject(v, VECTOR_UD, false, 0);
		break;
	default:
		/* SVM_EXIT_INVALID; QEMU fills in its lower half only. RIP follows. */
		log_line("guest: exit %#llx (info %#llx %#llx, cr0 %#llx, cr4 %#llx, efer %#llx)",
			 LLU(code), LLU(b->exit_info_1), LLU(b->exit_info_2), LLU(b->cr0),
			 LLU(b->cr4), LLU(b->efer));
		e->reason = VCPU_EXIT_INVALID;
		break;
	}
}

void vcpu_run(struct vcpu *v, struct vcpu_exit *e)
{
	struct vmcb *b = v->vmcb;
	struct world_gprs gprs;
	uint64_t entered;
	bool dr_live;

	if (v->dr7 & 0xff)
		v->dr_live = true;
	dr_live = v->dr_live;
	load_state(v, b, &gprs);
	xstate_tsc_aux(v->tsc_aux);
	if (dr_live)
		dr_exchange(v->dr);
	asid_update(v, b);
	entered = rdtsc();
	world_run(virt_to_phys(b), &gprs, true);
	v->left = rdtsc();
	v->ran += v->left - entered;
	vcpu_close(v);
	if (dr_live)
		dr_exchange(v->dr);
	store_state(v, b, &gprs);
	xstate_store(v);
	if (dr_live && !(v->dr7 & 0xff))
		v->dr_live = false;
	decode_exit(v, b, e);
}
