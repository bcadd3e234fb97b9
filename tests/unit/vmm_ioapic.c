/* SPDX-License-Identifier: MIT */
/* The I/O APIC: what reaches the local APICs, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "abi/platform.h"
#include "vmm/dev/ioapic.h"
#include "vmm/device.h"

#define MASKED	   (1U << 16)
#define LEVEL	   (1U << 15)
#define REMOTE_IRR (1U << 14)

/* Registers of a pin: two from here. */
#define SCI	   (0x10 + 2 * PLATFORM_GSI_SCI)
#define END	   (0x10 + 2 * PLATFORM_GSI_COUNT)

static struct {
	struct irq_message last;
	unsigned int count;
	const struct irq_lines_ops *ops;
	void *lines;
} sent;

int irq_send(struct irq *q, const struct irq_message *m)
{
	(void)q;
	sent.last = *m;
	sent.count++;
	return 0;
}

void irq_attach_lines(struct irq *q, const struct irq_lines_ops *ops, void *lines)
{
	(void)q;
	sent.ops = ops;
	sent.lines = lines;
}

static struct machine machine;

static void write_reg(unsigned int off, uint32_t val)
{
	assert_true(bus_write(machine.mmio, PLATFORM_IOAPIC_BASE + off, 4, val));
}

static uint32_t read_reg(unsigned int off)
{
	uint64_t val;

	assert_true(bus_read(machine.mmio, PLATFORM_IOAPIC_BASE + off, 4, &val));
	return (uint32_t)val;
}

static void write_index(unsigned int index, uint32_t val)
{
	write_reg(0x00, index);
	write_reg(0x10, val);
}

static uint32_t read_index(unsigned int index)
{
	write_reg(0x00, index);
	return read_reg(0x10);
}

static void line(unsigned int pin, bool level)
{
	sent.ops->set(sent.lines, pin, level);
}

static int set_up(void **state)
{
	(void)state;
	memset(&sent, 0, sizeof(sent));
	machine = (struct machine){ .mmio = bus_create("mmio") };
	return ioapic_create(&machine);
}

static int tear_down(void **state)
{
	(void)state;
	free(sent.lines);
	bus_destroy(machine.mmio);
	return 0;
}

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(read_index(1), (PLATFORM_GSI_COUNT - 1) << 16 | 0x20);
	write_index(0, 0xffffffff);
	assert_int_equal(read_index(0), 0x0f000000);
	assert_int_equal(read_index(0x10), MASKED);
	assert_int_equal(read_index(END - 1), 0);
	/* Past the last pin. */
	write_index(END, 0x31);
	assert_int_equal(read_index(END), 0);
	assert_int_equal(read_index(0xff), 0);
}

static void test_edge(void **state)
{
	(void)state;
	write_index(0x19, 0x02000000);
	write_index(0x18, 0x0831); /* pin 4, logical, vector 0x31 */
	line(4, true);
	assert_int_equal(sent.count, 1);
	assert_int_equal(sent.last.vector, 0x31);
	assert_int_equal(sent.last.dest, 2);
	assert_true(sent.last.logical);
	assert_false(sent.last.level);
	line(4, true); /* no edge */
	assert_int_equal(sent.count, 1);
	line(4, false);
	line(4, true);
	assert_int_equal(sent.count, 2);
}

static void test_edge_while_masked(void **state)
{
	(void)state;
	write_index(0x18, MASKED | 0x31);
	line(4, true);
	line(4, false);
	line(4, true);
	assert_int_equal(sent.count, 0);
	write_index(0x18, 0x31);
	assert_int_equal(sent.count, 1); /* once */
	write_index(0x18, MASKED | 0x31);
	write_index(0x18, 0x31);
	assert_int_equal(sent.count, 1);
}

static void test_level(void **state)
{
	(void)state;
	write_index(SCI, LEVEL | 0x55);
	line(PLATFORM_GSI_SCI, true);
	assert_int_equal(sent.count, 1);
	assert_true(sent.last.level);
	assert_int_equal(read_index(SCI), LEVEL | REMOTE_IRR | 0x55);
	line(PLATFORM_GSI_SCI, false);
	line(PLATFORM_GSI_SCI, true);
	assert_int_equal(sent.count, 1); /* not before the end of the first */
	sent.ops->eoi(sent.lines, 0x54);
	assert_int_equal(sent.count, 1);
	sent.ops->eoi(sent.lines, 0x55);
	assert_int_equal(sent.count, 2); /* still high */
	line(PLATFORM_GSI_SCI, false);
	write_reg(0x40, 0x55); /* EOI register */
	assert_int_equal(sent.count, 2);
	assert_int_equal(read_index(SCI), LEVEL | 0x55);
}

static void test_level_while_masked(void **state)
{
	(void)state;
	write_index(SCI, MASKED | LEVEL | 0x55);
	line(PLATFORM_GSI_SCI, true);
	line(PLATFORM_GSI_SCI, false);
	write_index(SCI, LEVEL | 0x55);
	assert_int_equal(sent.count, 0); /* the wire is low */
	write_index(SCI, MASKED | LEVEL | 0x55);
	line(PLATFORM_GSI_SCI, true);
	write_index(SCI, LEVEL | 0x55);
	assert_int_equal(sent.count, 1);
}

static void test_read_only_bits(void **state)
{
	(void)state;
	write_index(SCI, MASKED | LEVEL | REMOTE_IRR | (1U << 12) | 0x55);
	assert_int_equal(read_index(SCI), MASKED | LEVEL | 0x55);
	write_index(SCI + 1, 0xffffffff);
	assert_int_equal(read_index(SCI + 1), 0xff000000);
	/* Switching to edge clears a stuck remote IRR. */
	write_index(SCI, LEVEL | 0x55);
	line(PLATFORM_GSI_SCI, true);
	write_index(SCI, MASKED | 0x55);
	assert_int_equal(read_index(SCI), MASKED | 0x55);
}

static void test_no_such_pin(void **state)
{
	(void)state;
	line(PLATFORM_GSI_COUNT, true);
	line(~0U, true);
	assert_int_equal(sent.count, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_identity),	       TEST(test_edge),
		TEST(test_edge_while_masked),  TEST(test_level),
		TEST(test_level_while_masked), TEST(test_read_only_bits),
		TEST(test_no_such_pin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
