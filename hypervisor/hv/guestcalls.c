/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls a guest may make; each is granted by a synthetic feature of its
 * partition. None has output, and the fast form is the plain one of two
 * registers. Called from the caller's own dispatch, run_lock held, no other.
 */
#include "abi/hv/guest.h"
#include "abi/hv/msr.h"
#include "hypervisor/hv/gpa.h"
#include "hypervisor/hv/hypercall.h"
#include "hypervisor/hv/vp.h"
#include "lib/mem.h"

#define BANKS	     (PARTITION_VPS_MAX / 64)
#define FIRST_VECTOR 16u
#define VTL_MASK     0xfu

/* TLFS "HV_VP_SET"; VPs that do not exist are nobody. */
static enum hv_status vp_set(const struct hvcall *c, const struct hv_vp_set *set,
			     uint64_t vps[BANKS])
{
	const uint64_t *bank = (const uint64_t *)(set + 1);
	unsigned int given = 0;

	if (set->format == HV_VP_SET_ALL) {
		memset(vps, 0xff, BANKS * sizeof(*vps));
		return HV_STATUS_SUCCESS;
	}
	if (set->format != HV_VP_SET_SPARSE_4K)
		return HV_STATUS_INVALID_PARAMETER;
	for (unsigned int i = 0; i < 64; i++) {
		if (!(set->valid_banks & BIT64(i)))
			continue;
		if (given == c->varhead)
			return HV_STATUS_INVALID_HYPERCALL_INPUT;
		if (i < BANKS)
			vps[i] = bank[given];
		given++;
	}
	return given == c->varhead ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_HYPERCALL_INPUT;
}

/* --- translations: whatever is asked for, the VP's all go --- */

static enum hv_status flush(struct hvcall *c, uint64_t flags, uint64_t vps[BANKS])
{
	if (flags & ~HV_FLUSH_FLAGS)
		return HV_STATUS_INVALID_PARAMETER;
	if (flags & HV_FLUSH_ALL_PROCESSORS)
		memset(vps, 0xff, BANKS * sizeof(*vps));
	gpa_flush(c->vp->partition, vps);
	c->reps_done = c->rep_count;
	return HV_STATUS_SUCCESS;
}

static enum hv_status call_flush(struct hvcall *c)
{
	const struct hv_input_flush *in = c->in;
	uint64_t vps[BANKS] = { in->processor_mask };

	return flush(c, in->flags, vps);
}

static enum hv_status call_flush_ex(struct hvcall *c)
{
	const struct hv_input_flush_ex *in = c->in;
	uint64_t vps[BANKS] = { 0 };
	enum hv_status status = vp_set(c, &in->set, vps);

	return status == HV_STATUS_SUCCESS ? flush(c, in->flags, vps) : status;
}

/* --- interrupts --- */

static enum hv_status send(struct partition *p, uint32_t vector, uint8_t vtl,
			   const uint64_t vps[BANKS])
{
	if (vector < FIRST_VECTOR || vector > 255 || (vtl & VTL_MASK))
		return HV_STATUS_INVALID_PARAMETER;
	lock_scope(&p->lock);
	for_each_vp(vp, p) {
		if (!(vps[vp->index / 64] & BIT64(vp->index % 64)))
			continue;
		lock_scope(&vp->lock);
		vlapic_accept(vp, (uint8_t)vector, false);
		vp_wake(vp);
	}
	return HV_STATUS_SUCCESS;
}

static enum hv_status call_send_ipi(struct hvcall *c)
{
	const struct hv_input_send_ipi *in = c->in;
	uint64_t vps[BANKS] = { in->processor_mask };

	return send(c->vp->partition, in->vector, in->target_vtl, vps);
}

static enum hv_status call_send_ipi_ex(struct hvcall *c)
{
	const struct hv_input_send_ipi_ex *in = c->in;
	uint64_t vps[BANKS] = { 0 };
	enum hv_status status = vp_set(c, &in->set, vps);

	return status == HV_STATUS_SUCCESS ?
		       send(c->vp->partition, in->vector, in->target_vtl, vps) :
		       status;
}

/* --- the rest --- */

