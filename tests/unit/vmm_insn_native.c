/* SPDX-License-Identifier: MIT */
/*
 * The emulator against the processor this test runs on: every form is executed
 * natively on memory, by the emulator on RAM and by the emulator on device
 * memory, from the same random states; all three must agree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cpuid.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm_insn_rig.h"

#define AREA_BYTES 512 /* around the operand, compared as a whole */
#define OPERAND	   256 /* offset of the operand in its area */
#define STATES	   64  /* random states per form */

struct native {
	uint64_t gpr[GPR_COUNT];
	uint64_t rflags;
};

void native_run(struct native *n);
extern const void *native_code;
const void *native_code;

/* All general registers but RSP, and the flags, through *n. */
__asm__(".globl native_run\n"
	"native_run:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	push %rdi\n"
	"	pushq 128(%rdi)\n"
	"	mov 0(%rdi),%rax; mov 8(%rdi),%rcx; mov 16(%rdi),%rdx\n"
	"	mov 24(%rdi),%rbx; mov 40(%rdi),%rbp; mov 48(%rdi),%rsi\n"
	"	mov 64(%rdi),%r8; mov 72(%rdi),%r9; mov 80(%rdi),%r10\n"
	"	mov 88(%rdi),%r11; mov 96(%rdi),%r12; mov 104(%rdi),%r13\n"
	"	mov 112(%rdi),%r14; mov 120(%rdi),%r15; mov 56(%rdi),%rdi\n"
	"	popfq\n"
	"	call *native_code(%rip)\n"
	"	pushfq\n"
	"	push %rdi\n"
	"	mov 16(%rsp),%rdi\n"
	"	mov %rax,0(%rdi); mov %rcx,8(%rdi); mov %rdx,16(%rdi)\n"
	"	mov %rbx,24(%rdi); mov %rbp,40(%rdi); mov %rsi,48(%rdi)\n"
	"	mov %r8,64(%rdi); mov %r9,72(%rdi); mov %r10,80(%rdi)\n"
	"	mov %r11,88(%rdi); mov %r12,96(%rdi); mov %r13,104(%rdi)\n"
	"	mov %r14,112(%rdi); mov %r15,120(%rdi)\n"
	"	pop %rax; mov %rax,56(%rdi)\n"
	"	pop %rax; mov %rax,128(%rdi)\n"
	"	cld\n"
	"	pop %rdi\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n");

static uint8_t *code_page;

static void set_code(const uint8_t *bytes, unsigned int len)
{
	memset(code_page, 0xcc, 64);
	memcpy(code_page, bytes, len);
	code_page[len] = 0xc3;
	native_code = code_page;
}

static uint64_t random_state = 88172645463325252ULL;

