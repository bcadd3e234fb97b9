/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/fuzzguest": guests that do anything. Each
 * runs a random program (lib/program.h) and gets random answers; it may end as it
 * likes, but the hypervisor and the root have to go on, and a sound guest has to
 * run as ever between them. The kernel's command line may say
 *
 *	fuzz_time=SECONDS   how long (10)
 *	fuzz_seed=N         which programs (0: some others each time)
 *	fuzz_first=N        begin with program N, to see one again
 *
 * The last line has the figures.
 */
#include <errno.h>
#include <linux/mshv.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <time.h>

#include "include/abi/hv/hypercall.h"
#include "include/abi/hv/message.h"
#include "tests/root/lib/guest.h"
#include "tests/root/lib/program.h"
#include "tests/root/lib/testinit.h"

#define PROGRAMS_A_GUEST 10  /* then a fresh partition, and a look at a sound guest */
#define MESSAGES_MAX	 300 /* of one program */
#define PATIENCE_MS	 20  /* until a program that does not end is given up */
#define SOUND_S		 20  /* a sound guest needs a thousandth of it */
#define REPORT_EVERY	 5   /* guests */

static struct {
	unsigned long programs, slots, messages, ended, killed, stopped, refused, guests, failures;
} count;

static void on_alarm(int sig)
{
	(void)sig;
}

static void fail(unsigned long program, const char *what, long value)
{
	count.failures++;
	printf("fuzzguest: FAIL program %lu: %s (%ld)\n", program, what, value);
}

/* What a device of paper answers. */
static void answer_io(struct guest *g, struct rng *r)
{
	struct hv_x64_io_port_intercept *io = (void *)g->msg.payload;

	if (io->header.access == HV_ACCESS_READ) {
		g->page->gpr[0] = rng_next(r);
		g->page->dirty |= HV_REGISTER_PAGE_GENERAL;
	}
	guest_skip(g, io->header.length_cr8 & 15);
}

/* The next slot in place of the instruction. */
static void give_up_slot(struct guest *g)
{
	g->page->rip = PROGRAM_NEXT;
	g->page->dirty |= HV_REGISTER_PAGE_RIP;
}

static void poke(struct guest *g, struct rng *r)
{
	struct hv_input_assert_virtual_interrupt irq = {
		.interrupt_type = rng_below(r, 10),
		.control = rng_below(r, 4),
		.dest_addr = rng_below(r, 3),
		.vector = (uint32_t)rng_odd(r),
	};

	hvcall(g->pt, HVCALL_ASSERT_VIRTUAL_INTERRUPT, 0, &irq, sizeof(irq), NULL, 0, NULL);
}

/* Runs what is there until it ends. */
static void run_program(struct guest *g, unsigned long n, struct rng *r)
{
	/* Again and again: the signal may come when the processor does not run. */
	const struct itimerval patience = { .it_value.tv_usec = PATIENCE_MS * 1000,
					    .it_interval.tv_usec = PATIENCE_MS * 1000 };
	struct hv_x64_io_port_intercept *io = (void *)g->msg.payload;
	int pokes = 0;

	setitimer(ITIMER_REAL, &patience, NULL);
	for (unsigned int i = 0; i < MESSAGES_MAX; i++) {
		int64_t type = guest_run(g);

		count.messages++;
		switch (type) {
		case HV_MESSAGE_X64_IO_PORT_INTERCEPT:
			if (io->port == PROGRAM_DONE_PORT) {
				count.ended++;
				return;
			}
			answer_io(g, r);
			break;
		case HV_MESSAGE_UNMAPPED_GPA:
		case HV_MESSAGE_GPA_INTERCEPT:
			give_up_slot(g);
			break;
		case HV_MESSAGE_X64_APIC_EOI:
			break;
		case HV_MESSAGE_UNRECOVERABLE_EXCEPTION:
			count.killed++;
			return;
		case -EINTR:
			/* It sleeps or spins: one more interrupt, then the next program. */
			if (pokes++) {
				count.stopped++;
				return;
			}
			poke(g, r);
			give_up_slot(g);
			setitimer(ITIMER_REAL, &patience, NULL);
			break;
		default:
			fail(n, "message", (long)type);
			return;
		}
		if (rng_one_in(r, 64))
			poke(g, r);
	}
	count.stopped++;
}