/* The dispatch gives the processor up. */
static enum hv_status call_long_spin_wait(struct hvcall *c __maybe_unused)
{
	return HV_STATUS_SUCCESS;
}

/* There are no ports for guests, so no connection leads anywhere. */
static enum hv_status call_connection(struct hvcall *c)
{
	uint64_t privilege = c->code == HVCALL_POST_MESSAGE ? HV_PRIVILEGE_POST_MESSAGES :
							      HV_PRIVILEGE_SIGNAL_EVENTS;

	return c->vp->partition->privileges & privilege << 32 ? HV_STATUS_INVALID_CONNECTION_ID :
								HV_STATUS_ACCESS_DENIED;
}

#define FEATURE(feature_) .feature = HV_SYNTHETIC_##feature_

const struct hvcall_desc hvcall_guest_table[] = {
	{ CALL(HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE, MMU, call_flush),
	  FEATURE(TLB_FLUSH), CALL_IN(hv_input_flush) },
	{ CALL(HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST, MMU, call_flush),
	  FEATURE(TLB_FLUSH), CALL_IN(hv_input_flush), CALL_REPS(8, 0) },
	{ CALL(HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE_EX, MMU, call_flush_ex),
	  FEATURE(PROCESSOR_MASKS), CALL_IN(hv_input_flush_ex), .has_varhead = 1 },
	{ CALL(HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST_EX, MMU, call_flush_ex),
	  FEATURE(PROCESSOR_MASKS), CALL_IN(hv_input_flush_ex), .has_varhead = 1, CALL_REPS(8, 0) },
	{ CALL(HVCALL_SEND_IPI, INTERRUPT, call_send_ipi),
	  FEATURE(CLUSTER_IPI), CALL_IN(hv_input_send_ipi) },
	{ CALL(HVCALL_SEND_IPI_EX, INTERRUPT, call_send_ipi_ex),
	  FEATURE(PROCESSOR_MASKS), CALL_IN(hv_input_send_ipi_ex), .has_varhead = 1 },
	{ CALL(HVCALL_NOTIFY_LONG_SPIN_WAIT, LONG_SPIN_WAIT, call_long_spin_wait),
	  FEATURE(LONG_SPIN_WAIT), .in_fixed = 8 },
	{ CALL(HVCALL_POST_MESSAGE, SYNIC, call_connection),
	  FEATURE(PRESENT), CALL_IN(hv_input_post_message) },
	{ CALL(HVCALL_SIGNAL_EVENT, SYNIC, call_connection),
	  FEATURE(PRESENT), CALL_IN(hv_input_signal_event) },
};

const unsigned int hvcall_guest_table_size = ARRAY_SIZE(hvcall_guest_table);

/* --- the exit --- */

/* TLFS "Legal Hypercall Environments": not from user mode, not from real mode. */
bool guestcalls_exit(struct vp *vp, uint8_t insn_len)
{
	struct vcpu *v = &vp->cpu;
	bool wide = vcpu_long64(v);
	struct hvcall_regs r = {
		.control = wide ? v->gpr[VCPU_RCX] : vcpu_pair(v, VCPU_RDX, VCPU_RAX),
		.input = wide ? v->gpr[VCPU_RDX] : vcpu_pair(v, VCPU_RBX, VCPU_RCX),
		.output = wide ? v->gpr[8] : vcpu_pair(v, VCPU_RDI, VCPU_RSI),
	};
	uint64_t result;

	if (vcpu_cpl(v) != 0 || !(v->cr0 & CR0_PE) || !(vp->partition->hypercall_msr & 1)) {
		vcpu_inject(v, VECTOR_UD, false, 0);
		return false;
	}
	result = hypercall_guest(vp, &r);
	if (r.fault) {
		vcpu_inject(v, r.fault, false, 0);
		return false;
	}
	if (vp->missing) /* the same again, when its input is there */
		return false;
	v->gpr[VCPU_RAX] = wide ? result : (uint32_t)result;
	if (!wide)
		v->gpr[VCPU_RDX] = result >> 32;
	vp_skip(vp, insn_len);
	/* It spins for a processor that perhaps wants this one. */
	return (r.control & HV_CONTROL_CODE_MASK) == HVCALL_NOTIFY_LONG_SPIN_WAIT;
}
