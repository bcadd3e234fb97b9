/* SPDX-License-Identifier: MIT */
/*
 * The seam between hv/ (what a guest partition is) and svm/ (how this
 * processor runs one): architectural state and exits in neutral terms. hv/
 * knows no VMCB field, svm/ knows no hypercall, and host unit tests put a fake
 * in svm/'s place.
 *
 * A vcpu belongs to whoever holds its VP's run lock (hv/vp.h); only the words
 * marked "any CPU" may be touched by others.
 */
#ifndef HYPERVISOR_VCPU_H
#define HYPERVISOR_VCPU_H

#include "abi/hv/register.h"	/* formats of segment and table registers */
#include "base/base.h"

struct cpu;

/* gpr[] in hardware encoding order. */
enum vcpu_gpr {
	VCPU_RAX, VCPU_RCX, VCPU_RDX, VCPU_RBX,
	VCPU_RSP, VCPU_RBP, VCPU_RSI, VCPU_RDI,
};

/* seg[] in the order of the register names HV_X64_REGISTER_ES … TR. */
enum vcpu_seg {
	VCPU_ES, VCPU_CS, VCPU_SS, VCPU_DS, VCPU_FS, VCPU_GS, VCPU_LDTR, VCPU_TR,
	VCPU_SEGS
};

/* Values as in the PENDING_INTERRUPTION register. */
enum vcpu_event_type {
	VCPU_EVENT_EXTERNAL = 0,
	VCPU_EVENT_NMI = 2,
	VCPU_EVENT_EXCEPTION = 3,
	VCPU_EVENT_SOFTWARE = 4,
};

/*
 * An event to be delivered at the next entry. After an exit it holds the
 * event whose delivery the exit interrupted, if any: leaving it there delivers
 * it again.
 */
struct vcpu_event {
	bool valid;
	bool has_error;
	uint8_t type;
	uint8_t vector;
	uint32_t error;
};

struct vcpu {
	uint64_t gpr[16];
	uint64_t rip;
	uint64_t rflags;
	uint64_t cr0, cr2, cr3, cr4;
	uint64_t cr8;			/* task priority, 0 … 15 */
	uint64_t efer;			/* as the guest sees it */
	uint64_t xcr0;
	uint64_t dr[4];
	uint64_t dr6, dr7;
	struct hv_segment_register seg[VCPU_SEGS];
	struct hv_table_register gdtr, idtr;
	uint64_t kernel_gs_base;
	uint64_t star, lstar, cstar, sfmask;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t pat;
	uint64_t tsc_aux;
	uint64_t tsc_offset;		/* guest TSC = host TSC + this */

	struct vcpu_event event;
	bool interrupt_shadow;
	bool nmi_masked;
	bool window;			/* exit once IF and shadow would let one in */
	bool cr8_window;		/* exit when CR8 is written; .window does it, too */
	bool nmi_window;		/* an NMI waits: exit when they are unmasked again */
	uint32_t exceptions;		/* by vector: those that exit */

	void *xsave;			/* 4 KiB, standard XSAVE format */

	uint64_t left;			/* TSC at the last exit */
	uint64_t ran;			/* TSC ticks in guest mode, ever */

	/* any CPU */
	struct cpu *volatile host;	/* runs or last ran here */
	volatile uint32_t in_guest;	/* see vcpu_open */
	volatile uint32_t exits;	/* counts vcpu_close */
	volatile uint32_t flush;	/* translations to be dropped at next entry */

	/* svm/ */
	void *vmcb;
	uint64_t asid_generation;
	struct cpu *asid_cpu;
	uint64_t iret_rip;
	bool dr_live;			/* debug registers are in the processor */
	bool nmi_step;			/* single-stepping that IRET, for an NMI waits */
	bool nmi_iret;			/* waiting for an IRET to end NMI blocking */
};

enum vcpu_exit_reason {
	VCPU_EXIT_NOTHING,		/* dealt with inside; step over insn_len, enter again */
	VCPU_EXIT_HOST,			/* an interrupt for the host is pending */
	VCPU_EXIT_WINDOW,		/* .window came */
	VCPU_EXIT_IO,
	VCPU_EXIT_MEMORY,		/* nested fault */
	VCPU_EXIT_CPUID,
	VCPU_EXIT_MSR,
	VCPU_EXIT_HLT,
	VCPU_EXIT_HYPERCALL,
	VCPU_EXIT_XSETBV,
	VCPU_EXIT_CR,			/* CR4, or CR8 while an interrupt waits, is to be written */
	VCPU_EXIT_SHUTDOWN,		/* triple fault */
	VCPU_EXIT_INVALID,		/* the processor refused the state */
	VCPU_EXIT_EXCEPTION,		/* one of .exceptions; not delivered */
};

struct vcpu_exit {
	enum vcpu_exit_reason reason;
	uint8_t insn_len;		/* 0: unknown */
	bool opcode_only;		/* insn_len does not count prefixes */
	union {
		struct {
			uint16_t port;
			uint8_t size;	/* 1, 2, 4 */
			bool in, string, rep;
		} io;
		struct {
			uint64_t gpa;
			bool write, execute;
			bool table_walk;	/* by the guest's own page walk */
			uint8_t insn_count;	/* of the instruction, if the processor … */
			const uint8_t *insn;	/* … told; good until the next entry */
		} memory;
		struct {
			bool write;
		} msr;
		struct {
			uint8_t number;
			uint8_t reg;	/* holds the value, if insn_len is known */
		} cr;
		struct {
			uint8_t vector;
			bool has_error;
			uint32_t error;
			uint64_t address;	/* of a page fault */
			bool by_int;	/* INT3 it is, or INTn or INTO (QEMU) */
		} exception;
	};
};

