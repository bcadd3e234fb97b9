/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/churn": PARTITIONS partitions come and go
 * from THREADS threads at once, each with memory, two processors and a few runs,
 * some given up half-way or in another order than they were made. Then as many
 * pages must be free as before. What the hypervisor holds is in its log.
 */
#include <errno.h>
#include <linux/mshv.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/root/lib/guest.h"
#include "tests/root/lib/memory.h"

#define THREADS		16
#define WARM_UP		200
#define PARTITIONS	1000
#define LONG_PARTITIONS 16000
#define BATCHES		4
#define RUNS		3
/*
 * Pages: what is deposited for partition objects stays with the hypervisor for the
 * next ones, as many as ever were alive at once; and slabs stay half empty.
 */
#define OBJECT_PAGES	3
#define LOST_MAX	(OBJECT_PAGES * THREADS)
#define GROWN_MAX(n)	((n) / 10 + MEMORY_GROWTH)

static atomic_int left, failures;

/* back: out 0x80, al; jmp back */
static const uint8_t code[] = { 0xe6, 0x80, 0xeb, 0xfc };

static void fail(const char *what, long error)
{
	if (atomic_fetch_add(&failures, 1) < 8)
		printf("churn: FAIL %s (%ld)\n", what, error);
}

static void give_up(struct guest *g, int way)
{
	struct mshv_user_mem_region mem = {
		.size = RAM_BYTES,
		.userspace_addr = (uintptr_t)g->ram,
		.flags = 1 << MSHV_SET_MEM_BIT_UNMAP,
	};

	switch (way) {
	case 0: /* its memory first, by call */
		if (ioctl(g->pt, MSHV_SET_GUEST_MEMORY, &mem))
			fail("unmap", errno);
		break;
	case 1: /* its memory first, by surprise */
		munmap(g->ram, RAM_BYTES);
		g->ram = NULL;
		break;
	case 2: /* the partition before its processors */
		close(g->pt);
		g->pt = -1;
		break;
	default:
		break;
	}
}

static void life(int number)
{
	struct mshv_create_vp second = { .vp_index = 1 };
	struct guest g;
	int vp = -1, irq = -1, ret = guest_create(&g, code, sizeof(code));

	if (ret)
		fail("create", ret);
	if (!ret && (vp = ioctl(g.pt, MSHV_CREATE_VP, &second)) < 0)
		fail("second processor", errno);
	if (!ret && number % 3 == 0) {
		irq = eventfd(0, 0);
		if (guest_irqfd(&g, irq, CODE_VECTOR) || eventfd_write(irq, 1))
			fail("irqfd", errno);
	}
	for (int i = 0; !ret && i < number % (RUNS + 1); i++) {
		int64_t type = guest_run(&g);

		if (type != HV_MESSAGE_X64_IO_PORT_INTERCEPT)
			fail("run", type);
		guest_skip(&g, 2);
	}
	if (!ret)
		give_up(&g, number % 4);
	if (irq >= 0)
		close(irq);
	if (vp >= 0)
		close(vp);
	guest_destroy(&g);
}

static void *lives(void *arg)
{
	int number;

	(void)arg;
	while ((number = atomic_fetch_sub(&left, 1)) > 0)
		life(number);
	return NULL;
}

/* Threads come and go with each batch, so that their stacks are not counted. */
static void batch(int partitions)
{
	pthread_t thread[THREADS];

	atomic_store(&left, partitions);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, lives, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}

int main(int argc, char **argv)
{
	int partitions = argc > 1 && !strcmp(argv[1], "long") ? LONG_PARTITIONS : PARTITIONS;
	struct memory before = { 0 }, after = { 0 };
	long lost, grown;
	int ok;

	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (guest_device())
		fail("/dev/mshv", errno);
	batch(WARM_UP);
	ok = !memory_look(&before);
	printf("churn: %d partitions to warm up, %ld pages free\n", WARM_UP, before.free);
	for (int i = 0; i < BATCHES; i++) {
		batch(partitions / BATCHES);
		ok = ok && !memory_look(&after);
		printf("churn: %d partitions, %ld pages free\n", partitions / BATCHES * (i + 1),
		       after.free);
	}
	lost = memory_lost(&before, &after);
	grown = memory_grown(&before, &after);
	printf("churn: %d partitions from %d threads, %d failures, %ld pages lost, %ld more in the kernel's stores\n",
	       partitions, THREADS, atomic_load(&failures), lost, grown);
	printf("churn: %s\n", ok && lost <= LOST_MAX && grown <= GROWN_MAX(partitions) ?
				      "nothing lost" :
				      "FAILED");
	fflush(stdout);
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
