/* SPDX-License-Identifier: MIT */
/*
 * Log: lines `component: event (detail)` into a memory ring, the debug port
 * (0x402, if something answers there) and, until the root owns it, COM1.
 * Any processor, any state; lines of different processors do not mix.
 * printf subset: %s %c %d %u %x %llu %llx %p %#, widths and zero padding.
 */
#ifndef HYPERVISOR_LOG_H
#define HYPERVISOR_LOG_H

#include "base/base.h"

void log_init(void);
void log_serial_off(void);	/* root starts: COM1 is its own from now on */

void log_line(const char *fmt, ...) __printf(1, 2);

/*
 * For panic.c alone: a line without the lock, on the serial port too, and the
 * @bytes of the ring before position @end on the serial port (the debug port has
 * had them).
 */
void log_panic_line(const char *fmt, ...) __printf(1, 2);
uint32_t log_position(void);
void log_replay(uint32_t end, unsigned int bytes);

/*
 * Print cause, registers, VMCB summary and the last log lines on debug port and
 * serial; stop the machine.
 */
__noreturn void panic(const char *fmt, ...) __printf(1, 2);

/* Our own mistakes only, never external input; never compiled out. */
#define CHECK(cond) \
	do { \
		if (!(cond)) \
			panic("check failed: %s (%s:%d)", #cond, __FILE__, __LINE__); \
	} while (0)

#endif
