/* SPDX-License-Identifier: MIT */
/*
 * The /init of an initramfs for a guest whose system is on its first disk: loads
 * /modules/10.ko, 11.ko and so on, mounts /dev/vda, and becomes its init.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATIENCE_MS 60000

static _Noreturn void fail(const char *what)
{
	printf("diskinit: FAILED: %s (%s)\n", what, strerror(errno));
	/* PID 1: the kernel panics, and the log says why. */
	exit(1);
}

static void load_modules(void)
{
	for (int i = 10;; i++) {
		char path[32];
		int fd;

		snprintf(path, sizeof(path), "/modules/%d.ko", i);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			break;
		if (syscall(SYS_finit_module, fd, "", 0))
			fail(path);
		close(fd);
	}
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	if (mount("dev", "/dev", "devtmpfs", 0, NULL) && errno != EBUSY)
		fail("devtmpfs");
	load_modules();

	/* The driver finds its devices when it likes. */
	for (int ms = 0; access("/dev/vda", F_OK); ms += 10) {
		if (ms >= PATIENCE_MS)
			fail("/dev/vda");
		usleep(10000);
	}
	if (mount("/dev/vda", "/disk", "ext4", MS_RDONLY, NULL))
		fail("mount /dev/vda");
	if (mount("/dev", "/disk/dev", NULL, MS_MOVE, NULL))
		fail("move /dev");
	/* What is here stays in memory, covered: a few hundred kB. */
	if (chdir("/disk") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot("."))
		fail("change root");
	execl("/sbin/init", "/sbin/init", NULL);
	fail("/sbin/init");
}
