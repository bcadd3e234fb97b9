/* SPDX-License-Identifier: MIT */
#include "tests/root/lib/warnings.h"

#include <errno.h>
#include <string.h>
#include <sys/klog.h>

#define SYSLOG_ACTION_READ_CLEAR 4
#define LOG_BYTES		 (1 << 20) /* more than the kernel keeps */

static int count(const char *log, const char *text)
{
	int n = 0;

	for (const char *at = log; (at = strstr(at, text)); at++)
		n++;
	return n;
}

int warnings_count(struct warning_count *known)
{
	static char log[LOG_BYTES];
	int length = klogctl(SYSLOG_ACTION_READ_CLEAR, log, sizeof(log) - 1);
	int others;

	if (length < 0)
		return -errno;
	log[length] = 0;
	/* Other lines may come between a warning's own text and its "WARNING:". */
	others = count(log, "WARNING: at");
	for (; known->text; known++) {
		int n = count(log, known->text);

		known->seen += (unsigned int)n;
		others -= n;
	}
	return others;
}
