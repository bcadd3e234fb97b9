/* SPDX-License-Identifier: MIT */
/* hypervisor/svm/insn.c: forms against what an assembler makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hypervisor/svm/insn.h"

struct form {
	const char *text;
	enum insn_mode mode;
	unsigned int count;
	uint8_t bytes[15];
	struct insn expected;
};

#define LOAD(size_, reg_)                  \
	{                                  \
		.size = size_, .reg = reg_ \
	}
#define STORE(size_, reg_)                                \
	{                                                 \
		.size = size_, .reg = reg_, .store = true \
	}
#define IMM(size_, v)                                                               \
	{                                                                           \
		.size = size_, .store = true, .has_immediate = true, .immediate = v \
	}
#define BYTES(...)                          \
	sizeof((uint8_t[]){ __VA_ARGS__ }), \
	{                                   \
		__VA_ARGS__                 \
	}

/* clang-format off: one form a line */
static const struct form forms[] = {
	{ "mov [0xffffffffff5fc0b0], eax", INSN_64, BYTES(0x89, 0x04, 0x25, 0xb0, 0xc0, 0x5f, 0xff),
	  STORE(4, 0) },
	{ "mov [rdi], esi", INSN_64, BYTES(0x89, 0x37), STORE(4, 6) },
	{ "mov [r8], r9d", INSN_64, BYTES(0x45, 0x89, 0x08), STORE(4, 9) },
	{ "mov ecx, [rip+0x10]", INSN_64, BYTES(0x8b, 0x0d, 0x10, 0, 0, 0), LOAD(4, 1) },
	{ "mov rax, [rbx+rcx*8+1]", INSN_64, BYTES(0x48, 0x8b, 0x44, 0xcb, 0x01), LOAD(8, 0) },
	{ "mov [r12], ax", INSN_64, BYTES(0x66, 0x41, 0x89, 0x04, 0x24), STORE(2, 0) },
	{ "mov [rax], sil", INSN_64, BYTES(0x40, 0x88, 0x30), STORE(1, 6) },
	{ "mov [rax], dh",
	  INSN_64,
	  BYTES(0x88, 0x30),
	  { .size = 1, .store = true, .reg = 2, .high_byte = true } },
	{ "mov dword [rax+0x300], 0xfb", INSN_64, BYTES(0xc7, 0x80, 0, 3, 0, 0, 0xfb, 0, 0, 0),
	  IMM(4, 0xfb) },
	{ "mov qword [rax], -1", INSN_64, BYTES(0x48, 0xc7, 0x00, 0xff, 0xff, 0xff, 0xff),
	  IMM(8, UINT64_MAX) },
	{ "mov byte [rax], 7", INSN_64, BYTES(0xc6, 0x00, 7), IMM(1, 7) },
	{ "mov word [rax], 0x1234", INSN_64, BYTES(0x66, 0xc7, 0x00, 0x34, 0x12), IMM(2, 0x1234) },
	{ "mov eax, [abs 64]", INSN_64, BYTES(0xa1, 0x20, 0, 0xe0, 0xfe, 0, 0, 0, 0), LOAD(4, 0) },
	{ "mov [abs 32], al", INSN_32, BYTES(0xa2, 0xb0, 0, 0xe0, 0xfe), STORE(1, 0) },
	{ "mov [ebx], edx (fs)", INSN_32, BYTES(0x64, 0x89, 0x13), STORE(4, 2) },
	{ "inc eax is not REX", INSN_32, BYTES(0x40), { 0 } },
	{ "mov [bx+si+5], cx", INSN_16, BYTES(0x89, 0x48, 0x05), STORE(2, 1) },
	{ "mov [0x1234], ecx", INSN_16, BYTES(0x66, 0x89, 0x0e, 0x34, 0x12), STORE(4, 1) },
	{ "mov [esi], ax (67)", INSN_16, BYTES(0x67, 0x89, 0x06), STORE(2, 0) },
	{ "mov eax, ebx", INSN_64, BYTES(0x89, 0xd8), { 0 } },
	{ "lock mov", INSN_64, BYTES(0xf0, 0x89, 0x37), { 0 } },
	{ "c7 /1", INSN_64, BYTES(0xc7, 0x08, 0, 0, 0, 0), { 0 } },
	{ "xchg [rdi], eax", INSN_64, BYTES(0x87, 0x07), { 0 } },
	{ "movups [rdi], xmm0", INSN_64, BYTES(0x0f, 0x11, 0x07), { 0 } },
};
/* clang-format on */

static void test_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		const struct form *f = &forms[i];
		struct insn insn;
		bool ok = insn_decode_mov(&insn, f->bytes, f->count, f->mode);

		if (ok != (f->expected.size != 0))
			fail_msg("%s: %s", f->text, ok ? "decoded" : "refused");
		if (!ok)
			continue;
		if (insn.length != f->count || insn.size != f->expected.size ||
		    insn.store != f->expected.store || insn.reg != f->expected.reg ||
		    insn.has_immediate != f->expected.has_immediate ||
		    insn.high_byte != f->expected.high_byte ||
		    insn.immediate != f->expected.immediate)
			fail_msg("%s: length %u size %u store %d reg %u immediate %#llx", f->text,
				 insn.length, insn.size, insn.store, insn.reg,
				 (unsigned long long)insn.immediate);
	}
}

