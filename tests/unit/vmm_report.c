/* SPDX-License-Identifier: MIT */
/*
 * The crash report: what it says of a processor in each mode, and that whatever a guest
 * left behind costs it neither more lines nor a bit of the guest's memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/debug/look.h"
#include "vmm/debug/report.h"
#include "vmm/mshv.h"
#include "vmm/vcpu.h"

#define RAM_BYTES (UINT64_C(1) << 20)
#define LINES_MAX 32
#define CR0_PG	  BIT64(31)
#define CR4_PAE	  BIT64(5)
#define EFER_LMA  BIT64(10)

/* Tables for long mode in RAM; linear 0x400000 + n pages is what PT says. */
#define PML4	  0x1000
#define PDPT	  0x2000
#define PD	  0x3000
#define PT	  0x4000
#define LINEAR	  UINT64_C(0x400000)

static struct memory memory;
static struct machine machine;
static struct vcpu vcpu;
static struct insn_cpu cpu;
static int get_error, system_error;

/* --- the seam --- */

int vcpu_get(struct vcpu *v, struct insn_cpu *c)
{
	(void)v;
	*c = cpu;
	return get_error;
}

int mshv_vp_get(struct mshv_vp *vp, struct hv_register_assoc *regs, unsigned int count)
{
	(void)vp;
	for (unsigned int i = 0; i < count; i++) {
		regs[i].value.reg64 = 0xabc00000 + regs[i].name;
		if (regs[i].name == HV_X64_REGISTER_TR)
			regs[i].value.segment = (struct hv_segment_register){
				.base = 0xfffffe0000003000,
				.limit = 0x4087,
				.selector = 0x40,
				.attributes = 0x8b,
			};
		if (regs[i].name == HV_X64_REGISTER_IDTR)
			regs[i].value.table =
				(struct hv_table_register){ .limit = 0xfff, .base = 0xfffe };
	}
	return system_error;
}

static const char *report(void)
{
	static char text[16384];
	int file = memfd_create("stderr", 0), saved = dup(STDERR_FILENO);
	ssize_t n;

	dup2(file, STDERR_FILENO);
	report_crash(&vcpu);
	dup2(saved, STDERR_FILENO);
	n = pread(file, text, sizeof(text) - 1, 0);
	assert_true(n > 0 && (size_t)n < sizeof(text) - 1);
	text[n] = '\0';
	close(file);
	close(saved);
	return text;
}

/* Whole lines, each with its prefix, not too many. */
static void check_form(const char *text)
{
	static const char prefix[] = "vmm: crash: ";
	unsigned int lines = 0;

	while (*text) {
		const char *end = strchr(text, '\n');

		assert_non_null(end);
		assert_memory_equal(text, prefix, sizeof(prefix) - 1);
		text = end + 1;
		lines++;
	}
	assert_true(lines <= LINES_MAX);
}

#define HAS(text, what)	  assert_non_null(strstr(text, what))
#define LACKS(text, what) assert_null(strstr(text, what))

static uint8_t *ram(uint64_t at)
{
	return memory_at(&memory, gpa(at), 1);
}

static void entry(uint64_t table, unsigned int i, uint64_t v)
{
	memcpy(ram(table + 8 * i), &v, sizeof(v));
}

static int set_up(void **state)
{
	(void)state;
	cpu = (struct insn_cpu){ .rflags = 2 };
	machine = (struct machine){ .memory = &memory };
	vcpu = (struct vcpu){ .machine = &machine, .index = 3 };
	get_error = system_error = 0;
	return memory_init(&memory, RAM_BYTES);
}

static int tear_down(void **state)
{
	(void)state;
	memory_destroy(&memory);
	return 0;
}

static void long_mode(void)
{
	cpu.cr0 = CR0_PG | 1;
	cpu.cr4 = CR4_PAE;
	cpu.efer = EFER_LMA | 0x100;
	cpu.cr3 = PML4;
	cpu.segment[SEG_CS] = (struct hv_segment_register){ 0, ~0U, 0x10, 0xa09b };
	/* Supervisor pages, no accessed bits, asked for with the rights of ring 3. */
	cpu.cpl = 3;
	entry(PML4, 0, PDPT | 1);
	entry(PDPT, 0, PD | 1);
	entry(PD, 2, PT | 1);
}

static void test_long_mode(void **state)
{
	uint8_t before[0x5000];
	const char *text;
	uint64_t word = 0;

	(void)state;
	long_mode();
	entry(PT, 0, 0x8000 | 1);
	entry(PT, 1, 0x6000 | 1); /* elsewhere; and nothing behind it */
	cpu.rip = LINEAR + 0x1ffd;
	memcpy(ram(0x6ffd), "\x0f\x0b\xcc", 3);
	cpu.gpr[GPR_RSP] = LINEAR + 0xff0;
	for (unsigned int i = 0; i < 40; i++) {
		word = 0xffffffff81000000 + i;
		memcpy(ram(i < 2 ? 0x8ff0 + 8 * i : 0x6000 + 8 * (i - 2)), &word, 8);
	}
	cpu.gpr[GPR_COUNT - 1] = 0x1500000000000015;
	memcpy(before, ram(0), sizeof(before));
	text = report();
	check_form(text);
	HAS(text, "crash: processor 3 at 0010:0000000000401ffd rflags 00000002\n");
	HAS(text, " r15 1500000000000015\n");
	HAS(text, "crash: cs   0010 base 0000000000000000 limit ffffffff attributes a09b\n");
	HAS(text, "crash: cr0 80000001 cr3 0000000000001000 cr4 00000020 efer 0500\n");
	HAS(text, "crash: cr2 00000000abc40001 cr8 abc40004 dr6 abc50004 dr7 abc50005\n");
	HAS(text, "crash: tr   0040 base fffffe0000003000 limit 00004087 attributes 008b\n");
	HAS(text, " idtr base 000000000000fffe limit 0fff\n");
	HAS(text, "crash: code at rip: 0f 0b cc\n");
	HAS(text, "crash: stack 0000000000400ff0: ffffffff81000000 ffffffff81000001 "
		  "ffffffff81000002 ffffffff81000003\n");
	HAS(text, "crash: stack 00000000004010d0: ffffffff8100001c ffffffff8100001d "
		  "ffffffff8100001e ffffffff8100001f\n");
	LACKS(text, "ffffffff81000020");
	assert_memory_equal(before, ram(0), sizeof(before));
}

