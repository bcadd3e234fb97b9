/* SPDX-License-Identifier: MIT */
#include "tests/root/lib/module.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

int module_load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -1;
	ret = (int)syscall(SYS_finit_module, fd, "", 0);
	close(fd);
	return ret;
}
