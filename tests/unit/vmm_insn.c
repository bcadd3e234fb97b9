/* SPDX-License-Identifier: MIT */
/*
 * The emulator where a native 64-bit program cannot go (vmm_insn_native.c has
 * the rest): other modes, paging and its faults, strings that stop half-way,
 * fetching and what is not emulated; against tables of expected results.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "vmm_insn_rig.h"

/* --- other modes: registers in, registers or memory out --- */

static void test_real_mode(void **state)
{
	struct world w = { .device = true };
	struct insn_bus bus = world_bus(&w);
	struct insn_cpu c = { .rflags = 2, .rip = 0xfffe };
	static const uint8_t store[] = { 0x89, 0x07 };		  /* mov [bx],ax */
	static const uint8_t wide[] = { 0x66, 0x26, 0x89, 0x05 }; /* mov es:[di],eax */
	struct insn_fault fault;

	(void)state;
	for (int i = 0; i < SEG_COUNT; i++)
		c.segment[i].limit = 0xffff;
	c.segment[SEG_DS].base = ARENA_BASE;
	c.segment[SEG_ES].base = ARENA_BASE + 0x1000;
	c.gpr[GPR_RAX] = 0x12345678;
	c.gpr[GPR_RBX] = 0xffff0010; /* only BX counts */
	c.gpr[GPR_RDI] = 0x20;
	store32(ARENA_BASE + 0x10, 0);
	assert_int_equal(insn_emulate(&c, &bus, store, sizeof(store), &fault), INSN_DONE);
	assert_int_equal(load32(ARENA_BASE + 0x10), 0x5678);
	assert_int_equal(c.rip, 0); /* IP wraps at 64 KiB */
	/* [bx] is ModRM 07 in 16 bit, [di] is 05; with 0x66 EAX is meant. */
	assert_int_equal(insn_emulate(&c, &bus, wide, sizeof(wide), &fault), INSN_DONE);
	assert_int_equal(load32(ARENA_BASE + 0x1020), 0x12345678);
	/* Past the segment's limit. */
	c.gpr[GPR_RBX] = 0xffff;
	assert_int_equal(insn_emulate(&c, &bus, store, sizeof(store), &fault), INSN_FAULT);
	assert_int_equal(fault.vector, FAULT_GP);
	assert_false(fault.has_error); /* nothing is pushed with it there */
}

static void test_protected_mode(void **state)
{
	struct world w = { .device = true };
	struct insn_bus bus = world_bus(&w);
	struct insn_cpu c = { .cr0 = CR0_PE, .rflags = 2, .rip = 0x100 };
	static const uint8_t push[] = { 0xff, 0x33 };		   /* push dword [ebx] */
	static const uint8_t pop[] = { 0x8f, 0x03 };		   /* pop dword [ebx] */
	static const uint8_t fs[] = { 0x64, 0xa1, 0x10, 0, 0, 0 }; /* mov eax,fs:[0x10] */
	struct insn_fault fault;

	(void)state;
	for (int i = 0; i < SEG_COUNT; i++) {
		c.segment[i].limit = 0xffffffff;
		c.segment[i].attributes = i == SEG_CS ? 0xc09b : 0xc093;
	}
	c.segment[SEG_FS].base = ARENA_BASE + 0x100;
	store32(ARENA_BASE + 0x110, 0xcafe0001);
	assert_int_equal(insn_emulate(&c, &bus, fs, sizeof(fs), &fault), INSN_DONE);
	assert_int_equal(c.gpr[GPR_RAX], 0xcafe0001);
	c.gpr[GPR_RBX] = ARENA_BASE + 0x110;
	c.gpr[GPR_RSP] = ARENA_BASE + 0x800;
	assert_int_equal(insn_emulate(&c, &bus, push, sizeof(push), &fault), INSN_DONE);
	assert_int_equal(c.gpr[GPR_RSP], ARENA_BASE + 0x7fc);
	assert_int_equal(load32(ARENA_BASE + 0x7fc), 0xcafe0001);
	store32(ARENA_BASE + 0x7fc, 0xbeef);
	assert_int_equal(insn_emulate(&c, &bus, pop, sizeof(pop), &fault), INSN_DONE);
	assert_int_equal(load32(ARENA_BASE + 0x110), 0xbeef);
	assert_int_equal(c.gpr[GPR_RSP], ARENA_BASE + 0x800);
	/* Expand-down: valid above the limit. */
	c.segment[SEG_FS].attributes = 0xc097;
	c.segment[SEG_FS].limit = 0x1000;
	assert_int_equal(insn_emulate(&c, &bus, fs, sizeof(fs), &fault), INSN_FAULT);
	c.segment[SEG_FS].limit = 0xf;
	assert_int_equal(insn_emulate(&c, &bus, fs, sizeof(fs), &fault), INSN_DONE);
}

