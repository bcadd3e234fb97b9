/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/walls": what a guest that took its VMM over
 * could still do. Each attempt is made twice from inside the sandbox, in a process
 * of its own: without the filter of system calls, where the other walls must hold,
 * and with it, where the attempt must end the process. Both are tried without any
 * sandbox first, so that an attempt that always fails is no proof of a wall.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mshv.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "include/abi/vmmctl.h"
#include "include/base/base.h"
#include "tests/root/lib/testinit.h"
#include "vmm/sandbox/filter.h"
#include "vmm/sandbox/sandbox.h"

#define ABSTRACT "\0walls"
#define NOBODY	 65534

static pid_t other;	     /* another sandboxed process, as the host counts */
static int device = -1;	     /* /dev/mshv, open as a VMM has it */
static char other_byte = 42; /* at the same address in the other process */

/* Each: 0 if it was done, else -1. */

static int try_open_file(void)
{
	return open("/etc/rootstock/manifest.yaml", O_RDONLY) < 0 ? -1 : 0;
}

static int try_open_device(void)
{
	return open("/dev/mshv", O_RDWR) < 0 ? -1 : 0;
}

static int try_create_file(void)
{
	return open("/new", O_CREAT | O_RDWR, 0600) < 0 ? -1 : 0;
}

static int try_descriptor(void)
{
	return dup(device) < 0 ? -1 : 0;
}

static int try_connect_unix(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(a.sun_path, ABSTRACT, sizeof(ABSTRACT) - 1);
	return connect(fd, (struct sockaddr *)&a,
		       offsetof(struct sockaddr_un, sun_path) + sizeof(ABSTRACT) - 1);
}

static int try_exec(void)
{
	return execl(VMMCTL_PATH, VMMCTL_PATH, "--help", NULL); /* exits with 0 */
}

static int try_signal(void)
{
	return kill(other, 0);
}

static int try_ptrace(void)
{
	return ptrace(PTRACE_ATTACH, other, NULL, NULL) ? -1 : 0;
}

static int try_read_memory(void)
{
	char path[32], byte = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", other);
	fd = open(path, O_RDONLY);
	return pread(fd, &byte, 1, (off_t)(uintptr_t)&other_byte) == 1 && byte == other_byte ? 0 :
											       -1;
}

static int try_mount(void)
{
	return mount("none", "/", "tmpfs", 0, NULL);
}

static int try_hostname(void)
{
	return sethostname("mine", 4);
}

static int try_chroot(void)
{
	return chroot("/");
}

static int try_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return clock_settime(CLOCK_REALTIME, &now);
}

static const struct attempt {
	const char *name;
	int (*act)(void);
} attempts[] = {
	{ "open a file", try_open_file },
	{ "open a device", try_open_device },
	{ "create a file", try_create_file },
	{ "get a descriptor", try_descriptor },
	{ "connect to a socket", try_connect_unix },
	{ "execute a program", try_exec },
	{ "signal another vmm", try_signal },
	{ "trace another vmm", try_ptrace },
	{ "read another vmm's memory", try_read_memory },
	{ "mount", try_mount },
	{ "change the host's name", try_hostname },
	{ "change the root", try_chroot },
	{ "set the clock", try_clock },
};

/* Only the filter stands before these, or nothing else needs to. */

static int try_kernel_log(void)
{
	char text[64];

	return klogctl(3 /* SYSLOG_ACTION_READ_ALL */, text, sizeof(text)) < 0 ? -1 : 0;
}

static int try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? -1 : 0;
}

static int try_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0) < 0 ? -1 : 0;
}

static int try_other_ioctl(void)
{
	struct mshv_create_partition c = {
		.pt_flags = BIT64(MSHV_PT_BIT_LAPIC),
		.pt_isolation = MSHV_PT_ISOLATION_NONE,
	};

	return ioctl(device, MSHV_CREATE_PARTITION, &c) < 0 ? -1 : 0;
}

static int try_map_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static int try_make_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static int try_namespaces(void)
{
	return unshare(CLONE_NEWNS);
}

static const struct attempt filtered[] = {
	{ "read the kernel's log", try_kernel_log },
	{ "fork", try_fork },		     { "make a socket", try_socket },
	{ "make another ioctl", try_other_ioctl }, { "map code", try_map_code },
	{ "make code of data", try_make_code }, { "make namespaces", try_namespaces },
};

