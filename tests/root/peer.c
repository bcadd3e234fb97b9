/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/peer": programs nobody here wrote, above our
 * hypervisor. Their userland is a Debian tree on the second disk (tests/peers/);
 * this mounts it, runs /test/scenario in it with the tree's busybox, notes when the
 * guest's userland speaks, says how all that ended and what the root's kernel had to
 * complain about, and powers off.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TREE	     "/peer"
#define DISK	     "/dev/vdb"
/* The disk's driver probes while we start. */
#define DISK_TRIES   100
#define DISK_WAIT_US 50000

#define POLL_MS	     200
#define USERLAND     "guest: userland reached"
#define LOG_READ_ALL 3	/* klogctl: SYSLOG_ACTION_READ_ALL */
#define LOG_BYTES    (1 << 20)
#define KERN_WARNING 4

static _Noreturn void end(void)
{
	fflush(stdout);
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static _Noreturn void fail(const char *what)
{
	printf("peer: FAILED: %s: %s\n", what, strerror(errno));
	end();
}

static void mount_or_fail(const char *source, const char *target, const char *type,
			  unsigned long flags)
{
	if (mount(source, target, type, flags, NULL) && errno != EBUSY)
		fail(target);
}

/* PID 1 of an initramfs may start without a console. */
static void open_console(void)
{
	int fd = open("/dev/console", O_RDWR);

	if (fd < 0)
		return;
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
}

static void mount_tree(void)
{
	struct stat st;

	for (int i = 0; stat(DISK, &st) && i < DISK_TRIES; i++)
		usleep(DISK_WAIT_US);
	mkdir(TREE, 0755);
	mount_or_fail(DISK, TREE, "ext4", MS_RDONLY);
	mount_or_fail("dev", TREE "/dev", "devtmpfs", 0);
	mount_or_fail("proc", TREE "/proc", "proc", 0);
	mount_or_fail("sys", TREE "/sys", "sysfs", 0);
	mount_or_fail("tmp", TREE "/tmp", "tmpfs", 0);
	mount_or_fail("/test", TREE "/test", NULL, MS_BIND);
}

/* The scenario, which writes to @output. */
static pid_t start(int output)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	setsid();
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	if (chroot(TREE) || chdir("/tmp"))
		_exit(126);
	execl("/bin/busybox", "sh", "/test/scenario", (char *)NULL);
	_exit(127);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* On to the console; the first time that the guest's userland speaks is told. */
static void relay(const char *bytes, size_t count, double at)
{
	static char line[128];
	static size_t length;
	static bool told;

	fwrite(bytes, 1, count, stdout);
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] != '\n') {
			if (length < sizeof(line) - 1)
				line[length++] = bytes[i];
			continue;
		}
		line[length] = '\0';
		length = 0;
		if (!told && strstr(line, USERLAND)) {
			printf("peer: userland %.3f s after the start\n", at);
			told = true;
		}
	}
	fflush(stdout);
}

/* Until @pid is gone; its status. Orphans are ours as well. */
static int watch(pid_t pid, int input, double begin)
{
	struct pollfd fd = { .fd = input, .events = POLLIN };
	int status;
	pid_t gone;

	for (;;) {
		if (poll(&fd, 1, POLL_MS) > 0 && (fd.revents & POLLIN)) {
			char bytes[512];
			ssize_t n = read(input, bytes, sizeof(bytes));

			if (n > 0)
				relay(bytes, (size_t)n, now() - begin);
			continue;
		}
		while ((gone = waitpid(-1, &status, WNOHANG)) > 0)
			if (gone == pid)
				return status;
		if (gone < 0 && errno != EINTR)
			fail("wait");
		if (fd.revents)
			usleep(POLL_MS * 1000);
	}
}

/* What the root's kernel has said at this level or above, boot included. */
static void warnings(void)
{
	char *log = malloc(LOG_BYTES), *save = NULL;
	unsigned int count = 0;
	int size;

	size = log ? klogctl(LOG_READ_ALL, log, LOG_BYTES - 1) : -1;
	if (size < 0)
		fail("kernel log");
	log[size] = '\0';
	for (char *l = strtok_r(log, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		unsigned int priority;

		if (sscanf(l, "<%u>", &priority) == 1 && (priority & 7) <= KERN_WARNING) {
			count++;
			printf("peer: root's log: %s\n", l);
		}
	}
	printf("peer: %u warnings in the root's log\n", count);
	free(log);
}

int main(void)
{
	double begin;
	int status, output[2];
	pid_t pid;

	mkdir("/dev", 0755);
	mount_or_fail("dev", "/dev", "devtmpfs", 0);
	open_console();
	mount_tree();
	begin = now();
	if (pipe2(output, O_CLOEXEC))
		fail("pipe");
	pid = start(output[1]);
	if (pid < 0)
		fail("fork");
	close(output[1]);
	status = watch(pid, output[0], begin);
	warnings();
	printf("peer: scenario ended: %s %d after %.3f s\n",
	       WIFSIGNALED(status) ? "signal" : "exit",
	       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), now() - begin);
	end();
}
