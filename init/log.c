/* SPDX-License-Identifier: MIT */
#include "init/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "init/console.h"

/* The one log of this process; PID 1 has one thread. */
static struct console *target;

void log_to(struct console *console)
{
	target = console;
}

/* One write(), so that the line stays whole beside the kernel's own. */
static void write_directly(const char *line)
{
	char text[LOG_LINE_MAX + 1];
	size_t length = strnlen(line, LOG_LINE_MAX - 1);

	memcpy(text, line, length);
	text[length++] = '\n';
	/* Nobody is left who could be told that this failed. */
	if (write(STDERR_FILENO, text, length) < 0)
		return;
}

void log_line(const char *line)
{
	if (target)
		console_print(target, line);
	else
		write_directly(line);
}

void log_event(const char *format, ...)
{
	char line[LOG_LINE_MAX] = "init: ";
	size_t used = strlen(line);
	va_list args;

	va_start(args, format);
	vsnprintf(line + used, sizeof(line) - used, format, args);
	va_end(args);
	log_line(line);
}
