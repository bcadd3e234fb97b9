/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/overhead": leaves a child behind and becomes
 * the real init.  Once guests have run for a while the child reads what each vmm
 * costs beside its guest's memory (PSS of every mapping but the largest, which is
 * the guest's RAM), and what PID 1 holds, and compares with the limits. And whether
 * each vmm is what the kernel says of one in its sandbox and its cgroup.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/root/lib/beside.h"

#define GUESTS	       2 /* in tests/machine/overhead.yaml */
#define SETTLE_SECONDS 12
#define VMM_LIMIT_KB   2048
#define INIT_LIMIT_KB  1024

static FILE *proc_open(int pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return fopen(path, "r");
}

static int is_vmm(int pid)
{
	char name[32] = "";
	FILE *f = proc_open(pid, "comm");

	if (!f)
		return 0;
	if (!fgets(name, sizeof(name), f))
		name[0] = '\0';
	fclose(f);
	return !strcmp(name, "vmm\n");
}

/* kB beside the largest mapping; -1 if the kernel does not say. */
static long vmm_overhead(int pid)
{
	long size = 0, pss, largest = -1, largest_pss = 0, sum = -1;
	char line[256];
	FILE *f = proc_open(pid, "smaps");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "Size: %ld kB", &size);
		if (sscanf(line, "Pss: %ld kB", &pss) != 1)
			continue;
		sum = (sum < 0 ? 0 : sum) + pss;
		if (size > largest) {
			largest = size;
			largest_pss = pss;
		}
	}
	fclose(f);
	return sum < 0 ? -1 : sum - largest_pss;
}

static long init_rss(void)
{
	char line[256];
	long rss = -1;
	FILE *f = proc_open(1, "status");

	if (!f)
		return -1;
	while (rss < 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "VmRSS: %ld kB", &rss) != 1)
			rss = -1;
	}
	fclose(f);
	return rss;
}

/* Does a line of one of the process's files begin so? */
static int says(int pid, const char *name, const char *what)
{
	char line[256];
	int found = 0;
	FILE *f = proc_open(pid, name);

	while (f && !found && fgets(line, sizeof(line), f))
		found = !strncmp(line, what, strlen(what));
	if (f)
		fclose(f);
	return found;
}

/* Bytes the cgroup of the vmm may have; -1: none, or no limit. */
static long long cgroup_bytes(int pid)
{
	char line[256] = "", path[300];
	long long bytes = -1;
	FILE *f = proc_open(pid, "cgroup");

	if (f && fgets(line, sizeof(line), f) && !strncmp(line, "0::/", 4) && line[4] != '\n') {
		line[strcspn(line, "\n")] = '\0';
		snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", line + 3);
		fclose(f);
		f = fopen(path, "r");
		if (f && fscanf(f, "%lld", &bytes) != 1)
			bytes = -1;
	}
	if (f)
		fclose(f);
	return bytes;
}

static int judge_walls(int pid)
{
	static const char *const words[] = {
		"CapPrm:\t0000000000000000\n",
		"CapEff:\t0000000000000000\n",
		"CapBnd:\t0000000000000000\n",
		"NoNewPrivs:\t1\n",
		"Seccomp:\t2\n",
	};
	int bad = says(pid, "status", "Uid:\t0\t");
	long long limit = cgroup_bytes(pid);

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		bad |= !says(pid, "status", words[i]);
	bad |= limit <= 0;
	say("overhead: vmm (pid %d): cgroup of %lld bytes, %s", pid, limit,
	    bad ? "walls are MISSING" : "all walls");
	return bad;
}

static int judge(const char *who, int pid, long kb, long limit)
{
	say("overhead: %s (pid %d): %ld kB, limit %ld%s", who, pid, kb, limit,
	    kb < 0 || kb > limit ? ": OVER" : "");
	return kb < 0 || kb > limit;
}

static int guests(int *pids, int max)
{
	struct dirent *entry;
	int count = 0;
	DIR *proc = opendir("/proc");

	while (proc && count < max && (entry = readdir(proc))) {
		int pid = atoi(entry->d_name);

		if (pid > 1 && is_vmm(pid))
			pids[count++] = pid;
	}
	if (proc)
		closedir(proc);
	return count;
}

static void measure(void)
{
	int pids[8], count, bad = 0;

	while (guests(pids, 8) < GUESTS)
		usleep(100 * 1000);
	sleep(SETTLE_SECONDS);
	count = guests(pids, 8);
	for (int i = 0; i < count; i++) {
		bad |= judge("vmm", pids[i], vmm_overhead(pids[i]), VMM_LIMIT_KB);
		bad |= judge_walls(pids[i]);
	}
	bad |= judge("init", 1, init_rss(), INIT_LIMIT_KB);
	say("overhead: %s", bad || count < GUESTS ? "too much" : "within limits");
}

int main(int argc, char **argv)
{
	(void)argc;
	return beside_init(measure, argv);
}
