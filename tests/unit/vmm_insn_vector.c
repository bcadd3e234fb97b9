/* SPDX-License-Identifier: MIT */
/*
 * Moves of vector registers: what they raise, in which order, and what a fault leaves.
 * That each does the same as a processor is vmm_insn_native's and the guest insn's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "vmm/xsave.h"
#include "vmm_insn_rig.h"

#define CR0_EM	    BIT64(2)
#define CR0_TS	    BIT64(3)
#define CR4_OSFXSR  BIT64(9)
#define CR4_OSXSAVE BIT64(18)

static const uint8_t movups_load[] = { 0x0f, 0x10, 0x07 };	   /* (%rdi), %xmm0 */
static const uint8_t movaps_store[] = { 0x0f, 0x29, 0x07 };	   /* %xmm0, (%rdi) */
static const uint8_t vmovups_load[] = { 0xc5, 0xfc, 0x10, 0x07 };  /* (%rdi), %ymm0 */
static const uint8_t vmovaps_store[] = { 0xc5, 0xfc, 0x29, 0x07 }; /* %ymm0, (%rdi) */

static struct insn_cpu ready(void)
{
	struct insn_cpu c = paged();

	c.cr4 |= CR4_OSFXSR | CR4_OSXSAVE;
	c.gpr[GPR_RDI] = 0x1100;
	memset(&vectors, 0x11, sizeof(vectors));
	vectors.xcr0 = 7;
	return c;
}

static void expect_fault(struct insn_cpu c, const uint8_t *code, unsigned int len, uint8_t vector)
{
	struct insn_cpu before = c;
	struct insn_vectors vectors_before = vectors;
	uint8_t memory[512];
	struct insn_fault f;

	memcpy(memory, (uint8_t *)DATA0 + 0x1000 - sizeof(memory), sizeof(memory));
	assert_int_equal(run(&c, code, len, &f), INSN_FAULT);
	assert_int_equal(f.vector, vector);
	assert_int_equal(f.has_error, vector >= FAULT_SS);
	assert_memory_equal(&c, &before, sizeof(c));
	assert_memory_equal(&vectors, &vectors_before, sizeof(vectors));
	assert_memory_equal(memory, (uint8_t *)DATA0 + 0x1000 - sizeof(memory), sizeof(memory));
}

static void test_state_sse(void **state)
{
	struct insn_cpu c = ready();
	struct insn_fault f;

	(void)state;
	c.cr0 |= CR0_TS;
	expect_fault(c, movups_load, sizeof(movups_load), FAULT_NM);
	c.cr0 |= CR0_EM; /* which comes first */
	expect_fault(c, movups_load, sizeof(movups_load), FAULT_UD);
	c = ready();
	c.cr4 &= ~CR4_OSFXSR;
	expect_fault(c, movaps_store, sizeof(movaps_store), FAULT_UD);
	/* AVX's are not asked for */
	c = ready();
	c.cr4 &= ~CR4_OSXSAVE;
	vectors.xcr0 = 1;
	assert_int_equal(run(&c, movups_load, sizeof(movups_load), &f), INSN_DONE);
}

static void test_state_avx(void **state)
{
	struct insn_cpu c = ready();
	struct insn_fault f;

	(void)state;
	c.cr0 |= CR0_TS;
	expect_fault(c, vmovups_load, sizeof(vmovups_load), FAULT_NM);
	vectors.xcr0 = 3;
	expect_fault(c, vmovups_load, sizeof(vmovups_load), FAULT_UD);
	c = ready();
	c.cr4 &= ~CR4_OSXSAVE;
	expect_fault(c, vmovaps_store, sizeof(vmovaps_store), FAULT_UD);
	/* Nor are SSE's */
	c = ready();
	c.cr4 &= ~CR4_OSFXSR;
	c.cr0 |= CR0_EM;
	assert_int_equal(run(&c, vmovups_load, sizeof(vmovups_load), &f), INSN_DONE);
}

static void test_alignment(void **state)
{
	struct insn_cpu c = ready();
	struct insn_fault f;

	(void)state;
	c.gpr[GPR_RDI] = 0x1110;
	assert_int_equal(run(&c, movaps_store, sizeof(movaps_store), &f), INSN_DONE);
	c.rip = 0;
	expect_fault(c, vmovaps_store, sizeof(vmovaps_store), FAULT_GP);
	assert_int_equal(run(&c, vmovups_load, sizeof(vmovups_load), &f), INSN_DONE);
	/* Before the page is looked at. */
	c.gpr[GPR_RDI] = 0x3008;
	expect_fault(c, movaps_store, sizeof(movaps_store), FAULT_GP);
	c.gpr[GPR_RDI] = 0x3010;
	expect_fault(c, movaps_store, sizeof(movaps_store), FAULT_PF);
}