static void test_stack_ends(void **state)
{
	const char *text;

	(void)state;
	long_mode();
	entry(PT, 0, 0x8000 | 1);
	cpu.rip = LINEAR;
	cpu.gpr[GPR_RSP] = LINEAR + 0xfd8;
	memset(ram(0x8fd8), 0x11, 40);
	text = report();
	check_form(text);
	HAS(text, "stack 0000000000400fd8: 1111111111111111 1111111111111111 1111111111111111 "
		  "1111111111111111\n");
	HAS(text, "stack 0000000000400ff8: 1111111111111111\n");
	LACKS(text, "not mapped");
	cpu.gpr[GPR_RSP] = LINEAR + 0xffc; /* no whole word */
	HAS(report(), "stack 0000000000400ffc: not mapped\n");
}

/* No paging; segments count. */
static void test_small_modes(void **state)
{
	const char *text;

	(void)state;
	cpu.segment[SEG_CS] = (struct hv_segment_register){ 0x2000, 0xffff, 0x200, 0x9b };
	cpu.segment[SEG_SS] = (struct hv_segment_register){ 0x3000, 0xffff, 0x300, 0x93 };
	cpu.rip = 0x10;
	cpu.gpr[GPR_RSP] = 0xdead0020;
	memcpy(ram(0x2010), "\xf4\xeb\xfe", 3);
	memcpy(ram(0x3020), "\x34\x12\x78\x56", 4);
	text = report();
	check_form(text);
	HAS(text, "at 0200:0000000000000010");
	HAS(text, "code at rip: f4 eb fe 00");
	HAS(text, "stack 0020: 1234 5678 0000 0000\n");

	cpu.cr0 = 1;
	cpu.segment[SEG_SS].attributes = 0xc093;
	cpu.gpr[GPR_RSP] = 0x20;
	HAS(report(), "stack 00000020: 56781234 00000000 00000000 00000000\n");
}

static void test_nothing_there(void **state)
{
	static const uint64_t bad[] = { UINT64_C(0x800000000000), ~UINT64_C(0), ~UINT64_C(7),
					LINEAR + 0x3000 };
	const char *text;

	(void)state;
	long_mode();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cpu.rip = cpu.gpr[GPR_RSP] = bad[i];
		text = report();
		check_form(text);
		HAS(text, "code at rip: not mapped\n");
		HAS(text, ": not mapped\n");
	}
	/* To what is no RAM, and tables that are none. */
	entry(PT, 3, 0xfee00000 | 1);
	HAS(report(), "code at rip: not mapped\n");
	cpu.cr3 = UINT64_C(0x000ffffffffff000);
	HAS(report(), "code at rip: not mapped\n");
	system_error = -EIO;
	text = report();
	check_form(text);
	HAS(text, "crash: the other system registers cannot be read\n");
	get_error = -EIO;
	assert_string_equal(report(), "vmm: crash: processor 3, whose registers cannot be read\n");
}

/* A guest that left anything: any registers, tables of noise that lead back to themselves. */
static void test_anything(void **state)
{
	uint8_t *copy = malloc(RAM_BYTES);

	(void)state;
	assert_non_null(copy);
	srandom(7);
	for (uint64_t i = 0; i < RAM_BYTES; i += 8) {
		uint64_t v = (uint64_t)random() << 31 ^ (uint64_t)random();

		/* Most of it leads somewhere in RAM. */
		v = random() % 4 ? (v & 0xff0f7) | 1 : v;
		memcpy(ram(i), &v, 8);
	}
	memcpy(copy, ram(0), RAM_BYTES);
	for (unsigned int n = 0; n < 500; n++) {
		uint8_t *p = (uint8_t *)&cpu;

		for (size_t i = 0; i < sizeof(cpu); i++)
			p[i] = (uint8_t)random();
		cpu.cpl &= 3;
		if (n % 2)
			cpu.cr3 &= 0xff000;
		if (n % 4 > 1)
			cpu.gpr[GPR_RSP] = (uint64_t)((int64_t)((uint64_t)random() << 33) >> 16);
		check_form(report());
	}
	assert_memory_equal(copy, ram(0), RAM_BYTES);
	free(copy);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_long_mode),	  TEST(test_stack_ends), TEST(test_small_modes),
		TEST(test_nothing_there), TEST(test_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
