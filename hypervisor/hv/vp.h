/* SPDX-License-Identifier: MIT */
/*
 * Guest virtual processors.
 *
 * Three things protect a VP:
 *  - its reference count (under partition.lock) keeps it in existence;
 *  - run_lock belongs to whoever reads or writes its architectural state: the
 *    CPU inside DISPATCH_VP, or a register call that took it out of guest mode;
 *  - lock guards what other processors may do to it: local APIC, pending
 *    events, blocked state, signal count.
 */
#ifndef HYPERVISOR_HV_VP_H
#define HYPERVISOR_HV_VP_H

#include "abi/hv/message.h"
#include "abi/hv/register.h"
#include "base/base.h"
#include "hypervisor/counters.h"
#include "hypervisor/hv/guesttimer.h"
#include "hypervisor/hv/partition.h"
#include "hypervisor/hv/synic.h"
#include "hypervisor/hv/vlapic.h"
#include "hypervisor/hw/timer.h"
#include "hypervisor/lock.h"
#include "hypervisor/vcpu.h"

struct cpuid_page;
struct hvcall;

#define MTRR_VARIABLE	8
#define BARE_INSTRUCTIONS 16

struct vp {
	struct vcpu cpu;		/* run_lock */
	struct partition *partition;
	uint32_t index;
	uint32_t refs;			/* partition.lock */
	bool dispatching;		/* partition.lock: a CPU is in DISPATCH_VP */
	bool dying;			/* partition.lock: gets no references any more */

	struct lock run_lock;

	/* run_lock */
	bool intercept_suspend;
	bool has_run;			/* at least one dispatch */
	bool stepped;			/* single-stepped over: #DB comes first */
	bool unknown_msr;		/* guestmsr.c leaves this access to the VMM */
	uint64_t apic_id;		/* INITIAL_APIC_ID */
	uint64_t tsc_adjust;
	uint64_t vp_assist;
	uint64_t misc_enable;
	uint64_t mtrr_def_type;
	uint64_t mtrr_fixed[11];
	uint64_t mtrr_base[MTRR_VARIABLE], mtrr_mask[MTRR_VARIABLE];
	uint64_t siefp, simp;		/* MSRs, as vp_assist */
	uint64_t assist_armed;		/* vp_assist, if its page says "no EOI required" */
	uint64_t missing;		/* vp_missing; 0: nothing */
	struct cpuid_page *cpuid;	/* registered results, NULL: none */
	union {				/* by enum hv_vp_state_page */
		void *state_page[2];
		struct {
			struct hv_register_page *reg_page;
			struct hv_message *message;
		};
	};
	uint32_t nested_faults;		/* in a row without an intercept */
	struct {			/* instructions without prefixes: walk_prefixes */
		uint64_t at, cr3;	/* address + 1 */
	} bare[BARE_INSTRUCTIONS];

	/* lock */
	struct lock lock;
	struct vlapic apic;
	bool explicit_suspend;
	bool dispatch_suspend;
	bool halted;
	bool idle;			/* halted until any interrupt, RFLAGS.IF or not */
	bool wait_sipi;
	bool blocked;			/* BLOCKED was reported, no signal since */
	uint64_t signal_count;
	struct synic_signal signal;	/* cpu, next: the SynIC's */
	uint64_t sint[HV_SINT_COUNT], scontrol;
	struct guesttimer stimer[HV_STIMER_COUNT];
	uint64_t stimer_deadline;	/* host TSC of the first, 0: none */
	uint8_t undelivered;		/* timers whose message is owed */
	uint8_t todo;			/* VP_TODO_*: a reason to run */

	struct timer timer;		/* armed by the holder of run_lock */
	uint64_t timer_armed;		/* its deadline, 0: not armed */

	struct counters *stats;		/* stats.c; NULL: never mapped */
};

_Static_assert(sizeof(struct vp) <= PAGE_SIZE, "one deposited page");

/* VP @index of @p with a reference; NULL if there is none. */
struct vp *vp_get(struct partition *p, uint32_t index);
void vp_put(struct vp *vp);

/* Own the architectural state: gets the VP out of guest mode first. */
void vp_acquire(struct vp *vp);
void vp_drop(struct vp *vp);

/*
 * Continue behind an instruction of @len bytes that was carried out for the guest, which
 * traps if it is single-stepped. run_lock held. A VMM that sets RIP itself also injects
 * the #DB itself (PENDING_EVENT0), as with Microsoft's: RIP says not what was executed.
 */
void vp_skip(struct vp *vp, unsigned int len);

/* The hardware timer follows the local APIC's next expiry. run_lock held. */
void vp_sync_timer(struct vp *vp);

/* What INIT and SIPI make of a processor. run_lock held. */
void vp_init_signal(struct vp *vp);
void vp_start(struct vp *vp, uint8_t sipi_vector);

/*
 * Take a VP away from @p, which is finalized, and free it. False: there is none any more,
 * not even one that another processor is about to free.
 */
bool vp_destroy_any(struct partition *p);

/* vp.lock held. Linux looks at the counter and does not dispatch while it is 1. */
static inline void vp_set_blocked(struct vp *vp, bool blocked)
{
	vp->blocked = blocked;
	if (vp->stats)
		WRITE_ONCE(vp->stats->value[VP_COUNTER_THREAD_BLOCKED], blocked);
}

/* What a dispatch has to see to before the guest goes on. */
#define VP_TODO_TIMER	BIT32(0)	/* the hardware timer is to be armed */
#define VP_TODO_MESSAGE	BIT32(1)	/* a timer owes a message */
#define VP_TODO_ASSIST	BIT32(2)	/* pages to be cleared */
#define VP_TODO_SIEFP	BIT32(3)
#define VP_TODO_SIMP	BIT32(4)

/*
 * The hypervisor could not reach guest memory at @gpa: before the VP goes on
 * its dispatch sends the message that makes the root populate it. run_lock
 * held, no other.
 */
void vp_missing(struct vp *vp, uint64_t gpa, bool write);
#define VP_MISSING_VALID	BIT64(0)
#define VP_MISSING_WRITE	BIT64(1)

/* --- signal.c --- */

/* Is there a reason to run? vp.lock held; the state it reads is the VP's own. */
bool vp_runnable(struct vp *vp);
/*
 * Something happened that may make @vp runnable or interrupt it: signal the
 * root if the VP is blocked, get it out of guest mode if it runs. vp.lock held.
 */
void vp_wake(struct vp *vp);

/* --- regpage.c; run_lock held --- */

/* Current values into the register page, dirty mask cleared. */
void regpage_publish(struct vp *vp);
/* Load the classes the VMM marked dirty. */
void regpage_load(struct vp *vp);

/* --- regs.c; run_lock held --- */
enum hv_status regs_get(struct vp *vp, uint32_t name, union hv_register_value *v);
enum hv_status regs_set(struct vp *vp, uint32_t name, const union hv_register_value *v);

#endif
