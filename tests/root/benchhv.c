/* SPDX-License-Identifier: MIT */
/*
 * make bench-hv only, started as "rdinit=/test/benchhv": the costs of guests as
 * the root sees them. Without an argument: what a processor has left beside an
 * idle guest, and tests/guest/cost.c; with "cost" only that. With "crowd": how soon
 * each of GUESTS idle guests answers. tools/bench-hv.sh reads what is printed.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "include/abi/vmmctl.h"

#define GUESTS	      20
#define ROUNDS	      5
#define CAPACITY_MS   1000
#define KERNEL	      "/guests/tiny/bzImage"
#define INITRD	      "/guests/tiny/initramfs.cpio.gz"
#define IDLER_CMDLINE "console=ttyS0 quiet rdinit=/bin/idler"
#define ANSWER	      "idler: answer"
#define READY	      "idler: idle"

struct guest {
	pid_t pid;
	int in, out; /* our ends of its console */
	char text[4096];
	size_t length;
};

static struct guest guests[GUESTS];

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void start(struct guest *g, int number)
{
	int in[2], out[2];
	char name[16];

	snprintf(name, sizeof(name), "g%d", number);
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return;
	g->pid = fork();
	if (g->pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execl(VMMCTL_PATH, "vmm", "--name", name, "--kernel", KERNEL, "--initrd", INITRD,
		      "--cmdline", IDLER_CMDLINE, "--memory", "33554432", "--cpus", "1",
		      (char *)NULL);
		_exit(VMMCTL_NO_EXEC);
	}
	close(in[0]);
	close(out[1]);
	g->in = in[1];
	g->out = out[0];
}

/* Read its console until @what was in it; false: not within @ms. Forgets what it read. */
static int wait_text(struct guest *g, const char *what, int ms)
{
	struct pollfd p = { .fd = g->out, .events = POLLIN };

	for (;;) {
		ssize_t n;

		g->text[g->length] = '\0';
		if (strstr(g->text, what)) {
			g->length = 0;
			return 1;
		}
		if (g->length == sizeof(g->text) - 1)
			g->length = 0;
		if (poll(&p, 1, ms) != 1)
			return 0;
		n = read(g->out, g->text + g->length, sizeof(g->text) - 1 - g->length);
		if (n <= 0)
			return 0;
		/* The guest's own figures. */
		if (g == guests && ms > 1000)
			fwrite(g->text + g->length, 1, (size_t)n, stdout);
		g->length += (size_t)n;
	}
}

/* How much work there is in CAPACITY_MS, at the lowest priority. */
static uint64_t capacity(void)
{
	uint64_t end = now_us() + CAPACITY_MS * 1000ULL, work = 0;

	do {
		for (volatile int i = 0; i < 1000; i++)
			;
		work++;
	} while (now_us() < end);
	return work;
}

static void alone(void)
{
	uint64_t before, with;

	setpriority(PRIO_PROCESS, 0, 19);
	sleep(1);
	before = capacity();
	start(&guests[0], 0);
	if (!wait_text(&guests[0], READY, 60000))
		printf("benchhv: FAIL no idle guest\n");
	sleep(1);
	with = capacity();
	printf("benchhv: capacity %llu, beside an idle guest %llu\n", (unsigned long long)before,
	       (unsigned long long)with);
}

static void cost(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl(VMMCTL_PATH, "vmm", "--name", "cost", "--kernel", "/guests/cost", "--memory",
		      "16777216", "--cpus", "2", (char *)NULL);
		_exit(VMMCTL_NO_EXEC);
	}
	waitpid(pid, NULL, 0);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void crowd(void)
{
	static uint64_t us[GUESTS * ROUNDS];
	unsigned int answers = 0;

	for (int i = 0; i < GUESTS; i++)
		start(&guests[i], i);
	for (int i = 0; i < GUESTS; i++)
		if (!wait_text(&guests[i], READY, 60000))
			printf("benchhv: FAIL guest %d did not start\n", i);
	sleep(1);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < GUESTS; i++) {
			uint64_t asked = now_us();

			if (write(guests[i].in, "x\n", 2) == 2 &&
			    wait_text(&guests[i], ANSWER, 1000))
				us[answers++] = now_us() - asked;
			usleep(10000);
		}
	}
	qsort(us, answers, sizeof(us[0]), compare);
	printf("benchhv: %u of %u answers, median %llu us, worst %llu us\n", answers,
	       GUESTS * ROUNDS, (unsigned long long)us[answers / 2],
	       (unsigned long long)(answers ? us[answers - 1] : 0));
}

int main(int argc, char **argv)
{
	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && !strcmp(argv[1], "crowd")) {
		crowd();
	} else if (argc > 1 && !strcmp(argv[1], "cost")) {
		cost();
	} else {
		alone();
		cost();
	}
	printf("benchhv: done\n");
	fflush(stdout);
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