/* mov al,'A'; out 0x80,al; in ax,0x60; cpuid; jmp back */
static const uint8_t sound_code[] = { 0xb0, 'A', 0xe6, 0x80, 0xe5, 0x60, 0x0f, 0xa2, 0xeb, 0xf6 };

/* A guest that minds its own business is none the worse. */
static void check_sound(unsigned long n)
{
	const struct itimerval patience = { .it_value.tv_sec = SOUND_S,
					    .it_interval.tv_sec = SOUND_S };
	struct hv_x64_io_port_intercept *io;
	struct guest g;

	setitimer(ITIMER_REAL, &patience, NULL);
	if (guest_create(&g, sound_code, sizeof(sound_code))) {
		fail(n, "no sound guest", errno);
		return;
	}
	io = (void *)g.msg.payload;
	for (int i = 0; i < 4; i++) {
		int64_t type = guest_run(&g);

		if (type != HV_MESSAGE_X64_IO_PORT_INTERCEPT || io->port != (i & 1 ? 0x60 : 0x80) ||
		    (!(i & 1) && (io->rax & 0xff) != 'A')) {
			fail(n, "sound guest's message", (long)type);
			break;
		}
		guest_skip(&g, 2);
	}
	guest_destroy(&g);
}

static unsigned long run_guest(uint64_t seed, unsigned long first)
{
	struct mshv_create_vp second = { .vp_index = 1 };
	unsigned long n = first;
	struct guest g;

	if (guest_create(&g, sound_code, sizeof(sound_code))) {
		fail(n, "no guest", errno);
		return first + PROGRAMS_A_GUEST;
	}
	count.guests++;
	/* Never runs, but can be sent interrupts. */
	ioctl(g.pt, MSHV_CREATE_VP, &second);
	for (; n < first + PROGRAMS_A_GUEST; n++) {
		struct rng r = { seed * 0x1000003 + n };
		struct program p;

		program_make(&p, g.ram, &r);
		count.programs++;
		if (set_registers(&g, p.reg, p.register_count)) {
			count.refused++;
			continue;
		}
		run_program(&g, n, &r);
		count.slots += program_reached(g.ram);
	}
	guest_destroy(&g);
	check_sound(n);
	return first + PROGRAMS_A_GUEST;
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_alarm }; /* no SA_RESTART */
	unsigned long n;
	double end;
	long seed;
	int error;

	testinit_start();
	seed = testinit_number("fuzz_seed", 0);
	if (!seed)
		seed = time(NULL);
	n = (unsigned long)testinit_number("fuzz_first", 0);
	end = testinit_seconds() + (double)testinit_number("fuzz_time", 10);
	sigaction(SIGALRM, &sa, NULL);
	error = guest_device();
	if (error)
		fail(n, "/dev/mshv", error);
	printf("fuzzguest: fuzz_seed=%ld\n", seed);
	while (!error && testinit_seconds() < end) {
		if (count.guests % REPORT_EVERY == 0)
			printf("fuzzguest: fuzz_first=%lu\n", n);
		n = run_guest((uint64_t)seed, n);
	}
	printf("fuzzguest: seed %ld: %lu programs (%lu instructions tried, %lu messages) in %lu guests: %lu ended, %lu killed, %lu stopped, %lu refused, %lu failures\n",
	       seed, count.programs, count.slots, count.messages, count.guests, count.ended,
	       count.killed, count.stopped, count.refused, count.failures);
	testinit_end();
}
