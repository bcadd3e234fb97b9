/* SPDX-License-Identifier: MIT */
/* Hypercalls by a guest: who may, in which form, and what they do. */
#include "tests/unit/hv_guest_run.h"

#define INPUT	      0x2000u
#define FAST	      HV_CONTROL_FAST
#define REPS(n)	      ((uint64_t)(n) << HV_CONTROL_REP_COUNT_SHIFT)
#define START(n)      ((uint64_t)(n) << HV_CONTROL_REP_START_SHIFT)
#define VARHEAD(n)    ((uint64_t)(n) << HV_CONTROL_VARHEAD_SHIFT)
#define REFUSED_INPUT HV_STATUS_INVALID_HYPERCALL_INPUT

static struct vp *other[3];
static uint64_t control, input, output, result;
static int fault; /* vector the guest is given, -1: none */

static void calls(struct vcpu *v, struct vcpu_exit *e)
{
	if (rig_entries == 1) {
		v->gpr[VCPU_RCX] = control;
		v->gpr[VCPU_RDX] = input;
		v->gpr[8] = output;
		v->gpr[VCPU_RAX] = 0xdead;
		*e = (struct vcpu_exit){ .reason = VCPU_EXIT_HYPERCALL, .insn_len = 3 };
		return;
	}
	fault = v->event.valid ? v->event.vector : -1;
}

static uint64_t call(uint64_t word, uint64_t in, uint64_t out)
{
	control = word;
	input = in;
	output = out;
	fault = -1;
	vp->cpu.rip = 0x1000;
	rig_guest = calls;
	rig_dispatch(vp, CLEAR);
	/* Not carried out: what it began with. */
	result = vp->cpu.gpr[VCPU_RAX];
	return result;
}

static void *input_page(void)
{
	return rig_page(ram + (INPUT >> PAGE_SHIFT));
}

static uint64_t with(uint64_t word, const void *in, size_t size)
{
	memset(input_page(), 0xee, PAGE_SIZE);
	memcpy(input_page(), in, size);
	return call(word, INPUT, 0);
}

static int calls_setup(void **state)
{
	run_setup(state);
	for (unsigned int i = 0; i < ARRAY_SIZE(other); i++) {
		other[i] = rig_vp(partition, i + 1);
		vlapic_write(other[i], 0xf0, 0x1ff);
		other[i]->cpu.flush = 0;
	}
	vlapic_write(vp, 0xf0, 0x1ff);
	vp->partition->hypercall_msr = 1;
	vp->cpu.cr0 = CR0_PE | CR0_PG;
	vp->cpu.efer = EFER_LMA | EFER_LME;
	vp->cpu.seg[VCPU_CS].attributes |= SEG_LONG;
	return 0;
}

static bool requested(const struct vp *to, uint8_t vector)
{
	return to->apic.irr[vector / 32] & BIT32(vector % 32);
}

/* Which of VPs 1 … 3 have @vector requested, as bits 1 … 3; and withdraw it. */
static unsigned int got(uint8_t vector)
{
	unsigned int who = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(other); i++) {
		who |= requested(other[i], vector) ? BIT32(i + 1) : 0;
		memset(other[i]->apic.irr, 0, sizeof(other[i]->apic.irr));
	}
	return who;
}

static unsigned int flushed(void)
{
	unsigned int who = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(other); i++) {
		who |= other[i]->cpu.flush ? BIT32(i + 1) : 0;
		other[i]->cpu.flush = 0;
	}
	return who;
}

/* --- environment and form --- */

