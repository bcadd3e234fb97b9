/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/topology": Linux in machines of one to eight
 * processors, one machine after the other, by the vmm's own command line. What the
 * guest finds in sysfs (guests/init, "topology=1") must be what it was given, and the
 * threads of its processors must run where they were pinned.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/abi/vmmctl.h"
#include "include/base/base.h"
#include "tests/root/lib/testinit.h"

#define TINY   "/guests/tiny/bzImage", "/guests/tiny/initramfs.cpio.gz", "64M"
#define DEBIAN "/guests/debian/vmlinuz", "/guests/debian/initramfs.cpio.gz", "256M,prefault=on"
#define LARGE  "/guests/debian/vmlinuz", "/guests/debian/initramfs.cpio.gz", "768M"

static const struct {
	const char *kernel, *initrd, *memory, *cpus;
	const char *sockets;	   /* as the guest says it */
	const char *core, *socket; /* who shares the first one's caches */
	const char *pin;	   /* where each processor may run, in order; NULL: anywhere */
	const char *l3;		   /* if it is not the socket: LIMITS.md, "APIC ids" */
} cases[] = {
	{ TINY, "1", "1 socket(s), 1 core(s), 1 processor(s)", "0", "0", NULL, NULL },
	{ TINY, "2,threads=2,pin=1:0", "1 socket(s), 1 core(s), 2 processor(s)", "0-1", "0-1", "10",
	  NULL },
	{ TINY, "4", "1 socket(s), 4 core(s), 4 processor(s)", "0", "0-3", NULL, NULL },
	{ TINY, "4,threads=2,pin=0-1", "1 socket(s), 2 core(s), 4 processor(s)", "0-1", "0-3",
	  "0101", NULL },
	{ TINY, "8,cores=4,threads=1", "2 socket(s), 8 core(s), 8 processor(s)", "0", "0-3", NULL,
	  "0-7" },
	{ TINY, "8,cores=4,threads=2", "1 socket(s), 4 core(s), 8 processor(s)", "0-1", "0-7", NULL,
	  NULL },
	{ TINY, "6,threads=2", "1 socket(s), 3 core(s), 6 processor(s)", "0-1", "0-5", NULL, NULL },
	{ DEBIAN, "8,cores=4,threads=2", "1 socket(s), 4 core(s), 8 processor(s)", "0-1", "0-7",
	  NULL, NULL },
	/* "long": minutes */
	{ LARGE, "32,cores=16,threads=2", "1 socket(s), 16 core(s), 32 processor(s)", "0-1", "0-31",
	  NULL, "0-7" },
	{ LARGE, "64,cores=32,threads=2", "1 socket(s), 32 core(s), 64 processor(s)", "0-1", "0-63",
	  NULL, "0-7" },
};

#define SHORT_CASES 8

static unsigned int checks, failures;

static void check(bool good, size_t number, const char *what, const char *expected)
{
	checks++;
	if (good)
		return;
	failures++;
	printf("topology: FAIL case %zu (%s): %s: not \"%s\"\n", number, cases[number].cpus, what,
	       expected);
}

/* --- threads of processors: vp0, vp1, ... of the one vmm there is --- */

/* The value of @key in @path, as far as it fits; false: not there. */
static bool read_key(const char *path, const char *key, char *value, size_t size)
{
	size_t length = strlen(key);
	FILE *f = fopen(path, "r");
	char line[128];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, length) || line[length] != ':')
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(value, size, "%s", line + length + 1 + strspn(line + length + 1, " \t"));
		found = true;
	}
	if (f)
		fclose(f);
	return found;
}

/* Where thread @tid of @pid may run, if it is that of processor @vp. */
static bool pinned(const char *pid, const char *tid, unsigned int vp, char *value, size_t size)
{
	char path[96], name[32], expected[8];

	snprintf(path, sizeof(path), "/proc/%.16s/task/%.16s/status", pid, tid);
	snprintf(expected, sizeof(expected), "vp%u", vp);
	return read_key(path, "Name", name, sizeof(name)) && !strcmp(name, expected) &&
	       read_key(path, "Cpus_allowed_list", value, size);
}

static bool find_vp(unsigned int vp, char *value, size_t size)
{
	DIR *proc = opendir("/proc");
	struct dirent *p, *t;
	bool found = false;

	while (proc && !found && (p = readdir(proc))) {
		char path[64];
		DIR *tasks;

		if (!isdigit((unsigned char)p->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%.16s/task", p->d_name);
		tasks = opendir(path);
		while (tasks && !found && (t = readdir(tasks)))
			found = pinned(p->d_name, t->d_name, vp, value, size);
		if (tasks)
			closedir(tasks);
	}
	if (proc)
		closedir(proc);
	return found;
}

static void check_pins(size_t number)
{
	const char *pin = cases[number].pin;

	for (unsigned int vp = 0; pin && pin[vp]; vp++) {
		char value[32] = "no thread", expected[2] = { pin[vp], '\0' };

		check(find_vp(vp, value, sizeof(value)) && !strcmp(value, expected), number, value,
		      expected);
	}
}

/* --- one machine --- */

static void check_line(size_t number, const char *line)
{
	const char *tail = strstr(line, " of processors ");
	char expected[160];

	if (!strncmp(line, "guest: cache: L", 15)) {
		const char *shared = line[15] == '3' ? cases[number].socket : cases[number].core;

		if (line[15] == '3' && cases[number].l3)
			shared = cases[number].l3;
		check(tail && !strcmp(tail + 15, shared), number, line, shared);
	} else if (strstr(line, "complaint")) {
		check(!strcmp(line, "guest: topology: 0 complaint(s)"), number, line, "0");
	} else if (!strncmp(line, "guest: topology: ", 17)) {
		snprintf(expected, sizeof(expected),
			 "guest: topology: %s; the first one's socket %s, core %s",
			 cases[number].sockets, cases[number].socket, cases[number].core);
		check(!strcmp(line, expected), number, line, expected);
	} else {
		return;
	}
	printf("topology: %s: %s\n", cases[number].cpus, line);
}

static pid_t start(size_t number, int *out)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends))
		return -1;
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execl(VMMCTL_PATH, "vmm", "--name", "guest", "--kernel", cases[number].kernel,
		      "--initrd", cases[number].initrd, "--memory", cases[number].memory, "--cpus",
		      cases[number].cpus, "--cmdline",
		      "console=ttyS0 loglevel=5 task=poweroff topology=1", "--stats", (char *)NULL);
		_exit(VMMCTL_NO_EXEC);
	}
	close(ends[1]);
	*out = ends[0];
	return pid;
}

static void run(size_t number)
{
	unsigned int before = checks;
	int out = -1, status = -1;
	char line[256];
	pid_t pid = start(number, &out);
	FILE *f = fdopen(out, "r");

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\r\n")] = '\0';
		check_line(number, line);
		if (strstr(line, "userland reached"))
			check_pins(number);
	}
	if (f)
		fclose(f);
	waitpid(pid, &status, 0);
	check(status == 0, number, "ends", "powered off");
	/* One of sockets, four of caches, one of complaints, one of the end. */
	check(checks - before >= 7, number, "says too little", "7 lines");
}

int main(int argc, char **argv)
{
	bool all = argc > 1 && !strcmp(argv[1], "long");

	testinit_start();
	for (size_t i = all ? SHORT_CASES : 0; i < (all ? ARRAY_SIZE(cases) : SHORT_CASES); i++)
		run(i);
	printf("topology: %u checks, %u failures\n", checks, failures);
	testinit_end();
}
