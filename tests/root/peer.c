/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/peer": programs nobody here wrote, above our
 * hypervisor. Their userland is a Debian tree on the second disk (tests/peers/);
 * this mounts it, runs /test/scenario in it with the tree's busybox, says how that
 * ended and powers off.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static pid_t start(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	setsid();
	if (chroot(TREE) || chdir("/tmp"))
		_exit(126);
	execl("/bin/busybox", "sh", "/test/scenario", (char *)NULL);
	_exit(127);
}

int main(void)
{
	struct timespec t;
	int status = 0;
	pid_t pid;

	mkdir("/dev", 0755);
	mount_or_fail("dev", "/dev", "devtmpfs", 0);
	open_console();
	mount_tree();
	pid = start();
	if (pid < 0)
		fail("fork");
	/* Orphans are ours as well. */
	for (pid_t gone; (gone = wait(&status)) != pid;)
		if (gone < 0 && errno != EINTR)
			fail("wait");
	clock_gettime(CLOCK_MONOTONIC, &t);
	printf("peer: scenario ended: %s %d after %ld.%03ld s\n",
	       WIFSIGNALED(status) ? "signal" : "exit",
	       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), (long)t.tv_sec,
	       t.tv_nsec / 1000000);
	end();
}
