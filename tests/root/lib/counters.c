/* SPDX-License-Identifier: MIT */
#include "tests/root/lib/counters.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/abi/hv/hypercall.h"
#include "tests/root/lib/guest.h"

int counters_read(uint64_t arg, uint64_t out[HV_COUNTERS_MAX])
{
	struct hv_input_get_partition_property_ex in = {
		.property_code = HV_PROPERTY_COUNTERS,
		.arg = arg,
	};
	int fd = open("/dev/mshv", O_RDWR), ret;

	if (fd < 0)
		return -errno;
	ret = (int)hvcall(fd, HVCALL_GET_PARTITION_PROPERTY_EX, 0, &in, sizeof(in), out,
			  HV_COUNTERS_MAX * sizeof(*out), NULL);
	close(fd);
	return ret;
}

/* There is no shell in the image that popen() could use. */
FILE *program_output(const char *path, pid_t *pid)
{
	int ends[2];

	if (pipe(ends))
		return NULL;
	*pid = fork();
	if (*pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		execl(path, path, NULL);
		_exit(127);
	}
	close(ends[1]);
	return *pid < 0 ? NULL : fdopen(ends[0], "r");
}

/* Not where init mounts things. */
int debugfs_open(void)
{
	mkdir(DEBUGFS_ROOT, 0755);
	return mount("debugfs", DEBUGFS_ROOT, "debugfs", 0, NULL) == 0;
}

long long debugfs_counter(const char *path, const char *name)
{
	char file[256], line[256], found[128];
	long long value, answer = -1;
	FILE *stats;

	snprintf(file, sizeof(file), DEBUGFS "/%s", path);
	stats = fopen(file, "r");
	while (stats && fgets(line, sizeof(line), stats)) {
		/* "VpIoInstructionsCount      : 12" */
		if (sscanf(line, "%127[^: ] : %lld", found, &value) == 2 && !strcmp(found, name))
			answer = value;
	}
	if (stats)
		fclose(stats);
	return answer;
}
