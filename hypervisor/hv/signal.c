/* SPDX-License-Identifier: MIT */
/*
 * Blocked VPs and the signals that end it. The root sleeps after DISPATCH_VP
 * said BLOCKED, so every event that makes such a VP runnable signals it, once;
 * the root compares its count of signals with ours when the VP is torn down
 * (VP_ROOT_SIGNAL_COUNT), so the count is exact, and counted before it is sent.
 *
 *   running ──BLOCKED──> blocked ──vp_wake──> signalled ──DISPATCH──> running
 */
#include "hypervisor/cpu.h"
#include "hypervisor/hv/vp.h"
#include "hypervisor/hw/lapic.h"
#include "hypervisor/trace.h"

bool vp_runnable(struct vp *vp)
{
	const struct vlapic *a = &vp->apic;

	if (vp->explicit_suspend || vp->dispatch_suspend)
		return false;
	if (vp->wait_sipi)
		return a->sipi_pending;
	if (!vp->halted || vp->cpu.event.valid || a->init_pending || vp->todo || vp->missing)
		return true;
	if (a->nmi_pending && !vp->cpu.nmi_masked)
		return true;
	return ((vp->cpu.rflags & RFLAGS_IF) || vp->idle) &&
	       (a->extint_pending || vlapic_deliverable(vp) >= 0);
}

void vp_wake(struct vp *vp)
{
	if (!vp->blocked) {
		if (vp->cpu.in_guest && vp->cpu.host != cpu_this())
			lapic_kick(vp->cpu.host);
		return;
	}
	if (!vp_runnable(vp))
		return;
	vp_set_blocked(vp, false);
	/* Before the next load: who is told of an earlier one looks at the counter. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* One that is still to be told serves for this as well. */
	if (READ_ONCE(vp->signal.cpu))
		return;
	vp->signal_count++;
	trace(HV_TRACE_SIGNAL, vp->partition->id, vp->index, 0, vp->cpu.host->index, 0);
	synic_signal_vp(vp->cpu.host, &vp->signal);
}

void vp_missing(struct vp *vp, uint64_t gpa, bool write)
{
	lock_scope(&vp->lock);
	vp->missing = (gpa & PAGE_MASK) | VP_MISSING_VALID | (write ? VP_MISSING_WRITE : 0);
	vp_wake(vp);
}
