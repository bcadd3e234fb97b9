/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/pressure": does to the memory of running
 * guests what a busy root does, while the guests write and check every cache
 * line of it (code_checker). Two of them must always read what they wrote; the
 * third one's pages are thrown away as well, so it may find zeros. At the end the
 * kernel's own counters must show that all of it happened.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/base/base.h"
#include "tests/root/lib/guest.h"
#include "tests/root/lib/warnings.h"

#define GUESTS	   3
#define LOSSY	   2 /* the one whose pages are thrown away */
#define GUEST_RAM  (8 * LARGE_BYTES)
#define CHECKED	   LARGE_BYTES /* from here to the end; code is below */
#define DEEDS	   42
#define LONG_DEEDS 1500
#define ROUNDS_MIN 10 /* of each guest */

static struct {
	struct guest g;
	atomic_uint rounds, retries, interrupted;
} guests[GUESTS];
static atomic_int failures, stop;

static void fail(const char *what, int error)
{
	if (atomic_fetch_add(&failures, 1) < 8)
		printf("pressure: FAIL %s (%s)\n", what, strerror(error));
}

/* --- guests --- */

static void *run(void *arg)
{
	int n = (int)(intptr_t)arg;
	struct guest *g = &guests[n].g;
	const struct hv_x64_io_port_intercept *io = (const void *)g->msg.payload;

	for (;;) {
		int64_t type = guest_run(g);

		switch (type) {
		case HV_MESSAGE_X64_IO_PORT_INTERCEPT:
			if (io->port == CODE_PORT_ROUND) {
				guests[n].rounds++;
				guest_skip(g, 2);
				break;
			}
			failures++;
			printf("pressure: FAIL guest %d round %llu: at %#llx found %#llx, not %#llx\n",
			       n, (unsigned long long)g->page->gpr[5],
			       (unsigned long long)g->page->gpr[7],
			       (unsigned long long)g->page->gpr[0],
			       (unsigned long long)g->page->gpr[1]);
			return NULL;
		case HV_MESSAGE_GPA_INTERCEPT:
			/* Not to be had at this moment: again, as a VMM does. */
			guests[n].retries++;
			break;
		case -EINTR: /* a child's end, see main() */
			guests[n].interrupted++;
			break;
		default:
			failures++;
			printf("pressure: FAIL guest %d round %u: message %#llx\n", n,
			       guests[n].rounds, (unsigned long long)type);
			return NULL;
		}
		if (stop)
			return NULL;
	}
}

static int start(int n, pthread_t *thread)
{
	struct guest *g = &guests[n].g;
	int ret = guest_create_sized(g, CODE(checker), GUEST_RAM);

	ret = ret ? ret : guest_set_flat(g);
	if (ret)
		return ret;
	g->page->gpr[6] = CHECKED;    /* ESI */
	g->page->gpr[2] = GUEST_RAM;  /* EDX */
	g->page->gpr[3] = n == LOSSY; /* EBX */
	g->page->gpr[5] = 0;	      /* EBP */
	g->page->dirty |= HV_REGISTER_PAGE_GENERAL;
	return -pthread_create(thread, NULL, run, (void *)(intptr_t)n);
}

/* --- what is done to them: each at a random place of its guest --- */

static uint8_t *place(int n, size_t bytes)
{
	size_t slots = (GUEST_RAM - CHECKED) / bytes;

	return guests[n].g.ram + CHECKED + (size_t)rand() % slots * bytes;
}

static void compact(int n)
{
	int fd = open("/proc/sys/vm/compact_memory", O_WRONLY);

	(void)n;
	if (fd < 0 || write(fd, "1", 1) != 1)
		fail("compact_memory", errno);
	close(fd);
}

static void throw_away(int n)
{
	(void)n;
	if (madvise(place(LOSSY, 16 * PAGE_SIZE), 16 * PAGE_SIZE, MADV_DONTNEED) ||
	    madvise(place(LOSSY, PAGE_SIZE), PAGE_SIZE, MADV_DONTNEED) ||
	    madvise(place(LOSSY, 16 * PAGE_SIZE), 16 * PAGE_SIZE, MADV_FREE))
		fail("madvise", errno);
}

/* Small pages to a large one; memory may be too fragmented for it. */
static void collapse(int n)
{
	if (madvise(place(n, LARGE_BYTES), LARGE_BYTES, MADV_COLLAPSE) && errno != EAGAIN &&
	    errno != ENOMEM && errno != EBUSY && errno != EINVAL)
		fail("MADV_COLLAPSE", errno);
}

