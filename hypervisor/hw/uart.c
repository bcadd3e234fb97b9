/* SPDX-License-Identifier: MIT */
#include "hypervisor/hw/uart.h"

#include "hypervisor/x86.h"

#define DEBUG_PORT     0x402u
#define DEBUG_READBACK 0xe9u /* what QEMU's isa-debugcon reads as */

#define COM1	       0x3f8u
#define UART_SCRATCH   (COM1 + 7)
#define UART_LSR       (COM1 + 5)
#define UART_LSR_THRE  0x20u
/* 16 bytes at 9600 baud take 17 ms; a port read takes about 1 us. */
#define UART_WAIT      100000u

static bool have_debug, have_serial;

void uart_init(void)
{
	uint8_t old = inb(UART_SCRATCH);

	have_debug = inb(DEBUG_PORT) == DEBUG_READBACK;
	/* Firmware has set the line up; a scratch register tells a 16550. */
	outb(UART_SCRATCH, 0x5a);
	have_serial = inb(UART_SCRATCH) == 0x5a;
	outb(UART_SCRATCH, old);
}

void uart_debug(char c)
{
	if (have_debug)
		outb(DEBUG_PORT, (uint8_t)c);
}

void uart_serial(char c)
{
	if (!have_serial)
		return;
	if (c == '\n')
		uart_serial('\r');
	for (unsigned int i = 0; i < UART_WAIT; i++) {
		if (inb(UART_LSR) & UART_LSR_THRE)
			break;
	}
	outb(COM1, (uint8_t)c);
}
