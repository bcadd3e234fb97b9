/* SPDX-License-Identifier: MIT */
/* hypervisor/mem/pages.c: whose a page is, on a machine of two pieces of RAM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hypervisor/launch.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/mem/paging.h"

#define POOL_PAGES 64u
#define HIGH	   (UINT64_C(5) << 30)
#define RAM_TOP	   (HIGH + (UINT64_C(1) << 30) + 3 * PAGE_SIZE)

struct boot_info boot_info;
static _Alignas(4096) uint8_t pool[POOL_PAGES][4096];

void panic(const char *fmt, ...)
{
	fail_msg("panic: %s", fmt);
	abort();
}

unsigned int paging_address_bits(void)
{
	return 40;
}

static int setup(void **state)
{
	(void)state;
	boot_info = (struct boot_info){
		.image = { 0x200000, 0x5000 },
		.trampoline = 0x8000,
		.ram_top = RAM_TOP,
		.ram_count = 2,
		.ram = { { 0x1000, 0x7ffff000 }, { HIGH, RAM_TOP - HIGH } },
	};
	pages_init((uintptr_t)pool, sizeof(pool));
	return pages_deposits_create() ? 0 : -1;
}

static void test_whose(void **state)
{
	(void)state;
	assert_true(phys_is_root_ram(0x1000, PAGE_SIZE));
	assert_false(phys_is_root_ram(0, PAGE_SIZE));
	assert_false(phys_is_root_ram(0x204000, PAGE_SIZE));
	assert_false(phys_is_root_ram(0x8000, 8));
	assert_false(phys_is_root_ram(0x1ff000, 2 * PAGE_SIZE));
	assert_false(phys_is_root_ram(0x7ffff000, 2 * PAGE_SIZE));
	assert_true(phys_is_root_ram(RAM_TOP - PAGE_SIZE, PAGE_SIZE));
	assert_false(phys_is_root_ram(RAM_TOP, PAGE_SIZE));
	assert_false(phys_is_root_ram(~0xfffULL, PAGE_SIZE));
	assert_false(phys_is_root_ram(0x1000, 0));
}

static void test_deposits(void **state)
{
	static const uint64_t pages[] = { 0x1000, 0x40000000, HIGH, HIGH + 0x3ff000,
					  RAM_TOP - PAGE_SIZE };
	uint64_t large = HIGH + 0x200000;

	(void)state;
	assert_false(page_deposit(0));
	assert_false(page_deposit(0x200000));
	assert_false(page_deposit(RAM_TOP));
	assert_true(phys_is_root_ram(large, 0x200000));
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		assert_true(page_deposit(pages[i]));
		assert_false(page_deposit(pages[i]));
		assert_false(phys_is_root_ram(pages[i], PAGE_SIZE));
		assert_false(phys_is_root_ram(pages[i] + 4088, 8));
	}
	/* Neighbours stay the root's, a range with one in it does not. */
	assert_true(phys_is_root_ram(0x2000, 4 * PAGE_SIZE));
	assert_true(phys_is_root_ram(HIGH + PAGE_SIZE, 0x3fe000));
	assert_false(phys_is_root_ram(large, 0x200000));
	assert_false(phys_is_root_ram(large + 0x1feff8, 16));
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		page_withdraw(pages[i]);
		assert_true(phys_is_root_ram(pages[i], PAGE_SIZE));
	}
	assert_true(page_deposit(pages[0]));
}

/* The books must fit, or there is no start. */
static void test_no_memory(void **state)
{
	(void)state;
	boot_info.ram_top = BIT64(40);
	assert_false(pages_deposits_create());
}

/* What a guest may be given beside RAM: never memory, never the local APIC. */
static void test_devices(void **state)
{
	(void)state;
	assert_true(phys_is_device(0xfe000000, 0x100000));
	assert_true(phys_is_device(RAM_TOP, PAGE_SIZE));
	assert_true(phys_is_device(BIT64(40) - PAGE_SIZE, PAGE_SIZE));
	assert_false(phys_is_device(BIT64(40), PAGE_SIZE));
	assert_false(phys_is_device(BIT64(40) - PAGE_SIZE, 2 * PAGE_SIZE));
	assert_false(phys_is_device(0xfee00000, PAGE_SIZE));
	assert_false(phys_is_device(0xfe000000, 16ull << 20));
	assert_false(phys_is_device(0x1000, PAGE_SIZE));
	assert_false(phys_is_device(0x200000, PAGE_SIZE)); /* ours, in a hole or not */
	assert_false(phys_is_device(0x7ffff000, 2 * PAGE_SIZE));
	assert_false(phys_is_device(UINT64_MAX - PAGE_SIZE + 1, PAGE_SIZE));
	assert_false(phys_is_device(0xfe000000, 0));
	boot_info.image.base = 0xfd000000;
	assert_false(phys_is_device(0xfd000000, PAGE_SIZE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_whose, setup),
		cmocka_unit_test_setup(test_devices, setup),
		cmocka_unit_test_setup(test_deposits, setup),
		cmocka_unit_test_setup(test_no_memory, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
