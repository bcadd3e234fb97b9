/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/debugfs" in a kernel that has debugfs: leaves a
 * child behind and becomes the real init. While init's guests run the child reads all
 * of /sys/kernel/debug/mshv, again and again, until each counter that we count has
 * moved under the name that Linux gives it. No other may be there, what counts events
 * or time never falls, and the times are true to the clock. Then it prints them.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "include/base/base.h"
#include "tests/root/lib/beside.h"
#include "tests/root/lib/counters.h"

#define LINES	 256
#define FILES	 128
#define PAUSE_US 200000
#define COMPLAIN 75 /* rounds */
#define ROOT_ID	 1
#define LEFT	 2 /* partitions when one guest has powered off: the root's and a guest's */

enum kind { HV, LP, ROOT, ROOT_VP, GUEST, GUEST_VP, KINDS };

static const char *const kind_name[KINDS] = {
	[HV] = "hypervisor",   [LP] = "lp",	  [ROOT] = "root",
	[ROOT_VP] = "root vp", [GUEST] = "guest", [GUEST_VP] = "guest vp",
};

/*
 * What include/abi/hv/stats.h says, by Linux's names. "=": may stand still, or fall,
 * "?": may not move here.
 */
static const char *const expected[KINDS] = {
	[HV] = "=HvLogicalProcessors =HvPartitions =HvTotalPages =HvVirtualProcessors",
	[LP] = "LpGlobalTime LpTotalRunTime LpHypervisorRunTime LpHardwareInterrupts "
	       "LpContextSwitches LpTimerInterrupts LpInterProcessorInterruptsSent =LpRootVpIndex",
	[ROOT] = "=PtVirtualProcessors =PtPartitionId =PtNumberofActiveChildPartitions "
		 "=PtDepositedPages",
	[ROOT_VP] =
		"VpTotalRunTime VpHypervisorRunTime VpHypercallsCount VpHypercallsTime "
		"?VpHltInstructionsCount ?VpHltInstructionsTime VpCpuidInstructionsCount "
		"VpCpuidInstructionsTime VpMsrAccessesCount VpMsrAccessesTime "
		"?VpOtherInterceptsCount ?VpOtherInterceptsTime VpExternalInterruptsCount "
		"VpExternalInterruptsTime VpSyntheticInterrupts VpGpaSpaceHypercalls "
		"?VpLogicalProcessorHypercalls VpOtherHypercalls ?VpSyntheticInterruptHypercalls "
		"VpVirtualInterruptHypercalls VpVirtualProcessorHypercalls VpHardwareInterrupts "
		"?VpNestedPageFaultInterceptsCount ?VpNestedPageFaultInterceptsTime "
		"VpDepositHypercalls",
	[GUEST] = "=PtVirtualProcessors =PtDepositedPages =PtGpaPages PtGpaSpaceModifications "
		  "=PtVirtualTlbFlushEntires =PtGpaPages4K =PtGpaPages2M =PtPartitionId",
	[GUEST_VP] = "VpTotalRunTime VpHypervisorRunTime VpHypercallsCount VpHypercallsTime "
		     "?VpControlRegisterAccessesCount ?VpControlRegisterAccessesTime "
		     "VpIoInstructionsCount VpIoInstructionsTime VpHltInstructionsCount "
		     "VpHltInstructionsTime VpCpuidInstructionsCount VpCpuidInstructionsTime "
		     "VpMsrAccessesCount VpMsrAccessesTime ?VpOtherInterceptsCount "
		     "?VpOtherInterceptsTime VpExternalInterruptsCount VpExternalInterruptsTime "
		     "VpPendingInterruptsCount VpPendingInterruptsTime VpEmulatedInstructionsCount "
		     "VpApicMmioAccesses VpIoInterceptMessages VpMemoryInterceptMessages "
		     "VpApicEoiAccesses ?VpOtherMessages VpLogicalProcessorMigrations "
		     "VpSyntheticInterrupts VpVirtualInterrupts VpApicIpisSent "
		     "?VpLongSpinWaitHypercalls ?VpOtherHypercalls ?VpSyntheticInterruptHypercalls "
		     "VpVirtualInterruptHypercalls VpVirtualMmuHypercalls "
		     "VpNestedPageFaultInterceptsCount VpNestedPageFaultInterceptsTime "
		     "VpLogicalProcessorDispatches =VpRootDispatchThreadBlocked",
};