static void test_environment(void **state)
{
	(void)state;
	assert_int_equal(call(HVCALL_SEND_IPI | FAST, 0x50, 2), 0);
	assert_int_equal(fault, -1);
	assert_int_equal(vp->cpu.rip, 0x1003);
	assert_int_equal(got(0x50), 2);

	vp->cpu.seg[VCPU_SS].attributes |= 3 << 5; /* user mode */
	call(HVCALL_SEND_IPI | FAST, 0x50, 2);
	assert_int_equal(fault, VECTOR_UD);
	vp->cpu.seg[VCPU_SS].attributes &= ~(3 << 5);
	vp->cpu.cr0 = 0; /* real mode */
	call(HVCALL_SEND_IPI | FAST, 0x50, 2);
	assert_int_equal(fault, VECTOR_UD);
	vp->cpu.cr0 = CR0_PE | CR0_PG;
	vp->partition->hypercall_msr = 0;
	call(HVCALL_SEND_IPI | FAST, 0x50, 2);
	assert_int_equal(fault, VECTOR_UD);
	assert_int_equal(vp->cpu.rip, 0x1000);
	assert_int_equal(got(0x50), 0);
}

static void test_access(void **state)
{
	static const struct {
		uint64_t word;
		uint8_t feature;
	} gate[] = {
		{ HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE, 25 },
		{ HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST | REPS(1), 25 },
		{ HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE_EX, 24 },
		{ HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST_EX | REPS(1), 24 },
		{ HVCALL_SEND_IPI, 26 },
		{ HVCALL_SEND_IPI_EX, 24 },
		{ HVCALL_NOTIFY_LONG_SPIN_WAIT, 27 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(gate); i++) {
		vp->partition->synthetic_features = ~BIT64(gate[i].feature);
		assert_int_equal(call(gate[i].word, INPUT, 0), HV_STATUS_ACCESS_DENIED);
		vp->partition->synthetic_features = ~0ULL;
		assert_int_not_equal(call(gate[i].word, INPUT, 0), HV_STATUS_ACCESS_DENIED);
	}
	/* The root's calls do not exist for guests. */
	assert_int_equal(call(HVCALL_GET_PARTITION_ID, 0, INPUT), HV_STATUS_INVALID_HYPERCALL_CODE);
	assert_int_equal(call(HVCALL_MAP_GPA_PAGES | REPS(1), INPUT, 0),
			 HV_STATUS_INVALID_HYPERCALL_CODE);
	assert_int_equal(call(0, 0, 0), HV_STATUS_INVALID_HYPERCALL_CODE);
	assert_int_equal(call(0xffff | BIT64(31), 0, 0), HV_STATUS_INVALID_HYPERCALL_CODE);
}

static void test_control_word(void **state)
{
	const uint64_t simple = HVCALL_SEND_IPI, rep = HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST;

	(void)state;
	memset(input_page(), 0, PAGE_SIZE);
	assert_int_equal(call(simple | REPS(1), INPUT, 0), REFUSED_INPUT);
	assert_int_equal(call(simple | START(1), INPUT, 0), REFUSED_INPUT);
	assert_int_equal(call(simple | VARHEAD(1), INPUT, 0), REFUSED_INPUT);
	for (unsigned int bit = 27; bit < 64; bit++) {
		if (bit < 32 || (bit >= 44 && bit < 48) || bit >= 60)
			assert_int_equal(call(simple | BIT64(bit), INPUT, 0), REFUSED_INPUT);
	}
	assert_int_equal(call(rep, INPUT, 0), REFUSED_INPUT);
	assert_int_equal(call(rep | REPS(2) | START(2), INPUT, 0), REFUSED_INPUT);
	assert_int_equal(call(rep | VARHEAD(1) | REPS(1), INPUT, 0), REFUSED_INPUT);
	/* Fast forms with more than two registers need XMM: not offered. */
	call(rep | FAST | REPS(1), 0, 0);
	assert_int_equal(fault, VECTOR_UD);
	call(HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE | FAST, 0, 0);
	assert_int_equal(fault, VECTOR_UD);
	call(HVCALL_SEND_IPI_EX | FAST, 0x50, 1);
	assert_int_equal(fault, VECTOR_UD);
	/* Placement: aligned, in one page, whatever the length. */
	assert_int_equal(call(simple, INPUT + 4, 0), HV_STATUS_INVALID_ALIGNMENT);
	assert_int_equal(call(simple, INPUT + 0xff8, 0), HV_STATUS_INVALID_ALIGNMENT);
	assert_int_equal(call(rep | REPS(510), INPUT, 0), HV_STATUS_INVALID_ALIGNMENT);
	assert_int_equal(call(rep | REPS(509), INPUT, 0), 509ULL << HV_RESULT_REPS_SHIFT);
	assert_int_equal(call(HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE_EX | VARHEAD(1023), INPUT, 0),
			 HV_STATUS_INVALID_ALIGNMENT);
	/* Later elements of a call that was interrupted. */
	assert_int_equal(call(rep | REPS(5) | START(3), INPUT, 0), 5ULL << HV_RESULT_REPS_SHIFT);
}

/* Input the root has not populated: asked for, and the instruction again. */
static void test_input_not_populated(void **state)
{
	const struct hv_x64_memory_intercept *m = (void *)vp->message->payload;
	const struct hv_input_send_ipi ipi = { .vector = 0x51, .processor_mask = 8 };
	uint64_t pfn;

	(void)state;
	rig_map(partition, 0x30, 1, HV_MAP_GPA_NO_ACCESS);
	call(HVCALL_SEND_IPI, 0x30010, 0);
	assert_int_equal(result, 0xdead);
	assert_int_equal(vp->message->header.type, HV_MESSAGE_GPA_INTERCEPT);
	assert_int_equal(m->gpa, 0x30000);
	assert_int_equal(m->header.access, HV_ACCESS_READ);
	assert_int_equal(vp->cpu.rip, 0x1000);
	pfn = rig_map(partition, 0x30, 1, RWX);
	memcpy((uint8_t *)rig_page(pfn) + 0x10, &ipi, sizeof(ipi));
	assert_int_equal(call(HVCALL_SEND_IPI, 0x30010, 0), 0);
	assert_int_equal(got(0x51), 8);
	/* No memory at all: the VMM's business (TLFS "Alignment Requirements"). */
	call(HVCALL_SEND_IPI, 0x7000000, 0);
	assert_int_equal(vp->message->header.type, HV_MESSAGE_UNMAPPED_GPA);
	assert_int_equal(vp->cpu.rip, 0x1000);
}

static void calls32(struct vcpu *v, struct vcpu_exit *e)
{
	if (rig_entries == 1) {
		v->gpr[VCPU_RDX] = ~0ULL << 32 | control >> 32;
		v->gpr[VCPU_RAX] = ~0ULL << 32 | (uint32_t)control;
		v->gpr[VCPU_RBX] = ~0ULL << 32 | input >> 32;
		v->gpr[VCPU_RCX] = ~0ULL << 32 | (uint32_t)input;
		v->gpr[VCPU_RDI] = ~0ULL << 32 | output >> 32;
		v->gpr[VCPU_RSI] = ~0ULL << 32 | (uint32_t)output;
		*e = (struct vcpu_exit){ .reason = VCPU_EXIT_HYPERCALL, .insn_len = 3 };
		return;
	}
	result = v->gpr[VCPU_RDX] << 32 | (uint32_t)v->gpr[VCPU_RAX];
}

static void test_32_bit(void **state)
{
	(void)state;
	vp->cpu.seg[VCPU_CS].attributes &= (uint16_t)~SEG_LONG;
	memset(input_page(), 0, PAGE_SIZE);
	control = HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST | REPS(7);
	input = INPUT;
	rig_guest = calls32;
	rig_dispatch(vp, 0);
	assert_int_equal(result, 7ULL << HV_RESULT_REPS_SHIFT);
	control = HVCALL_SEND_IPI | FAST;
	input = 0x55;
	output = 4;
	rig_dispatch(vp, 0);
	assert_int_equal(result, 0);
	assert_int_equal(got(0x55), 4);
}

/* --- interrupts --- */

static void test_ipi(void **state)
{
	(void)state;
	assert_int_equal(call(HVCALL_SEND_IPI | FAST, 0xff, 0xe), 0);
	assert_int_equal(got(0xff), 0xe);
	assert_int_equal(call(HVCALL_SEND_IPI | FAST, 0x10, ~0ULL), 0);
	assert_int_equal(got(0x10), 0xe);
	assert_int_equal(call(HVCALL_SEND_IPI | FAST, 0x10, 0), 0);
	assert_int_equal(got(0x10), 0);
	assert_int_equal(call(HVCALL_SEND_IPI | FAST, 0x0f, 2), HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(call(HVCALL_SEND_IPI | FAST, 0x100, 2), HV_STATUS_INVALID_PARAMETER);
	/* Another virtual trust level: there is none. */
	assert_int_equal(call(HVCALL_SEND_IPI | FAST, 0x50 | BIT64(32), 2),
			 HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(got(0x50), 0);
	/* It wakes. */
	other[1]->wait_sipi = false;
	other[1]->halted = other[1]->blocked = true;
	other[1]->cpu.rflags = 0x202;
	assert_int_equal(call(HVCALL_SEND_IPI | FAST, 0x50, 4), 0);
	assert_int_equal(rig_signals, 1);
	assert_int_equal(rig_signal_vp, 2);
}

struct ipi_ex {
	struct hv_input_send_ipi_ex h;
	uint64_t bank[4];
};

static uint64_t send_ex(uint64_t format, uint64_t valid, unsigned int banks, uint64_t first)
{
	struct ipi_ex in = {
		.h = { .vector = 0x60, .set = { format, valid } },
		.bank = { first, ~0ULL, ~0ULL, ~0ULL },
	};

	return with(HVCALL_SEND_IPI_EX | VARHEAD(banks), &in, sizeof(in));
}

static void test_sparse_sets(void **state)
{
	(void)state;
	assert_int_equal(send_ex(HV_VP_SET_SPARSE_4K, 1, 1, 0xa), 0);
	assert_int_equal(got(0x60), 0xa);
	/* Bank 1 is VPs 64 … 127. */
	assert_int_equal(send_ex(HV_VP_SET_SPARSE_4K, 2, 1, 0xe), 0);
	assert_int_equal(got(0x60), 0);
	assert_int_equal(send_ex(HV_VP_SET_SPARSE_4K, BIT64(63) | 1, 2, 4), 0);
	assert_int_equal(got(0x60), 4);
	assert_int_equal(send_ex(HV_VP_SET_SPARSE_4K, 0, 0, 0), 0);
	assert_int_equal(got(0x60), 0);
	assert_int_equal(send_ex(HV_VP_SET_ALL, 0, 0, 0), 0);
	assert_int_equal(got(0x60), 0xe);
	/* As many banks as are named, no fewer and no more. */
	assert_int_equal(send_ex(HV_VP_SET_SPARSE_4K, 3, 1, 0xe), REFUSED_INPUT);
	assert_int_equal(send_ex(HV_VP_SET_SPARSE_4K, 1, 2, 0xe), REFUSED_INPUT);
	assert_int_equal(send_ex(HV_VP_SET_SPARSE_4K, 0, 1, 0xe), REFUSED_INPUT);
	assert_int_equal(send_ex(2, 1, 1, 0xe), HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(got(0x60), 0);
}

/* --- translations --- */

static void leaves_guest(void)
{
	other[0]->cpu.exits++;
	other[0]->cpu.in_guest = 0;
}

static void test_flush(void **state)
{
	struct hv_input_flush in = { .processor_mask = 0xa };
	const uint64_t space = HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE;

	(void)state;
	assert_int_equal(with(space, &in, sizeof(in)), 0);
	assert_int_equal(flushed(), 0xa);
	assert_int_equal(rig_kicks, 0);
	/* One that runs is out of the guest when the call returns. */
	other[0]->cpu.in_guest = 1;
	rig_on_kick = leaves_guest;
	assert_int_equal(with(space, &in, sizeof(in)), 0);
	assert_int_equal(rig_kicks, 1);
	assert_int_equal(other[0]->cpu.in_guest, 0);
	assert_int_equal(flushed(), 0xa);

	in.processor_mask = 0;
	assert_int_equal(with(space, &in, sizeof(in)), 0);
	assert_int_equal(flushed(), 0);
	in.flags = HV_FLUSH_ALL_PROCESSORS | 0xe;
	assert_int_equal(with(space, &in, sizeof(in)), 0);
	assert_int_equal(flushed(), 0xe);
	in.flags = 0x10;
	assert_int_equal(with(space, &in, sizeof(in)), HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(flushed(), 0);
}

static void test_flush_list(void **state)
{
	struct {
		struct hv_input_flush h;
		uint64_t gva[2];
	} in = { .h.processor_mask = 4 };
	struct {
		struct hv_input_flush_ex h;
		uint64_t bank, gva[2];
	} ex = { .h.set = { HV_VP_SET_SPARSE_4K, 1 }, .bank = 8 };

	(void)state;
	assert_int_equal(with(HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST | REPS(2), &in, sizeof(in)),
			 2ULL << HV_RESULT_REPS_SHIFT);
	assert_int_equal(flushed(), 4);
	assert_int_equal(with(HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST_EX | REPS(2) | VARHEAD(1), &ex,
			      sizeof(ex)),
			 2ULL << HV_RESULT_REPS_SHIFT);
	assert_int_equal(flushed(), 8);
	assert_int_equal(with(HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE_EX | VARHEAD(1), &ex, sizeof(ex)),
			 0);
	assert_int_equal(flushed(), 8);
	/* Refused: no element done. */
	ex.h.flags = 0x20;
	assert_int_equal(with(HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST_EX | REPS(2) | VARHEAD(1), &ex,
			      sizeof(ex)),
			 HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(flushed(), 0);
}

/* --- the rest --- */

static void test_spin_wait(void **state)
{
	(void)state;
	control = HVCALL_NOTIFY_LONG_SPIN_WAIT | FAST;
	rig_guest = calls;
	EXPECT_RESULT(rig_dispatch(vp, 0), READY, NONE);
	assert_int_equal(rig_entries, 1); /* the root has its processor back at once */
	assert_int_equal(vp->cpu.gpr[VCPU_RAX], 0);
	assert_int_equal(vp->cpu.rip, 0x1003);
}

static void test_connections(void **state)
{
	const struct hv_input_post_message post = { .connection_id = 1, .message_type = 1 };

	(void)state;
	assert_int_equal(with(HVCALL_POST_MESSAGE, &post, sizeof(post)), HV_STATUS_ACCESS_DENIED);
	assert_int_equal(call(HVCALL_SIGNAL_EVENT | FAST, 1, 0), HV_STATUS_ACCESS_DENIED);
	vp->partition->privileges = BIT64(36);
	assert_int_equal(with(HVCALL_POST_MESSAGE, &post, sizeof(post)),
			 HV_STATUS_INVALID_CONNECTION_ID);
	assert_int_equal(call(HVCALL_SIGNAL_EVENT | FAST, 1, 0), HV_STATUS_ACCESS_DENIED);
	vp->partition->privileges = BIT64(37);
	assert_int_equal(call(HVCALL_SIGNAL_EVENT | FAST, 1, 0), HV_STATUS_INVALID_CONNECTION_ID);
}

#define CALL_TEST(fn) cmocka_unit_test_setup_teardown(fn, calls_setup, run_teardown)

const struct CMUnitTest call_tests[] = {
	CALL_TEST(test_environment),  CALL_TEST(test_access),
	CALL_TEST(test_control_word), CALL_TEST(test_input_not_populated),
	CALL_TEST(test_32_bit),	      CALL_TEST(test_ipi),
	CALL_TEST(test_sparse_sets),  CALL_TEST(test_flush),
	CALL_TEST(test_flush_list),   CALL_TEST(test_spin_wait),
	CALL_TEST(test_connections),
};
const size_t call_test_count = ARRAY_SIZE(call_tests);
