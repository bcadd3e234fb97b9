/* SPDX-License-Identifier: MIT */
#include "init/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/base/base.h"
#include "init/cgroup.h"
#include "init/check.h"
#include "init/net.h"
#include "init/sys.h"

enum { READ_END, WRITE_END, ENDS };

/* path=, and what can stand behind it. */
#define DISK_TEXT_MAX (VMMCTL_PATH_MAX + VMMCTL_SERIAL_MAX + 100)

/* argv of a vmm; lives in the child only, so it may be large. */
struct arguments {
	const char *word[29 + 2 * VMMCTL_DISKS_MAX + 2 * VMMCTL_NICS_MAX + 1];
	unsigned int count;
	char memory[64];
	char cpus[48 + 5 * VMMCTL_CPUS_MAX];
	char disk[VMMCTL_DISKS_MAX][DISK_TEXT_MAX];
	char nic[VMMCTL_NICS_MAX][160];
	char balloon[80];
	char vsock[16];
};

static void add_word(struct arguments *args, const char *word)
{
	CHECK(args->count + 2 <= ARRAY_SIZE(args->word));
	args->word[args->count++] = word;
	args->word[args->count] = NULL;
}

static void add(struct arguments *args, const char *option, const char *value)
{
	add_word(args, option);
	add_word(args, value);
}

static const char *compose_disk(char text[DISK_TEXT_MAX], const struct manifest_disk *d)
{
	int n = snprintf(text, DISK_TEXT_MAX, "path=%s%s", d->path,
			 d->readonly ? ",readonly=on" : "");

	if (d->serial)
		n += snprintf(text + n, (size_t)(DISK_TEXT_MAX - n), ",serial=%s", d->serial);
	if (d->queues)
		n += snprintf(text + n, (size_t)(DISK_TEXT_MAX - n), ",queues=%" PRIu32, d->queues);
	if (d->iops)
		n += snprintf(text + n, (size_t)(DISK_TEXT_MAX - n), ",iops=%" PRIu32, d->iops);
	if (d->bandwidth)
		n += snprintf(text + n, (size_t)(DISK_TEXT_MAX - n), ",bandwidth=%" PRIu64,
			      d->bandwidth);
	CHECK(n < DISK_TEXT_MAX);
	return text;
}

static void compose_cpus(struct arguments *args, const struct cpus *c)
{
	size_t room = sizeof(args->cpus);
	size_t n =
		(size_t)snprintf(args->cpus, room, "%" PRIu32 ",cores=%" PRIu32 ",threads=%" PRIu32,
				 c->count, c->cores, c->threads);

	for (uint32_t i = 0; i < c->pin_count && n < room; i++)
		n += (size_t)snprintf(args->cpus + n, room - n, "%s%u",
				      i ? ":" : ",pin=", (unsigned int)c->pin[i]);
	CHECK(n < room);
}

static void add_nic(struct arguments *args, unsigned int i, const struct manifest_nic *nic,
		    const int *fd)
{
	static const char *const vhost[] = { "", ",vhost=on", ",vhost=off" };
	char *to = args->nic[i];
	size_t room = sizeof(args->nic[i]);
	char mac[MAC_TEXT];
	int n = snprintf(to, room, "mac=%s,queues=%" PRIu32 "%s", mac_format(nic->mac, mac),
			 nic->queues, vhost[nic->vhost]);

	if (nic->rate)
		n += snprintf(to + n, room - (size_t)n, ",rate=%" PRIu64, nic->rate);
	n += snprintf(to + n, room - (size_t)n, ",tap=fd");
	for (uint32_t q = 0; q < nic->queues; q++)
		n += snprintf(to + n, room - (size_t)n, ":%d", fd[q]);
	CHECK((size_t)n < room);
	add(args, "--nic", to);
}

static void add_small_devices(struct arguments *args, const struct manifest_guest *guest)
{
	const struct manifest_balloon *b = &guest->balloon;

	if (guest->console == MANIFEST_CONSOLE_VIRTIO)
		add_word(args, "--console");
	if (guest->rng)
		add_word(args, "--rng");
	if (b->wanted) {
		snprintf(args->balloon, sizeof(args->balloon),
			 "--balloon=size=%" PRIu64 ",deflate-on-oom=%s,reporting=%s", b->size,
			 b->deflate_on_oom ? "on" : "off", b->reporting ? "on" : "off");
		add_word(args, args->balloon);
	}
	if (guest->cid) {
		snprintf(args->vsock, sizeof(args->vsock), "cid=%" PRIu32, guest->cid);
		add(args, "--vsock", args->vsock);
	}
}

/* The rest of these policies is ours: unit.c. */
static void add_policies(struct arguments *args, const struct end_policies *on)
{
	if (on->reset == END_PRESERVE)
		add(args, "--on-reset", "preserve");
	if (on->crash == END_PRESERVE)
		add(args, "--on-crash", "preserve");
	if (on->watchdog == END_PRESERVE)
		add(args, "--on-watchdog", "preserve");
	else if (on->watchdog == END_IGNORE)
		add(args, "--on-watchdog", "ignore");
}

