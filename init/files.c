/* SPDX-License-Identifier: MIT */
#include "init/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/base/base.h"

#define WAIT_STEP_MS 50U

static const char *why(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return "does not exist";
	case ENAMETOOLONG:
		return "has too long a path";
	case EACCES:
	case EPERM:
		return "must not be opened (permissions)";
	case EROFS:
		return "is on a read-only file system";
	default:
		return strerror(error);
	}
}

/* As open(), with @root for "/", also where a symbolic link begins with it. */
static int open_below(const char *root, const char *path, int flags)
{
	struct open_how how = { .flags = (unsigned int)flags, .resolve = RESOLVE_IN_ROOT };
	int dir, fd;

	dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -1;
	fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	/* Before Linux 5.6: absolute links lead out of the tree then. */
	if (fd < 0 && errno == ENOSYS)
		fd = openat(dir, path + 1, flags);
	close(dir);
	return fd;
}

const char *files_check(const char *root, const char *path, enum manifest_file use)
{
	int flags = use == MANIFEST_DISK ? O_RDWR : O_RDONLY;
	const char *verdict = NULL;
	struct stat st;
	int fd;

	if (*root && manifest_is_device(path, use))
		return NULL;
	/* Not blocking: somebody may have put a FIFO there. */
	flags |= O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	fd = *root ? open_below(root, path, flags) : open(path, flags);
	if (fd < 0)
		return errno == EISDIR ? "is a directory" : why(errno);
	if (fstat(fd, &st) != 0)
		verdict = why(errno);
	else if (S_ISDIR(st.st_mode))
		verdict = "is a directory";
	else if (S_ISBLK(st.st_mode) && use != MANIFEST_FILE)
		verdict = NULL;
	else if (!S_ISREG(st.st_mode))
		verdict = "is neither a file nor a disk";
	else if (st.st_size == 0)
		verdict = "is empty";
	close(fd);
	return verdict;
}

const char *files_wait(const char *path, enum manifest_file use, unsigned int *patience_ms)
{
	while (manifest_is_device(path, use) && *patience_ms && access(path, F_OK) != 0) {
		unsigned int step = MIN(*patience_ms, WAIT_STEP_MS);

		usleep(step * 1000);
		*patience_ms -= step;
	}
	return files_check("", path, use);
}

const char *files_read(const char *path, char *buffer, size_t size, size_t *length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	const char *verdict = NULL;
	size_t used = 0;

	*length = 0;
	if (fd < 0)
		return why(errno);
	while (used < size) {
		ssize_t n = read(fd, buffer + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			verdict = errno == EISDIR ? "is a directory" : why(errno);
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	close(fd);
	*length = used;
	return verdict;
}
