/* SPDX-License-Identifier: MIT */
#include "vmm/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Long enough for a register line; what is longer is cut, never split. */
#define LINE_MAX_BYTES	 320

/* How long a line may wait for its reader: a guest's processor waits with it. */
#define WAIT_MS		 100

/*
 * What a guest can cause is limited, or it could drown the host's console and
 * every other guest's lines there.
 */
#define LINES_PER_SECOND 50

static enum log_level threshold = LOG_INFO;
static _Atomic time_t second;
static atomic_uint lines, left_out;

void log_set_level(enum log_level level)
{
	threshold = level;
}

/* May another line of the guest's go out? */
static bool admitted(enum log_level level)
{
	time_t now = time(NULL);
	unsigned int n;

	if (level != LOG_WARN && level != LOG_INFO)
		return true;
	if (atomic_exchange(&second, now) != now) {
		atomic_store(&lines, 0);
		n = atomic_exchange(&left_out, 0);
		if (n)
			log_error("messages left out (%u)", n);
	}
	if (atomic_fetch_add(&lines, 1) < LINES_PER_SECOND)
		return true;
	atomic_fetch_add(&left_out, 1);
	return false;
}

void log_print(enum log_level level, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES] = "vmm: ";
	const size_t prefix = 5;
	struct pollfd reader = { .fd = STDERR_FILENO, .events = POLLOUT };
	int saved_errno = errno;
	ssize_t done;
	va_list ap;
	int n;

	if (level > threshold || !admitted(level))
		return;
	va_start(ap, fmt);
	n = vsnprintf(line + prefix, sizeof(line) - prefix - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	n = MIN(n + (int)prefix, (int)sizeof(line) - 2);
	line[n++] = '\n';
	/*
	 * Rather lose a line than block for ever on a reader that has stopped:
	 * a pipe that polls writable has room for a page. When standard error
	 * is gone there is nobody to tell.
	 */
	if (poll(&reader, 1, level <= LOG_WARN ? WAIT_MS : 0) == 1) {
		done = write(STDERR_FILENO, line, (size_t)n);
		(void)done;
	}
	errno = saved_errno;
}

void check_failed(const char *what, const char *file, int line)
{
	log_error("internal error (%s, %s:%d)", what, file, line);
	abort();
}
