/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/offline": takes the root's second processor
 * away and gives it back, again and again, while guests spin, tick by their own
 * timers and are woken by interrupts, and partitions come and go. After each step
 * every guest must get on. "offline: CYCLES cycles, 0 failures" is a pass.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/root/lib/guest.h"

#define CYCLES	    30
#define LONG_CYCLES 500
#define GUESTS	    7
#define PROGRESS    20	 /* counts that are asked for after each step … */
#define PATIENCE_MS 5000 /* … within this time */
#define KICK_US	    300

static struct guest guests[GUESTS];
static int kick[GUESTS]; /* eventfd, or -1 */
static volatile int stop;

static uint32_t count(int i)
{
	return *(volatile uint32_t *)(void *)(guests[i].ram + CODE_COUNTER);
}

static void *run(void *arg)
{
	struct guest *g = arg;
	int64_t type = guest_run(g);

	/* None of them has anything to say. */
	printf("offline: guest %d stopped (%lld)\n", (int)(g - guests), (long long)type);
	return NULL;
}

static void *kicker(void *arg)
{
	uint64_t one = 1;

	(void)arg;
	while (!stop) {
		for (int i = 0; i < GUESTS; i++) {
			if (kick[i] >= 0 && write(kick[i], &one, sizeof(one)) < 0)
				printf("offline: kick: %s\n", strerror(errno));
		}
		usleep(KICK_US);
	}
	return NULL;
}

/* Partitions that live for one port access, on whatever processor there is. */
static void *churn(void *arg)
{
	static const uint8_t code[] = { 0xe6, 0x80 }; /* out 0x80, al */
	int *failures = arg;

	while (!stop) {
		struct guest g;

		if (guest_create(&g, code, sizeof(code)) ||
		    guest_run(&g) != HV_MESSAGE_X64_IO_PORT_INTERCEPT)
			++*failures;
		guest_destroy(&g);
		usleep(1000);
	}
	return NULL;
}

static int start(int i)
{
	pthread_t thread;
	int ret;

	kick[i] = -1;
	switch (i % 3) {
	case 0:
		ret = guest_create(&guests[i], CODE(ticker));
		break;
	case 1:
		ret = guest_create(&guests[i], CODE(sleeper));
		kick[i] = eventfd(0, 0);
		ret = ret ? ret : guest_irqfd(&guests[i], kick[i], CODE_VECTOR);
		break;
	default:
		ret = guest_create(&guests[i], CODE(spinner));
		break;
	}
	return ret ? ret : -pthread_create(&thread, NULL, run, &guests[i]);
}

/* Everybody got on by PROGRESS since @before. */
static int wait_progress(const char *when, int cycle)
{
	uint32_t before[GUESTS];
	int late = 0;

	for (int i = 0; i < GUESTS; i++)
		before[i] = count(i);
	for (int i = 0; i < GUESTS; i++) {
		int ms = 0;

		while (count(i) - before[i] < PROGRESS && ++ms < PATIENCE_MS)
			usleep(1000);
		if (ms >= PATIENCE_MS) {
			printf("offline: FAIL cycle %d, %s: guest %d stands still at %u\n", cycle,
			       when, i, count(i));
			late++;
		}
	}
	return late;
}

static int set_online(const char *text)
{
	int fd = open("/sys/devices/system/cpu/cpu1/online", O_WRONLY);
	int ok = fd >= 0 && write(fd, text, 1) == 1;

	if (!ok)
		printf("offline: FAIL online = %s: %s\n", text, strerror(errno));
	close(fd);
	return !ok;
}

int main(int argc, char **argv)
{
	int cycles = argc > 1 && !strcmp(argv[1], "long") ? LONG_CYCLES : CYCLES;
	int failures = 0, churn_failures = 0;
	pthread_t thread, churner;

	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);

	failures += guest_device() != 0;
	for (int i = 0; i < GUESTS; i++)
		failures += start(i) != 0;
	pthread_create(&thread, NULL, kicker, NULL);
	pthread_create(&churner, NULL, churn, &churn_failures);
	failures += failures ? 0 : wait_progress("at first", 0);
	for (int i = 1; i <= cycles && !failures; i++) {
		failures += set_online("0");
		failures += wait_progress("one processor", i);
		failures += set_online("1");
		failures += wait_progress("two processors", i);
		if (i % 10 == 0)
			printf("offline: %d\n", i);
	}
	stop = 1;
	pthread_join(churner, NULL);
	printf("offline: %d cycles, %d failures\n", cycles, failures + churn_failures);
	fflush(stdout);
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
