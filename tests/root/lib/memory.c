/* SPDX-License-Identifier: MIT */
#include "tests/root/lib/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SETTLE_S   1
#define SAMPLES	   20
#define SAMPLE_US  100000
#define PAGE_KB	   4

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* "  pages free     3978" a zone; "              count:    63" a processor. */
static long zone_pages(const char *line)
{
	long count;

	if (sscanf(line, " pages free %ld", &count) == 1 ||
	    sscanf(line, " count: %ld", &count) == 1)
		return count;
	return 0;
}

static long store_pages(const char *line)
{
	static const char *const stores[] = { "nr_slab_reclaimable", "nr_slab_unreclaimable",
					      "nr_page_table_pages", "nr_vmalloc" };
	char name[64];
	long count;

	if (sscanf(line, "%63s %ld", name, &count) != 2)
		return 0;
	for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
		if (!strcmp(name, stores[i]))
			return count;
	}
	return 0;
}

static long percpu_pages(const char *line)
{
	long kb;

	return sscanf(line, "Percpu: %ld kB", &kb) == 1 ? kb / PAGE_KB : 0;
}

/* Sum of what @pages finds in the lines of a file; 0 if there is nothing. */
static long sum(const char *path, long (*pages)(const char *line))
{
	FILE *f = fopen(path, "r");
	char line[256];
	long total = 0;

	while (f && fgets(line, sizeof(line), f))
		total += pages(line);
	if (f)
		fclose(f);
	return total;
}

int memory_look(struct memory *m)
{
	sleep(SETTLE_S);
	if (!write_file("/proc/sys/vm/drop_caches", "3"))
		return -1;
	m->free = 0;
	for (int i = 0; i < SAMPLES; i++) {
		long free;

		usleep(SAMPLE_US);
		/* The processors keep their share of each count to themselves until asked. */
		if (!write_file("/proc/sys/vm/stat_refresh", "1"))
			return -1;
		/* Pages on their way from one list to another are missed: up to 40 of them. */
		free = sum("/proc/zoneinfo", zone_pages);
		if (free > m->free)
			m->free = free;
	}
	m->stores = sum("/proc/vmstat", store_pages) + sum("/proc/meminfo", percpu_pages);
	return m->free && m->stores ? 0 : -1;
}

long memory_grown(const struct memory *before, const struct memory *after)
{
	return after->stores - before->stores;
}

long memory_lost(const struct memory *before, const struct memory *after)
{
	return before->free - after->free - memory_grown(before, after);
}
