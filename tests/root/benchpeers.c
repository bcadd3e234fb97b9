/* SPDX-License-Identifier: MIT */
/*
 * make bench-peers only, started as "rdinit=/test/benchpeers -- GUESTS": as many
 * guests at once in our vmm, then in Debian's QEMU (the disk of make check-peers),
 * with the same kernel, initramfs, disk and network. What is printed is what
 * tools/bench-peers.sh makes its tables of; times are the time stamp counter's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include "include/abi/vmmctl.h"
#include "include/base/base.h"
#include "tests/root/lib/counters.h"
#include "tests/root/lib/testinit.h"

#define GUESTS_MAX  32u
#define TREE	    "/peer" /* Debian's, which QEMU has for its root */
#define TREE_DISK   "/dev/vda"
#define DISK	    "/tmp/disk" /* of all guests, below TREE */
#define DISK_BYTES  (64u << 20)
#define PATIENCE_MS (100 * 1000)
#define SETTLE_US   (1000 * 1000)
#define ARGS_MAX    64
#define TEXT_BYTES  4096
#define INIT	    "benchguest: init"
#define DONE	    '\x06'
/* Of all guests together. */
#define READS	    6400
#define ECHOES	    3200
#define BURSTS	    320
#define SEGMENTS    640

enum machine { OURS, Q35, MICROVM };

static const char *const machine_name[] = { "ours", "q35", "microvm" };

struct run {
	const char *name;
	enum machine machine;
	const char *kernel, *memory;
	const char *work;  /* benchguest.c; NULL: without disk and network */
	const char *vhost; /* "on", "off" */
	unsigned int most; /* guests */
};

/* First, with a guest each: files and memory are cold, which is not counted. */
static const struct run cold[] = {
	{ "cold", OURS, "linux", "64M", "r", "on", 1 },
	{ "cold", Q35, "linux", "64M", "r", "on", 1 },
	{ "cold", MICROVM, "linux", "64M", "r", "on", 1 },
};

static const struct run runs[] = {
	{ "tiny", OURS, "tiny", "64M", NULL, NULL, GUESTS_MAX },
	{ "tiny", Q35, "tiny", "64M", NULL, NULL, GUESTS_MAX },
	{ "tiny", MICROVM, "tiny", "64M", NULL, NULL, GUESTS_MAX },
	{ "debian", OURS, "debian", "256M", NULL, NULL, 1 },
	{ "debian", Q35, "debian", "256M", NULL, NULL, 1 },
	{ "debian", MICROVM, "debian", "256M", NULL, NULL, 1 },
	{ "io", OURS, "linux", "64M", "rRebs", "on", GUESTS_MAX },
	{ "io", Q35, "linux", "64M", "rRebs", "on", GUESTS_MAX },
	{ "io", MICROVM, "linux", "64M", "rRebs", "on", GUESTS_MAX },
	{ "io-user", OURS, "linux", "64M", "ebs", "off", 1 },
	{ "io-user", Q35, "linux", "64M", "ebs", "off", 1 },
	{ "io-user", MICROVM, "linux", "64M", "ebs", "off", 1 },
};

static struct guest {
	pid_t pid;
	int in, out; /* our ends of its console */
	bool up;     /* it has said INIT */
	unsigned int ready;
	char text[TEXT_BYTES]; /* the line that it is saying, or the end of it */
	size_t length;
} guests[GUESTS_MAX];

static unsigned int guest_count;
static uint64_t partitions = 1; /* the last one's number that is not ours any more */

static _Noreturn void fail(const char *what)
{
	printf("benchpeers: FAIL %s: %s\n", what, strerror(errno));
	testinit_end();
}

/* --- the root around them --- */

static void mount_or_fail(const char *source, const char *target, const char *type,
			  unsigned long flags)
{
	if (mount(source, target, type, flags, NULL))
		fail(target);
}

static void mount_tree(void)
{
	struct stat st;

	/* Its driver probes while we start. */
	for (int i = 0; stat(TREE_DISK, &st) && i < 100; i++)
		usleep(50 * 1000);
	mkdir(TREE, 0755);
	mount_or_fail(TREE_DISK, TREE, "ext4", MS_RDONLY);
	mount_or_fail("dev", TREE "/dev", "devtmpfs", 0);
	mount_or_fail("proc", TREE "/proc", "proc", 0);
	mount_or_fail("sys", TREE "/sys", "sysfs", 0);
	mount_or_fail("tmp", TREE "/tmp", "tmpfs", 0);
	mount_or_fail("/test", TREE "/test", NULL, MS_BIND);
}

