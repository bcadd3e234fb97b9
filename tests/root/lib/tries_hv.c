/* SPDX-License-Identifier: MIT */
/* What random programs try of the hypervisor's interface for guests. */
#include <string.h>

#include "include/abi/hv/guest.h"
#include "include/abi/hv/msr.h"
#include "tests/root/lib/slot.h"

#define CODES_END 0x110u /* call codes beyond are not worth much */

static const uint16_t codes[] = {
	HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE,
	HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST,
	HVCALL_NOTIFY_LONG_SPIN_WAIT,
	HVCALL_SEND_IPI,
	HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE_EX,
	HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST_EX,
	HVCALL_SEND_IPI_EX,
	HVCALL_POST_MESSAGE,
	HVCALL_SIGNAL_EVENT,
};

static uint64_t some_control(struct rng *r)
{
	uint64_t control =
		rng_one_in(r, 8) ? rng_below(r, CODES_END) : (uint64_t)RNG_PICK(r, codes);
	uint64_t count =
		1 + (rng_one_in(r, 4) ? rng_odd(r) & HV_CONTROL_REP_MASK : rng_below(r, 8));

	/* Rep calls want a count, the others none. */
	if (rng_one_in(r, 2))
		control |= (count & HV_CONTROL_REP_MASK) << HV_CONTROL_REP_COUNT_SHIFT |
			   (rng_one_in(r, 2) ? 0 : (uint64_t)rng_below(r, (uint32_t)count + 1))
				   << HV_CONTROL_REP_START_SHIFT;
	if (rng_one_in(r, 2))
		control |=
			(rng_one_in(r, 8) ? rng_odd(r) & HV_CONTROL_VARHEAD_MASK : rng_below(r, 4))
			<< HV_CONTROL_VARHEAD_SHIFT;
	if (rng_one_in(r, 5))
		control |= HV_CONTROL_FAST;
	if (rng_one_in(r, 20))
		control |= 1ull << rng_below(r, 64);
	return control;
}

/* Where parameters lie: mostly well. */
static uint64_t some_place(struct rng *r)
{
	switch (rng_below(r, 8)) {
	case 0:
		return slot_address(r);
	case 1: /* across the end of their page, or of RAM */
		return (rng_one_in(r, 2) ? INPUT_AT + 0x2000 : RAM_END) - 8 * rng_below(r, 8);
	case 2:
		return INPUT_AT + rng_below(r, 0x2000);
	default:
		return INPUT_AT + rng_below(r, INPUTS) * INPUT_BYTES;
	}
}

void try_hypercall(struct slot *s)
{
	uint64_t control = some_control(s->r);
	uint64_t input = some_place(s->r), output = some_place(s->r);

	/* Two registers are the parameters of a fast one. */
	if (control & HV_CONTROL_FAST && rng_one_in(s->r, 2)) {
		input = 0x10 + rng_below(s->r, 0xf0);
		output = rng_below(s->r, 8);
	}
	if (s->bits == 64) {
		PUT(s, 0x48, 0xb9);
		slot_put(s, &control, 8);
		slot_load(s, DX, input);
		slot_put8(s, 0x41);
		slot_load(s, AX, output); /* with REX.B: R8 */
	} else {
		slot_load(s, AX, control);
		slot_load(s, DX, control >> 32);
		/* EBX and EDI, the upper halves, as they are. */
		slot_load(s, CX, input);
		if (s->bits == 32)
			slot_load(s, SI, output);
	}
	if (s->bits != 16 && rng_one_in(s->r, 3)) {
		uint32_t distance = HYPERCALL_AT - (s->at + s->used + 5);

		slot_put8(s, 0xe8);
		slot_put32(s, distance);
	} else {
		PUT(s, 0x0f, 0x01, rng_one_in(s->r, 8) ? 0xc1 : 0xd9);
	}
}

/* SynIC, shared pages, local APIC by MSR, with values that mean something. */
void try_synthetic(struct slot *s)
{
	uint32_t page = SHARED_AT + rng_below(s->r, SHARED_PAGES) * 0x1000;
	uint64_t shared = (rng_one_in(s->r, 6) ? slot_address(s->r) : page) | !rng_one_in(s->r, 6);
	uint64_t sint = rng_below(s->r, 0x100) | (uint64_t)rng_below(s->r, 8) << 16;

	switch (rng_below(s->r, 14)) {
	case 0:
		slot_wrmsr(s, HV_MSR_GUEST_OS_ID, rng_below(s->r, 3));
		break;
	case 1: /* seldom locked */
		slot_wrmsr(s, HV_MSR_HYPERCALL,
			   (rng_one_in(s->r, 2) ? HYPERCALL_AT : shared) | 1 |
				   (rng_one_in(s->r, 16) ? 2 : 0));
		break;
	case 2:
		slot_wrmsr(s, HV_MSR_REFERENCE_TSC, shared);
		break;
	case 3:
		slot_wrmsr(s, HV_MSR_VP_ASSIST_PAGE, shared);
		break;
	case 4:
		slot_wrmsr(s, HV_MSR_SIEFP, shared);
		break;
	case 5:
		slot_wrmsr(s, HV_MSR_SIMP, shared);
		break;
	case 6:
		slot_wrmsr(s, HV_MSR_SCONTROL, !rng_one_in(s->r, 4));
		break;
	case 7:
	case 8:
		slot_wrmsr(s, HV_MSR_SINT0 + rng_below(s->r, 16), sint);
		break;
	case 9:
		slot_wrmsr(s, HV_MSR_EOM, 0);
		break;
	case 10:
		slot_wrmsr(s, HV_MSR_EOI, 0);
		break;
	case 11:
		slot_wrmsr(s, HV_MSR_TPR, rng_below(s->r, 0x100));
		break;
	case 12:
		slot_load(s, CX, HV_MSR_GUEST_IDLE);
		PUT(s, 0xfb, 0x0f, 0x32);
		break;
	default: /* a word in a shared page: "no EOI", message pending, an event flag */
		slot_store32(s, page + rng_below(s->r, 64) * 4, rng_odd(s->r));
		break;
	}
}

