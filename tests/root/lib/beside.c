/* SPDX-License-Identifier: MIT */
#include "tests/root/lib/beside.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 256
#define ALERT	       "<1>" /* whatever the console's log level is */

void say(const char *format, ...)
{
	char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES + 8];
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	va_list args;
	int length;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* The log takes one line a write. */
	length = snprintf(line, sizeof(line), ALERT "%s\n", text);
	if (fd < 0 || write(fd, line, (size_t)length) != length)
		_exit(1);
	close(fd);
}

int beside_init(void (*watch)(void), char **argv)
{
	if (fork() == 0) {
		watch();
		_exit(0);
	}
	argv[0] = strdup("/init");
	execv("/init", argv);
	return 1;
}

/* Is this process "vmm --name NAME ..."?  Arguments end with a NUL each. */
static int is_vmm_of(const char *name, const char *pid)
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
		if (!strcmp(text + i, name))
			return 1;
	}
	return 0;
}

int vmm_of(const char *name, int but)
{
	struct dirent *entry;
	int found = 0;
	DIR *proc = opendir("/proc");

	while (proc && !found && (entry = readdir(proc))) {
		int pid = atoi(entry->d_name);

		if (pid > 1 && pid != but && is_vmm_of(name, entry->d_name))
			found = pid;
	}
	if (proc)
		closedir(proc);
	return found;
}
