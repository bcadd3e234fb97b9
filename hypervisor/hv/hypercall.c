/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/hypercall.h"

#include "hypervisor/counters.h"
#include "hypervisor/cpu.h"
#include "hypervisor/fault.h"
#include "hypervisor/hv/stats.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/trace.h"
#include "lib/mem.h"

/* TLFS "Hypercall Inputs": what the fast form carries in two registers. */
#define FAST_SIZE 16u

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

static const struct hvcall_desc *find(uint16_t code)
{
	for (unsigned int i = 0; i < hvcall_table_size; i++) {
		if (hvcall_table[i].code == code)
			return &hvcall_table[i];
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
	if (c->fast && (d->is_rep || c->varhead || d->out_fixed || d->in_fixed > FAST_SIZE))
		return false;
	return true;
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

uint64_t hypercall_execute(struct partition *caller, struct hvcall_regs *r, void *in, void *out)
{
	struct control ctl = control_decode(r->control);
	const struct hvcall_desc *d = find(ctl.code);
	uint64_t fast[2] = { r->input, r->output };
	struct hvcall call;
	uint32_t in_size, out_size, out_start = 0;
	enum hv_status status;

	r->fault = false;
	if (!d)
		return result(HV_STATUS_INVALID_HYPERCALL_CODE, 0);
	if (!shape_ok(d, &ctl, r->control))
		return result(HV_STATUS_INVALID_HYPERCALL_INPUT, 0);

	in_size = d->in_fixed + ctl.varhead * 8 + ctl.rep_count * d->in_rep;
	out_size = d->out_fixed + ctl.rep_count * d->out_rep;
	if (ctl.fast) {
		copy(in, fast, sizeof(fast));
	} else {
		if ((in_size && !placed_ok(r->input, in_size)) ||
		    (out_size && !placed_ok(r->output, out_size)))
			return result(HV_STATUS_INVALID_ALIGNMENT, 0);
		if ((in_size && !phys_is_root_ram(r->input, in_size)) ||
		    (out_size && !phys_is_root_ram(r->output, out_size))) {
			r->fault = true;
			return 0;
		}
		copy(in, phys_to_virt(r->input), in_size);
	}
	memset(out, 0, out_size);

	call = (struct hvcall){
		.caller = caller,
		.code = ctl.code,
		.in = in,
		.in_size = in_size,
		.varhead = ctl.varhead,
		.out = out,
		.out_size = d->out_fixed,
		.rep_start = ctl.rep_start,
		.rep_count = ctl.rep_count,
		.reps_done = ctl.rep_start,
	};
	status = caller ? HV_STATUS_SUCCESS : fault_refuse(ctl.code);
	if (status == HV_STATUS_SUCCESS)
		status = d->fn(&call);

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

uint64_t hypercall_root(struct hvcall_regs *r)
{
	struct cpu *cpu = cpu_this();
	uint16_t code = (uint16_t)(r->control & HV_CONTROL_CODE_MASK);
	uint64_t answer = hypercall_execute(NULL, r, cpu->hvcall_in, cpu->hvcall_out);

	count(cpu->vp_stats, stats_hypercall_kind(code));
	trace(HV_TRACE_HYPERCALL, ROOT_PARTITION_ID, cpu->index, code, r->control, answer);
	return answer;
}

/*
 * Guests see HYPERCALL in their privileges only because Linux insists on it;
 * no call is open to them.
 */
uint64_t hypercall_guest(struct vp *vp __maybe_unused, struct hvcall_regs *r)
{
	r->fault = false;
	return result(HV_STATUS_INVALID_HYPERCALL_CODE, 0);
}
