/* SPDX-License-Identifier: MIT */
/*
 * /init of a guest with a watchdog, which it drives by the ordinary interface: at the
 * first start it keeps it quiet for longer than its time, then the kernel panics, and
 * with that no processor of the guest does anything any more. At the start that follows
 * from it, the driver must know why; stopped, the watchdog lets the guest live.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "tests/root/lib/module.h"

#define DEVICE	"/dev/watchdog0"
#define SHORT_S 2
#define LONG_S	10

static _Noreturn void fail(const char *what)
{
	printf("dog: FAILED: %s (%s)\n", what, strerror(errno));
	tcdrain(STDOUT_FILENO);
	reboot(RB_POWER_OFF);
	_exit(1);
}

static void load(const char *path)
{
	if (module_load(path))
		fail(path);
}

/* What the kernel says of it. */
static int ask(int dog, unsigned long request, const char *what)
{
	int value = 0;

	if (ioctl(dog, request, &value))
		fail(what);
	return value;
}

static void set_timeout(int dog, int seconds)
{
	if (ioctl(dog, WDIOC_SETTIMEOUT, &seconds))
		fail("set the time");
	printf("dog: %d s, %d s left\n", ask(dog, WDIOC_GETTIMEOUT, "time"),
	       ask(dog, WDIOC_GETTIMELEFT, "time left"));
}

static void live_and_panic(int dog)
{
	int trigger = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

	set_timeout(dog, LONG_S);
	for (int i = 0; i < LONG_S + SHORT_S; i++) {
		sleep(1);
		ask(dog, WDIOC_KEEPALIVE, "sign of life");
	}
	printf("dog: alive\n");
	if (write(trigger, "c", 1) < 0)
		fail("panic");
}

static void stop(int dog)
{
	set_timeout(dog, SHORT_S);
	/* Closing it without that letter means that we died. */
	if (write(dog, "V", 1) != 1 || close(dog))
		fail("stop");
	sleep(2 * SHORT_S);
	printf("dog: stopped, and alive\n");
}

int main(void)
{
	struct watchdog_info info;
	int dog;

	setvbuf(stdout, NULL, _IOLBF, 0);
	mkdir("/dev", 0755);
	mkdir("/proc", 0755);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	load("/modules/watchdog.ko");
	load("/modules/wdat_wdt.ko");
	dog = open(DEVICE, O_RDWR | O_CLOEXEC); /* it runs from here on */
	if (dog < 0 || ioctl(dog, WDIOC_GETSUPPORT, &info))
		fail(DEVICE);
	printf("dog: %s\n", info.identity);
	if (ask(dog, WDIOC_GETBOOTSTATUS, "reason") & WDIOF_CARDRESET) {
		printf("dog: it caused this start\n");
		stop(dog);
	} else {
		live_and_panic(dog);
	}
	tcdrain(STDOUT_FILENO);
	reboot(RB_POWER_OFF);
	return 1;
}
