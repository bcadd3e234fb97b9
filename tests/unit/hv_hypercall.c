/* SPDX-License-Identifier: MIT */
/* hypervisor/hv/hypercall.c: control words, parameter placement, reps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hypervisor/hv/gpa.h"
#include "hypervisor/hv/hypercall.h"
#include "hypervisor/hv/vp.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/trace.h"

/* --- the rest of the hypervisor --- */

static _Alignas(4096) uint8_t memory[2][4096]; /* all RAM there is */
static _Alignas(4096) uint8_t in_copy[4096], out_copy[4096];

bool phys_is_root_ram(uint64_t pa, uint64_t size)
{
	uint64_t base = (uint64_t)(uintptr_t)memory;

	return pa >= base && size <= sizeof(memory) && pa - base <= sizeof(memory) - size;
}

bool trace_on;

void trace_add(enum hv_trace_kind kind, uint64_t partition, uint32_t vp, uint64_t code, uint64_t a,
	       uint64_t b)
{
	fail_msg("trace %u %llu.%u %llu %llu %llu", kind, (unsigned long long)partition, vp,
		 (unsigned long long)code, (unsigned long long)a, (unsigned long long)b);
}

void log_line(const char *fmt, ...)
{
	(void)fmt;
}

void panic(const char *fmt, ...)
{
	fail_msg("panic: %s", fmt);
	abort();
}

/* --- calls to test with --- */

static struct hvcall seen;
static enum hv_status answer;
static unsigned int turns_left;	/* simple_call wants so many more */
static uint32_t stop_at; /* rep_call ends here with @answer */

static enum hv_status simple_call(struct hvcall *c)
{
	seen = *c;
	memcpy(c->out, "ANSWERED", 8);
	c->again = turns_left && turns_left--;
	return answer;
}

/* Doubles each element. */
static enum hv_status rep_call(struct hvcall *c)
{
	const uint64_t *element = (const uint64_t *)c->in + 1;
	uint64_t *out = c->out;

	seen = *c;
	while (c->reps_done < c->rep_count) {
		if (c->reps_done == stop_at)
			return answer;
		out[c->reps_done] = 2 * element[c->reps_done];
		c->reps_done++;
	}
	return HV_STATUS_SUCCESS;
}

/* No list in memory: it may be as long as can be said. */
static enum hv_status long_call(struct hvcall *c)
{
	seen = *c;
	for (; c->reps_done < c->rep_count; c->reps_done++) {
		if (c->reps_done == stop_at)
			return answer;
		((uint8_t *)c->out)[c->reps_done] = (uint8_t)(c->reps_done * 7);
	}
	return HV_STATUS_SUCCESS;
}

enum { LONG = 0x15, SIMPLE = 0x10, SILENT = 0x11, REP = 0x12, VARHEAD = 0x13, BIG = 0x14 };

const struct hvcall_desc hvcall_table[] = {
	{ .code = SIMPLE, .in_fixed = 24, .out_fixed = 8, .fn = simple_call },
	{ .code = SILENT, .in_fixed = 12, .fn = simple_call },
	{ .code = REP, .in_fixed = 8, .in_rep = 8, .out_rep = 8, .is_rep = 1, .fn = rep_call },
	{ .code = VARHEAD, .in_fixed = 16, .has_varhead = 1, .fn = simple_call },
	{ .code = BIG, .in_fixed = 4096, .fn = simple_call },
	{ .code = LONG, .in_fixed = 8, .out_rep = 1, .is_rep = 1, .fn = long_call },
};
const unsigned int hvcall_table_size = ARRAY_SIZE(hvcall_table);

enum hv_status hvcall_run(const struct hvcall_desc *d, struct hvcall *c)
{
	return d->fn(c);
}

/* Guests' calls: tests/unit/hv_guest_calls.c. */
const struct hvcall_desc hvcall_guest_table[1];
const unsigned int hvcall_guest_table_size;

enum gpa_result gpa_read(struct partition *p, uint64_t at, void *buf, uint32_t size)
{
	(void)p, (void)at, (void)buf, (void)size;
	fail();
	return GPA_UNMAPPED;
}

void vp_missing(struct vp *vp, uint64_t at, bool write)
{
	(void)vp, (void)at, (void)write;
	fail();
}

static uint64_t gpa(unsigned int page, unsigned int offset)
{
	return (uint64_t)(uintptr_t)&memory[page][offset];
}

#define REPS(count, start)                                                   \
	((uint64_t)(count) << HV_CONTROL_REP_COUNT_SHIFT | (uint64_t)(start) \
								   << HV_CONTROL_REP_START_SHIFT)
#define VARHEAD_QWORDS(n) ((uint64_t)(n) << HV_CONTROL_VARHEAD_SHIFT)

static bool faulted;
static uint64_t again; /* the control word to go on with, 0: done */