typedef unsigned long long number;

static struct counter {
	char name[64];
	char mark; /* of the list: '=', '?', ' ', or 0: not in it */
	bool moved;
	number most;
} counters[KINDS][LINES];

static struct file {
	char path[64];
	enum kind kind;
	number value[LINES];
} files[FILES];

static unsigned int failures;

static char mark_of(enum kind kind, const char *name)
{
	const char *all = expected[kind];
	size_t length = strlen(name);

	for (const char *p = all; (p = strstr(p, name)) != NULL; p++) {
		if ((p == all || strchr(" =?", p[-1])) && (p[length] == ' ' || p[length] == '\0'))
			return p == all ? ' ' : p[-1];
	}
	return 0;
}

static void take(struct file *f, unsigned int line, const char *name, number value, bool again)
{
	struct counter *c = &counters[f->kind][line];

	if (c->name[0] == '\0') {
		snprintf(c->name, sizeof(c->name), "%s", name);
		c->mark = mark_of(f->kind, name);
	}
	if (again && value < f->value[line] && c->mark != '=') {
		say("debugfs: FAIL %s: %s fell from %llu to %llu", f->path, name, f->value[line],
		    value);
		failures++;
	}
	c->moved |= c->mark == '=' ? value > 0 : again && value > f->value[line];
	c->most = MAX(c->most, value);
	f->value[line] = value;
}

static struct file *file_of(const char *path, enum kind kind, bool *again)
{
	unsigned int i = 0;

	while (i < FILES - 1 && files[i].path[0] != '\0' && strcmp(files[i].path, path))
		i++;
	*again = files[i].path[0] != '\0';
	snprintf(files[i].path, sizeof(files[i].path), "%s", path);
	files[i].kind = kind;
	return &files[i];
}

static void read_file(enum kind kind, const char *path)
{
	char line[256], name[64];
	unsigned int i = 0;
	struct file *f;
	FILE *stream;
	number value;
	bool again;

	snprintf(line, sizeof(line), DEBUGFS "/%s/stats", path);
	stream = fopen(line, "r");
	if (!stream)
		return; /* it has just gone */
	f = file_of(path, kind, &again);
	while (i < LINES && fgets(line, sizeof(line), stream)) {
		if (sscanf(line, "%63[^: ] : %llu", name, &value) == 2)
			take(f, i++, name, value, again);
	}
	fclose(stream);
}

/* The next entry of @dir that is a number, or -1. */
static int next_number(DIR *dir)
{
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
			return atoi(entry->d_name);
	}
	return -1;
}

/* All numbers in directory @of, "%d" in @path for each; how many. */
static unsigned int read_numbers(enum kind kind, const char *of)
{
	unsigned int count = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), DEBUGFS "/%s", of);
	dir = opendir(path);
	for (int i; (i = next_number(dir)) >= 0; count++) {
		snprintf(path, sizeof(path), "%s/%d", of, i);
		read_file(kind == ROOT && i != ROOT_ID ? GUEST : kind, path);
	}
	if (dir)
		closedir(dir);
	return count;
}

/* What is there now. */
static struct {
	unsigned int lps, partitions, vps;
} now;

static void read_all(void)
{
	char path[64];
	DIR *dir;

	read_file(HV, ".");
	now.lps = read_numbers(LP, "lp");
	now.partitions = read_numbers(ROOT, "partition");
	now.vps = 0;
	dir = opendir(DEBUGFS "/partition");
	for (int id; (id = next_number(dir)) >= 0;) {
		snprintf(path, sizeof(path), "partition/%d/vp", id);
		now.vps += read_numbers(id == ROOT_ID ? ROOT_VP : GUEST_VP, path);
	}
	if (dir)
		closedir(dir);
}

