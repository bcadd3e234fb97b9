/* SPDX-License-Identifier: MIT */
/*
 * make bench-boot only, started as "rdinit=/test/benchboot": boots guests one after
 * the other with --stats, from the first instruction of the vmm to its end. In
 * virtual time an instruction is a nanosecond.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include "include/abi/vmmctl.h"
#include "include/base/base.h"
#include "tests/root/lib/testinit.h"

#define CMDLINE "console=ttyS0 quiet nokaslr task=poweroff"
#define TINY	"/guests/tiny/bzImage", "/guests/tiny/initramfs.cpio.gz"
#define DEBIAN	"/guests/debian/vmlinuz", "/guests/debian/initramfs.cpio.gz"

static const struct {
	const char *name, *kernel, *initrd, *memory, *cpus;
} runs[] = {
	{ "first", TINY, "64M", "1" }, /* files and memory are cold: not counted */
	{ "tiny", TINY, "64M", "1" },
	{ "tiny, small pages", TINY, "64M,hugepages=off", "1" },
	{ "tiny, prefaulted", TINY, "64M,prefault=on", "1" },
	{ "tiny, 8 processors", TINY, "64M", "8" },
	{ "debian", DEBIAN, "256M", "1" },
	{ "debian, small pages", DEBIAN, "256M,hugepages=off", "1" },
};

static void boot(size_t i)
{
	unsigned long long start = __rdtsc(), end;
	int status = -1;
	pid_t pid;

	printf("benchboot: begins (%s)\n", runs[i].name);
	pid = fork();
	if (pid == 0) {
		execl(VMMCTL_PATH, "vmm", "--kernel", runs[i].kernel, "--initrd", runs[i].initrd,
		      "--memory", runs[i].memory, "--cpus", runs[i].cpus, "--cmdline", CMDLINE,
		      "--stats", (char *)NULL);
		_exit(VMMCTL_NO_EXEC);
	}
	waitpid(pid, &status, 0);
	end = __rdtsc();
	printf("benchboot: ended (%s, from %llu, %llu ticks, status %d)\n", runs[i].name, start,
	       end - start, status);
}

int main(void)
{
	testinit_start();
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++)
		boot(i);
	printf("benchboot: done\n");
	testinit_end();
}
