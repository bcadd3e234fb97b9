/* SPDX-License-Identifier: MIT */
/*
 * A guest processor's local APIC (Intel SDM vol. 3 "Advanced Programmable
 * Interrupt Controller"): xAPIC registers through the MMIO page, x2APIC
 * through MSRs 0x800 … 0x83f, one-shot, periodic and TSC-deadline timer.
 *
 * Functions marked (L) want the VP's lock held. Sending an IPI touches other
 * VPs, so a register access ends with vlapic_finish(), which drops that lock.
 */
#ifndef HYPERVISOR_HV_VLAPIC_H
#define HYPERVISOR_HV_VLAPIC_H

#include "abi/hv/register.h"
#include "base/base.h"
#include "hypervisor/msr.h"

struct partition;
struct vp;

#define APIC_BASE_DEFAULT	0xfee00000ULL
#define VLAPIC_SVR_ENABLE	BIT32(8)
#define VLAPIC_LVT_MASKED	BIT32(16)

enum vlapic_lvt {	/* as in struct hv_local_apic_state */
	VLAPIC_LVT_TIMER, VLAPIC_LVT_THERMAL, VLAPIC_LVT_PERF,
	VLAPIC_LVT_LINT0, VLAPIC_LVT_LINT1, VLAPIC_LVT_ERROR, VLAPIC_LVT_CMCI,
	VLAPIC_LVTS
};

struct vlapic {
	uint64_t base_msr;
	uint32_t id;			/* 8 bits in xAPIC mode */
	uint32_t tpr;			/* bits 7:0 */
	uint32_t ldr, dfr;
	uint32_t svr;
	uint32_t esr, esr_latched;
	uint64_t icr;			/* x2APIC layout: destination 63:32 */
	uint32_t lvt[VLAPIC_LVTS];
	uint32_t isr[8], tmr[8], irr[8];

	uint32_t divide;		/* register value */
	uint32_t initial_count;
	uint64_t count_start;		/* host TSC of the current period's start */
	bool expired;			/* one-shot: only a new count begins again */
	uint64_t deadline_msr;		/* TSC_DEADLINE, guest TSC, 0: disarmed */
	uint64_t deadline;		/* host TSC of the next expiry, 0: none */

	bool nmi_pending;
	bool extint_pending;
	uint8_t extint_vector;
	bool init_pending;
	bool sipi_pending;
	uint8_t sipi_vector;
	int eoi_vector;			/* level-triggered EOI for the VMM, -1: none */
};

/* Power-up state. */
void vlapic_reset(struct vp *vp);
/* INIT: as reset, but id, base and a SIPI behind it stay. (L) */
void vlapic_init(struct vp *vp);

static inline bool vlapic_x2apic(const struct vlapic *a)
{
	return (a->base_msr & APIC_BASE_X2APIC) && (a->base_msr & APIC_BASE_ENABLE);
}

static inline bool vlapic_xapic(const struct vlapic *a)
{
	return !(a->base_msr & APIC_BASE_X2APIC) && (a->base_msr & APIC_BASE_ENABLE);
}

/*
 * Register access, @reg is the MMIO offset (0x20 id, 0x30 version, …). The
 * write result tells what is left to do without the lock. (L)
 */
enum vlapic_todo {
	VLAPIC_DONE = 0,
	VLAPIC_SEND_IPI,		/* as ICR says */
	VLAPIC_BAD,			/* no such register: #GP for an MSR */
};

enum vlapic_todo vlapic_read(struct vp *vp, unsigned int reg, uint32_t *val);
enum vlapic_todo vlapic_write(struct vp *vp, unsigned int reg, uint32_t val);

/* x2APIC MSRs 0x800 … 0x83f. (L) */
enum vlapic_todo vlapic_msr_read(struct vp *vp, uint32_t msr, uint64_t *val);
enum vlapic_todo vlapic_msr_write(struct vp *vp, uint32_t msr, uint64_t val);

/* MSR 0x1b; false: #GP. (L) */
bool vlapic_base_write(struct vp *vp, uint64_t val);
/* MSR 0x6e0. (L) */
uint64_t vlapic_tsc_deadline(const struct vp *vp);
void vlapic_tsc_deadline_write(struct vp *vp, uint64_t val);
/* The guest's TSC is the host's plus @offset from now on; a TSC deadline follows. run_lock held. */
void vlapic_set_tsc_offset(struct vp *vp, uint64_t offset);

/* Accept vector @vector; wakes nobody. (L) */
void vlapic_accept(struct vp *vp, uint8_t vector, bool level);
/* End of interrupt; a level-triggered one is left in eoi_vector. (L) */
void vlapic_eoi(struct vp *vp);

/* Would an EOI now do no more than end the interrupt in service? (L) */
bool vlapic_eoi_is_plain(struct vp *vp);

/* Highest vector that could be delivered now (above PPR), or -1. (L) */
int vlapic_deliverable(struct vp *vp);
/* Highest requested vector, or -1. (L) */
int vlapic_requested(struct vp *vp);
/* The processor takes @vector: IRR to ISR. (L) */
void vlapic_take(struct vp *vp, uint8_t vector);
uint8_t vlapic_ppr(const struct vlapic *a);

/* Turn a deadline that has passed into an interrupt. True: something came. (L) */
bool vlapic_timer_poll(struct vp *vp, uint64_t host_tsc);

/* State blob of GET/SET_VP_STATE. (L) */
void vlapic_get_state(struct vp *vp, struct hv_local_apic_state *s);
void vlapic_set_state(struct vp *vp, const struct hv_local_apic_state *s);

/* --- vlapicbus.c: messages between local APICs; no lock held --- */

/* Carry out ICR value @icr written by @vp. */
void vlapic_ipi(struct vp *vp, uint64_t icr);
/* What a register access has left to do; drops the VP's lock. False: VLAPIC_BAD. (L) */
bool vlapic_finish(struct vp *vp, enum vlapic_todo todo);

/*
 * Message of delivery mode @mode (0 fixed … 7 ExtINT) to @dest of partition
 * @p. False: nobody there, or a vector below 16.
 */
bool vlapic_message(struct partition *p, unsigned int mode, bool level,
		    bool logical, uint32_t dest, uint8_t vector);

#endif