static uint64_t rnd(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Values near the edges matter more than those in between. */
static uint64_t interesting(void)
{
	static const uint64_t edge[] = {
		0,
		1,
		0x7f,
		0x80,
		0xff,
		0x7fff,
		0x8000,
		0xffff,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		0x7fffffffffffffff,
		0x8000000000000000,
		~0ULL,
		0x0f,
		0x10,
	};

	return rnd() & 1 ? rnd() : edge[rnd() % ARRAY_SIZE(edge)];
}

/* --- forms --- */

enum quirk {
	EXACT,
	LOGIC,	  /* AF undefined */
	SHIFT,	  /* AF; OF unless by one; CF beyond the width */
	ROTATE,	  /* OF unless by one */
	BITS,	  /* all but CF and ZF */
	SCAN,	  /* all but ZF; destination if the source is 0 */
	MULTIPLY, /* all but CF and OF */
	STRING,	  /* RSI, RDI in the arena, RCX small */
};

#define NO_DIGIT 8 /* the reg field is RCX */

struct form {
	const char *name;
	uint8_t opcode[3];
	uint8_t opcode_len;
	uint8_t digit;
	uint8_t imm_bytes; /* 9: operand size, at most 4 */
	bool byte;	   /* 8-bit operand: no width prefixes */
	enum quirk quirk;
};

#define F1(n, o, d, i, b, q)            \
	{                               \
		n, { o }, 1, d, i, b, q \
	}
#define F2(n, o, d, i, b, q)                  \
	{                                     \
		n, { 0x0f, o }, 2, d, i, b, q \
	}
#define REG NO_DIGIT
#define ALU_FORMS(n, base, d, q)                                                                \
	F1(n " m8,r8", base, REG, 0, true, q), F1(n " m,r", base + 1, REG, 0, false, q),        \
		F1(n " r8,m8", base + 2, REG, 0, true, q),                                      \
		F1(n " r,m", base + 3, REG, 0, false, q), F1(n " m8,imm", 0x80, d, 1, true, q), \
		F1(n " m,imm", 0x81, d, 9, false, q), F1(n " m,imm8", 0x83, d, 1, false, q)
#define SHIFT_FORMS(n, d, q)                                                            \
	F1(n " m8,imm", 0xc0, d, 1, true, q), F1(n " m,imm", 0xc1, d, 1, false, q),     \
		F1(n " m8,1", 0xd0, d, 0, true, q), F1(n " m,1", 0xd1, d, 0, false, q), \
		F1(n " m8,cl", 0xd2, d, 0, true, q), F1(n " m,cl", 0xd3, d, 0, false, q)

static const struct form forms[] = {
	ALU_FORMS("add", 0x00, 0, EXACT),
	ALU_FORMS("or", 0x08, 1, LOGIC),
	ALU_FORMS("adc", 0x10, 2, EXACT),
	ALU_FORMS("sbb", 0x18, 3, EXACT),
	ALU_FORMS("and", 0x20, 4, LOGIC),
	ALU_FORMS("sub", 0x28, 5, EXACT),
	ALU_FORMS("xor", 0x30, 6, LOGIC),
	ALU_FORMS("cmp", 0x38, 7, EXACT),
	SHIFT_FORMS("rol", 0, ROTATE),
	SHIFT_FORMS("ror", 1, ROTATE),
	SHIFT_FORMS("rcl", 2, ROTATE),
	SHIFT_FORMS("rcr", 3, ROTATE),
	SHIFT_FORMS("shl", 4, SHIFT),
	SHIFT_FORMS("shr", 5, SHIFT),
	SHIFT_FORMS("sar", 7, SHIFT),
	F1("mov m8,r8", 0x88, REG, 0, true, EXACT),
	F1("mov m,r", 0x89, REG, 0, false, EXACT),
	F1("mov r8,m8", 0x8a, REG, 0, true, EXACT),
	F1("mov r,m", 0x8b, REG, 0, false, EXACT),
	F1("mov m8,imm", 0xc6, 0, 1, true, EXACT),
	F1("mov m,imm", 0xc7, 0, 9, false, EXACT),
	F1("test m8,r8", 0x84, REG, 0, true, LOGIC),
	F1("test m,r", 0x85, REG, 0, false, LOGIC),
	F1("test m8,imm", 0xf6, 0, 1, true, LOGIC),
	F1("test m,imm", 0xf7, 0, 9, false, LOGIC),
	F1("not m8", 0xf6, 2, 0, true, EXACT),
	F1("not m", 0xf7, 2, 0, false, EXACT),
	F1("neg m8", 0xf6, 3, 0, true, EXACT),
	F1("neg m", 0xf7, 3, 0, false, EXACT),
	F1("inc m8", 0xfe, 0, 0, true, EXACT),
	F1("inc m", 0xff, 0, 0, false, EXACT),
	F1("dec m8", 0xfe, 1, 0, true, EXACT),
	F1("dec m", 0xff, 1, 0, false, EXACT),
	F1("xchg m8,r8", 0x86, REG, 0, true, EXACT),
	F1("xchg m,r", 0x87, REG, 0, false, EXACT),
	F1("movsxd r,m", 0x63, REG, 0, false, EXACT),
	F1("imul r,m,imm", 0x69, REG, 9, false, MULTIPLY),
	F1("imul r,m,imm8", 0x6b, REG, 1, false, MULTIPLY),
	F2("imul r,m", 0xaf, REG, 0, false, MULTIPLY),
	F2("xadd m8,r8", 0xc0, REG, 0, true, EXACT),
	F2("xadd m,r", 0xc1, REG, 0, false, EXACT),
	F2("cmpxchg m8,r8", 0xb0, REG, 0, true, EXACT),
	F2("cmpxchg m,r", 0xb1, REG, 0, false, EXACT),
	F2("movzx r,m8", 0xb6, REG, 0, false, EXACT),
	F2("movzx r,m16", 0xb7, REG, 0, false, EXACT),
	F2("movsx r,m8", 0xbe, REG, 0, false, EXACT),
	F2("movsx r,m16", 0xbf, REG, 0, false, EXACT),
	F2("bt m,imm", 0xba, 4, 1, false, BITS),
	F2("bts m,imm", 0xba, 5, 1, false, BITS),
	F2("btr m,imm", 0xba, 6, 1, false, BITS),
	F2("btc m,imm", 0xba, 7, 1, false, BITS),
	F2("bt m,r", 0xa3, REG, 0, false, BITS),
	F2("bts m,r", 0xab, REG, 0, false, BITS),
	F2("btr m,r", 0xb3, REG, 0, false, BITS),
	F2("btc m,r", 0xbb, REG, 0, false, BITS),
	F2("bsf r,m", 0xbc, REG, 0, false, SCAN),
	F2("bsr r,m", 0xbd, REG, 0, false, SCAN),
	F2("shld m,r,imm", 0xa4, REG, 1, false, SHIFT),
	F2("shld m,r,cl", 0xa5, REG, 0, false, SHIFT),
	F2("shrd m,r,imm", 0xac, REG, 1, false, SHIFT),
	F2("shrd m,r,cl", 0xad, REG, 0, false, SHIFT),
};

static unsigned int build(const struct form *f, unsigned int width, uint8_t *code, uint64_t imm)
{
	unsigned int n = 0, imm_bytes = f->imm_bytes;

	if (width == 16)
		code[n++] = 0x66;
	if (width == 64)
		code[n++] = 0x48;
	memcpy(code + n, f->opcode, f->opcode_len);
	n += f->opcode_len;
	code[n++] = (uint8_t)((f->digit == REG ? 1 : f->digit) << 3 | 7); /* [rdi] */
	if (imm_bytes == 9)
		imm_bytes = width == 16 ? 2 : 4;
	memcpy(code + n, &imm, imm_bytes);
	return n + imm_bytes;
}

static uint64_t defined_flags(const struct form *f, unsigned int width, unsigned int count)
{
	switch (f->quirk) {
	case LOGIC:
		return RFLAGS_STATUS & ~RFLAGS_AF;
	case SHIFT: {
		uint64_t m = RFLAGS_STATUS & ~RFLAGS_AF;

		if (count != 1)
			m &= ~RFLAGS_OF;
		if (count > width)
			m &= ~RFLAGS_CF;
		return m;
	}
	case ROTATE:
		return count == 1 ? RFLAGS_STATUS : RFLAGS_STATUS & ~RFLAGS_OF;
	case BITS:
		return RFLAGS_CF | RFLAGS_ZF;
	case SCAN:
		return RFLAGS_ZF;
	case MULTIPLY:
		return RFLAGS_CF | RFLAGS_OF;
	default:
		return RFLAGS_STATUS;
	}
}

static void dump(const char *what, const struct native *n)
{
	print_error("%s: rflags %llx rax %llx rcx %llx rsi %llx rdi %llx\n", what,
		    (unsigned long long)n->rflags, (unsigned long long)n->gpr[0],
		    (unsigned long long)n->gpr[1], (unsigned long long)n->gpr[6],
		    (unsigned long long)n->gpr[7]);
}

/* One state through all three; @undefined: flags not to compare. */
static void compare(const char *name, unsigned int width, const uint8_t *code, unsigned int len,
		    const struct native *start, uint64_t flags)
{
	uint8_t before[2 * AREA_BYTES], native_memory[2 * AREA_BYTES];
	struct native native = *start;

	memcpy(before, arena, sizeof(before));
	set_code(code, len);
	native_run(&native);
	memcpy(native_memory, arena, sizeof(native_memory));
	for (int device = 0; device < 2; device++) {
		struct world w = { .device = device };
		struct insn_bus bus = world_bus(&w);
		struct insn_cpu cpu = long_mode();
		struct insn_fault fault;
		struct native got;

		memcpy(arena, before, sizeof(before));
		memcpy(cpu.gpr, start->gpr, sizeof(cpu.gpr));
		cpu.rflags = start->rflags;
		cpu.rip = 0x1000;
		if (insn_emulate(&cpu, &bus, code, len, &fault) != INSN_DONE) {
			print_error("%s (%u): not emulated\n", name, width);
			fail();
		}
		memcpy(got.gpr, cpu.gpr, sizeof(got.gpr));
		got.gpr[GPR_RSP] = native.gpr[GPR_RSP];
		got.rflags = cpu.rflags;
		if (memcmp(got.gpr, native.gpr, sizeof(got.gpr)) ||
		    memcmp(arena, native_memory, sizeof(native_memory)) ||
		    ((got.rflags ^ native.rflags) & flags) || cpu.rip != 0x1000 + len) {
			print_error("%s (%u, %s): differs\n", name, width,
				    device ? "device" : "ram");
			dump("start ", start);
			dump("native", &native);
			dump("ours  ", &got);
			fail();
		}
		if (device)
			assert_int_not_equal(w.accesses, 0);
	}
}

static struct native random_native(void)
{
	struct native n;

	for (unsigned int i = 0; i < GPR_COUNT; i++)
		n.gpr[i] = interesting();
	n.rflags = 0x202 | (rnd() & RFLAGS_STATUS);
	for (unsigned int i = 0; i < 2 * AREA_BYTES; i += 8) {
		uint64_t v = interesting();

		memcpy(arena + i, &v, 8);
	}
	n.gpr[GPR_RDI] = ARENA_BASE + OPERAND;
	return n;
}

/* Does the result of this state depend on more than the manual defines? */
static bool undefined(const struct form *f, unsigned int width, struct native *n,
		      unsigned int count)
{
	uint64_t operand = 0;

	if (f->opcode_len == 2 && f->quirk == SHIFT && count > width)
		return true;
	memcpy(&operand, arena + OPERAND, width / 8);
	if (f->quirk == SCAN && !operand)
		return true;
	if (f->quirk == BITS && f->digit == REG) /* stay in the arena */
		n->gpr[GPR_RCX] = (uint64_t)((int64_t)(n->gpr[GPR_RCX] % 2000) - 1000);
	return false;
}

static void test_native_forms(void **state)
{
	static const unsigned int widths[] = { 32, 16, 64 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		const struct form *f = &forms[i];

		for (unsigned int k = 0; k < ARRAY_SIZE(widths); k++) {
			unsigned int width = f->byte ? 8 : widths[k];

			for (unsigned int s = 0; s < STATES; s++) {
				struct native n = random_native();
				uint64_t imm = interesting();
				uint8_t code[16];
				unsigned int len = build(f, width, code, imm);
				unsigned int count = f->imm_bytes ? imm & 0xff :
						     (f->opcode[0] & 0xfe) == 0xd0 ?
								    1 :
								    (unsigned int)n.gpr[GPR_RCX];

				count &= width == 64 ? 63 : 31;
				if (undefined(f, width, &n, count))
					continue;
				compare(f->name, width, code, len, &n,
					defined_flags(f, width, count));
			}
			if (f->byte)
				break;
		}
	}
}

static void test_native_conditions(void **state)
{
	(void)state;
	for (unsigned int cc = 0; cc < 16; cc++) {
		for (unsigned int s = 0; s < STATES; s++) {
			struct native n = random_native();
			const uint8_t set[] = { 0x0f, (uint8_t)(0x90 + cc), 0x07 };
			const uint8_t cmov[] = { 0x48, 0x0f, (uint8_t)(0x40 + cc), 0x0f };

			compare("setcc", 8, set, sizeof(set), &n, RFLAGS_STATUS);
			compare("cmovcc", 64, cmov, sizeof(cmov), &n, RFLAGS_STATUS);
			compare("cmovcc", 32, cmov + 1, sizeof(cmov) - 1, &n, RFLAGS_STATUS);
		}
	}
}

static void test_native_addressing(void **state)
{
	/* mov through different addresses, high byte registers, REX, moffs */
	static const struct {
		uint8_t bytes[12];
		unsigned int len;
	} list[] = {
		{ { 0x8b, 0x4f, 0x08 }, 3 },			     /* mov ecx,[rdi+8] */
		{ { 0x8b, 0x4f, 0xf8 }, 3 },			     /* mov ecx,[rdi-8] */
		{ { 0x8b, 0x8f, 0x00, 0x01, 0x00, 0x00 }, 6 },	     /* mov ecx,[rdi+256] */
		{ { 0x8b, 0x0c, 0xf7 }, 3 },			     /* mov ecx,[rdi+rsi*8] */
		{ { 0x67, 0x8b, 0x0f }, 3 },			     /* mov ecx,[edi] */
		{ { 0x88, 0x27 }, 2 },				     /* mov [rdi],ah */
		{ { 0x8a, 0x3f }, 2 },				     /* mov bh,[rdi] */
		{ { 0x40, 0x88, 0x37 }, 3 },			     /* mov [rdi],sil */
		{ { 0x44, 0x89, 0x3f }, 3 },			     /* mov [rdi],r15d */
		{ { 0x4c, 0x8b, 0x07 }, 3 },			     /* mov r8,[rdi] */
		{ { 0xf0, 0x01, 0x0f }, 3 },			     /* lock add [rdi],ecx */
		{ { 0x0f, 0xc3, 0x0f }, 3 },			     /* movnti [rdi],ecx */
		{ { 0xa1, 0x00, 0x01, 0x00, 0x20, 0, 0, 0, 0 }, 9 }, /* mov eax,[moffs] */
		{ { 0xa2, 0x00, 0x01, 0x00, 0x20, 0, 0, 0, 0 }, 9 }, /* mov [moffs],al */
		{ { 0x8b, 0x0c, 0x25, 0x00, 0x01, 0x00, 0x20 }, 7 }, /* mov ecx,[abs] */
		{ { 0x66, 0x8b, 0x4f, 0x01 }, 4 },		     /* unaligned */
		{ { 0x48, 0x8b, 0x4f, 0x03 }, 4 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		for (unsigned int s = 0; s < STATES; s++) {
			struct native n = random_native();

			n.gpr[GPR_RSI] = rnd() % 16;
			compare("addressing", 0, list[i].bytes, list[i].len, &n, RFLAGS_STATUS);
		}
	}
}

static void test_native_movbe(void **state)
{
	static const uint8_t load[] = { 0x0f, 0x38, 0xf0, 0x0f };
	static const uint8_t store[] = { 0x48, 0x0f, 0x38, 0xf1, 0x0f };
	unsigned int a, b, c = 0, d;

	(void)state;
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_MOVBE))
		skip();
	for (unsigned int s = 0; s < STATES; s++) {
		struct native n = random_native();

		compare("movbe", 32, load, sizeof(load), &n, RFLAGS_STATUS);
		compare("movbe", 64, store, sizeof(store), &n, RFLAGS_STATUS);
	}
}