/* What the processor did not get to: the second operand's segment. */
static void test_segment_rights(void **state)
{
	static const uint8_t movsd[] = { 0xa5 },
			     load[] = { 0x2e, 0x8b, 0x07 }; /* mov eax,cs:[edi] */
	static const struct {
		uint16_t es, cs;
		bool stores, loads;
	} list[] = {
		{ 0xc093, 0xc09b, true, true },	 { 0xc091, 0xc09b, false, true }, /* read only */
		{ 0xc09b, 0xc09b, false, true },				  /* code */
		{ 0xc013, 0xc09b, false, true }, /* null selector */
		{ 0xc093, 0xc099, true, false }, /* execute only */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		struct world w = { .device = true };
		struct insn_bus bus = world_bus(&w);
		struct insn_cpu c = { .cr0 = CR0_PE, .rflags = 2 };
		struct insn_fault fault;

		for (int s = 0; s < SEG_COUNT; s++) {
			c.segment[s].limit = 0xffffffff;
			c.segment[s].attributes = 0xc093;
		}
		c.segment[SEG_ES].attributes = list[i].es;
		c.segment[SEG_CS].attributes = list[i].cs;
		c.gpr[GPR_RSI] = ARENA_BASE;
		c.gpr[GPR_RDI] = ARENA_BASE + 0x100;
		assert_int_equal(insn_emulate(&c, &bus, load, sizeof(load), &fault),
				 list[i].loads ? INSN_DONE : INSN_FAULT);
		assert_int_equal(insn_emulate(&c, &bus, movsd, sizeof(movsd), &fault),
				 list[i].stores ? INSN_DONE : INSN_FAULT);
		if (!list[i].stores || !list[i].loads)
			assert_int_equal(fault.vector, FAULT_GP);
		/* Real mode and virtual 8086 mode know no rights. */
		c.cr0 = 0;
		assert_int_equal(insn_emulate(&c, &bus, movsd, sizeof(movsd), &fault), INSN_DONE);
	}
}

static void test_branch_targets(void **state)
{
	static const uint8_t jmp[] = { 0xff, 0x27 }, call[] = { 0xff, 0x17 };
	struct insn_cpu c = paged();
	struct insn_fault f;

	(void)state;
	c.gpr[GPR_RDI] = 0x1000;
	c.gpr[GPR_RSP] = 0x2100;
	entry64(DATA0, 0, 0x800000000000); /* not canonical */
	assert_int_equal(run(&c, jmp, 2, &f), INSN_FAULT);
	assert_int_equal(f.vector, FAULT_GP);
	assert_int_equal(run(&c, call, 2, &f), INSN_FAULT);
	assert_int_equal(c.gpr[GPR_RSP], 0x2100);
	entry64(DATA0, 0, 0x7fffffffffff);
	assert_int_equal(run(&c, call, 2, &f), INSN_DONE);
	assert_int_equal(c.rip, 0x7fffffffffff);
	assert_int_equal(get64(DATA1, 0xf8 / 8), 2);
}

/* --- paging --- */

static const uint8_t mov_store[] = { 0x48, 0x89, 0x07 }; /* mov [rdi],rax */
static const uint8_t mov_load[] = { 0x48, 0x8b, 0x07 };	 /* mov rax,[rdi] */