/* No holes in it. */
static void make_disk(void)
{
	static uint8_t block[65536];
	int fd = open(TREE DISK, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	for (unsigned int i = 0; i < DISK_BYTES / sizeof(block); i++) {
		memset(block, (int)i, sizeof(block));
		if (write(fd, block, sizeof(block)) != sizeof(block))
			fail("make the disk");
	}
	close(fd);
}

static void address(char *text, size_t size, unsigned int guest, unsigned int host)
{
	snprintf(text, size, "10.9.%u.%u", guest, host);
}

/* A tap that stays, with an address of its own and somebody who answers there. */
static void make_network(unsigned int number)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	struct sockaddr_in *a = (struct sockaddr_in *)(void *)&r.ifr_addr;
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char host[32], net[40];

	address(host, sizeof(host), number, 1);
	snprintf(r.ifr_name, sizeof(r.ifr_name), "tap%u", number);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r) || ioctl(fd, TUNSETPERSIST, 1))
		fail("tap");
	a->sin_family = AF_INET;
	inet_pton(AF_INET, host, &a->sin_addr);
	if (ioctl(control, SIOCSIFADDR, &r))
		fail("address of the tap");
	inet_pton(AF_INET, "255.255.255.0", &a->sin_addr);
	if (ioctl(control, SIOCSIFNETMASK, &r) || ioctl(control, SIOCGIFFLAGS, &r))
		fail("mask of the tap");
	r.ifr_flags |= IFF_UP;
	if (ioctl(control, SIOCSIFFLAGS, &r))
		fail("set the tap up");
	close(control);
	close(fd);
	snprintf(net, sizeof(net), "net=%s", host);
	if (fork() == 0) {
		const char *const env[] = { "role=server", "bench=1", net, NULL };

		execle("/test/netpeer", "netpeer", (char *)NULL, env);
		_exit(VMMCTL_NO_EXEC);
	}
}

/* --- guests --- */

static struct {
	const char *arg[ARGS_MAX];
	unsigned int count;
	char text[8192];
	size_t used;
} args;

/* One more argument. */
__attribute__((format(printf, 1, 2))) static void add(const char *format, ...)
{
	char *to = args.text + args.used;
	va_list list;

	va_start(list, format);
	args.used += (size_t)vsnprintf(to, sizeof(args.text) - args.used, format, list) + 1;
	va_end(list);
	if (args.used >= sizeof(args.text) || args.count + 1 >= ARGS_MAX)
		fail("arguments");
	args.arg[args.count++] = to;
	args.arg[args.count] = NULL;
}

/* Several, a blank between them. */
__attribute__((format(printf, 1, 2))) static void add_words(const char *format, ...)
{
	char text[512], *save;
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
		add("%s", word);
}

static void add_cmdline(const struct run *r, unsigned int number)
{
	char host[32], guest[32];

	address(host, sizeof(host), number, 1);
	address(guest, sizeof(guest), number, 2);
	if (!r->work)
		add("console=ttyS0 quiet");
	else
		add("console=ttyS0 quiet net=%s peer=%s reads=%u echoes=%u bursts=%u segments=%u",
		    guest, host, READS / guest_count, ECHOES / guest_count, BURSTS / guest_count,
		    SEGMENTS / guest_count);
}

static void our_arguments(const struct run *r, unsigned int number)
{
	add_words("vmm --name g%u --kernel /test/%s --initrd /test/initramfs --memory %s --cmdline",
		  number, r->kernel, r->memory);
	add_cmdline(r, number);
	if (r->work)
		add_words("--disk path=" TREE DISK ",readonly=on --nic tap=tap%u,vhost=%s", number,
			  r->vhost);
}

/* As small as options make it, with a thread for the disk. Other ways were not compared. */
static void qemu_arguments(const struct run *r, unsigned int number)
{
	add_words("qemu-system-x86_64 -accel mshv -M %s -m %s -smp 1 -nodefaults -no-user-config "
		  "-no-reboot -display none -monitor none -serial stdio "
		  "-kernel /test/%s -initrd /test/initramfs -append",
		  r->machine == Q35 ? "q35,vmport=off,smm=off,hpet=off,sata=off,smbus=off" :
				      "microvm,pcie=on,auto-kernel-cmdline=off",
		  r->memory, r->kernel);
	add_cmdline(r, number);
	if (r->work)
		add_words("-object iothread,id=io -drive "
			  "if=none,id=disk,format=raw,file=" DISK
			  ",readonly=on,cache=none,aio=io_uring "
			  "-device virtio-blk-pci,drive=disk,iothread=io,disable-legacy=on "
			  "-netdev tap,id=net,ifname=tap%u,script=no,downscript=no,vhost=%s "
			  "-device virtio-net-pci,netdev=net,disable-legacy=on,romfile=",
			  number, r->vhost);
}