/* The sum of counter @name of all files of that kind, also those that are gone. */
static number sum(enum kind kind, const char *name)
{
	number all = 0;

	for (struct file *f = files; f < files + FILES; f++) {
		for (unsigned int i = 0; f->kind == kind && f->path[0] && i < LINES; i++)
			all += !strcmp(counters[kind][i].name, name) ? f->value[i] : 0;
	}
	return all;
}

static unsigned int missing(bool tell)
{
	unsigned int count = 0;

	for (unsigned int kind = 0; kind < KINDS; kind++) {
		for (struct counter *c = counters[kind]; c < counters[kind] + LINES; c++) {
			if ((c->mark != '=' && c->mark != ' ') || c->moved)
				continue;
			count++;
			if (tell)
				say("debugfs: not yet: %s %s", kind_name[kind], c->name);
		}
	}
	return count;
}

/* One guest has gone, and the books agree. */
static bool settled(void)
{
	return sum(HV, "HvPartitions") == now.partitions && now.partitions == LEFT &&
	       sum(HV, "HvVirtualProcessors") == now.vps &&
	       sum(HV, "HvLogicalProcessors") == now.lps &&
	       sum(ROOT, "PtNumberofActiveChildPartitions") == now.partitions - 1;
}

static number clock_units(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (number)t.tv_sec * 10000000 + (number)t.tv_nsec / 100;
}

static void expect(bool ok, const char *what, number a, number b)
{
	if (ok)
		return;
	say("debugfs: FAIL %s: %llu and %llu", what, a, b);
	failures++;
}

/* @global, @clock: at first. */
static void check_times(number global, number clock)
{
	number lp, guests, roots, ours;

	/* What was read before cannot be more than what is read now. */
	guests = sum(GUEST_VP, "VpTotalRunTime");
	roots = sum(ROOT_VP, "VpTotalRunTime");
	ours = sum(GUEST_VP, "VpHypervisorRunTime");
	lp = sum(LP, "LpTotalRunTime");
	read_all();
	clock = clock_units() - clock;
	global = sum(LP, "LpGlobalTime") - global;
	expect(guests + roots <= sum(LP, "LpTotalRunTime"), "VPs ran longer than LPs",
	       guests + roots, sum(LP, "LpTotalRunTime"));
	expect(lp <= sum(LP, "LpGlobalTime"), "LPs ran longer than there is time", lp,
	       sum(LP, "LpGlobalTime"));
	expect(ours < sum(GUEST_VP, "VpTotalRunTime"), "guests had the hypervisor only", ours,
	       sum(GUEST_VP, "VpTotalRunTime"));
	/* An idle processor's clock stands still between its ticks. */
	global /= now.lps;
	expect(global > clock / 10 * 9 && global < clock / 10 * 11, "two clocks", global, clock);
}

static void print(void)
{
	unsigned int count = 0;

	for (unsigned int kind = 0; kind < KINDS; kind++) {
		for (struct counter *c = counters[kind]; c < counters[kind] + LINES; c++) {
			if (c->most == 0)
				continue;
			count++;
			say("debugfs: %-10s %-34s %llu", kind_name[kind], c->name, c->most);
			if (!c->mark) {
				say("debugfs: FAIL nobody counts that");
				failures++;
			}
		}
	}
	say("debugfs: %u counters, %u failures", count, failures);
}

static void watch(void)
{
	number global, clock;

	if (!debugfs_open()) {
		say("debugfs: FAIL this kernel has none (ROOT_EXTRA=debug)");
		return;
	}
	read_all();
	global = sum(LP, "LpGlobalTime");
	clock = clock_units();
	for (unsigned int round = 1; missing(false) || !settled(); round++) {
		if (round % COMPLAIN == 0) {
			missing(true);
			say("debugfs: %u partitions, %u VPs, %u LPs", now.partitions, now.vps,
			    now.lps);
		}
		usleep(PAUSE_US);
		read_all();
	}
	check_times(global, clock);
	print();
}

int main(int argc, char **argv)
{
	(void)argc;
	return beside_init(watch, argv);
}