/* One page of a large one gets other rights: the mapping is split. */
static void protect(int n)
{
	uint8_t *at = place(n, PAGE_SIZE);

	if (mprotect(at, PAGE_SIZE, PROT_READ))
		fail("mprotect", errno);
	usleep(100);
	if (mprotect(at, PAGE_SIZE, PROT_READ | PROT_WRITE))
		fail("mprotect", errno);
}

/* Away to another address and back. */
static void move(int n)
{
	size_t bytes = 32 * PAGE_SIZE;
	uint8_t *at = place(n, bytes);
	uint8_t *to = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (to == MAP_FAILED || mremap(at, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to) {
		fail("mremap", errno);
		return;
	}
	usleep(100);
	if (mremap(to, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, at) != at)
		fail("mremap back", errno);
}

/* The child's copy stands still while the guest writes on. */
static void copy(int n)
{
	const volatile uint32_t *at = (const void *)place(n, LARGE_BYTES);
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		uint32_t before[16];

		for (int i = 0; i < 16; i++)
			before[i] = at[i * 0x8000];
		usleep(20000);
		for (int i = 0; i < 16; i++)
			if (before[i] != at[i * 0x8000])
				_exit(1);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		fail("a guest wrote into a forked child's memory", pid < 0 ? errno : 0);
}

/* Half of a lot of memory, so that compaction has something to do. */
static void fragment(int n)
{
	size_t bytes = 16UL << 20;
	uint8_t *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)n;
	if (at == MAP_FAILED)
		return;
	for (size_t i = 0; i < bytes; i += PAGE_SIZE)
		at[i] = 1;
	for (size_t i = 0; i < bytes; i += 2 * PAGE_SIZE)
		madvise(at + i, PAGE_SIZE, MADV_DONTNEED);
	compact(0);
	munmap(at, bytes);
}

static void (*const deeds[])(int n) = {
	throw_away, collapse, protect, move, copy, collapse, compact,
};

/* --- the kernel's counters --- */

static const char *const counters[] = {
	"pgmigrate_success",
	"thp_split_pmd",
	"thp_collapse_alloc",
};

#define COUNTERS (sizeof(counters) / sizeof(counters[0]))

static void read_counters(long value[COUNTERS])
{
	char line[128], name[64];
	FILE *f = fopen("/proc/vmstat", "r");
	long v;

	memset(value, 0, COUNTERS * sizeof(*value));
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %ld", name, &v) != 2)
			continue;
		for (size_t i = 0; i < COUNTERS; i++)
			if (!strcmp(name, counters[i]))
				value[i] = v;
	}
	if (f)
		fclose(f);
}

/*
 * The driver warns, once, of a guest that touches what its VMM took away for a
 * moment (protect, move). Of nothing else.
 */
static void check_warnings(unsigned int retries)
{
	struct warning_count known[] = { { .text = WARNING_NO_MEMORY }, { 0 } };
	int others = warnings_count(known);

	if (others || known[0].seen != (retries > 0)) {
		failures++;
		printf("pressure: FAIL %u warnings of the kernel, %d others\n", known[0].seen,
		       others);
	}
}

int main(int argc, char **argv)
{
	unsigned int deeds_wanted = argc > 1 && !strcmp(argv[1], "long") ? LONG_DEEDS : DEEDS;
	long before[COUNTERS], after[COUNTERS];
	unsigned int deed = 0, retries = 0;
	pthread_t thread[GUESTS];
	sigset_t child;

	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (guest_device())
		fail("/dev/mshv", errno);
	for (int i = 0; i < GUESTS && !failures; i++)
		if (start(i, &thread[i]))
			fail("start", errno);
	/*
	 * A child's end is a signal to whoever does not block it. fork() blocks all in
	 * this thread while it lasts, which on a busy machine may be longer than the
	 * child: then a guest's thread has it, and is interrupted. Here always.
	 */
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &child, NULL);
	read_counters(before);
	for (; deed < deeds_wanted && !failures; deed++) {
		if (deed % DEEDS == 0)
			fragment(0);
		deeds[deed % (sizeof(deeds) / sizeof(deeds[0]))]((int)(deed / 2 % GUESTS));
	}
	read_counters(after);
	stop = 1;
	for (int i = 0; i < GUESTS; i++) {
		printf("pressure: guest %d: %u rounds, %u retries, %u interrupted\n", i,
		       guests[i].rounds, guests[i].retries, guests[i].interrupted);
		retries += guests[i].retries;
		if (guests[i].rounds < ROUNDS_MIN)
			fail("too few rounds", 0);
	}
	for (size_t i = 0; i < COUNTERS; i++) {
		printf("pressure: %s %ld\n", counters[i], after[i] - before[i]);
		if (after[i] == before[i])
			fail(counters[i], 0);
	}
	check_warnings(retries);
	printf("pressure: %u deeds, %d failures\n", deed, failures);
	fflush(stdout);
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
