/* SPDX-License-Identifier: MIT */
/*
 * PID 1 of the launch protocol's test (fakeloader.c): prints what the kernel
 * made of the ranges it was given, one fact per line, and powers off.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

static void print_file(const char *name, const char *path, const char *prefix)
{
	char line[4096];
	FILE *file = fopen(path, "r");

	if (file == NULL) {
		printf("probe: %s: %s\n", name, strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strstr(line, prefix) != NULL)
			printf("probe: %s: %s\n", name, line);
	}
	fclose(file);
}

/* The pages are the hypervisor's: the kernel has to refuse, not to fault. */
static void print_setup_data(void)
{
	for (int i = 0; i < 64; i++) {
		char path[80], byte;
		int fd;

		snprintf(path, sizeof(path),
			 "/sys/kernel/boot_params/setup_data/%d/type", i);
		if (access(path, F_OK) != 0)
			break;
		print_file("setup_data type", path, "");
		snprintf(path, sizeof(path),
			 "/sys/kernel/boot_params/setup_data/%d/data", i);
		fd = open(path, O_RDONLY);
		if (read(fd, &byte, 1) == 1)
			printf("probe: setup_data read: ok\n");
		else
			printf("probe: setup_data read: %s\n", strerror(errno));
		close(fd);
	}
}

int main(void)
{
	int console;

	mkdir("/dev", 0755);
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	console = open("/dev/console", O_RDWR);
	dup2(console, 1);

	print_file("cmdline", "/proc/cmdline", "");
	print_file("memory", "/proc/meminfo", "MemTotal");
	print_file("iomem", "/proc/iomem", "Hypervisor");
	print_setup_data();
	printf("probe: mshv: %s\n",
	       access("/dev/mshv", F_OK) == 0 ? "present" : "absent");
	printf("probe: done\n");
	fflush(stdout);
	reboot(RB_POWER_OFF);
	return 1;
}
