/* SPDX-License-Identifier: MIT */
#include "tests/root/lib/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SETTLE_S 1

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

long memory_free_pages(void)
{
	char line[256];
	long total = 0, count;
	FILE *zones;

	sleep(SETTLE_S);
	if (!write_file("/proc/sys/vm/drop_caches", "3"))
		return -1;
	sleep(SETTLE_S);
	zones = fopen("/proc/zoneinfo", "r");
	if (!zones)
		return -1;
	/* "  pages free     3978" a zone; "              count:    63" a processor. */
	while (fgets(line, sizeof(line), zones)) {
		if (sscanf(line, " pages free %ld", &count) == 1 ||
		    sscanf(line, " count: %ld", &count) == 1)
			total += count;
	}
	fclose(zones);
	return total ? total : -1;
}