static void test_native_strings(void **state)
{
	static const uint8_t opcodes[] = { 0xa4, 0xaa, 0xac, 0xa6, 0xae };

	(void)state;
	for (unsigned int s = 0; s < 4000; s++) {
		struct native n = random_native();
		uint8_t code[4];
		unsigned int len = 0, width = (unsigned int)rnd() % 4;
		bool wide = width;

		if (rnd() & 1)
			code[len++] = rnd() & 1 ? 0xf3 : 0xf2;
		if (width == 2)
			code[len++] = 0x66;
		if (width == 3)
			code[len++] = 0x48;
		code[len++] = opcodes[rnd() % ARRAY_SIZE(opcodes)] | wide;
		n.gpr[GPR_RCX] = rnd() % 12;
		n.gpr[GPR_RSI] = ARENA_BASE + 128 + rnd() % 128;
		n.gpr[GPR_RDI] = ARENA_BASE + 512 + rnd() % 128;
		if (rnd() & 1)
			n.rflags |= RFLAGS_DF;
		if (rnd() & 1) /* equal stretches for the comparisons */
			memset(arena, 0x55, 2 * AREA_BYTES);
		if (rnd() & 1)
			n.gpr[GPR_RAX] = 0x5555555555555555ULL;
		/* Nothing repeated zero times touches memory. */
		if (len > 1 && n.gpr[GPR_RCX] == 0)
			n.gpr[GPR_RCX] = 1;
		compare("string", width, code, len, &n, RFLAGS_STATUS);
	}
}

static int set_up(void **state)
{
	code_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return code_page == MAP_FAILED ? -1 : arena_set_up(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_native_forms),	  cmocka_unit_test(test_native_conditions),
		cmocka_unit_test(test_native_addressing), cmocka_unit_test(test_native_movbe),
		cmocka_unit_test(test_native_strings),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
