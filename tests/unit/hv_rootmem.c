/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/mem/rootmem.c: what the root can reach, on a machine of two pieces of
 * RAM and two processors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hypervisor/cpu.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/hw/lapic.h"
#include "hypervisor/launch.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/nested.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/mem/paging.h"
#include "hypervisor/mem/rootmem.h"

#define POOL_PAGES 64u
#define GIB	   BIT64(30)
#define HIGH	   (5 * GIB)
#define RAM_TOP	   (HIGH + GIB + 3 * PAGE_SIZE)
#define RW	   (NESTED_PRESENT | NESTED_WRITE | NESTED_USER)
#define PFN(pa)	   ((pa) >> PAGE_SHIFT)

struct boot_info boot_info;
struct cpu *cpus[HV_CPUS_MAX];
unsigned int cpu_count = 2;

static _Alignas(4096) uint8_t pool[POOL_PAGES][4096];
static struct cpu processor[2];
static unsigned int kicks;

void panic(const char *fmt, ...)
{
	fail_msg("panic: %s", fmt);
	abort();
}

bool paging_has_1g(void)
{
	return true;
}

unsigned int paging_address_bits(void)
{
	return 48;
}

uint64_t clock_ticks_of_us(uint32_t us)
{
	return us * 2000ull;
}

/* It leaves the root, and will do as it is told before it enters again; or it cannot hear. */
static bool deaf;

void lapic_kick(struct cpu *target)
{
	assert_true(target->in_root && target->root_flush);
	kicks++;
	target->in_root = deaf;
}

static int setup(void **state)
{
	(void)state;
	boot_info = (struct boot_info){
		.image = { 0x200000, 0x5000 },
		.pool = { 0x400000, 0x200000 },
		.trampoline = 0x8000,
		.ram_top = RAM_TOP,
		.ram_count = 2,
		.ram = { { 0x1000, 0x7ffff000 }, { HIGH, RAM_TOP - HIGH } },
	};
	for (unsigned int i = 0; i < cpu_count; i++) {
		processor[i] = (struct cpu){ .index = i };
		cpus[i] = &processor[i];
	}
	kicks = 0;
	pages_init((uintptr_t)pool, sizeof(pool));
	return rootmem_build() && pages_deposits_create() ? 0 : -1;
}

/* The entry by which the root reaches @pa, 0 if it does not. */
static uint64_t root_entry(uint64_t pa)
{
	struct nested n = { .root = (uint64_t *)(uintptr_t)rootmem_table() };

	return nested_lookup(&n, pa, NULL);
}

static bool hide(uint64_t pa)
{
	uint64_t pfn = PFN(pa);

	return rootmem_hide(&pfn, 1);
}

/* Pages vanish from whatever size they were mapped by, neighbours stay. */
static void test_hide(void **state)
{
	static const uint64_t pages[] = { 0x1000,	    0x40000000,	     HIGH,
					  HIGH + PAGE_SIZE, HIGH + 0x3ff000, RAM_TOP - PAGE_SIZE };
	uint64_t pfn[ARRAY_SIZE(pages)];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		pfn[i] = PFN(pages[i]);
	assert_true(rootmem_hide(pfn, ARRAY_SIZE(pages)));
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		assert_int_equal(root_entry(pages[i]), 0);
		/* A hole among the root's memory is not to be filled. */
		assert_false(rootmem_fault(pages[i], false));
	}
	assert_int_equal(root_entry(0x2000), 0x2000 | RW);
	assert_int_equal(root_entry(HIGH + 2 * PAGE_SIZE), (HIGH + 2 * PAGE_SIZE) | RW);
	assert_int_equal(root_entry(HIGH + 0x3fe000), (HIGH + 0x3fe000) | RW);
	assert_int_equal(root_entry(HIGH + 0x400000), (HIGH + 0x400000) | RW | NESTED_LARGE);
	rootmem_show(pfn, ARRAY_SIZE(pages));
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		assert_int_equal(root_entry(pages[i]), pages[i] | RW);
}

/* No table left: nothing is hidden, be it the last page that needs one. */
static void test_no_tables(void **state)
{
	uint64_t many[POOL_PAGES];

	(void)state;
	for (unsigned int i = 0; i < POOL_PAGES; i++)
		many[i] = PFN(0x10000000 + i * LARGE_PAGE_SIZE);
	assert_false(rootmem_hide(many, POOL_PAGES));
	for (unsigned int i = 0; i < POOL_PAGES; i++)
		assert_true(root_entry(many[i] << PAGE_SHIFT) & NESTED_WRITE);
	assert_int_equal(processor[0].root_flush, 0);
}