/* The second page is not there: nothing is stored to the first. */
static void test_half_a_page(void **state)
{
	static const uint8_t store[] = { 0xc5, 0xfe, 0x7f, 0x07 }; /* vmovdqu */
	struct insn_cpu c = ready();

	(void)state;
	c.gpr[GPR_RDI] = 0x2ff0;
	expect_fault(c, store, sizeof(store), FAULT_PF);
	expect_fault(c, vmovups_load, sizeof(vmovups_load), FAULT_PF);
}

/* VEX there is LDS of a register, which does not exist. */
static void test_real_modes(void **state)
{
	(void)state;
	for (unsigned int v86 = 0; v86 < 2; v86++) {
		struct insn_cpu c = ready(), before;
		struct insn_fault f;

		memcpy((void *)DATA1, vmovups_load, sizeof(vmovups_load));
		c.segment[SEG_CS].attributes = 0xf3;
		c.segment[SEG_CS].base = DATA1;
		c.segment[SEG_DS].limit = 0xffff;
		c.segment[SEG_DS].base = DATA0;
		c.efer = 0;
		c.cr0 = v86 ? CR0_PE : 0;
		c.rflags = v86 ? RFLAGS_VM : 0;
		before = c;
		assert_int_equal(run(&c, vmovups_load, sizeof(vmovups_load), &f), INSN_UNKNOWN);
		assert_memory_equal(&c, &before, sizeof(c));
		assert_int_equal(run(&c, movups_load, sizeof(movups_load), &f), INSN_DONE);
	}
}

static void test_device(void **state)
{
	struct world w = { .device = true };
	struct insn_bus bus = world_bus(&w);
	struct insn_cpu c = { .cr0 = CR0_PE, .cr4 = CR4_OSFXSR | CR4_OSXSAVE, .efer = EFER_LMA };
	struct insn_fault f;

	(void)state;
	c.segment[SEG_CS].attributes = 0xa09b;
	vectors.xcr0 = 7;
	c.gpr[GPR_RDI] = DATA0;
	assert_int_equal(insn_emulate(&c, &bus, vmovups_load, sizeof(vmovups_load), &f), INSN_DONE);
	assert_int_equal(w.accesses, 4);
	c.gpr[GPR_RDI] = DATA0 + 4; /* 4, 8, 4 */
	assert_int_equal(insn_emulate(&c, &bus, movups_load, sizeof(movups_load), &f), INSN_DONE);
	assert_int_equal(w.accesses, 7);
}

/* --- the state they are kept in --- */

static void test_xsave(void **state)
{
	static struct xsave x;
	struct insn_vectors v;

	(void)state;
	memset(&x, 0x77, sizeof(x));
	x.mxcsr = 0;
	x.xstate_bv = 0;
	x.xcomp_bv = BIT64(63) | 7;
	xsave_get_vectors(&x, &v);
	for (unsigned int i = 0; i < sizeof(v.reg); i++)
		assert_int_equal(((uint8_t *)v.reg)[i], 0);
	memset(v.reg[3], 0x33, 32);
	xsave_put_vectors(&x, &v);
	assert_int_equal(x.xstate_bv, 6);
	assert_int_equal(x.mxcsr, 0x1f80);
	assert_int_equal(x.xmm[2][0], 0);
	assert_int_equal(x.xmm[3][15], 0x33);
	assert_int_equal(x.ymm_high[3][0], 0x33);
	assert_int_equal(x.st[0], 0x77);
	assert_int_equal(x.rest[0], 0x77);
	/* Without AVX; a control register that is the guest's stays. */
	x.mxcsr = 0x1fa0;
	x.xstate_bv = 3;
	x.xcomp_bv = BIT64(63) | 3;
	xsave_get_vectors(&x, &v);
	assert_int_equal(v.reg[3][15], 0x33);
	assert_int_equal(v.reg[3][16], 0);
	xsave_put_vectors(&x, &v);
	assert_int_equal(x.xstate_bv, 3);
	assert_int_equal(x.mxcsr, 0x1fa0);
	assert_int_equal(x.ymm_high[3][0], 0x33);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state_sse),    cmocka_unit_test(test_state_avx),
		cmocka_unit_test(test_alignment),    cmocka_unit_test(test_half_a_page),
		cmocka_unit_test(test_real_modes), cmocka_unit_test(test_device),
		cmocka_unit_test(test_xsave),
	};

	return cmocka_run_group_tests(tests, arena_set_up, NULL);
}
