/* SPDX-License-Identifier: MIT */
/*
 * make bench only, in the root and in the guest as "rdinit=/.../tsc": the first
 * thing that runs as process 1 says what the time stamp counter is, then becomes
 * the real init.
 */
#include <stdio.h>
#include <unistd.h>
#include <x86intrin.h>

int main(int argc, char **argv)
{
	static char init[] = "/init";
	unsigned long long now = __rdtsc();
	char line[64];
	int length = snprintf(line, sizeof(line), "tsc: init begins (%llu)\n", now);

	(void)argc;
	if (write(STDOUT_FILENO, line, (size_t)length) != length)
		return 1;
	argv[0] = init;
	execv(init, argv);
	return 1;
}
