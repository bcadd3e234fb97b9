/* SPDX-License-Identifier: MIT */
/* The 16550A, with a console and a wire that only take notes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "abi/platform.h"
#include "vmm/console.h"
#include "vmm/dev/serial.h"
#include "vmm/device.h"

#define BASE PLATFORM_PORT_COM1
enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };

static struct {
	bool level;
	unsigned int edges;
} wire;

static struct {
	uint8_t out[64];
	size_t len, room;
	unsigned int resumed;
	struct console_client client;
} con;

void irq_line_set(struct irq *q, unsigned int gsi, bool level)
{
	(void)q;
	assert_int_equal(gsi, PLATFORM_GSI_COM1);
	wire.edges += level && !wire.level;
	wire.level = level;
}

bool console_put(struct console *c, uint8_t byte)
{
	(void)c;
	if (con.len == con.room)
		return false;
	con.out[con.len++] = byte;
	return true;
}

bool console_can_put(struct console *c)
{
	(void)c;
	return con.len < con.room;
}

void console_resume(struct console *c)
{
	(void)c;
	con.resumed++;
}

unsigned int console_attach(struct console *c, const struct console_client *client)
{
	(void)c;
	con.client = *client;
	return 0;
}

static struct machine machine;

static void out(unsigned int reg, uint8_t val)
{
	assert_true(bus_write(machine.ports, BASE + reg, 1, val));
}

static uint8_t in(unsigned int reg)
{
	uint64_t val;

	assert_true(bus_read(machine.ports, BASE + reg, 1, &val));
	return (uint8_t)val;
}

static void type(const char *text)
{
	size_t len = strlen(text);

	assert_true(con.client.room(con.client.arg) >= len);
	con.client.receive(con.client.arg, (const uint8_t *)text, len);
}

static int set_up(void **state)
{
	(void)state;
	memset(&con, 0, sizeof(con));
	memset(&wire, 0, sizeof(wire));
	con.room = sizeof(con.out);
	machine = (struct machine){ .ports = bus_create("ports") };
	return serial_create(&machine);
}

static int tear_down(void **state)
{
	(void)state;
	free(con.client.arg);
	bus_destroy(machine.ports);
	return 0;
}

static void test_output(void **state)
{
	(void)state;
	assert_int_equal(in(LSR), 0x60);
	out(DATA, 'h');
	out(DATA, 'i');
	assert_memory_equal(con.out, "hi", 2);
	assert_int_equal(in(LSR), 0x60);
	assert_false(wire.level);
}

static void test_divisor_is_not_output(void **state)
{
	(void)state;
	out(LCR, 0x80);
	out(DATA, 1);
	out(IER, 2);
	assert_int_equal(in(DATA), 1);
	assert_int_equal(in(IER), 2);
	out(LCR, 0x03);
	assert_int_equal(con.len, 0);
	assert_int_equal(in(IER), 0);
}

static void test_transmit_interrupt(void **state)
{
	(void)state;
	out(MCR, 0x08);
	out(IER, 0x02);
	assert_true(wire.level);
	assert_int_equal(in(IIR), 0x02);
	assert_false(wire.level); /* reading it was the acknowledgement */
	assert_int_equal(in(IIR), 0x01);
	out(DATA, 'x');
	assert_true(wire.level); /* empty again at once */
	/* Off and on again: Linux tests whether that interrupts. */
	in(IIR);
	out(IER, 0);
	assert_false(wire.level);
	out(IER, 0x02);
	assert_true(wire.level);
}

static void test_out2_gates_the_line(void **state)
{
	(void)state;
	out(IER, 0x02);
	assert_false(wire.level);
	out(MCR, 0x08);
	assert_true(wire.level);
	out(MCR, 0x18); /* loop-back cuts it off */
	assert_false(wire.level);
}

static void test_receive(void **state)
{
	(void)state;
	out(MCR, 0x08);
	out(IIR, 0x01);
	out(IER, 0x01);
	type("ab");
	assert_int_equal(wire.edges, 1);
	assert_int_equal(in(IIR), 0xc4);
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(DATA), 'a');
	assert_true(wire.level);
	assert_int_equal(in(DATA), 'b');
	assert_false(wire.level);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(DATA), 0);
	assert_true(con.resumed >= 2);
}