/* Synthetic timers and the local APIC's, soon. */
void try_timer(struct slot *s)
{
	static const uint64_t flags[] = { HV_STIMER_ENABLE, HV_STIMER_PERIODIC, HV_STIMER_LAZY,
					  HV_STIMER_AUTO_ENABLE, HV_STIMER_DIRECT };
	uint64_t config = (uint64_t)rng_below(s->r, 256) << HV_STIMER_VECTOR_SHIFT |
			  (uint64_t)rng_below(s->r, 16) << HV_STIMER_SINT_SHIFT;
	uint32_t which = rng_below(s->r, HV_STIMER_COUNT);

	switch (rng_below(s->r, 6)) {
	case 0:
	case 1:
		for (unsigned int i = 0; i < 5; i++)
			config |= rng_one_in(s->r, 2) ? flags[i] : 0;
		slot_wrmsr(s, HV_MSR_STIMER0_CONFIG + 2 * which, config);
		break;
	case 2:
		slot_wrmsr(s, HV_MSR_STIMER0_COUNT + 2 * which,
			   rng_one_in(s->r, 3) ? rng_odd(s->r) : rng_below(s->r, 20000));
		break;
	case 3: /* LVT: vector, mask, mode */
		slot_wrmsr(s, 0x832, rng_below(s->r, 256) | (uint64_t)rng_below(s->r, 8) << 16);
		break;
	case 4:
		slot_wrmsr(s, 0x838, rng_odd(s->r));
		break;
	default: /* TSC deadline */
		slot_wrmsr(s, 0x6e0, rng_odd(s->r));
		break;
	}
}

/* Of any kind: by the xAPIC page, the x2APIC's MSR, the hypervisor's. */
void try_ipi(struct slot *s)
{
	uint32_t command = rng_below(s->r, 256) | rng_below(s->r, 8) << 8 |
			   rng_below(s->r, 2) << 11 | rng_below(s->r, 4) << 14 |
			   rng_below(s->r, 4) << 18;
	uint32_t to = rng_one_in(s->r, 4) ? (uint32_t)rng_odd(s->r) : rng_below(s->r, 3);

	/* SIPI to where there is code. */
	if ((command >> 8 & 7) == 6)
		command = (command & ~0xffu) | (rng_one_in(s->r, 2) ? 0x0a : 0x04);
	switch (rng_below(s->r, 4)) {
	case 0:
		slot_store32(s, LAPIC_AT + 0x310, to << 24);
		slot_store32(s, LAPIC_AT + 0x300, command);
		break;
	case 1:
		slot_wrmsr(s, 0x830, (uint64_t)to << 32 | command);
		break;
	case 2:
		slot_wrmsr(s, HV_MSR_ICR, (uint64_t)(to << 24) << 32 | command);
		break;
	default: /* switch it on, and between its modes */
		slot_wrmsr(s, 0x1b, LAPIC_AT | (uint64_t)rng_below(s->r, 4) << 10 | 0x100);
		break;
	}
}

void slot_inputs(uint8_t *ram, struct rng *r)
{
	for (uint32_t i = 0; i < 2 * 0x1000 / 8; i++) {
		uint64_t v = rng_odd(r);

		memcpy(ram + INPUT_AT + i * 8, &v, 8);
	}
	for (uint32_t i = 0; i < INPUTS; i++) {
		uint8_t *at = ram + INPUT_AT + i * INPUT_BYTES;
		/* First words of one that flushes, or sends, to a mask or a set. */
		uint64_t flush[] = {
			rng_odd(r), rng_below(r, 20), rng_below(r, 2), rng_below(r, 8), 3, 1
		};
		uint64_t send[] = { 0x10 + rng_below(r, 0xf4), rng_below(r, 8), rng_below(r, 4), 3,
				    1 };

		if (i & 1)
			memcpy(at, send, sizeof(send));
		else
			memcpy(at, flush, sizeof(flush));
	}
}
