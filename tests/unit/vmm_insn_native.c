/* SPDX-License-Identifier: MIT */
/*
 * The emulator against the processor this test runs on, in 16, 32 and 64 bit: every
 * form of tests/insn/forms.S is executed by the processor on memory and by the emulator
 * on the same memory, part of which it takes for a device; registers, flags, memory and
 * exceptions must agree. What the emulator does in protected mode's 16 bit it must do in
 * real mode, too.
 *
 * An instruction is entered from a signal's frame and left by the int3 behind it, or by
 * the exception it raises: nothing of the C environment is in its registers, segments
 * or stack. FS is the C library's, so forms with it are left to tests/guest/insn.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <asm/ldt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/insn/forms.h"
#include "vmm/insn/emulator.h"

#define FAILED_MAX 20 /* messages */
#define COMPARED   (RFLAGS_STATUS | RFLAGS_DF)

#define VECTOR_DB  1
#define VECTOR_BP  3
#define VECTOR_UD  6

#define RFLAGS_IF  BIT64(9)
#define INT3	   0xcc

/* Of XSAVE's area, which a signal's frame has. */
#define XSAVE_XMM      160
#define XSAVE_BV       512
#define XSAVE_YMM_HIGH 576
#define XSAVE_BYTES    (XSAVE_YMM_HIGH + INSN_VECTORS * 16)
#define XCR0_SSE       BIT64(1)
#define XCR0_AVX       BIT64(2)
#define XCR0_VECTORS   (XCR0_SSE | XCR0_AVX)
#define CR4_OSFXSR     BIT64(9)
#define CR4_OSXSAVE    BIT64(18)

/* How an instruction ended. */
struct end {
	uint64_t gpr[GPR_COUNT];
	uint64_t rip; /* offset in the code */
	uint64_t rflags;
	uint64_t vector, error, address;
	insn_vector vectors[INSN_VECTORS];
	uint8_t data[INSN_DATA_BYTES];
};

static uint8_t *const code = (uint8_t *)INSN_CODE;
static uint8_t *const data = (uint8_t *)INSN_DATA;

/* --- the processor --- */

/* Selectors: the system's for 64 bit, ours in the local descriptor table. */
enum { LDT_DATA32, LDT_DATA16, LDT_CODE32, LDT_CODE16 };
#define SELECTOR(i) ((i) << 3 | 7)

static uint16_t selector_cs, selector_ss, selector_ds; /* of the C environment */

static struct {
	bool inside;
	const struct insn_form *form;
	const struct insn_start *start;
	uint64_t rflags;
	gregset_t home;
	uint8_t home_xsave[XSAVE_BYTES];
	struct end *end;
} native;

static const int greg_of[GPR_COUNT] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8,	 REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

static uint16_t cs_of(unsigned int bits)
{
	return bits == 64 ? selector_cs : SELECTOR(bits == 32 ? LDT_CODE32 : LDT_CODE16);
}

static uint16_t ss_of(unsigned int bits)
{
	return bits == 64 ? selector_ss : SELECTOR(bits == 32 ? LDT_DATA32 : LDT_DATA16);
}

/* Bytes of vector register @i, in the signal's frame; one half after the other. */
static uint8_t *vector_half(uint8_t *xsave, unsigned int i, bool high)
{
	return xsave + (high ? XSAVE_YMM_HIGH : XSAVE_XMM) + (size_t)i * 16;
}

static void enter_vectors(uint8_t *xsave)
{
	uint64_t used;

	memcpy(native.home_xsave, xsave, XSAVE_BYTES);
	for (unsigned int i = 0; i < INSN_VECTORS; i++) {
		memcpy(vector_half(xsave, i, false), native.start->vector[i], 16);
		memcpy(vector_half(xsave, i, true), native.start->vector[i] + 2, 16);
	}
	memcpy(&used, xsave + XSAVE_BV, sizeof(used));
	used |= XCR0_VECTORS;
	memcpy(xsave + XSAVE_BV, &used, sizeof(used));
}