static void test_paging(void **state)
{
	struct insn_cpu c = paged();
	struct insn_fault f;

	(void)state;
	c.gpr[GPR_RDI] = 0x1ffc; /* crosses into the other page */
	c.gpr[GPR_RAX] = 0x1122334455667788;
	assert_int_equal(run(&c, mov_store, 3, &f), INSN_DONE);
	assert_int_equal(load32(DATA0 + 0xffc), 0x55667788);
	assert_int_equal(load32(DATA1), 0x11223344);
	/* Accessed on the way, dirty at the end. */
	assert_int_equal(get64(PML4, 0) & 0x60, 0x20);
	assert_int_equal(get64(PD, 0) & 0x60, 0x20);
	assert_int_equal(get64(PT, 1) & 0x60, 0x60);
	assert_int_equal(get64(PT, 2) & 0x60, 0x60);
	/* Second half missing: nothing may be written. */
	c.gpr[GPR_RDI] = 0x2ffc;
	store32(DATA1 + 0xffc, 0x99);
	c.rip = 0x500;
	assert_int_equal(run(&c, mov_store, 3, &f), INSN_FAULT);
	assert_int_equal(f.vector, FAULT_PF);
	assert_int_equal(f.error, 2);
	assert_int_equal(f.address, 0x3000);
	assert_int_equal(load32(DATA1 + 0xffc), 0x99);
	assert_int_equal(c.rip, 0x500);
}

static void test_paging_rights(void **state)
{
	static const struct {
		uint64_t pte, cr0, cr4, rflags;
		unsigned int cpl;
		bool write;
		int error; /* -1: allowed */
	} list[] = {
		{ 7, CR0_WP, 0, 0, 3, true, -1 },
		{ 5, CR0_WP, 0, 0, 3, false, -1 },
		{ 5, CR0_WP, 0, 0, 3, true, 7 },	  /* read-only, user */
		{ 3, CR0_WP, 0, 0, 3, false, 5 },	  /* supervisor page */
		{ 1, CR0_WP, 0, 0, 0, true, 3 },	  /* WP */
		{ 1, 0, 0, 0, 0, true, -1 },		  /* no WP */
		{ 7, CR0_WP, BIT64(21), 0, 0, false, 1 }, /* SMAP */
		{ 7, CR0_WP, BIT64(21), RFLAGS_AC, 0, false, -1 },
		{ 6, CR0_WP, 0, 0, 3, false, 4 }, /* not present */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		struct insn_cpu c = paged();
		struct insn_fault f;
		enum insn_result r;

		entry64(PT, 1, DATA0 | list[i].pte);
		c.cr0 = CR0_PE | CR0_PG | list[i].cr0;
		c.cr4 |= list[i].cr4;
		c.rflags |= list[i].rflags;
		c.cpl = list[i].cpl;
		c.gpr[GPR_RDI] = 0x1000;
		r = run(&c, list[i].write ? mov_store : mov_load, 3, &f);
		if (list[i].error < 0) {
			assert_int_equal(r, INSN_DONE);
			continue;
		}
		assert_int_equal(r, INSN_FAULT);
		assert_int_equal(f.error, list[i].error);
		assert_int_equal(get64(PT, 1) & 0x60, 0);
	}
}

static void test_paging_large(void **state)
{
	struct insn_cpu c = paged();
	struct insn_fault f;

	(void)state;
	/* 2 MiB page: linear 2 MiB + x → ARENA_BASE + x */
	entry64(PD, 1, (ARENA_BASE & ~0x1fffffULL) | 0x87);
	c.gpr[GPR_RDI] = 0x200000 + (DATA0 & 0x1fffff);
	c.gpr[GPR_RAX] = 0xabcd;
	assert_int_equal(run(&c, mov_store, 3, &f), INSN_DONE);
	assert_int_equal(load32(DATA0), 0xabcd);
	/* Non-canonical address. */
	c.gpr[GPR_RDI] = 0x800000000000;
	assert_int_equal(run(&c, mov_store, 3, &f), INSN_FAULT);
	assert_int_equal(f.vector, FAULT_GP);
	/* A table outside of RAM cannot be read. */
	entry64(PDPT, 1, 0x40000000 | 7);
	c.gpr[GPR_RDI] = 0x40000000;
	assert_int_equal(run(&c, mov_store, 3, &f), INSN_UNKNOWN);
	/* The large bit where no page can be that large. */
	entry64(PML4, 1, PDPT | 0x87);
	c.gpr[GPR_RDI] = 1ULL << 39;
	assert_int_equal(run(&c, mov_store, 3, &f), INSN_FAULT);
	assert_int_equal(f.error, 0xb);
}