static void test_shared(void **state)
{
	(void)state;
	assert_true(hide(HIGH + 0x5000));
	assert_true(rootmem_share(phys_to_virt(HIGH + 0x5000), true));
	assert_int_equal(root_entry(HIGH + 0x5000), (HIGH + 0x5000) | RW);
	assert_true(hide(HIGH + 0x5000));
	assert_int_equal(root_entry(HIGH + 0x5000), 0);
	assert_true(rootmem_share(phys_to_virt(HIGH + 0x5000), false));
	assert_int_equal(root_entry(HIGH + 0x5000), (HIGH + 0x5000) | NESTED_PRESENT | NESTED_USER);
}

/*
 * A word read that runs into a deposited page finds zeros (load_unaligned_zeropad), no
 * more; and the page itself as soon as the root may see it again, on every processor.
 */
static void test_stray_read(void **state)
{
	const uint64_t pa = HIGH + 0x5000, pfn = PFN(pa);
	const uint8_t *seen;
	uint64_t entry;

	(void)state;
	assert_true(page_deposit(pa));
	assert_true(hide(pa));
	assert_false(rootmem_fault(pa, false));
	assert_int_equal(root_entry(pa), 0);
	assert_true(rootmem_fault(pa + 0xff8, true));
	entry = root_entry(pa);
	assert_int_equal(entry & (NESTED_PRESENT | NESTED_WRITE | NESTED_NX),
			 NESTED_PRESENT | NESTED_NX);
	seen = phys_to_virt(entry & NESTED_ADDR);
	assert_in_range((uintptr_t)seen, (uintptr_t)pool, (uintptr_t)pool[POOL_PAGES - 1]);
	for (unsigned int i = 0; i < PAGE_SIZE; i++)
		assert_int_equal(seen[i], 0);
	assert_int_equal(root_entry(pa + PAGE_SIZE), (pa + PAGE_SIZE) | RW);
	/* Another processor was there at the same time. */
	assert_true(rootmem_fault(pa, true));
	assert_int_equal(root_entry(pa), entry);

	processor[0].root_flush = processor[1].root_flush = 0;
	assert_true(rootmem_share(phys_to_virt(pa), true));
	assert_int_equal(root_entry(pa), pa | RW);
	assert_true(processor[0].root_flush && processor[1].root_flush);
	assert_true(hide(pa));
	assert_true(rootmem_fault(pa, true));
	processor[1].root_flush = 0;
	rootmem_show(&pfn, 1);
	assert_int_equal(root_entry(pa), pa | RW);
	assert_int_equal(processor[1].root_flush, 1);
	page_withdraw(pa);
}

/* Processors that may use an old translation are made to leave; the others will drop it. */
static void test_shoot_down(void **state)
{
	uint64_t pfn = PFN(HIGH);

	(void)state;
	processor[1].in_root = 1;
	assert_true(hide(HIGH));
	assert_int_equal(kicks, 1);
	assert_true(processor[0].root_flush && processor[1].root_flush);
	processor[1].root_flush = 0;
	rootmem_show(&pfn, 1);
	assert_int_equal(processor[1].root_flush, 0);
	assert_true(hide(HIGH));
	assert_int_equal(processor[1].root_flush, 1);
	assert_int_equal(kicks, 1);
}

/* One with interrupts off may be waiting for us: no waiting for it, but it drops them later. */
static void test_shoot_down_of_the_deaf(void **state)
{
	(void)state;
	processor[1].in_root = 1;
	deaf = true;
	assert_true(hide(HIGH));
	deaf = false;
	assert_int_equal(kicks, 1);
	assert_int_equal(root_entry(HIGH), 0);
	assert_int_equal(processor[1].root_flush, 1);
}

/* Device memory above RAM comes when touched; our own never does. */
static void test_faults(void **state)
{
	(void)state;
	assert_true(rootmem_fault(40 * GIB + 0x1234, true));
	assert_int_equal(root_entry(40 * GIB) & NESTED_ADDR, 40 * GIB);
	assert_false(rootmem_fault(BIT64(48), true));
	assert_false(rootmem_fault(0x200000, true));
	assert_false(rootmem_fault(0x5ff000, true));
	assert_false(rootmem_fault(0x8000, true));
	assert_true(rootmem_fault(0x9000, true)); /* already there */
	assert_int_equal(root_entry(0x8000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_hide, setup),
		cmocka_unit_test_setup(test_no_tables, setup),
		cmocka_unit_test_setup(test_shared, setup),
		cmocka_unit_test_setup(test_stray_read, setup),
		cmocka_unit_test_setup(test_shoot_down, setup),
		cmocka_unit_test_setup(test_shoot_down_of_the_deaf, setup),
		cmocka_unit_test_setup(test_faults, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