/* A part that is not marked as used holds zeros, and its bytes anything. */
static void leave_vectors(uint8_t *xsave)
{
	insn_vector *v = native.end->vectors;
	uint64_t used;

	memcpy(&used, xsave + XSAVE_BV, sizeof(used));
	memset(v, 0, sizeof(native.end->vectors));
	for (unsigned int i = 0; i < INSN_VECTORS; i++) {
		if (used & XCR0_SSE)
			memcpy(v[i], vector_half(xsave, i, false), 16);
		if (used & XCR0_AVX)
			memcpy(v[i] + 2, vector_half(xsave, i, true), 16);
	}
	memcpy(xsave, native.home_xsave, XSAVE_BYTES);
}

static void enter(gregset_t g)
{
	const struct insn_start *s = native.start;
	unsigned int bits = native.form->bits;

	memcpy(native.home, g, sizeof(gregset_t));
	for (unsigned int i = 0; i < GPR_COUNT; i++)
		g[greg_of[i]] = (greg_t)s->gpr[i];
	g[REG_RIP] = (bits == 64 ? INSN_CODE : 0) + s->code;
	g[REG_EFL] = (greg_t)(native.rflags | RFLAGS_IF | 2);
	g[REG_CSGSFS] = (g[REG_CSGSFS] & 0xffffffff0000) | (greg_t)cs_of(bits) |
			(greg_t)((uint64_t)ss_of(bits) << 48);
}

static void leave(gregset_t g)
{
	struct end *e = native.end;

	if (native.form->special != VECTOR)
		memset(e->vectors, 0, sizeof(e->vectors));
	for (unsigned int i = 0; i < GPR_COUNT; i++)
		e->gpr[i] = (uint64_t)g[greg_of[i]];
	e->rip = (uint64_t)g[REG_RIP] - (native.form->bits == 64 ? INSN_CODE : 0);
	e->rflags = (uint64_t)g[REG_EFL];
	e->vector = (uint64_t)g[REG_TRAPNO];
	e->error = e->vector == FAULT_PF || e->vector == FAULT_GP ? (uint64_t)g[REG_ERR] : 0;
	e->address = e->vector == FAULT_PF ? (uint64_t)g[REG_CR2] : 0;
	memcpy(g, native.home, sizeof(gregset_t));
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	bool vectors = native.form->special == VECTOR;

	(void)number;
	(void)info;
	if (native.inside) {
		if (vectors)
			leave_vectors((uint8_t *)u->uc_mcontext.fpregs);
		leave(u->uc_mcontext.gregs);
	} else {
		if (vectors)
			enter_vectors((uint8_t *)u->uc_mcontext.fpregs);
		enter(u->uc_mcontext.gregs);
	}
	native.inside = !native.inside;
}

static void run_native(const struct insn_form *f, const struct insn_start *s, uint64_t rflags,
		       struct end *end)
{
	native.form = f;
	native.start = s;
	native.rflags = rflags;
	native.end = end;
	/* FS is never used, and loading it would lose the C library's. */
	__asm__ volatile("mov %w0, %%ds; mov %w0, %%es; mov %w1, %%gs"
			 :
			 : "r"(f->bits == 64 ? selector_ds : ss_of(f->bits)),
			   "r"(SELECTOR(f->bits == 16 ? LDT_DATA16 : LDT_DATA32)));
	__asm__ volatile("int3" ::: "memory");
	__asm__ volatile("mov %w0, %%ds; mov %w0, %%es" : : "r"(selector_ds));
	memcpy(end->data, data, INSN_DATA_BYTES);
}

/* --- the emulator: pages of code and data are anywhere, not in a row --- */

#define GPA_TABLES 0x1000U
#define GPA_CODE   0x100000U
#define GPA_DATA   0x200000U
#define PAGE_STEP  0x3000U