static void test_paging_32(void **state)
{
	static const uint8_t store[] = { 0x89, 0x07 }; /* mov [edi],eax */
	struct insn_cpu c = { .cr0 = CR0_PE | CR0_PG, .cr3 = PD, .rflags = 2 };
	struct insn_fault f;

	(void)state;
	memset(arena, 0, ARENA_SIZE);
	for (int i = 0; i < SEG_COUNT; i++) {
		c.segment[i].limit = 0xffffffff;
		c.segment[i].attributes = i == SEG_CS ? 0xc09b : 0xc093;
	}
	store32(PD, PT | 7);
	store32(PT + 4 * 5, DATA1 | 7);
	c.gpr[GPR_RDI] = 0x5010;
	c.gpr[GPR_RAX] = 0x77;
	assert_int_equal(run(&c, store, 2, &f), INSN_DONE);
	assert_int_equal(load32(DATA1 + 0x10), 0x77);
	assert_int_equal(load32(PT + 4 * 5) & 0x60, 0x60);
	/* 4 MiB page, only with CR4.PSE. */
	store32(PD + 4, (ARENA_BASE & 0xffc00000U) | 0x87);
	c.cr4 = CR4_PSE;
	c.gpr[GPR_RDI] = 0x400000 + (DATA0 & 0x3fffff);
	assert_int_equal(run(&c, store, 2, &f), INSN_DONE);
	assert_int_equal(load32(DATA0), 0x77);
	/* PAE: four directory pointers without rights. */
	memset(arena, 0, ARENA_SIZE);
	c.cr4 = CR4_PAE;
	c.cr3 = PDPT;
	entry64(PDPT, 1, PD | 1);
	entry64(PD, 0, PT | 7);
	entry64(PT, 0, DATA0 | 7);
	c.gpr[GPR_RDI] = 0x40000020;
	assert_int_equal(run(&c, store, 2, &f), INSN_DONE);
	assert_int_equal(load32(DATA0 + 0x20), 0x77);
	assert_int_equal(get64(PDPT, 1), PD | 1);
}

/* --- strings: how far they come --- */

static void test_string_fault(void **state)
{
	static const uint8_t rep_stosd[] = { 0xf3, 0xab };
	struct insn_cpu c = paged();
	struct insn_fault f;

	(void)state;
	c.gpr[GPR_RDI] = 0x2ff8; /* two fit before the hole */
	c.gpr[GPR_RCX] = 5;
	c.gpr[GPR_RAX] = 0x42424242;
	c.rip = 0x10;
	assert_int_equal(run(&c, rep_stosd, 2, &f), INSN_FAULT);
	assert_int_equal(f.address, 0x3000);
	assert_int_equal(c.gpr[GPR_RCX], 3);
	assert_int_equal(c.gpr[GPR_RDI], 0x3000);
	assert_int_equal(c.rip, 0x10);
	assert_int_equal(load32(DATA1 + 0xffc), 0x42424242);
}

static void test_string_long(void **state)
{
	static const uint8_t rep_lodsb[] = { 0xf3, 0xac };
	struct world w = { .device = true };
	struct insn_bus bus = world_bus(&w);
	struct insn_cpu c = long_mode();
	struct insn_fault f;
	unsigned int calls = 0;

	(void)state;
	/* The guest gets the processor back now and then. */
	c.gpr[GPR_RCX] = 10000;
	c.gpr[GPR_RSI] = ARENA_BASE;
	c.rip = 0x10;
	while (c.rip == 0x10 && calls++ < 100)
		assert_int_equal(insn_emulate(&c, &bus, rep_lodsb, 2, &f), INSN_DONE);
	assert_int_equal(c.gpr[GPR_RCX], 0);
	assert_int_equal(c.rip, 0x12);
	assert_int_equal(w.accesses, 10000);
	assert_in_range(calls, 2, 100);
}

/* The page after the second element's has its table where there is no RAM. */
static void test_string_unknown(void **state)
{
	static const uint8_t rep_stosd[] = { 0xf3, 0xab };
	struct insn_cpu c = paged();
	struct insn_fault f;

	(void)state;
	entry64(PD, 1, 0x40000000 | 7);
	entry64(PT, 511, DATA1 | 7);
	c.gpr[GPR_RDI] = 0x1ffff8;
	c.gpr[GPR_RCX] = 5;
	c.gpr[GPR_RAX] = 0x42424242;
	c.rip = 0x10;
	/* What is done is said; the next time nothing is. */
	assert_int_equal(run(&c, rep_stosd, 2, &f), INSN_DONE);
	assert_int_equal(c.gpr[GPR_RCX], 3);
	assert_int_equal(c.gpr[GPR_RDI], 0x200000);
	assert_int_equal(c.rip, 0x10);
	assert_int_equal(load32(DATA1 + 0xffc), 0x42424242);
	assert_int_equal(run(&c, rep_stosd, 2, &f), INSN_UNKNOWN);
}