/* --- svm/guest.c --- */

/* main.c, once, before the root runs. False: no memory. */
bool vcpu_init(void);

/*
 * @vmcb and @xsave: zeroed pages of the caller's, used until the vcpu is given
 * up; @nested_root: physical address of the partition's table. All other
 * fields are the caller's to fill.
 */
void vcpu_create(struct vcpu *v, void *vmcb, void *xsave, uint64_t nested_root);

/* Exchange the root's and the guest's extended state on this CPU. */
void vcpu_attach(struct vcpu *v);
void vcpu_detach(struct vcpu *v);
/* XCR0 changed while attached. */
void vcpu_xcr0_changed(struct vcpu *v);

/* Enter the guest (attached, opened) and tell why it left; closes. */
void vcpu_run(struct vcpu *v, struct vcpu_exit *exit);

/* Does a guest's access to @msr exit? It has a few for itself. */
bool vcpu_msr_exits(uint32_t msr);
/* Bits of CR4 a guest may set. */
uint64_t vcpu_cr4_mask(void);
/* Bits of MXCSR this processor has; FXRSTOR and XRSTOR fault on others. */
uint32_t vcpu_mxcsr_mask(void);
/* Bits of XCR0 a guest may set, and the size of the area they need. */
uint64_t vcpu_xcr0_mask(void);

/*
 * May a guest's XCR0 be @val? x87 always, AVX only with SSE, nothing the guest does
 * not have (APM "XSETBV"). Loading anything else faults in the hypervisor.
 */
static inline bool vcpu_xcr0_valid(uint64_t val)
{
	return (val & 1) && !(val & ~vcpu_xcr0_mask()) && (!(val & 4) || (val & 2));
}
void cpuid_native(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

/* --- both sides --- */

/*
 * From vcpu_open on, everyone who changes something the guest depends on kicks
 * this CPU, so what the caller looks at afterwards stays true until the guest
 * has left again. Between open and run no lock may be waited for that is held
 * during vcpu_shoot_down.
 */
static inline void vcpu_open(struct vcpu *v)
{
	__atomic_store_n(&v->in_guest, 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void vcpu_close(struct vcpu *v)
{
	v->exits++;
	__atomic_store_n(&v->in_guest, 0, __ATOMIC_SEQ_CST);
}

/* A 64-bit value in two registers, as EDX:EAX. */
static inline uint64_t vcpu_pair(const struct vcpu *v, enum vcpu_gpr high, enum vcpu_gpr low)
{
	return v->gpr[high] << 32 | (uint32_t)v->gpr[low];
}

static inline void vcpu_inject(struct vcpu *v, uint8_t vector, bool has_error,
			       uint32_t error)
{
	v->event = (struct vcpu_event){
		.valid = true, .type = VCPU_EVENT_EXCEPTION,
		.vector = vector, .has_error = has_error, .error = error,
	};
}

#define VECTOR_DB	1
#define VECTOR_NMI	2
#define VECTOR_BP	3
#define VECTOR_OF	4
#define VECTOR_UD	6
#define VECTOR_DF	8
#define VECTOR_GP	13
#define VECTOR_PF	14
#define VECTOR_AC	17
#define VECTOR_MC	18

#define RFLAGS_TF	BIT64(8)
#define RFLAGS_IF	BIT64(9)
#define RFLAGS_NT	BIT64(14)
#define RFLAGS_RF	BIT64(16)
#define RFLAGS_VM	BIT64(17)
#define DR6_BS		BIT64(14)
#define CR0_PE		BIT64(0)
#define CR0_AM		BIT64(18)
#define CR0_WP		BIT64(16)
#define CR0_PG		BIT64(31)
#define CR4_PSE		BIT64(4)
#define CR4_PAE		BIT64(5)
#define CR4_LA57	BIT64(12)
#define CR4_OSXSAVE	BIT64(18)
#define CR4_SMEP	BIT64(20)
#define CR4_SMAP	BIT64(21)
#define CR4_PKE		BIT64(22)
#define EFER_SCE	BIT64(0)
#define EFER_LME	BIT64(8)
#define EFER_LMA	BIT64(10)
#define EFER_NXE	BIT64(11)
#define EFER_SVME	BIT64(12)

/* hv_segment_register.attributes */
#define SEG_DPL(attr)	(((attr) >> 5) & 3u)
#define SEG_LONG	BIT32(13)
#define SEG_BIG		BIT32(14)

static inline unsigned int vcpu_cpl(const struct vcpu *v)
{
	if (!(v->cr0 & CR0_PE))
		return 0;
	if (v->rflags & RFLAGS_VM)
		return 3;
	return SEG_DPL(v->seg[VCPU_SS].attributes);
}

static inline bool vcpu_long64(const struct vcpu *v)
{
	return (v->efer & EFER_LMA) && (v->seg[VCPU_CS].attributes & SEG_LONG);
}

#endif
