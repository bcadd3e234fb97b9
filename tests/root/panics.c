/* SPDX-License-Identifier: MIT */
/*
 * /init of a guest whose kernel panics, and whose driver tells the machine so (pvpanic):
 * the kernel itself would stand still for ever then.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/root/lib/module.h"

/* By the kernel's log, which is on the console before it panics; a terminal's text may not. */
static void say(const char *text, const char *more)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	dprintf(fd, "<1>panics: %s %s\n", text, more);
	close(fd);
}

static _Noreturn void fail(const char *what)
{
	say("FAILED", what);
	reboot(RB_POWER_OFF);
	_exit(1);
}

static void load(const char *path)
{
	if (module_load(path))
		fail(path);
}

int main(void)
{
	char events[8] = "";
	int fd;

	mkdir("/dev", 0755);
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	load("/modules/pvpanic.ko");
	load("/modules/pvpanic-mmio.ko");
	/* What the driver makes use of, of what the device says it understands. */
	fd = open("/sys/bus/platform/devices/QEMU0001:00/events", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, events, sizeof(events) - 1) <= 0)
		fail("the device has no driver");
	events[strcspn(events, "\n")] = '\0';
	say("events", events);
	fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
	if (write(fd, "c", 1) < 0)
		fail("panic");
	return 1;
}