static uint64_t tables[4][512];
static unsigned int devices; /* of the data's pages */
static bool real_mode;	     /* without the tables: all is where its linear address says */
static unsigned int wrong;   /* accesses to a device that were none */

/* What @gpa is: page of the data, or -1. */
static int data_page(uint64_t gpa)
{
	if (real_mode)
		return gpa >= INSN_DATA && gpa < INSN_DATA + INSN_DATA_BYTES ?
			       (int)((gpa - INSN_DATA) / PAGE_SIZE) :
			       -1;
	if (gpa < GPA_DATA || (gpa - GPA_DATA) / PAGE_STEP >= INSN_DATA_PAGES ||
	    (gpa - GPA_DATA) % PAGE_STEP >= PAGE_SIZE)
		return -1;
	return INSN_DATA_PAGES - 1 - (int)((gpa - GPA_DATA) / PAGE_STEP);
}

static void *within(uint8_t *page, uint64_t gpa, uint64_t len)
{
	return (gpa & ~PAGE_MASK) + len <= PAGE_SIZE ? page + (gpa & ~PAGE_MASK) : NULL;
}

static void *bus_ram(void *arg, uint64_t gpa, uint64_t len)
{
	int page = data_page(gpa);

	(void)arg;
	if (real_mode && gpa >= INSN_CODE && gpa < INSN_CODE + INSN_CODE_PAGES * PAGE_SIZE)
		return within(code + ((gpa - INSN_CODE) & PAGE_MASK), gpa, len);
	if (gpa >= GPA_TABLES && gpa < GPA_TABLES + sizeof(tables))
		return within((uint8_t *)tables[(gpa - GPA_TABLES) / PAGE_SIZE], gpa, len);
	if (gpa >= GPA_CODE && gpa < GPA_CODE + PAGE_STEP * INSN_CODE_PAGES)
		return within(code + (gpa - GPA_CODE) / PAGE_STEP * PAGE_SIZE, gpa, len);
	if (page < 0 || devices & BIT32((unsigned int)page))
		return NULL;
	return within(data + (unsigned int)page * PAGE_SIZE, gpa, len);
}

static uint8_t *device(uint64_t gpa, unsigned int size)
{
	int page = data_page(gpa);
	uint8_t *p = NULL;

	if (page >= 0 && devices & BIT32((unsigned int)page))
		p = within(data + (unsigned int)page * PAGE_SIZE, gpa, size);
	wrong += !p;
	return p;
}

static uint64_t bus_read(void *arg, uint64_t gpa, unsigned int size)
{
	const uint8_t *p = device(gpa, size);
	uint64_t v = 0;

	(void)arg;
	if (p)
		memcpy(&v, p, size);
	return v;
}

static void bus_write(void *arg, uint64_t gpa, unsigned int size, uint64_t val)
{
	uint8_t *p = device(gpa, size);

	(void)arg;
	if (p)
		memcpy(p, &val, size);
}

static struct insn_vectors vectors;

static bool vectors_get(void *arg, struct insn_vectors *v)
{
	(void)arg;
	*v = vectors;
	return true;
}

static void vectors_put(void *arg, const struct insn_vectors *v)
{
	(void)arg;
	vectors = *v;
}

static const struct insn_bus bus = {
	.ram = bus_ram,
	.mmio_read = bus_read,
	.mmio_write = bus_write,
	.vectors_get = vectors_get,
	.vectors_put = vectors_put,
};

static void map(uint64_t linear, uint64_t gpa)
{
	tables[0][0] = (GPA_TABLES + PAGE_SIZE) | 7;
	tables[1][linear >> 30 & 511] = (GPA_TABLES + 2 * PAGE_SIZE) | 7;
	tables[2][linear >> 21 & 511] = (GPA_TABLES + 3 * PAGE_SIZE) | 7;
	tables[3][linear >> 12 & 511] = gpa | 7;
}

