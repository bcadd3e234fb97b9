/* SPDX-License-Identifier: MIT */
#include "init/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/base/base.h"
#include "init/log.h"

#define ROOT "/sys/fs/cgroup"

/*
 * The vmm's own memory, page tables of the guest's, and the cache of its disks,
 * which the kernel takes back when it comes to the limit.
 */
#define VMM_BYTES   (UINT64_C(64) << 20)
/* Besides the processors: devices, console, kernel workers of their requests and vhost. */
#define VMM_THREADS 128

static int write_text(int dir, const char *file, const char *text)
{
	int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	int error = errno;

	if (fd >= 0)
		close(fd);
	return n < 0 ? -error : 0;
}

static int set_number(int dir, const char *file, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return write_text(dir, file, text);
}

void cgroup_begin(void)
{
	int ret = write_text(AT_FDCWD, ROOT "/cgroup.subtree_control", "+memory +pids");

	if (ret)
		log_event("cgroups cannot limit guests (%s)", strerror(-ret));
}

/*
 * Files of the image lie in memory, and what a guest writes to them is charged to
 * it and stays: a disk of the image may be filled.
 */
static uint64_t image_disk_bytes(const struct manifest_guest *guest)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < guest->disk_count; i++) {
		const struct manifest_disk *d = &guest->disks[i];
		struct stat st;

		if (!d->readonly && stat(d->path, &st) == 0 && S_ISREG(st.st_mode))
			bytes += (uint64_t)st.st_size;
	}
	return bytes;
}

static int set_limits(int dir, const struct manifest_guest *guest)
{
	int ret = set_number(dir, "memory.max",
			     guest->memory.bytes + image_disk_bytes(guest) + VMM_BYTES);

	return ret ? ret : set_number(dir, "pids.max", guest->cpus.count + VMM_THREADS);
}

int cgroup_open(const struct manifest_guest *guest)
{
	char path[sizeof(ROOT) + 1 + VMMCTL_NAME_MAX];
	int dir = -1, ret = 0;

	snprintf(path, sizeof(path), ROOT "/%s", guest->name);
	if (mkdir(path, 0755) && errno != EEXIST)
		ret = -errno;
	if (!ret) {
		dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ret = dir < 0 ? -errno : set_limits(dir, guest);
	}
	if (!ret)
		return dir;
	log_event("guest %s runs without limits (cgroup: %s)", guest->name, strerror(-ret));
	if (dir >= 0)
		close(dir);
	return ret;
}
