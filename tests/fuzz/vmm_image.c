/* SPDX-License-Identifier: MIT */
/* Kernel images: any file into a small guest. The input is the file. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/load/load.h"
#include "vmm/log.h"

/* In place of vmm/log.c: what was refused is not of interest. */
void log_print(enum log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct memory memory;
	static char path[32];
	static int fd = -1;
	struct boot_entry entry = { 0 };
	struct load_request request = { .kernel = path, .cmdline = "quiet" };

	if (fd < 0) {
		fd = memfd_create("kernel", 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (fd < 0 || memory_init(&memory, 8 << 20))
			abort();
	}
	if (ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	/* Accepted: the entry lies in the guest's memory. */
	if (load_guest(&memory, &request, &entry) == 0 && entry.mode == BOOT_LONG &&
	    entry.rip >= memory.total)
		abort();
	return 0;
}