static struct insn_cpu cpu_of(const struct insn_form *f, const struct insn_start *s)
{
	struct insn_cpu c = {
		.rip = (f->bits == 64 ? INSN_CODE : 0) + s->code,
		.rflags = s->rflags | RFLAGS_IF | 2,
		.cr0 = BIT64(0) | BIT64(16) | BIT64(31), /* PE, WP, PG */
		.cr3 = GPA_TABLES,
		.cr4 = BIT64(5) | CR4_OSFXSR | CR4_OSXSAVE, /* and PAE */
		.efer = BIT64(8) | BIT64(10), /* LME, LMA */
		.cpl = 3,
	};

	memcpy(c.gpr, s->gpr, sizeof(c.gpr));
	for (unsigned int i = 0; i < SEG_COUNT; i++)
		c.segment[i] = (struct hv_segment_register){
			.base = f->bits == 64 && i < SEG_FS ? 0 : INSN_DATA,
			.limit = f->bits == 16 ? INSN_DATA_BYTES - 1 : 0xffffffff,
			.selector = f->bits == 64 ? selector_ds : ss_of(f->bits),
			.attributes = f->bits == 16 ? 0x80f3 : 0xc0f3,
		};
	c.segment[SEG_SS].selector = ss_of(f->bits);
	c.segment[SEG_GS].selector = SELECTOR(f->bits == 16 ? LDT_DATA16 : LDT_DATA32);
	c.segment[SEG_CS].selector = cs_of(f->bits);
	c.segment[SEG_CS].limit = 0xffffffff;
	c.segment[SEG_CS].base = f->bits == 64 ? 0 : INSN_CODE;
	c.segment[SEG_CS].attributes = f->bits == 64 ? 0xa0fb : f->bits == 32 ? 0xc0fb : 0x80fb;
	return c;
}

/* As much of the instruction as the hypervisor would have fetched: all, some, nothing. */
static enum insn_result run_emulator(const struct insn_form *f, const struct insn_start *s,
				     uint64_t rflags, unsigned int bytes, struct end *end)
{
	struct insn_fault fault = { 0 };
	struct insn_cpu c = cpu_of(f, s);
	enum insn_result r;

	c.rflags |= rflags;
	if (real_mode) {
		c.cr0 = 0;
		c.efer = 0;
		c.cpl = 0;
	}
	vectors.xcr0 = XCR0_VECTORS;
	memcpy(vectors.reg, s->vector, sizeof(vectors.reg));
	r = insn_emulate(&c, &bus, code + s->code, bytes, &fault);
	memcpy(end->gpr, c.gpr, sizeof(end->gpr));
	end->rip = c.rip - (f->bits == 64 ? INSN_CODE : 0);
	end->rflags = c.rflags;
	end->vector = fault.vector;
	memcpy(end->vectors, vectors.reg, sizeof(end->vectors));
	end->error = fault.has_error ? fault.error : 0;
	end->address = fault.address;
	if (r == INSN_DONE) { /* where the processor goes on there is an int3 */
		end->vector = VECTOR_BP;
		end->rip++;
	}
	if (r == INSN_UNKNOWN)
		end->vector = VECTOR_UD;
	memcpy(end->data, data, INSN_DATA_BYTES);
	return r;
}

/* --- both --- */

static uint64_t seed = 88172645463325252ULL;
static unsigned int forms, failed;
static const struct insn_form *failed_last;

static void place_code(const struct insn_form *f, const struct insn_start *s)
{
	memset(code, INT3, INSN_CODE_PAGES * PAGE_SIZE);
	memcpy(code + s->code, f->code, f->length);
}

