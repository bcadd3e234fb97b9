/* SPDX-License-Identifier: MIT */
/* hypervisor/svm/root_walk.c: prefixes of the root's instructions, remembered places. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "hypervisor/mem/pages.h"
#include "hypervisor/svm/root.h"
#include "hypervisor/vcpu.h"

#define PRESENT 1u
#define VA	0x7f8040201000ull /* index 255, 1, 1, 1 */

static uint64_t tables[2][4][512] __attribute__((aligned(4096)));
static uint8_t text[2][4096] __attribute__((aligned(4096)));
static struct vmcb vmcb;
static struct root_vp vp;
static unsigned int asked;
static uint64_t refused; /* a page that is not the root's */

bool phys_is_root_ram(uint64_t pa, uint64_t size)
{
	(void)size;
	asked++;
	return (pa & PAGE_MASK) != refused;
}

static int setup(void **state)
{
	(void)state;
	for (int space = 0; space < 2; space++) {
		uint64_t (*t)[512] = tables[space];

		for (unsigned int level = 0; level < 4; level++)
			t[level][level ? 1 : 255] =
				virt_to_phys(level < 3 ? (void *)t[level + 1] : text[space]) |
				PRESENT;
		memset(text[space], 0x90, sizeof(text[space]));
	}
	vp = (struct root_vp){ .vmcb = &vmcb };
	vmcb = (struct vmcb){ .efer = EFER_LMA, .cr3 = virt_to_phys(tables[0]), .rip = VA };
	refused = 0;
	return 0;
}

static unsigned int prefixes(uint64_t rip)
{
	vmcb.rip = rip;
	asked = 0;
	return root_prefixes(&vp);
}

/* The tables are looked at once, the instruction every time. */
static void test_remembered(void **state)
{
	(void)state;
	memcpy(text[0], "\x0f\x30\x0f\x01\xd9", 5);
	assert_int_equal(prefixes(VA), 0);
	assert_int_equal(asked, 5);
	assert_int_equal(prefixes(VA + 2), 0);
	assert_int_equal(asked, 5);
	assert_int_equal(prefixes(VA), 0);
	assert_int_equal(asked, 1);
	assert_int_equal(prefixes(VA + 2), 0);
	assert_int_equal(asked, 1);
	/* Linux's alternatives put a prefix before a WRMSR that has run. */
	memcpy(text[0], "\x3e\x0f\x30", 3);
	assert_int_equal(prefixes(VA), 1);
	memcpy(text[0], "\xf3\x48\x0f\x30", 4);
	assert_int_equal(prefixes(VA), 2);
}

/* One place in two address spaces is two. */
static void test_spaces(void **state)
{
	(void)state;
	memcpy(text[0], "\x0f\xa2", 2);
	memcpy(text[1], "\x66\x0f\xa2", 3);
	for (int i = 0; i < 2; i++) {
		vmcb.cr3 = virt_to_phys(tables[0]);
		assert_int_equal(prefixes(VA), 0);
		vmcb.cr3 = virt_to_phys(tables[1]);
		assert_int_equal(prefixes(VA), 1);
	}
}

/* What the root has given away since is not read. */
static void test_not_ours(void **state)
{
	(void)state;
	memcpy(text[0], "\xf3\x0f\x30", 3);
	assert_int_equal(prefixes(VA), 1);
	refused = virt_to_phys(text[0]);
	assert_int_equal(prefixes(VA), 0);
	refused = virt_to_phys(tables[1][2]);
	vmcb.cr3 = virt_to_phys(tables[1]);
	memcpy(text[1], "\xf3\x0f\x30", 3);
	assert_int_equal(prefixes(VA), 0);
	refused = 0;
	assert_int_equal(prefixes(VA), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_remembered, setup),
		cmocka_unit_test_setup(test_spaces, setup),
		cmocka_unit_test_setup(test_not_ours, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