/* Every proper beginning of a good instruction asks for more bytes. */
static void test_cut_short(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		for (unsigned int n = 0; n < forms[i].count; n++) {
			/* A heap copy, so that the sanitizer sees a read too many. */
			uint8_t *copy = malloc(n ? n : 1);
			struct insn insn;

			memcpy(copy, forms[i].bytes, n);
			assert_false(insn_decode_mov(&insn, copy, n, forms[i].mode));
			free(copy);
		}
	}
}

static void test_prefixes_without_end(void **state)
{
	uint8_t bytes[32];
	struct insn insn;

	(void)state;
	memset(bytes, 0x66, sizeof(bytes));
	bytes[14] = 0x89;
	bytes[15] = 0x37;
	/* The 16th byte is one too many. */
	assert_false(insn_decode_mov(&insn, bytes, sizeof(bytes), INSN_64));
	bytes[13] = 0x89;
	bytes[14] = 0x37;
	assert_true(insn_decode_mov(&insn, bytes, sizeof(bytes), INSN_64));
	assert_int_equal(insn.length, 15);
}

/* clang-format off: one form a line */
static const struct form cr_forms[] = {
	{ "mov cr8, rax", INSN_64, BYTES(0x44, 0x0f, 0x22, 0xc0), LOAD(8, 0) },
	{ "mov cr8, r9", INSN_64, BYTES(0x45, 0x0f, 0x22, 0xc1), LOAD(8, 9) },
	{ "mov cr8, rdi (66)", INSN_64, BYTES(0x66, 0x44, 0x0f, 0x22, 0xc7), LOAD(8, 7) },
	{ "mov cr8, rsi (mod 0)", INSN_64, BYTES(0x44, 0x0f, 0x22, 0x06), LOAD(8, 6) },
	{ "lock mov cr0, edx", INSN_32, BYTES(0xf0, 0x0f, 0x22, 0xc2), LOAD(4, 2) },
	{ "lock mov cr0, ebx", INSN_16, BYTES(0xf0, 0x0f, 0x22, 0xc3), LOAD(4, 3) },
	{ "rep mov cr4, rax", INSN_64, BYTES(0xf3, 0x0f, 0x22, 0xe0), LOAD(8, 0) },
	{ "all mov cr4, ecx", INSN_32, BYTES(0xf2, 0x2e, 0x67, 0x66, 0x0f, 0x22, 0xe1), LOAD(4, 1) },
	{ "lost REX, mov cr4, rcx", INSN_64, BYTES(0x41, 0xf3, 0x0f, 0x22, 0xe1), LOAD(8, 1) },
	{ "mov rax, cr8", INSN_64, BYTES(0x44, 0x0f, 0x20, 0xc0), { 0 } },
	{ "dec esp is not REX", INSN_32, BYTES(0x4c, 0x0f, 0x22, 0xc0), { 0 } },
	{ "not of map 0f", INSN_64, BYTES(0x44, 0x22, 0xc0), { 0 } },
};
/* clang-format on */

static void test_control_registers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cr_forms); i++) {
		const struct form *f = &cr_forms[i];
		struct insn insn;
		bool ok = insn_decode_mov_cr(&insn, f->bytes, f->count, f->mode);

		if (ok != (f->expected.size != 0))
			fail_msg("%s: %s", f->text, ok ? "decoded" : "refused");
		for (unsigned int n = 0; n < f->count; n++) {
			struct insn part;

			assert_false(insn_decode_mov_cr(&part, f->bytes, n, f->mode));
		}
		if (ok && (insn.length != f->count || insn.size != f->expected.size ||
			   insn.reg != f->expected.reg || insn.has_immediate || insn.high_byte))
			fail_msg("%s: length %u size %u reg %u", f->text, insn.length, insn.size,
				 insn.reg);
	}
}

/* Before an opcode that is not ours to decode. */
static void test_prefixes(void **state)
{
	static const uint8_t all[] = { 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64,
				       0x65, 0x66, 0x67, 0x4f, 0x0f, 0xa2, 0x66 };

	(void)state;
	assert_int_equal(insn_prefixes(all, sizeof(all), INSN_64), 12);
	assert_int_equal(insn_prefixes(all, sizeof(all), INSN_32), 11);
	assert_int_equal(insn_prefixes(all, sizeof(all), INSN_16), 11);
	assert_int_equal(insn_prefixes(all, 5, INSN_64), 5);
	assert_int_equal(insn_prefixes(all + 12, 3, INSN_64), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_prefixes_without_end),
		cmocka_unit_test(test_control_registers),
		cmocka_unit_test(test_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
