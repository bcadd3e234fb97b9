/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/preserved": leaves a child behind and becomes the
 * real init.  The child waits until the processors of guest "kept", which ran, have all
 * ended while its vmm lives on, and ends that by SIGTERM.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/root/lib/beside.h"

/* Threads of process @pid that are a guest's processors, "vp0" and so on. */
static int processors(int pid)
{
	char path[96], name[16];
	struct dirent *entry;
	int count = 0, fd;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/comm", pid, entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && read(fd, name, sizeof(name)) > 2)
			count += !memcmp(name, "vp", 2);
		if (fd >= 0)
			close(fd);
	}
	if (tasks)
		closedir(tasks);
	return count;
}

static void wait_for(int pid, int count)
{
	while (processors(pid) != count)
		usleep(100 * 1000);
}

static void watch(void)
{
	int pid;

	while (!(pid = vmm_of("kept", 0)))
		usleep(100 * 1000);
	wait_for(pid, 4);
	wait_for(pid, 0);
	/* Not on its way out: that would take no second. */
	sleep(5);
	say("preserved: %s", vmm_of("kept", 0) == pid ? "its vmm is still there" : "FAILED");
	kill(pid, SIGTERM);
}

int main(int argc, char **argv)
{
	(void)argc;
	return beside_init(watch, argv);
}