static void show(const char *what, const struct end *e)
{
	print_error("  %s: vector %llu error %llx address %llx rip %llx rflags %llx\n", what,
		    (unsigned long long)e->vector, (unsigned long long)e->error,
		    (unsigned long long)e->address, (unsigned long long)e->rip,
		    (unsigned long long)e->rflags);
	print_error("   rax %llx rcx %llx rdx %llx rbx %llx rsp %llx rsi %llx rdi %llx\n",
		    (unsigned long long)e->gpr[GPR_RAX], (unsigned long long)e->gpr[GPR_RCX],
		    (unsigned long long)e->gpr[GPR_RDX], (unsigned long long)e->gpr[GPR_RBX],
		    (unsigned long long)e->gpr[GPR_RSP], (unsigned long long)e->gpr[GPR_RSI],
		    (unsigned long long)e->gpr[GPR_RDI]);
}

static void differ(const struct insn_form *f, const struct insn_start *s, const char *why,
		   const struct end *ours, const struct end *theirs)
{
	if (f == failed_last) /* one beginning is enough */
		return;
	failed_last = f;
	if (failed++ >= FAILED_MAX)
		return;
	print_error("%u bit, %s: %s (devices %x)\n", f->bits, f->text, why, s->devices);
	show("emulator ", ours);
	if (theirs)
		show("processor", theirs);
	for (unsigned int i = 0; theirs && i < INSN_DATA_BYTES; i++) {
		if (ours->data[i] != theirs->data[i]) {
			print_error("  data from %x\n", i);
			break;
		}
	}
}

static const char *difference(const struct end *a, const struct end *b, uint64_t flags)
{
	if (a->vector != b->vector || a->error != b->error || a->address != b->address)
		return "exception";
	if (memcmp(a->gpr, b->gpr, sizeof(a->gpr)))
		return "registers";
	if (a->rip != b->rip)
		return "rip";
	if ((a->rflags ^ b->rflags) & flags)
		return "flags";
	if (memcmp(a->vectors, b->vectors, sizeof(a->vectors)))
		return "vectors";
	if (memcmp(a->data, b->data, sizeof(a->data)))
		return "memory";
	return NULL;
}

static void check_unsupported(const struct insn_form *f, const struct insn_start *s)
{
	static struct end before, ours;

	memcpy(before.data, data, INSN_DATA_BYTES);
	memcpy(before.gpr, s->gpr, sizeof(before.gpr));
	before.rip = s->code;
	before.rflags = s->rflags;
	before.vector = VECTOR_UD;
	devices = s->devices;
	if (run_emulator(f, s, 0, f->length, &ours) != INSN_UNKNOWN ||
	    difference(&ours, &before, COMPARED))
		differ(f, s, "emulated, though the table says no", &ours, NULL);
}

/*
 * 16 bit once more in real mode, which a process has no way into: as in protected mode,
 * but for error codes, and for VEX, which is not known there.
 */
static void compare_real(const struct insn_form *f, const struct insn_start *s, uint64_t rflags,
			 struct end *ours)
{
	bool vex = f->special == VECTOR && f->text[0] == 'v';
	static struct end real;
	const char *why;

	real_mode = true;
	wrong = 0;
	run_emulator(f, s, rflags, (unsigned int)seed % 3 * f->length / 2, &real);
	real_mode = false;
	ours->error = 0;
	if (vex)
		why = real.vector == VECTOR_UD && real.rip == s->code ? NULL : "VEX in real mode";
	else
		why = difference(&real, ours, ~UINT64_C(0));
	if (!why && wrong)
		why = "access";
	if (why)
		differ(f, s, why, &real, ours);
}