static void compose(struct arguments *args, const struct manifest_guest *guest,
		    const struct net_taps *taps, bool fired)
{
	uint32_t i;

	args->word[0] = VMMCTL_PATH;
	args->count = 1;
	add(args, "--name", guest->name);
	add(args, "--kernel", guest->kernel);
	if (guest->initrd)
		add(args, "--initrd", guest->initrd);
	if (guest->cmdline)
		add(args, "--cmdline", guest->cmdline);
	snprintf(args->memory, sizeof(args->memory), "%" PRIu64 "%s%s", guest->memory.bytes,
		 guest->memory.hugepages ? "" : ",hugepages=off",
		 guest->memory.prefault ? ",prefault=on" : "");
	add(args, "--memory", args->memory);
	compose_cpus(args, &guest->cpus);
	add(args, "--cpus", args->cpus);
	for (i = 0; i < guest->disk_count; i++)
		add(args, "--disk", compose_disk(args->disk[i], &guest->disks[i]));
	for (i = 0; i < guest->nic_count; i++)
		add_nic(args, i, &guest->nics[i], taps->fd[i]);
	add_small_devices(args, guest);
	if (guest->watchdog)
		add_word(args, fired ? "--watchdog=fired=on" : "--watchdog");
	add_policies(args, &guest->on);
}

/* The last words of a child that does not become a vmm. */
static _Noreturn void give_up(int code, const char *what, const char *why)
{
	char line[160];
	int n = snprintf(line, sizeof(line), "vmm: %s (%s)\n", what, why);

	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		_exit(code);
	_exit(code);
}

/* In the child.  Descriptors 0 to 2 are open in init, so no pipe is one of them. */
static _Noreturn void become_vmm(const struct manifest *manifest,
				 const struct manifest_guest *guest, bool fired, int in, int out,
				 int err)
{
	static char *const no_environment[] = { NULL };
	struct net_taps taps;
	struct arguments args;
	char why[NET_TEXT];

	setsid();
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	/* Every other descriptor of init closes itself on execve(). */
	umask(077);
	if (chdir("/") != 0)
		_exit(VMMCTL_NO_EXEC);
	if (!net_open_taps(manifest, guest, &taps, why))
		give_up(VMMCTL_BAD_HOST, "no network card", why);
	compose(&args, guest, &taps, fired);
	sys_signals_child();
	/* execve() takes char **, for historical reasons, and writes nothing. */
	execve(VMMCTL_PATH, (char *const *)(uintptr_t)args.word, no_environment);
	give_up(VMMCTL_NO_EXEC, "cannot be executed", strerror(errno));
}

static void close_pipe(int pipe_fd[ENDS])
{
	close(pipe_fd[READ_END]);
	close(pipe_fd[WRITE_END]);
}

/* Our end does not block; the vmm's does, as programs expect. */
static int open_pipe(int pipe_fd[ENDS], int our_end)
{
	if (pipe2(pipe_fd, O_CLOEXEC) != 0)
		return -errno;
	if (fcntl(pipe_fd[our_end], F_SETFL, O_NONBLOCK) == 0)
		return 0;
	close_pipe(pipe_fd);
	return -errno;
}

/* Standard input: a pipe to write to, or nothing at all. */
static int open_input(int in[ENDS], bool console)
{
	if (console)
		return open_pipe(in, WRITE_END);
	in[WRITE_END] = -1;
	in[READ_END] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return in[READ_END] < 0 ? -errno : 0;
}

/* fork(), but into a PID namespace (vmmctl.h) and, if there is one, a cgroup of its own. */
static pid_t fork_vmm(const struct manifest_guest *guest)
{
	struct clone_args args = { .flags = CLONE_NEWPID, .exit_signal = SIGCHLD };
	int cgroup = cgroup_open(guest);
	long pid;

	if (cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup;
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		pid = -errno;
	if (cgroup >= 0)
		close(cgroup);
	return (pid_t)pid;
}

pid_t spawn_vmm(const struct manifest *manifest, const struct manifest_guest *guest, bool console,
		bool fired, struct spawn_pipes *pipes)
{
	int in[ENDS], out[ENDS], err[ENDS];
	int result;
	pid_t pid;

	result = open_input(in, console);
	if (result < 0)
		return result;
	result = open_pipe(out, READ_END);
	if (result < 0)
		goto close_in;
	result = open_pipe(err, READ_END);
	if (result < 0)
		goto close_out;

	pid = fork_vmm(guest);
	if (pid == 0)
		become_vmm(manifest, guest, fired, in[READ_END], out[WRITE_END], err[WRITE_END]);
	if (pid < 0) {
		result = pid;
		goto close_err;
	}
	close(in[READ_END]);
	close(out[WRITE_END]);
	close(err[WRITE_END]);
	pipes->in = in[WRITE_END];
	pipes->out = out[READ_END];
	pipes->err = err[READ_END];
	return pid;

close_err:
	close_pipe(err);
close_out:
	close_pipe(out);
close_in:
	close(in[READ_END]);
	if (in[WRITE_END] >= 0)
		close(in[WRITE_END]);
	return result;
}