static void test_receive_below_trigger(void **state)
{
	(void)state;
	out(MCR, 0x08);
	out(IIR, 0x81); /* trigger at 8 */
	out(IER, 0x01);
	type("a");
	assert_int_equal(in(IIR), 0xcc);
	type("bcdefgh");
	assert_int_equal(in(IIR), 0xc4);
}

static void test_room(void **state)
{
	(void)state;
	/* One byte without FIFO, sixteen with. */
	assert_int_equal(con.client.room(con.client.arg), 1);
	out(IIR, 0x01);
	assert_int_equal(con.client.room(con.client.arg), 16);
	type("0123456789abcdef");
	assert_int_equal(con.client.room(con.client.arg), 0);
	out(IIR, 0x03); /* clear */
	assert_int_equal(con.client.room(con.client.arg), 16);
	assert_int_equal(in(LSR)&1, 0);
}

static void test_fifo_wraps(void **state)
{
	uint8_t next = 0, expect = 0;

	(void)state;
	out(IIR, 0x01);
	for (int round = 0; round < 20; round++) {
		while (con.client.room(con.client.arg)) {
			con.client.receive(con.client.arg, &next, 1);
			next++;
		}
		for (int i = 0; i < 11; i++)
			assert_int_equal(in(DATA), expect++);
	}
}

static void test_priorities(void **state)
{
	(void)state;
	out(MCR, 0x1b);
	out(IER, 0x0f);
	out(DATA, 'x'); /* comes back by the loop */
	out(DATA, 'y'); /* no FIFO: overrun */
	assert_int_equal(in(IIR), 0x06);
	assert_int_equal(in(LSR), 0x63);
	assert_int_equal(in(IIR), 0x04);
	assert_int_equal(in(DATA), 'x');
	assert_int_equal(in(IIR), 0x02);
	assert_int_equal(in(IIR)&0x01, 1);
}

static void test_modem_status(void **state)
{
	(void)state;
	/* Carrier, ready, clear to send: a peer that is always there. */
	assert_int_equal(in(MSR), 0xb0);
	/* Linux' loop-back test: OUT2 and RTS must read as DCD and CTS. */
	out(MCR, 0x1a);
	assert_int_equal(in(MSR)&0xf0, 0x90);
	out(MCR, 0x00);
	assert_int_equal(in(MSR), 0xb0 | 0x02); /* DSR came back */
	assert_int_equal(in(MSR), 0xb0);	/* deltas are read once */
}

static void test_busy_transmitter(void **state)
{
	(void)state;
	con.room = 3;
	out(MCR, 0x08);
	out(IER, 0x02);
	in(IIR);
	out(DATA, '1');
	out(DATA, '2');
	out(DATA, '3');
	assert_int_equal(in(LSR)&0x60, 0);
	assert_false(wire.level);
	con.room = 10;
	con.client.drained(con.client.arg);
	assert_true(wire.level);
	assert_int_equal(in(LSR)&0x60, 0x60);
	out(DATA, '4');
	assert_memory_equal(con.out, "1234", 4);
}

static void test_scratch_and_wide(void **state)
{
	uint64_t val;

	(void)state;
	out(SCR, 0x5a);
	assert_int_equal(in(SCR), 0x5a);
	/* A word is two registers; past the last one is nothing. */
	assert_true(bus_read(machine.ports, BASE + MSR, 2, &val));
	assert_int_equal(val, 0x5ab0);
	assert_false(bus_read(machine.ports, BASE + SCR, 2, &val));
	assert_int_equal(val, 0xffff);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_output),
		TEST(test_divisor_is_not_output),
		TEST(test_transmit_interrupt),
		TEST(test_out2_gates_the_line),
		TEST(test_receive),
		TEST(test_receive_below_trigger),
		TEST(test_room),
		TEST(test_fifo_wraps),
		TEST(test_priorities),
		TEST(test_modem_status),
		TEST(test_busy_transmitter),
		TEST(test_scratch_and_wide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