static void compare(const struct insn_form *f, const struct insn_start *s, uint64_t rflags)
{
	static uint8_t before[INSN_DATA_BYTES];
	static struct end theirs, ours;
	uint64_t flags = RFLAGS_DF;
	const char *why;
	bool half_way;

	memcpy(before, data, INSN_DATA_BYTES);
	run_native(f, s, s->rflags | rflags, &theirs);
	if (theirs.vector == VECTOR_UD) /* not this processor */
		return;
	half_way = theirs.vector != VECTOR_BP && theirs.rip == s->code;
	flags |= insn_defined_flags(f, s, half_way);
	memcpy(data, before, INSN_DATA_BYTES);
	devices = s->devices;
	wrong = 0;
	run_emulator(f, s, rflags, (unsigned int)seed % 3 * f->length / 2, &ours);
	why = difference(&ours, &theirs, flags);
	if (!why && wrong)
		why = "access";
	if (why)
		differ(f, s, why, &ours, &theirs);
	if (f->bits == 16) {
		memcpy(data, before, INSN_DATA_BYTES);
		compare_real(f, s, rflags, &ours);
	}
}

static bool left_out(const struct insn_form *f)
{
	/* A signal's frame has room for YMM only where there are some. */
	if (f->special == VECTOR)
		return !__builtin_cpu_supports("avx");
	return f->special == UNTOUCHED || strstr(f->text, "fs");
}

/* For the time of a test: cmocka has handlers of its own. */
static void catch_signals(void)
{
	static const int signals[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	static uint8_t memory[1 << 16];
	stack_t stack = { .ss_sp = memory, .ss_size = sizeof(memory) };

	assert_int_equal(sigaltstack(&stack, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		assert_int_equal(sigaction(signals[i], &sa, NULL), 0);
}

static void test_forms(void **state)
{
	(void)state;
	catch_signals();
	for (const struct insn_form *f = insn_forms; f < insn_forms_end; f++) {
		struct insn_start s;

		if (left_out(f))
			continue;
		forms++;
		for (unsigned int n = 0; n < insn_beginnings(f); n++) {
			insn_begin(f, n, &seed, &s, data);
			place_code(f, &s);
			if (f->special == UNSUPPORTED)
				check_unsupported(f, &s);
			else
				compare(f, &s, n % 4 ? 0 : RFLAGS_TF);
		}
	}
	print_message("%u forms, %u failed\n", forms, failed);
	assert_int_equal(failed, 0);
	assert_true(forms > 1500);
}

/* Data of 16 bit ends where it ends; the others have all addresses. */
static void describe(unsigned int i, uint32_t base, unsigned int contents, unsigned int big)
{
	bool small = i == LDT_DATA16;
	struct user_desc d = {
		.entry_number = i,
		.base_addr = base,
		.limit = small ? INSN_DATA_BYTES - 1 : 0xfffff,
		.seg_32bit = big,
		.contents = contents & 3,
		.limit_in_pages = !small,
		.useable = 1,
	};

	assert_int_equal(syscall(SYS_modify_ldt, 1, &d, sizeof(d)), 0);
}

static int set_up(void **state)
{
	(void)state;
	__asm__("mov %%cs, %0; mov %%ss, %1; mov %%ds, %2"
		: "=r"(selector_cs), "=r"(selector_ss), "=r"(selector_ds));
	if (mmap(code, INSN_CODE_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != code ||
	    mmap(data, INSN_DATA_BYTES, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != data)
		return -1;
	for (unsigned int i = 0; i < INSN_CODE_PAGES; i++)
		map(INSN_CODE + i * PAGE_SIZE, GPA_CODE + i * PAGE_STEP);
	for (unsigned int i = 0; i < INSN_DATA_PAGES; i++)
		map(INSN_DATA + i * PAGE_SIZE, GPA_DATA + (INSN_DATA_PAGES - 1 - i) * PAGE_STEP);
	describe(LDT_DATA32, INSN_DATA, MODIFY_LDT_CONTENTS_DATA, 1);
	describe(LDT_DATA16, INSN_DATA, MODIFY_LDT_CONTENTS_DATA, 0);
	describe(LDT_CODE32, INSN_CODE, MODIFY_LDT_CONTENTS_CODE, 1);
	describe(LDT_CODE16, INSN_CODE, MODIFY_LDT_CONTENTS_CODE, 0);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