static void start(const struct run *r, unsigned int number)
{
	struct guest *g = &guests[number];
	int in[2], out[2];

	args.count = 0;
	args.used = 0;
	if (r->machine == OURS)
		our_arguments(r, number);
	else
		qemu_arguments(r, number);
	*g = (struct guest){ 0 };
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		fail("pipe");
	/* As init starts a vmm; one by itself would fork for its sandbox. */
	g->pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	if (g->pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		if (r->machine != OURS && (chroot(TREE) || chdir("/")))
			_exit(126);
		execv(r->machine == OURS ? VMMCTL_PATH : "/usr/bin/qemu-system-x86_64",
		      (char *const *)(uintptr_t)args.arg);
		_exit(VMMCTL_NO_EXEC);
	}
	close(in[0]);
	close(out[1]);
	g->in = in[1];
	g->out = out[0];
}

/* What it says: a line with INIT once, and DONE when it is ready for work (benchguest.c). */
static void hear(struct guest *g, const char *text, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (text[i] == DONE)
			g->ready++;
		if (g->length < sizeof(g->text) - 1 && text[i] != '\n') {
			g->text[g->length++] = text[i];
			continue;
		}
		g->text[g->length] = '\0';
		g->length = 0;
		if (strstr(g->text, INIT))
			g->up = true;
		if (strstr(g->text, "FAIL"))
			printf("benchpeers: %s\n", strstr(g->text, "FAIL"));
	}
}

static bool all(unsigned int ready)
{
	for (unsigned int i = 0; i < guest_count; i++)
		if (!guests[i].up || guests[i].ready < ready)
			return false;
	return true;
}

/* Until each guest is up and has said that often that it is ready. */
static bool wait_ready(unsigned int ready)
{
	struct pollfd p[GUESTS_MAX];
	char text[512];

	while (!all(ready)) {
		for (unsigned int i = 0; i < guest_count; i++)
			p[i] = (struct pollfd){ guests[i].out, POLLIN, 0 };
		if (poll(p, guest_count, PATIENCE_MS) <= 0)
			return false;
		for (unsigned int i = 0; i < guest_count; i++) {
			ssize_t n = p[i].revents ? read(p[i].fd, text, sizeof(text)) : 1;

			if (n <= 0)
				return false;
			if (p[i].revents)
				hear(&guests[i], text, (size_t)n);
		}
	}
	return true;
}

static void end_guests(void)
{
	for (unsigned int i = 0; i < guest_count; i++)
		kill(guests[i].pid, SIGKILL);
	for (unsigned int i = 0; i < guest_count; i++) {
		waitpid(guests[i].pid, NULL, 0);
		close(guests[i].in);
		close(guests[i].out);
	}
}

/* --- what they cost --- */

/* kB of a process beside its largest mapping, which is the guest's memory. */
static long overhead(pid_t pid)
{
	long size = 0, pss, largest = -1, largest_pss = 0, sum = 0;
	char line[256];
	FILE *f;

	snprintf(line, sizeof(line), "/proc/%d/smaps", pid);
	f = fopen(line, "r");
	if (!f)
		fail("smaps");
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "Size: %ld kB", &size);
		if (sscanf(line, "Pss: %ld kB", &pss) != 1)
			continue;
		sum += pss;
		if (size > largest) {
			largest = size;
			largest_pss = pss;
		}
	}
	fclose(f);
	return sum - largest_pss;
}

/* The counters of all guests' first processors, in sum. */
static void count(uint64_t sum[HV_COUNTERS_MAX])
{
	uint64_t one[HV_COUNTERS_MAX];
	unsigned int found = 0;

	memset(sum, 0, HV_COUNTERS_MAX * sizeof(*sum));
	for (uint64_t id = partitions + 1; found < guest_count && id < partitions + 1000; id++) {
		if (counters_read(HV_COUNTERS_ARG(4, id, 0), one))
			continue;
		found++;
		for (unsigned int i = 0; i < HV_COUNTERS_MAX; i++)
			sum[i] += one[i];
	}
	if (found != guest_count)
		fail("find the guests' counters");
}

