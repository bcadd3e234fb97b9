/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/killdisk -- KILLS": does a vmm that is
 * killed at any moment lose a write that its guest was told is on the disk?
 *
 * The guest (fsload.c) is Linux with ext4 on /dev/vdb, writing and syncing as fast
 * as it can. It is killed, by SIGKILL of the vmm: mostly under load, now and then
 * at any moment from its start. After each kill
 *   - e2fsck looks at a copy: the journal must make it whole;
 *   - the guest's own kernel replays the journal of the disk itself at the next
 *     start, and the guest finds every write that it once said was synced.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "include/abi/vmmctl.h"

#define WRITERS	    3
#define DISK	    "/dev/vdb"
#define COPY	    "/copy"
#define FSCK	    "/test/fsck/"
#define READY_MS    240000 /* to the first synced write; the machine may have much to do */
#define LOAD_MS	    1500   /* at most, after that */
#define START_MS    4000   /* at most, where the start is what is killed */
#define START_EVERY 6

struct guest {
	pid_t pid;
	int out;
	char line[256];
	size_t length;
	unsigned int lines; /* that said something synced */
};

static uint64_t synced[WRITERS]; /* known to be on the disk */
static uint64_t found_count, acks, replays;
static unsigned int failures;

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void fail(const char *format, ...)
{
	va_list args;

	printf("killdisk: FAIL ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	failures++;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static unsigned int random_below(unsigned int n)
{
	uint32_t x = 0;

	if (getrandom(&x, sizeof(x), 0) != sizeof(x))
		fail("no random numbers");
	return x % n;
}

/* As init starts one: the first of a PID namespace, so that it is what a kill hits. */
static int start(struct guest *g)
{
	int out[2], null;

	*g = (struct guest){ .pid = -1 };
	if (pipe2(out, O_CLOEXEC))
		return -1;
	g->pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	if (g->pid == 0) {
		null = open("/dev/null", O_RDONLY);
		dup2(null, STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execl(VMMCTL_PATH, "vmm", "--name", "fsload", "--kernel", "/guests/ext4/bzImage",
		      "--initrd", "/guests/ext4/initramfs.cpio.gz", "--cmdline",
		      "console=ttyS0 quiet panic=-1", "--memory", "134217728", "--cpus", "2",
		      "--log", "warn", "--disk", "path=" DISK ",queues=2", (char *)NULL);
		_exit(VMMCTL_NO_EXEC);
	}
	close(out[1]);
	g->out = out[0];
	return g->pid > 0 ? 0 : -1;
}

static void judge_line(struct guest *g)
{
	unsigned long long n;
	unsigned int w;

	g->line[g->length] = '\0';
	g->length = 0;
	if (sscanf(g->line, "ack %u %llu", &w, &n) == 2 && w < WRITERS) {
		if (n <= synced[w])
			fail("writer %u goes backwards: %llu after %llu", w, n,
			     (unsigned long long)synced[w]);
		synced[w] = n;
		acks++;
		g->lines++;
	} else if (sscanf(g->line, "fsload: found %u %llu", &w, &n) == 2 && w < WRITERS) {
		if (n < synced[w])
			fail("writer %u lost its writes from %llu to %llu", w, n + 1,
			     (unsigned long long)synced[w]);
		synced[w] = n;
		found_count++;
	} else if (strstr(g->line, "fsload: journal replayed")) {
		replays++;
	} else if (g->line[0] && g->line[0] != '\r') {
		if (strstr(g->line, "FAIL") || strstr(g->line, "EXT4-fs error") ||
		    strstr(g->line, "I/O error") || strstr(g->line, "panic"))
			fail("the guest says: %s", g->line);
		else
			printf("killdisk: guest: %s\n", g->line);
	}
}

/* Take what the guest says until @until (0: the end of it), or its first synced write. */
static void listen_to(struct guest *g, int64_t until, int first)
{
	char text[512];

	for (;;) {
		struct pollfd p = { .fd = g->out, .events = POLLIN };
		int64_t left = until ? until - now_ms() : -1;
		ssize_t n;

		if ((until && left <= 0) || (first && g->lines))
			return;
		if (poll(&p, 1, (int)left) != 1)
			return;
		n = read(g->out, text, sizeof(text));
		if (n <= 0)
			return;
		for (ssize_t i = 0; i < n; i++) {
			if (text[i] == '\n' || g->length == sizeof(g->line) - 1)
				judge_line(g);
			else if (text[i] != '\r')
				g->line[g->length++] = text[i];
		}
	}
}

/* Where it hangs: each thread's name, state and system call. */
static void tell_threads(pid_t pid)
{
	char path[64], text[200];
	struct dirent *e;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	while (tasks && (e = readdir(tasks))) {
		static const char *const what[] = { "comm", "wchan", "syscall", "stack" };

		for (size_t i = 0; e->d_name[0] != '.' && i < sizeof(what) / sizeof(*what); i++) {
			ssize_t n;
			int fd;

			snprintf(path, sizeof(path), "/proc/%d/task/%.16s/%s", pid, e->d_name,
				 what[i]);
			fd = open(path, O_RDONLY);
			n = read(fd, text, sizeof(text) - 1);
			close(fd);
			text[n > 0 ? n : 0] = '\0';
			printf("killdisk: thread %s %s: %s\n", e->d_name, what[i], text);
		}
	}
	if (tasks)
		closedir(tasks);
}

static void kill_it(struct guest *g)
{
	kill(g->pid, SIGKILL);
	/* What it wrote before counts. A line cut off does not. */
	listen_to(g, 0, 0);
	close(g->out);
	waitpid(g->pid, NULL, 0);
}

static int copy_disk(void)
{
	static char buffer[1 << 20];
	int in = open(DISK, O_RDONLY), out = open(COPY, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t n = -1;

	while (in >= 0 && out >= 0 && (n = read(in, buffer, sizeof(buffer))) > 0)
		if (write(out, buffer, (size_t)n) != n)
			break;
	close(in);
	close(out);
	return n == 0 ? 0 : -1;
}

/* e2fsck's exit code. Its libraries are beside it. */
static int fsck(const char *how)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		execl(FSCK "ld-linux-x86-64.so.2", "ld.so", "--library-path", FSCK, FSCK "e2fsck",
		      "-f", how, COPY, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* The journal and what -p does unasked (1 at most) must leave nothing to say (0). */
static void check_copy(void)
{
	int first, second;

	if (copy_disk()) {
		fail("the disk cannot be copied (%s)", strerror(errno));
		return;
	}
	first = fsck("-p");
	second = fsck("-n");
	if (first > 1 || second)
		fail("e2fsck -p: %d, then -n: %d", first, second);
}

static void fail_to_start(const struct guest *g)
{
	fail("no write was synced within %d s (%llu writers found theirs)", READY_MS / 1000,
	     (unsigned long long)found_count);
	tell_threads(g->pid);
}

static void one(unsigned int number)
{
	int at_start = random_below(START_EVERY) == 0;
	int64_t begin = now_ms(), end;
	struct guest g;

	found_count = 0;
	if (start(&g)) {
		fail("no vmm (%s)", strerror(errno));
		return;
	}
	if (!at_start) {
		listen_to(&g, now_ms() + READY_MS, 1);
		if (!g.lines)
			fail_to_start(&g);
	}
	listen_to(&g, now_ms() + 1 + random_below(at_start ? START_MS : LOAD_MS), 0);
	end = now_ms();
	kill_it(&g);
	check_copy();
	printf("killdisk: %u killed %s after %lld ms, %llu %llu %llu\n", number,
	       at_start ? "at its start" : "under load", (long long)(end - begin),
	       (unsigned long long)synced[0], (unsigned long long)synced[1],
	       (unsigned long long)synced[2]);
}

int main(int argc, char **argv)
{
	unsigned int kills = argc > 1 ? (unsigned int)atoi(argv[argc - 1]) : 0;
	struct guest g;

	setvbuf(stdout, NULL, _IOLBF, 0);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	for (unsigned int i = 1; i <= kills && failures < 5; i++)
		one(i);
	/* The last one's work, too, is looked at by the guest. */
	if (!start(&g)) {
		found_count = 0;
		listen_to(&g, now_ms() + READY_MS, 1);
		if (found_count != WRITERS)
			fail("the last check did not come");
		kill_it(&g);
	}
	printf("killdisk: %u kills, %llu writes acknowledged, %llu journals replayed, %u failures\n",
	       kills, (unsigned long long)acks, (unsigned long long)replays, failures);
	sync();
	reboot(RB_POWER_OFF);
	return 1;
}
