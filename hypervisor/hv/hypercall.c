/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/hypercall.h"

#include "hypervisor/counters.h"
#include "hypervisor/cpu.h"
#include "hypervisor/fault.h"
#include "hypervisor/hv/gpa.h"
#include "hypervisor/hv/vp.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/trace.h"
#include "lib/mem.h"

/* TLFS "Hypercall Inputs": what the fast form carries in two registers. */
#define FAST_SIZE 16u

/*
 * TLFS "Hypercall Continuation": what takes long is done in turns, between which the
 * caller takes its interrupts. Those that are passed in memory are never that long,
 * so a deposit stays whole. On hardware a turn takes some 50 us.
 */
#define REPS_PER_TURN 512u

struct control {
	uint16_t code;
	bool fast;
	uint32_t varhead; /* qwords */
	uint32_t rep_count, rep_start;
};

static struct control control_decode(uint64_t word)
{
	return (struct control){
		.code = (uint16_t)(word & HV_CONTROL_CODE_MASK),
		.fast = word & HV_CONTROL_FAST,
		.varhead = (uint32_t)(word >> HV_CONTROL_VARHEAD_SHIFT & HV_CONTROL_VARHEAD_MASK),
		.rep_count = (uint32_t)(word >> HV_CONTROL_REP_COUNT_SHIFT & HV_CONTROL_REP_MASK),
		.rep_start = (uint32_t)(word >> HV_CONTROL_REP_START_SHIFT & HV_CONTROL_REP_MASK),
	};
}

static const struct hvcall_desc *find(const struct vp *vp, uint16_t code)
{
	const struct hvcall_desc *d = vp ? hvcall_guest_table : hvcall_table;
	unsigned int n = vp ? hvcall_guest_table_size : hvcall_table_size;

	for (; n; n--, d++) {
		if (d->code == code)
			return d;
	}
	return NULL;
}

/* Does the control word fit the call? TLFS "Hypercall Status Codes". */
static bool shape_ok(const struct hvcall_desc *d, const struct control *c, uint64_t word)
{
	if (word & (HV_CONTROL_RESERVED | HV_CONTROL_NESTED))
		return false;
	if (c->varhead && !d->has_varhead)
		return false;
	if (d->is_rep && (c->rep_count == 0 || c->rep_start >= c->rep_count))
		return false;
	if (!d->is_rep && (c->rep_count || c->rep_start))
		return false;
	return true;
}

/* Two registers: the forms that use XMM registers are not advertised. */
static bool fast_ok(const struct hvcall_desc *d, const struct control *c)
{
	return !d->is_rep && !c->varhead && !d->out_fixed && d->in_fixed <= FAST_SIZE;
}

/* "8-byte aligned, must not cross a page." */
static bool placed_ok(uint64_t gpa, uint32_t size)
{
	return IS_ALIGNED(gpa, 8) && (gpa & ~PAGE_MASK) + size <= PAGE_SIZE;
}

/* By qwords: parameter lists are aligned, and byte copies are slow on emulated processors. */
static void copy(void *to, const void *from, uint32_t size)
{
	uint64_t *t = to;
	const uint64_t *f = from;
	uint32_t qwords = size / 8;

	for (uint32_t i = 0; i < qwords; i++)
		t[i] = READ_ONCE(f[i]);
	memcpy(t + qwords, f + qwords, size % 8);
}

static uint64_t result(enum hv_status status, uint32_t reps_done)
{
	return (uint64_t)status | (uint64_t)reps_done << HV_RESULT_REPS_SHIFT;
}

/* The caller's input; false: r->fault or vp->missing says why. */
static bool fetch(struct vp *vp, struct hvcall_regs *r, void *in, uint32_t size)
{
	if (vp) {
		if (gpa_read(vp->partition, r->input, in, size) == GPA_OK)
			return true;
		/* TLFS "Alignment Requirements": a memory intercept. */
		vp_missing(vp, r->input, false);
		return false;
	}
	if (size && !phys_is_root_ram(r->input, size)) {
		r->fault = VECTOR_GP;
		return false;
	}
	copy(in, phys_to_virt(r->input), size);
	return true;
}