static const struct {
	unsigned int index;
	const char *name;
} counters[] = {
	{ VP_COUNTER_TOTAL_RUN_TIME, "run-time" },
	{ VP_COUNTER_HYPERVISOR_RUN_TIME, "hypervisor-time" },
	{ VP_COUNTER_DISPATCHES, "dispatches" },
	{ VP_COUNTER_IO_MESSAGES, "port-messages" },
	{ VP_COUNTER_MEMORY_MESSAGES, "memory-messages" },
	{ VP_COUNTER_OTHER_MESSAGES, "other-messages" },
	{ VP_COUNTER_HLT, "hlt" },
	{ VP_COUNTER_CPUID, "cpuid" },
	{ VP_COUNTER_MSR, "msr" },
	{ VP_COUNTER_OTHER_INTERCEPTS, "other" },
	{ VP_COUNTER_EXTERNAL_INTERRUPTS, "host-interrupts" },
	{ VP_COUNTER_PENDING_INTERRUPTS, "interrupt-windows" },
	{ VP_COUNTER_NESTED_FAULTS, "nested-faults" },
	{ VP_COUNTER_HYPERCALLS, "hypercalls" },
	{ VP_COUNTER_VIRTUAL_INTERRUPTS, "interrupts" },
};

/* A line "benchpeers: NAME MACHINE GUESTS WHAT ticks T counter=N …" */
static void tell(const struct run *r, const char *what, uint64_t ticks, const uint64_t *before,
		 const uint64_t *after)
{
	printf("benchpeers: %s %s %u %s ticks %llu", r->name, machine_name[r->machine], guest_count,
	       what, (unsigned long long)ticks);
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		printf(" %s=%llu", counters[i].name,
		       (unsigned long long)(after[counters[i].index] - before[counters[i].index]));
	printf("\n");
}

static bool run(const struct run *r)
{
	static uint64_t before[HV_COUNTERS_MAX], after[HV_COUNTERS_MAX];
	uint64_t from = __rdtsc(), to;
	long kb = 0;

	memset(before, 0, sizeof(before));
	printf("benchpeers: %s %s %u from %llu\n", r->name, machine_name[r->machine], guest_count,
	       (unsigned long long)from);
	for (unsigned int i = 0; i < guest_count; i++)
		start(r, i);
	if (!wait_ready(0))
		return false;
	to = __rdtsc();
	count(after);
	tell(r, "init", to - from, before, after);
	usleep(SETTLE_US);
	for (const char *w = r->work ? r->work : ""; *w; w++) {
		unsigned int done = (unsigned int)(w - r->work) + 1;
		char what[] = { *w, '\0' };

		if (!wait_ready(done))
			return false;
		count(before);
		from = __rdtsc();
		for (unsigned int i = 0; i < guest_count; i++)
			if (write(guests[i].in, w, 1) != 1)
				return false;
		if (!wait_ready(done + 1))
			return false;
		to = __rdtsc();
		count(after);
		tell(r, what, to - from, before, after);
	}
	for (unsigned int i = 0; i < guest_count; i++)
		kb += overhead(guests[i].pid);
	printf("benchpeers: %s %s %u kB %ld\n", r->name, machine_name[r->machine], guest_count,
	       kb / (long)guest_count);
	return true;
}

/* Numbers are given in order. */
static void forget_partitions(void)
{
	uint64_t ignored[HV_COUNTERS_MAX];

	for (uint64_t id = partitions + 1; id <= partitions + 2 * GUESTS_MAX; id++)
		if (!counters_read(HV_COUNTERS_ARG(4, id, 0), ignored))
			partitions = id;
}

static void try(const struct run *r)
{
	if (!run(r))
		printf("benchpeers: FAIL %s %s %u did not come to its end\n", r->name,
		       machine_name[r->machine], guest_count);
	forget_partitions();
	end_guests();
}

int main(int argc, char **argv)
{
	unsigned int all_guests;

	testinit_start();
	guest_count = argc > 1 ? (unsigned int)atoi(argv[1]) : 1;
	if (guest_count < 1 || guest_count > GUESTS_MAX)
		fail("1 to 32 guests");
	mount_tree();
	make_disk();
	for (unsigned int i = 0; i < guest_count; i++)
		make_network(i);
	usleep(SETTLE_US);
	all_guests = guest_count;
	guest_count = 1;
	for (size_t i = 0; i < ARRAY_SIZE(cold); i++)
		try(&cold[i]);
	guest_count = all_guests;
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++)
		if (guest_count <= runs[i].most)
			try(&runs[i]);
	printf("benchpeers: done\n");
	testinit_end();
}
