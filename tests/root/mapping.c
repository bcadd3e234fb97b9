/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/mapping": what guests find in memory that their
 * VMM takes away and gives back.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "include/abi/hv/message.h"
#include "include/base/base.h"
#include "tests/root/lib/cases.h"
#include "tests/root/lib/guest.h"

/* mov ax,[0x8000]; out 0x80,ax; jmp back */
static const uint8_t look_code[] = { 0xa1, 0x00, 0x80, 0xe7, 0x80, 0xeb, 0xf9 };

/* The page goes away under the guest and comes back with new content. */
static void movable_round(struct guest *g, unsigned int round)
{
	struct hv_x64_io_port_intercept *io = (void *)g->msg.payload;
	int64_t type;

	madvise(g->ram + 0x8000, PAGE_SIZE, MADV_DONTNEED);
	g->ram[0x8000] = (uint8_t)round;
	type = guest_run(g);
	EXPECT(type == HV_MESSAGE_X64_IO_PORT_INTERCEPT, "%#llx", (long long)type);
	EXPECT((io->rax & 0xffff) == round, "round %u: %#llx", round, (long long)io->rax);
	guest_skip(g, 2);
}

static void case_movable(void)
{
	struct guest g;
	int ret;

	ret = guest_create(&g, look_code, sizeof(look_code));
	EXPECT(ret == 0, "errno %d", -ret);
	for (unsigned int i = 1; i <= 50 && !case_failed; i++)
		movable_round(&g, i);
	guest_destroy(&g);
}

/*
 * The same out of the middle of a large page, whose other pages stay mapped: Linux
 * keeps it one folio, but it has a hole where another page is now.
 */
static void case_large_page(void)
{
	struct guest g;
	int ret;

	ret = guest_create_sized(&g, look_code, sizeof(look_code), LARGE_BYTES);
	EXPECT(ret == 0, "errno %d", -ret);
	for (unsigned int i = 1; i <= 50 && !case_failed; i++) {
		ret = madvise(g.ram, LARGE_BYTES, MADV_COLLAPSE);
		EXPECT(ret == 0, "MADV_COLLAPSE: errno %d", errno);
		guest_run(&g);
		guest_skip(&g, 2);
		movable_round(&g, i);
	}
	guest_destroy(&g);
}

/*
 * The same from another processor while the guest spins on the page: without a
 * complete shoot-down it would go on reading the page the root has taken back.
 */
struct remap {
	struct guest *g;
	volatile uint16_t seen;
	volatile int failed;
};

#define REMAPS	200

static void *remap_thread(void *arg)
{
	struct remap *r = arg;

	for (unsigned int i = 1; i <= REMAPS && !r->failed; i++) {
		unsigned int waited = 0;

		madvise(r->g->ram + 0x8000, 4096, MADV_DONTNEED);
		*(volatile uint16_t *)(r->g->ram + 0x8000) = (uint16_t)i;
		while (r->seen != i && !r->failed) {
			usleep(100);
			if (++waited > 100000)
				r->failed = 1;
		}
	}
	return NULL;
}

static void case_shoot_down(void)
{
	/* mov ax,[0x8000]; cmp ax,bx; je back; mov bx,ax; out 0x80,ax; jmp back */
	static const uint8_t code[] = {
		0xa1, 0x00, 0x80, 0x39, 0xd8, 0x74, 0xf9, 0x89, 0xc3, 0xe7, 0x80, 0xeb, 0xf3,
	};
	struct hv_x64_io_port_intercept *io;
	struct remap r = { 0 };
	struct guest g;
	pthread_t thread;
	int ret;

	ret = guest_create(&g, code, sizeof(code));
	EXPECT(ret == 0, "errno %d", -ret);
	io = (void *)g.msg.payload;
	r.g = &g;
	pthread_create(&thread, NULL, remap_thread, &r);
	while (r.seen != REMAPS && !r.failed) {
		int64_t type = guest_run(&g);

		if (type != HV_MESSAGE_X64_IO_PORT_INTERCEPT)
			r.failed = 1;
		/* Between DONTNEED and the store the page reads as zero. */
		if ((io->rax & 0xffff) != 0)
			r.seen = (uint16_t)io->rax;
		guest_skip(&g, 2);
	}
	pthread_join(thread, NULL);
	EXPECT(!r.failed, "after %u remaps", r.seen);
	guest_destroy(&g);
}

int main(void)
{
	static const struct test_case list[] = {
		{ "movable", case_movable },
		{ "large-page", case_large_page },
		{ "shoot-down", case_shoot_down },
	};

	cases_run("mapping", list, ARRAY_SIZE(list));
}
