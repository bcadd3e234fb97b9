/* SPDX-License-Identifier: MIT */
/*
 * The root's local APIC is the real one. Two things are taken out: INIT and
 * SIPI, because a processor in guest mode must never see an INIT and a parked
 * one is started by its root_vp; and the timer, which is the hypervisor's.
 */
#include "hypervisor/cpu.h"
#include "hypervisor/hw/lapic.h"
#include "hypervisor/hw/timer.h"
#include "hypervisor/log.h"
#include "hypervisor/svm/insn.h"
#include "hypervisor/svm/root.h"
#include "hypervisor/svm/svm.h"
#include "hypervisor/vcpu.h"

#define DEST_ALL_XAPIC	0xffu
#define DEST_ALL_X2APIC 0xffffffffu

struct icr {
	enum lapic_mode mode;
	enum lapic_shorthand shorthand;
	bool logical;
	uint8_t vector;
	uint32_t dest;
};

static struct icr icr_decode(uint64_t icr)
{
	return (struct icr){
		.mode = (enum lapic_mode)(icr >> LAPIC_ICR_MODE_SHIFT & 7),
		.shorthand = (enum lapic_shorthand)(icr >> LAPIC_ICR_SHORTHAND_SHIFT & 3),
		.logical = icr & LAPIC_ICR_LOGICAL,
		.vector = (uint8_t)(icr & LAPIC_ICR_VECTOR),
		.dest = (uint32_t)(icr >> 32),
	};
}

/* Physical destinations only; nobody starts processors by logical ones. */
static bool addresses(const struct icr *i, const struct cpu *self, const struct cpu *cpu)
{
	switch (i->shorthand) {
	case LAPIC_TO_SELF:
		return cpu == self;
	case LAPIC_TO_ALL:
		return true;
	case LAPIC_TO_OTHERS:
		return cpu != self;
	case LAPIC_TO_DEST:
		break;
	}
	if (i->logical)
		return false;
	return i->dest == cpu->apic_id ||
	       i->dest == (lapic_is_x2apic() ? DEST_ALL_X2APIC : DEST_ALL_XAPIC);
}

static void start_ipi(const struct icr *i, const struct cpu *self)
{
	for (unsigned int n = 0; n < cpu_count; n++) {
		if (cpus[n] == self || !addresses(i, self, cpus[n]))
			continue;
		if (i->mode == LAPIC_INIT)
			root_init(cpus[n]);
		else
			root_sipi(cpus[n], i->vector);
	}
}

/* To a parked processor it would stay pending and hit the root's first instruction there. */
static void nmi_ipi(const struct icr *i, const struct cpu *self)
{
	for (unsigned int n = 0; n < cpu_count; n++) {
		if (addresses(i, self, cpus[n]) && cpus[n]->online)
			lapic_icr_write((uint64_t)cpus[n]->apic_id << 32 | LAPIC_ICR_ASSERT |
					LAPIC_NMI << LAPIC_ICR_MODE_SHIFT);
	}
}

void root_icr_write(struct root_vp *vp, uint64_t icr)
{
	struct icr i = icr_decode(icr);

	switch (i.mode) {
	case LAPIC_INIT:
		/* The "level de-assert" that may follow does nothing since the Pentium. */
		if ((icr & LAPIC_ICR_LEVEL) && !(icr & LAPIC_ICR_ASSERT))
			return;
		start_ipi(&i, vp->cpu);
		return;
	case LAPIC_SIPI:
		start_ipi(&i, vp->cpu);
		return;
	case LAPIC_NMI:
		if (!i.logical || i.shorthand != LAPIC_TO_DEST) {
			nmi_ipi(&i, vp->cpu);
			return;
		}
		break;
	case LAPIC_FIXED:
		break;
	}
	lapic_icr_write(icr);
}

void root_apic_write(struct root_vp *vp, unsigned int reg, uint32_t value)
{
	switch (reg) {
	case LAPIC_ICR_HIGH:
		/* Kept until the low half comes: our own IPIs use the register too. */
		vp->icr_high = value;
		return;
	case LAPIC_ICR_LOW:
		root_icr_write(vp, (uint64_t)(vp->icr_high >> 24) << 32 | value);
		return;
	case LAPIC_LVT_TIMER:
	case LAPIC_TIMER_INITIAL:
	case LAPIC_TIMER_DIVIDE:
		return; /* ours */
	case LAPIC_SVR:
		/*
		 * The last exit before Linux stops a processor for kexec or
		 * power-off, so the halt is armed here, not by the next one.
		 */
		vp->going_offline = !(value & LAPIC_SVR_ENABLE);
		if (vp->going_offline)
			vp->vmcb->intercept1 |= SVM_INTERCEPT_HLT;
		lapic_write(reg, value);
		/* Software-disabling the APIC masks every LVT, our timer's too. */
		timer_interrupt();
		return;
	default:
		lapic_write(reg, value);
		return;
	}
}

void root_exit_apic_store(struct root_vp *vp, uint64_t gpa)
{
	struct vmcb *v = vp->vmcb;
	unsigned int reg = (unsigned int)(gpa & ~PAGE_MASK);
	uint8_t *bytes = v->insn_bytes;
	unsigned int n = svm_insn_count(v);
	uint8_t fetched[INSN_LENGTH_MAX];
	struct insn insn;
	uint64_t value;

	if (!n) {
		bytes = fetched;
		n = root_read_virtual(vp, v->cs.base + v->rip, bytes, sizeof(fetched));
	}

	if (lapic_is_x2apic() || !insn_decode_mov(&insn, bytes, n, INSN_64) || !insn.store ||
	    insn.size != 4 || reg % 16) {
		log_line(
			"root: store to the local APIC not understood (offset %#x, rip %#llx, %u bytes %02x %02x %02x)",
			reg, (unsigned long long)v->rip, n, bytes[0], bytes[1], bytes[2]);
		root_inject_gp(vp);
		return;
	}
	value = insn.has_immediate ? insn.immediate : root_gpr(vp, insn.reg);
	root_apic_write(vp, reg, (uint32_t)value);
	root_skip(vp, insn.length);
}