enum mode { OPEN, WALLED, FILTERED };

/* In a process of its own, as init starts a vmm. Returns what waitpid() says. */
static int run(const struct attempt *a, enum mode mode)
{
	unsigned long flags = SIGCHLD | (mode == OPEN ? 0 : CLONE_NEWPID);
	pid_t pid = (pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0);
	int status = -1;

	if (pid == 0) {
		/* What is done for comparison shall not stay. */
		if (mode == OPEN ? unshare(CLONE_NEWNS | CLONE_NEWUTS) : sandbox_enter(false))
			_exit(3);
		if (mode == FILTERED)
			filter_apply(FILTER_VP);
		_exit(a->act() ? 2 : 0);
	}
	waitpid(pid, &status, 0);
	return status;
}

static bool exited(int status, int code)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

/* What the handler of SIGSYS or, for a 32-bit call, the kernel does. */
static bool was_stopped(int status)
{
	return exited(status, VMMCTL_INTERNAL) ||
	       (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static int judge(const struct attempt *a, bool walled)
{
	int failures = 0;
	int status = run(a, FILTERED);

	if (!was_stopped(status)) {
		printf("walls: FAIL %s, with the filter (status %#x)\n", a->name, status);
		failures++;
	}
	status = walled ? run(a, WALLED) : 0;
	if (walled && !exited(status, 2)) {
		printf("walls: FAIL %s, without the filter (status %#x)\n", a->name, status);
		failures++;
	}
	status = run(a, OPEN);
	if (!exited(status, 0)) {
		printf("walls: FAIL %s, without any sandbox (status %#x)\n", a->name, status);
		failures++;
	}
	return failures;
}

/* Somebody to harm, and to listen. */
static pid_t start_other(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0) {
		if (sandbox_enter(false))
			_exit(3);
		for (;;)
			pause();
	}
	return pid;
}

static void listen_unix(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path, ABSTRACT, sizeof(ABSTRACT) - 1);
	if (bind(fd, (struct sockaddr *)&a,
		 offsetof(struct sockaddr_un, sun_path) + sizeof(ABSTRACT) - 1) ||
	    listen(fd, 64))
		printf("walls: FAIL no socket to connect to (%s)\n", strerror(errno));
}

/*
 * A vmm by hand, as root or not, and the process that stands by it is killed: what is
 * behind the walls must not go on, for nobody could end it any more.
 */
static int outlive_parent(uid_t user)
{
	struct pollfd life = { .events = POLLIN };
	int failures = 0, line[2] = { -1, -1 };
	pid_t parent;
	char byte;

	if (pipe(line))
		printf("walls: FAIL no pipe\n");
	parent = fork();
	if (parent == 0) {
		/* Dumpable as after execve(): else /proc/self is root's. */
		if (setresgid(user, user, user) || setresuid(user, user, user) ||
		    prctl(PR_SET_DUMPABLE, 1))
			_exit(3);
		if (sandbox_begin() || sandbox_enter(false) || write(line[1], "", 1) != 1)
			_exit(3);
		for (;;)
			pause();
	}
	close(line[1]);
	life.fd = line[0];
	if (read(line[0], &byte, 1) != 1) {
		printf("walls: FAIL user %u does not come behind the walls\n", user);
		failures++;
	}
	kill(parent, SIGKILL);
	waitpid(parent, NULL, 0);
	if (poll(&life, 1, 10000) != 1) {
		printf("walls: FAIL user %u's vmm outlives the process that stands by it\n",
		       user);
		failures++;
	}
	close(line[0]);
	return failures;
}

int main(void)
{
	int failures = 0;

	testinit_start();
	device = open("/dev/mshv", O_RDWR | O_CLOEXEC);
	if (device < 0)
		printf("walls: FAIL no /dev/mshv\n");
	listen_unix();
	other = start_other();
	sleep(1);
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++)
		failures += judge(&attempts[i], true);
	for (size_t i = 0; i < ARRAY_SIZE(filtered); i++)
		failures += judge(&filtered[i], false);
	failures += outlive_parent(0);
	failures += outlive_parent(NOBODY);
	if (kill(other, 0)) {
		printf("walls: FAIL the other vmm is gone\n");
		failures++;
	}
	printf("walls: %zu attempts, %d failures\n", ARRAY_SIZE(attempts) + ARRAY_SIZE(filtered),
	       failures);
	testinit_end();
}
