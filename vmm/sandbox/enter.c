/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"
#include "vmm/log.h"
#include "vmm/sandbox/filter.h"
#include "vmm/sandbox/sandbox.h"

/* Users nobody else is: this and the process's number as the host counts it. */
#define USER_FIRST  0x40000000u

/* Where the new root is mounted for a moment: the hypervisor's device is in it. */
#define MOUNT_POINT "/dev"

static bool spare_descriptor; /* as sandbox_enter() was told */

int sandbox_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	int error = errno;

	if (fd >= 0)
		close(fd);
	return n < 0 ? -error : 0;
}

/* As the host counts, of which /proc was mounted; here we are number 1. */
static unsigned int host_pid(void)
{
	char text[16] = "";

	if (readlink("/proc/self", text, sizeof(text) - 1) < 0)
		return 0;
	return (unsigned int)strtoul(text, NULL, 10);
}

/* Root becomes a user of its own; whoever started us without being root stays. */
static int become_nobody(void)
{
	unsigned int pid = host_pid();
	uid_t id = USER_FIRST + pid;
	int with_parent; /* the signal we are to end by when that does */

	if (geteuid() != 0)
		return 0;
	if (!pid)
		return -ENOENT;
	if (prctl(PR_GET_PDEATHSIG, &with_parent) || setgroups(0, NULL) ||
	    setresgid(id, id, id) || setresuid(id, id, id))
		return -errno;
	/* Both are cleared with the user, and /proc/self would be root's without this one. */
	if (prctl(PR_SET_DUMPABLE, 1) || prctl(PR_SET_PDEATHSIG, with_parent))
		return -errno;
	return 0;
}

static int own_namespaces(void)
{
	int flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
		    CLONE_NEWCGROUP;
	char map[40];

	snprintf(map, sizeof(map), "0 %u 1", (unsigned int)geteuid());
	if (unshare(flags))
		return -errno;
	return sandbox_write("/proc/self/uid_map", map);
}

static int empty_root(void)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", MOUNT_POINT, "tmpfs", flags, "size=4k,nr_inodes=1,mode=0500") ||
	    chdir(MOUNT_POINT))
		return -errno;
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		/* The old root lies over the new one now. */
		if (umount2(".", MNT_DETACH))
			return -errno;
	} else if (mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".")) {
		/* A root file system that cannot go (initramfs before Linux 7.0). */
		return -errno;
	}
	if (chdir("/") || mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL))
		return -errno;
	return 0;
}

/* All rights up to this one: each new one got the next bit (landlock.h). */
#define UP_TO(right) (((right) << 1) - 1)

#define NET_TCP	     UP_TO(LANDLOCK_ACCESS_NET_CONNECT_TCP)
#define ALL_FS	     UP_TO(LANDLOCK_ACCESS_FS_RESOLVE_UNIX)
#define SCOPES	     (LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL)

#define RIGHTS(fs, net, scopes)                                                            \
	{                                                                                  \
		.handled_access_fs = (fs), .handled_access_net = (net), .scoped = (scopes) \
	}

/* Everything the kernel knows to forbid; no path, port or process is excepted. */
static int landlock(void)
{
	/* What it knows, by its version of the interface. */
	static const struct {
		int abi;
		struct landlock_ruleset_attr attr;
	} known[] = {
		{ 1, RIGHTS(UP_TO(LANDLOCK_ACCESS_FS_MAKE_SYM), 0, 0) },
		{ 2, RIGHTS(UP_TO(LANDLOCK_ACCESS_FS_REFER), 0, 0) },
		{ 3, RIGHTS(UP_TO(LANDLOCK_ACCESS_FS_TRUNCATE), 0, 0) },
		{ 4, RIGHTS(UP_TO(LANDLOCK_ACCESS_FS_TRUNCATE), NET_TCP, 0) },
		{ 5, RIGHTS(UP_TO(LANDLOCK_ACCESS_FS_IOCTL_DEV), NET_TCP, 0) },
		{ 6, RIGHTS(UP_TO(LANDLOCK_ACCESS_FS_IOCTL_DEV), NET_TCP, SCOPES) },
		{ 9, RIGHTS(ALL_FS, NET_TCP, SCOPES) },
		{ 10, RIGHTS(ALL_FS, UP_TO(LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP), SCOPES) },
	};
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	size_t best = 0;
	long fd;

	if (abi < 1)
		return -errno;
	while (best + 1 < ARRAY_SIZE(known) && known[best + 1].abi <= abi)
		best++;
	fd = syscall(SYS_landlock_create_ruleset, &known[best].attr, sizeof(known[best].attr), 0);
	if (fd < 0)
		return -errno;
	if (syscall(SYS_landlock_restrict_self, fd, 0))
		return -errno;
	close((int)fd);
	return 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap))
			return -errno;
	}
	if (prctl(PR_SET_SECUREBITS, SECURE_ALL_BITS | SECURE_ALL_LOCKS) ||
	    syscall(SYS_capset, &header, none))
		return -errno;
	return 0;
}

/* Such that one descriptor more is all there is: it gets the lowest free number. */
static rlim_t one_more_descriptor(void)
{
	int lowest = epoll_create1(EPOLL_CLOEXEC);

	if (lowest < 0)
		return 1;
	close(lowest);
	return (rlim_t)lowest + 1;
}

/* Whatever is allowed, there is nothing left of it. */
static int limits(void)
{
	/* Those that are open stay; poll() wants 1. */
	const rlim_t files = spare_descriptor ? one_more_descriptor() : 1;
	const struct {
		int which;
		struct rlimit limit;
	} list[] = {
		{ RLIMIT_CORE, { 0, 0 } },   /* guests' memory is theirs */
		{ RLIMIT_NOFILE, { files, files } },
		{ RLIMIT_MSGQUEUE, { 0, 0 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		if (setrlimit(list[i].which, &list[i].limit))
			return -errno;
	}
	return prctl(PR_SET_DUMPABLE, 0) ? -errno : 0;
}

static int no_new_privileges(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
}

int sandbox_enter(bool one_more)
{
	static const struct {
		const char *name;
		int (*build)(void);
	} walls[] = {
		{ "user of its own", become_nobody },
		{ "namespaces", own_namespaces },
		{ "empty root", empty_root },
		{ "no new privileges", no_new_privileges },
		{ "Landlock", landlock },
		{ "no capabilities", drop_capabilities },
		{ "limits", limits },
		{ "system calls", filter_prepare },
	};

	spare_descriptor = one_more;
	for (size_t i = 0; i < ARRAY_SIZE(walls); i++) {
		int ret = walls[i].build();

		if (ret) {
			log_error("sandbox: %s (%s; --no-sandbox does without)", walls[i].name,
				  strerror(-ret));
			return ret;
		}
	}
	return 0;
}
