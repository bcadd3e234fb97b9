/* SPDX-License-Identifier: MIT */
#include "tests/root/lib/beside.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 256
#define ALERT	       "<1>" /* whatever the console's log level is */

void say(const char *format, ...)
{
	char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES + 8];
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	va_list args;
	int length;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* The log takes one line a write. */
	length = snprintf(line, sizeof(line), ALERT "%s\n", text);
	if (fd < 0 || write(fd, line, (size_t)length) != length)
		_exit(1);
	close(fd);
}

int beside_init(void (*watch)(void), char **argv)
{
	if (fork() == 0) {
		watch();
		_exit(0);
	}
	argv[0] = strdup("/init");
	execv("/init", argv);
	return 1;
}