static uint64_t call(uint64_t control, uint64_t input, uint64_t output)
{
	struct hvcall_regs r = { .control = control, .input = input, .output = output };
	uint64_t result;

	memset(&seen, 0, sizeof(seen));
	result = hypercall_execute(NULL, &r, in_copy, out_copy);
	faulted = r.fault;
	again = r.again ? r.control : 0;
	return result;
}

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(memory); i++)
		((uint8_t *)memory)[i] = (uint8_t)i;
	answer = HV_STATUS_SUCCESS;
	stop_at = UINT32_MAX;
	return 0;
}

static void test_simple(void **state)
{
	(void)state;
	assert_int_equal(call(SIMPLE, gpa(0, 64), gpa(1, 0)), HV_STATUS_SUCCESS);
	assert_int_equal(seen.in_size, 24);
	assert_memory_equal(in_copy, &memory[0][64], 24);
	assert_memory_equal(&memory[1][0], "ANSWERED", 8);
	assert_int_equal(memory[1][8], 8);
}

static void test_failure_writes_nothing(void **state)
{
	(void)state;
	answer = HV_STATUS_INSUFFICIENT_MEMORY;
	assert_int_equal(call(SIMPLE, gpa(0, 0), gpa(1, 0)), HV_STATUS_INSUFFICIENT_MEMORY);
	assert_int_equal(memory[1][0], 0);
	assert_int_equal(memory[1][1], 1);
}

static void test_fast(void **state)
{
	uint64_t expected[2] = { 0x1122334455667788, 0x99 };

	(void)state;
	assert_int_equal(call(SILENT | HV_CONTROL_FAST, expected[0], expected[1]),
			 HV_STATUS_SUCCESS);
	assert_memory_equal(in_copy, expected, 12);
	/* Too much for two registers, or with an output. */
	assert_int_equal(call(SIMPLE | HV_CONTROL_FAST, 1, 2), HV_STATUS_INVALID_HYPERCALL_INPUT);
	assert_int_equal(call(REP | HV_CONTROL_FAST | REPS(1, 0), 1, 2),
			 HV_STATUS_INVALID_HYPERCALL_INPUT);
}

static void test_control_word(void **state)
{
	static const uint64_t bad[] = {
		SIMPLE | REPS(1, 0),	    SIMPLE | REPS(0, 1),
		SIMPLE | VARHEAD_QWORDS(1), REP,
		REP | REPS(0, 0),	    REP | REPS(0, 3),
		REP | REPS(0, 0xfff),	    REP | VARHEAD_QWORDS(1),
		VARHEAD | REPS(1, 0),	    REP | REPS(4, 4),
		SIMPLE | HV_CONTROL_NESTED, SIMPLE | BIT64(27),
		SIMPLE | BIT64(30),	    SIMPLE | BIT64(44),
		SIMPLE | BIT64(60),	    SIMPLE | BIT64(63),
	};

	(void)state;
	assert_int_equal(call(0x7777, gpa(0, 0), gpa(1, 0)), HV_STATUS_INVALID_HYPERCALL_CODE);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(call(bad[i], gpa(0, 0), gpa(1, 0)),
				 HV_STATUS_INVALID_HYPERCALL_INPUT);
		assert_null(seen.in);
	}
}

static void test_placement(void **state)
{
	(void)state;
	assert_int_equal(call(SIMPLE, gpa(0, 4), gpa(1, 0)), HV_STATUS_INVALID_ALIGNMENT);
	assert_int_equal(call(SIMPLE, gpa(0, 0), gpa(1, 1)), HV_STATUS_INVALID_ALIGNMENT);
	/* 24 bytes fit at 4072 and not at 4080. */
	assert_int_equal(call(SIMPLE, gpa(0, 4072), gpa(1, 4088)), HV_STATUS_SUCCESS);
	assert_int_equal(call(SIMPLE, gpa(0, 4080), gpa(1, 0)), HV_STATUS_INVALID_ALIGNMENT);
	assert_int_equal(call(BIG, gpa(0, 0), 0), HV_STATUS_SUCCESS);
	assert_int_equal(call(BIG, gpa(0, 8), 0), HV_STATUS_INVALID_ALIGNMENT);
	assert_false(faulted);
}

static void test_memory_of_others(void **state)
{
	(void)state;
	call(SIMPLE, 0x1000, gpa(1, 0));
	assert_true(faulted);
	call(SIMPLE, gpa(0, 0), 0x1000);
	assert_true(faulted);
	call(SIMPLE, UINT64_MAX & ~7ull, gpa(1, 0));
	assert_false(faulted); /* crosses a page: refused before */
	call(SIMPLE, gpa(0, 0), gpa(0, 0) + sizeof(memory));
	assert_true(faulted);
	assert_null(seen.in);
	/* What has no output does not look at its address. */
	assert_int_equal(call(SILENT, gpa(0, 0), 0x1001), HV_STATUS_SUCCESS);
	assert_false(faulted);
}

