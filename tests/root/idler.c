/* SPDX-License-Identifier: MIT */
/*
 * make bench-hv, in a guest as "rdinit=/bin/idler": says how long five sleeps of a
 * second were by the time stamp counter, then does nothing but answer each line
 * it is typed.
 */
#include <stdio.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define SLEEPS 5

int main(void)
{
	struct timespec second = { .tv_sec = 1 };
	struct termios t;
	char line[64];

	setvbuf(stdout, NULL, _IOLBF, 0);
	tcgetattr(STDIN_FILENO, &t);
	t.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSANOW, &t);
	for (int i = 0; i < SLEEPS; i++) {
		unsigned long long start = __rdtsc();

		clock_nanosleep(CLOCK_MONOTONIC, 0, &second, NULL);
		printf("idler: slept %llu ticks\n", __rdtsc() - start);
	}
	printf("idler: idle\n");
	for (;;) {
		if (fgets(line, sizeof(line), stdin))
			printf("idler: answer %s", line);
	}
}
