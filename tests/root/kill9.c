/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/kill9": leaves a child behind and becomes
 * the real init.  The child waits until the vmm of guest "victim" has run for a
 * while, kills it with SIGKILL, and says so; init must cope.  Twice, because the
 * second vmm is one that init restarted.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/root/lib/beside.h"

#define KILLS	     2
#define RUN_SECONDS  3
#define NOT_THE_SAME (-1)

/* Is this process "vmm --name victim ..."?  Arguments end with a NUL each. */
static int is_victim(const char *pid)
{
	char path[64], text[256];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length <= 0)
		return 0;
	text[length] = '\0';
	for (ssize_t i = 0; i < length; i += (ssize_t)strlen(text + i) + 1) {
		if (!strcmp(text + i, "victim"))
			return 1;
	}
	return 0;
}

static int find_victim(int not_this)
{
	struct dirent *entry;
	int found = 0;
	DIR *proc = opendir("/proc");

	while (proc && !found && (entry = readdir(proc))) {
		int pid = atoi(entry->d_name);

		if (pid > 1 && pid != not_this && is_victim(entry->d_name))
			found = pid;
	}
	if (proc)
		closedir(proc);
	return found;
}

static void killer(void)
{
	int pid = NOT_THE_SAME;

	for (int i = 0; i < KILLS; i++) {
		int next;

		while (!(next = find_victim(pid)))
			usleep(100 * 1000);
		pid = next;
		sleep(RUN_SECONDS);
		say("kill9: killing the vmm of guest victim (pid %d)", pid);
		kill(pid, SIGKILL);
	}
}

int main(int argc, char **argv)
{
	(void)argc;
	return beside_init(killer, argv);
}