static void test_variable_header(void **state)
{
	(void)state;
	assert_int_equal(call(VARHEAD | VARHEAD_QWORDS(3), gpa(0, 8), 0), HV_STATUS_SUCCESS);
	assert_int_equal(seen.varhead, 3);
	assert_int_equal(seen.in_size, 16 + 24);
	assert_memory_equal(in_copy, &memory[0][8], 40);
	assert_int_equal(call(VARHEAD | VARHEAD_QWORDS(0x3ff), gpa(0, 0), 0),
			 HV_STATUS_INVALID_ALIGNMENT);
}

static void set_elements(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		((uint64_t *)memory[0])[1 + i] = 100 + i;
}

static uint64_t element_out(unsigned int i)
{
	return ((uint64_t *)memory[1])[i];
}

static void test_reps(void **state)
{
	(void)state;
	set_elements(511);
	memset(memory[1], 0, sizeof(memory[1]));
	assert_int_equal(call(REP | REPS(511, 0), gpa(0, 0), gpa(1, 0)), 511ull << 32);
	assert_int_equal(element_out(0), 200);
	assert_int_equal(element_out(510), 2 * 610);
	/* One more does not fit behind the header. */
	assert_int_equal(call(REP | REPS(512, 0), gpa(0, 0), gpa(1, 0)),
			 HV_STATUS_INVALID_ALIGNMENT);
}

static void test_rep_continuation(void **state)
{
	uint64_t result;

	(void)state;
	set_elements(8);
	memset(memory[1], 0, sizeof(memory[1]));
	stop_at = 3;
	answer = HV_STATUS_INSUFFICIENT_MEMORY;
	result = call(REP | REPS(8, 0), gpa(0, 0), gpa(1, 0));
	assert_int_equal(result, HV_STATUS_INSUFFICIENT_MEMORY | 3ull << 32);
	/* Elements done before the failure count and are there. */
	assert_int_equal(element_out(2), 204);
	assert_int_equal(element_out(3), 0);

	stop_at = UINT32_MAX;
	result = call(REP | REPS(8, 3), gpa(0, 0), gpa(1, 0));
	assert_int_equal(result, 8ull << 32);
	assert_int_equal(seen.rep_start, 3);
	assert_int_equal(element_out(3), 206);
	assert_int_equal(element_out(7), 214);
}

/* TLFS "Hypercall Continuation": the caller gets its interrupts in between. */
static void test_turns(void **state)
{
	uint64_t control = LONG | REPS(4000, 0), result;
	unsigned int turns = 0;

	(void)state;
	for (again = control; again; turns++) {
		uint32_t start = (uint32_t)(again >> HV_CONTROL_REP_START_SHIFT);

		assert_int_equal(again, LONG | REPS(4000, start));
		result = call(again, gpa(0, 0), gpa(1, 0));
		assert_int_equal(seen.rep_start, start);
		assert_in_range(seen.rep_count - start, 1, 512);
	}
	assert_int_equal(turns, 8);
	assert_int_equal(result, 4000ull << 32);
	for (unsigned int i = 0; i < 4000; i++)
		assert_int_equal(memory[1][i], (uint8_t)(i * 7));
	assert_int_equal(memory[1][4000], (uint8_t)4000);

	/* So does what has no list. */
	turns_left = 1;
	assert_int_equal(call(SILENT, gpa(0, 0), 0), 0);
	assert_int_equal(again, SILENT);
	assert_int_equal(call(again, gpa(0, 0), 0), 0);
	assert_false(again);
	turns_left = 1;
	answer = HV_STATUS_INVALID_PARAMETER;
	assert_int_equal(call(SILENT, gpa(0, 0), 0), HV_STATUS_INVALID_PARAMETER);
	assert_false(again);

	/* The index is of the whole list, also when a later turn fails. */
	stop_at = 600;
	answer = HV_STATUS_INSUFFICIENT_MEMORY;
	call(control, gpa(0, 0), gpa(1, 0));
	assert_true(again);
	result = call(again, gpa(0, 0), gpa(1, 0));
	assert_int_equal(result, HV_STATUS_INSUFFICIENT_MEMORY | 600ull << 32);
	assert_false(again);
}

static void test_no_progress_is_told(void **state)
{
	(void)state;
	stop_at = 2;
	answer = HV_STATUS_NO_RESOURCES;
	assert_int_equal(call(REP | REPS(4, 2), gpa(0, 0), gpa(1, 0)),
			 HV_STATUS_NO_RESOURCES | 2ull << 32);
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_simple),
		T(test_failure_writes_nothing),
		T(test_fast),
		T(test_control_word),
		T(test_placement),
		T(test_memory_of_others),
		T(test_variable_header),
		T(test_reps),
		T(test_rep_continuation),
		T(test_turns),
		T(test_no_progress_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