uint64_t hypercall_execute(struct vp *vp, struct hvcall_regs *r, void *in, void *out)
{
	struct control ctl = control_decode(r->control);
	const struct hvcall_desc *d = find(vp, ctl.code);
	uint64_t fast[2] = { r->input, r->output };
	struct hvcall call;
	uint32_t in_size, out_size, out_start = 0;
	enum hv_status status;

	r->fault = 0;
	r->again = false;
	r->kind = d ? d->kind : VP_COUNTER_OTHER_HYPERCALLS;
	if (!d)
		return result(HV_STATUS_INVALID_HYPERCALL_CODE, 0);
	if (vp && !partition_has(vp->partition, (enum hv_synthetic_feature)d->feature))
		return result(HV_STATUS_ACCESS_DENIED, 0);
	if (!shape_ok(d, &ctl, r->control))
		return result(HV_STATUS_INVALID_HYPERCALL_INPUT, 0);
	if (ctl.fast && !fast_ok(d, &ctl)) {
		/* TLFS "XMM Fast Hypercall Input": #UD; Linux as root asks for none. */
		r->fault = vp ? VECTOR_UD : 0;
		return result(HV_STATUS_INVALID_HYPERCALL_INPUT, 0);
	}

	in_size = d->in_fixed + ctl.varhead * 8 + ctl.rep_count * d->in_rep;
	out_size = d->out_fixed + ctl.rep_count * d->out_rep;
	if (ctl.fast) {
		copy(in, fast, sizeof(fast));
	} else {
		if ((in_size && !placed_ok(r->input, in_size)) ||
		    (out_size && !placed_ok(r->output, out_size)))
			return result(HV_STATUS_INVALID_ALIGNMENT, 0);
		/* No guest's call has output. */
		if (out_size && !phys_is_root_ram(r->output, out_size)) {
			r->fault = VECTOR_GP;
			return 0;
		}
		if (!fetch(vp, r, in, in_size))
			return 0;
	}
	memset(out, 0, out_size);

	call = (struct hvcall){
		.vp = vp,
		.code = ctl.code,
		.in = in,
		.in_size = in_size,
		.varhead = ctl.varhead,
		.out = out,
		.out_size = d->out_fixed,
		.rep_start = ctl.rep_start,
		.rep_count = MIN(ctl.rep_count, ctl.rep_start + REPS_PER_TURN),
		.reps_done = ctl.rep_start,
	};
	status = vp ? HV_STATUS_SUCCESS : fault_refuse(ctl.code);
	if (status == HV_STATUS_SUCCESS)
		status = hvcall_run(d, &call);
	r->again = status == HV_STATUS_SUCCESS &&
		   (call.again || call.rep_count < ctl.rep_count);
	if (r->again)
		r->control += (uint64_t)(call.reps_done - ctl.rep_start)
			      << HV_CONTROL_REP_START_SHIFT;

	CHECK(call.reps_done <= ctl.rep_count);
	/* Of a rep call, what this turn did: earlier elements are the caller's already. */
	if (d->is_rep) {
		out_start = d->out_fixed + ctl.rep_start * d->out_rep;
		out_size = d->out_fixed + call.reps_done * d->out_rep;
	} else {
		out_size = status == HV_STATUS_SUCCESS ? MIN(call.out_size, out_size) : 0;
	}
	if (out_size > out_start && !ctl.fast) {
		void *to = phys_to_virt(r->output + out_start);
		const uint8_t *from = (const uint8_t *)out + out_start;

		if (IS_ALIGNED(out_start, 8))
			copy(to, from, out_size - out_start);
		else
			memcpy(to, from, out_size - out_start);
	}
	return result(status, call.reps_done);
}

static uint64_t counted(struct counters *stats, uint64_t partition, uint32_t vp,
			const struct hvcall_regs *r, uint64_t answer)
{
	count(stats, r->kind);
	trace(HV_TRACE_HYPERCALL, partition, vp, r->control & HV_CONTROL_CODE_MASK, r->control,
	      answer);
	return answer;
}

uint64_t hypercall_root(struct hvcall_regs *r)
{
	struct cpu *cpu = cpu_this();

	return counted(cpu->vp_stats, ROOT_PARTITION_ID, cpu->index, r,
		       hypercall_execute(NULL, r, cpu->hvcall_in, cpu->hvcall_out));
}

/* The root's DISPATCH_VP is done with its input buffer by now. */
uint64_t hypercall_guest(struct vp *vp, struct hvcall_regs *r)
{
	return counted(vp->stats, vp->partition->id, vp->index, r,
		       hypercall_execute(vp, r, cpu_this()->hvcall_in, NULL));
}