static void test_string_ports(void **state)
{
	static const uint8_t insd[] = { 0x6d }, outsw[] = { 0x66, 0x6f };
	struct insn_cpu c = paged();
	struct insn_fault f;

	(void)state;
	c.gpr[GPR_RDX] = 0x70;
	c.gpr[GPR_RDI] = 0x1000;
	c.gpr[GPR_RSI] = 0x2000;
	store32(DATA1, 0xdead1234);
	assert_int_equal(run(&c, insd, 1, &f), INSN_DONE);
	assert_int_equal(load32(DATA0), 0x11223344 + 0x70 + 4);
	assert_int_equal(c.gpr[GPR_RDI], 0x1004);
	assert_int_equal(run(&c, outsw, 2, &f), INSN_DONE);
	assert_int_equal(last_port_value, 0x70ULL << 40 | 2ULL << 32 | 0x1234);
	/* A destination that faults must not cost the port a value. */
	last_port_value = 0;
	c.gpr[GPR_RDI] = 0x3000;
	assert_int_equal(run(&c, insd, 1, &f), INSN_FAULT);
}

/* --- fetch and decode --- */

static void test_fetch(void **state)
{
	struct insn_cpu c = paged();
	struct insn_fault f;

	(void)state;
	/* No bytes given, the instruction across two pages. */
	memcpy(arena + (DATA0 + 0xfff - ARENA_BASE), mov_store, 1);
	memcpy(arena + (DATA1 - ARENA_BASE), mov_store + 1, 2);
	c.rip = 0x1fff;
	c.gpr[GPR_RDI] = 0x1100;
	c.gpr[GPR_RAX] = 0x1234;
	assert_int_equal(run(&c, NULL, 0, &f), INSN_DONE);
	assert_int_equal(load32(DATA0 + 0x100), 0x1234);
	/* Cut off in the message: the rest is fetched. */
	c.rip = 0x1fff;
	c.gpr[GPR_RAX] = 0x4321;
	assert_int_equal(run(&c, mov_store, 1, &f), INSN_DONE);
	assert_int_equal(load32(DATA0 + 0x100), 0x4321);
	/* Nothing to fetch. */
	c.rip = 0x3000;
	assert_int_equal(run(&c, NULL, 0, &f), INSN_UNKNOWN);
}

static void test_unknown(void **state)
{
	static const struct {
		uint8_t bytes[4];
		unsigned int len;
	} list[] = {
		{ { 0xd8, 0x07 }, 2 },		   /* fadd [rdi] */
		{ { 0x0f, 0x58, 0x07 }, 3 },	   /* addps xmm0,[rdi] */
		{ { 0x0f, 0x6f, 0x07 }, 3 },	   /* movq mm0,[rdi] */
		{ { 0x0f, 0x0b }, 2 },		   /* ud2 */
		{ { 0x8e, 0x07 }, 2 },		   /* mov es,[rdi] */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		struct insn_cpu c = paged(), before;
		struct insn_fault f;

		c.gpr[GPR_RDI] = 0x1000;
		c.rip = 0x1800;
		before = c;
		assert_int_equal(run(&c, list[i].bytes, list[i].len, &f), INSN_UNKNOWN);
		assert_memory_equal(&before, &c, sizeof(c));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real_mode),      cmocka_unit_test(test_protected_mode),
		cmocka_unit_test(test_paging),	       cmocka_unit_test(test_paging_rights),
		cmocka_unit_test(test_paging_large),   cmocka_unit_test(test_paging_32),
		cmocka_unit_test(test_string_fault),   cmocka_unit_test(test_string_long),
		cmocka_unit_test(test_string_ports),   cmocka_unit_test(test_string_unknown),
		cmocka_unit_test(test_segment_rights), cmocka_unit_test(test_branch_targets),
		cmocka_unit_test(test_fetch),	       cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, arena_set_up, NULL);
}
