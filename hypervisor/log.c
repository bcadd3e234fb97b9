/* SPDX-License-Identifier: MIT */
#include "hypervisor/log.h"

#include <stdarg.h>

#include "hypervisor/hw/uart.h"
#include "hypervisor/lock.h"
#include "lib/fmt.h"

#define LOG_RING 16384u
#define LOG_LINE 256u

static struct lock log_lock;
static char ring[LOG_RING];
static uint32_t ring_head; /* bytes ever written */
static bool serial_on;

void log_init(void)
{
	uart_init();
	serial_on = true;
}

void log_serial_off(void)
{
	serial_on = false;
}

static void emit(const char *text, size_t size, bool serial)
{
	for (size_t i = 0; i < size; i++) {
		ring[ring_head++ % LOG_RING] = text[i];
		uart_debug(text[i]);
		if (serial)
			uart_serial(text[i]);
	}
}

static __printf(1, 0) void log_text(const char *fmt, va_list ap, bool locked, bool serial)
{
	char line[LOG_LINE];
	size_t n = fmt_vprint(line, sizeof(line) - 1, fmt, ap);

	n = MIN(n, sizeof(line) - 2);
	line[n++] = '\n';
	if (locked)
		lock_take(&log_lock);
	emit(line, n, serial);
	if (locked)
		lock_drop(&log_lock);
}

void log_line(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_text(fmt, ap, true, serial_on);
	va_end(ap);
}

void log_panic_line(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_text(fmt, ap, false, true);
	va_end(ap);
}

uint32_t log_position(void)
{
	return ring_head;
}

void log_replay(uint32_t end, unsigned int bytes)
{
	uint32_t from = end > bytes ? end - bytes : 0;

	if (end - from > LOG_RING)
		from = end - LOG_RING;
	/* Start behind a line end, so that no half line is shown. */
	while (from != end && from != 0 && ring[(from - 1) % LOG_RING] != '\n')
		from++;
	for (; from != end; from++)
		uart_serial(ring[from % LOG_RING]);
}
