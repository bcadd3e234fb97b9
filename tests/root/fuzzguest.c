/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/fuzzguest": guests that do anything. Each
 * runs random programs (lib/program.h) on one processor or two and gets random
 * answers. It may end as it likes, and goes on with the next instruction after a
 * triple fault; but the hypervisor and the root have to go on, memory that it has to
 * read only has to stay as it is, and a sound guest has to run as ever between them.
 * The kernel's command line may say
 *
 *	fuzz_time=SECONDS   how long (10)
 *	fuzz_seed=N         which programs (0: some others each time)
 *	fuzz_first=N        begin with program N, to see one again
 *
 * The last line has the figures.
 */
#include <errno.h>
#include <linux/mshv.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "include/abi/hv/guest.h"
#include "include/abi/hv/hypercall.h"
#include "include/abi/hv/message.h"
#include "tests/root/lib/counters.h"
#include "tests/root/lib/guest.h"
#include "tests/root/lib/program.h"
#include "tests/root/lib/testinit.h"

#define PROGRAMS_A_GUEST 10	  /* then a fresh partition, and a look at a sound guest */
#define MESSAGES_MAX	 2000	  /* of one program */
#define STUCK_MAX	 3	  /* messages without a step on, of those that give up one */
#define STOPS_MAX	 4	  /* of one program */
#define PATIENCE_MS	 10	  /* until a program that does not go on is stopped */
#define SOUND_S		 20	  /* a sound guest needs a thousandth of it */
#define REPORT_EVERY	 5	  /* guests */
#define SCRATCH_BYTES	 0x20000u /* what may go away: nothing of a program is there */
#define SCRATCH_PAGES	 128u
#define ROM_BYTE	 0xf4 /* HLT */
#define IDS_AHEAD	 8    /* of partitions: a guest and a sound one each time */

static struct {
	unsigned long programs, slots, messages, ended, killed, stopped, refused, guests, failures;
	unsigned long hypercalls, msrs, cpuids, ios, apic, faults; /* the hypervisor's */
} count;

/* The second processor of a guest: the same memory, the same slots, a thread of its own. */
struct second {
	struct guest g;
	struct program p; /* for its registers */
	struct rng r;
	pthread_t thread;
	volatile int over;
	unsigned long messages, killed;
};

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
static void give_up_slot(struct guest *g, const struct program *p)
{
	g->page->rip = p->resume;
	g->page->dirty |= HV_REGISTER_PAGE_RIP;
}

/* From outside: an interrupt, a message, an event. */
static void poke(struct guest *g, struct rng *r)
{
	struct hv_input_assert_virtual_interrupt irq = {
		.interrupt_type = rng_below(r, 10),
		.control = rng_below(r, 4),
		.dest_addr = rng_below(r, 3),
		.vector = (uint32_t)rng_odd(r),
	};
	struct hv_input_post_message_direct post = { .vp_index = rng_below(r, 3),
						     .sint = rng_below(r, 17) };
	struct hv_input_signal_event_direct event = { .vp_index = rng_below(r, 3),
						      .sint = (uint8_t)rng_below(r, 17),
						      .flag = (uint16_t)rng_below(r, 2050) };
	uint8_t newly;

	switch (rng_below(r, 4)) {
	case 0:
		post.message[0] = (uint8_t)rng_next(r);
		hvcall(g->pt, HVCALL_POST_MESSAGE_DIRECT, 0, &post, sizeof(post), NULL, 0, NULL);
		break;
	case 1:
		hvcall(g->pt, HVCALL_SIGNAL_EVENT_DIRECT, 0, &event, sizeof(event), &newly,
		       sizeof(newly), NULL);
		break;
	default:
		hvcall(g->pt, HVCALL_ASSERT_VIRTUAL_INTERRUPT, 0, &irq, sizeof(irq), NULL, 0, NULL);
		break;
	}
}

/* It goes on, sound, with the next slot; false: it had the last one, or cannot. */
static bool revive(struct guest *g, struct program *p, unsigned long n, struct rng *r)
{
	if (program_reached(g->ram) == PROGRAM_SLOTS)
		return false;
	program_repair(p, g->ram, r);
	if (set_registers(g, p->reg, p->register_count)) {
		fail(n, "sound registers refused", errno);
		return false;
	}
	return true;
}

/* Runs what is there until it ends. */
static void run_program(struct guest *g, struct program *p, unsigned long n, struct rng *r)
{
	/* Again and again: the signal may come when the processor does not run. */
	const struct itimerval patience = { .it_value.tv_usec = PATIENCE_MS * 1000,
					    .it_interval.tv_usec = PATIENCE_MS * 1000 };
	struct hv_x64_io_port_intercept *io = (void *)g->msg.payload;
	unsigned int stops = 0, stuck = 0;
	uint32_t reached = 0;

	setitimer(ITIMER_REAL, &patience, NULL);
	for (unsigned int i = 0; i < MESSAGES_MAX; i++) {
		int64_t type = guest_run(g);
		bool lost = false;

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
		case HV_MESSAGE_X64_MSR_INTERCEPT:
		case HV_MESSAGE_X64_CPUID_INTERCEPT:
		case HV_MESSAGE_X64_EXCEPTION_INTERCEPT:
			stuck = program_reached(g->ram) == reached ? stuck + 1 : 0;
			reached = program_reached(g->ram);
			lost = stuck > STUCK_MAX;
			give_up_slot(g, p);
			break;
		case HV_MESSAGE_X64_APIC_EOI:
			break;
		case HV_MESSAGE_UNRECOVERABLE_EXCEPTION:
			count.killed++;
			lost = true;
			break;
		case -EINTR:
			/* It sleeps or spins. */
			count.stopped++;
			if (++stops > STOPS_MAX)
				return;
			poke(g, r);
			lost = stops % 2 == 0;
			if (!lost)
				give_up_slot(g, p);
			setitimer(ITIMER_REAL, &patience, NULL);
			break;
		default:
			fail(n, "message", (long)type);
			return;
		}
		if (lost && !revive(g, p, n, r))
			return;
		if (rng_one_in(r, 64))
			poke(g, r);
	}
}

/* --- the second processor --- */

static void *run_second(void *arg)
{
	struct second *s = arg;
	sigset_t mine;

	/* The clock is the first processor's. */
	sigemptyset(&mine);
	sigaddset(&mine, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &mine, NULL);
	while (!s->over) {
		bool lost = false;

		switch (guest_run(&s->g)) {
		case HV_MESSAGE_X64_IO_PORT_INTERCEPT:
			answer_io(&s->g, &s->r);
			break;
		case HV_MESSAGE_UNMAPPED_GPA:
		case HV_MESSAGE_GPA_INTERCEPT:
			lost = rng_one_in(&s->r, STUCK_MAX);
			give_up_slot(&s->g, &s->p);
			break;
		case HV_MESSAGE_UNRECOVERABLE_EXCEPTION:
			s->killed++;
			lost = true;
			break;
		case -EINTR:
			lost = true;
			break;
		default:
			give_up_slot(&s->g, &s->p);
			break;
		}
		s->messages++;
		/* The first one repairs the memory now and then. */
		if (lost)
			set_registers(&s->g, s->p.reg, s->p.register_count);
		/* Memory goes away under both. */
		if (rng_one_in(&s->r, 64))
			madvise(s->g.ram + SCRATCH_BYTES + rng_below(&s->r, SCRATCH_PAGES) * 4096,
				4096, MADV_DONTNEED);
	}
	return NULL;
}

/* Begin, with the registers of @p; false: without one. */
static bool second_start(struct second *s, const struct guest *g, const struct program *p,
			 uint64_t seed)
{
	struct mshv_create_vp create = { .vp_index = 1 };

	*s = (struct second){ .g = *g, .p = *p, .r.state = seed };
	s->g.vp = ioctl(g->pt, MSHV_CREATE_VP, &create);
	s->g.page = s->g.vp < 0 ? MAP_FAILED :
				  mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, s->g.vp,
				       MSHV_VP_MMAP_OFFSET_REGISTERS * 4096);
	return s->g.page != MAP_FAILED && !pthread_create(&s->thread, NULL, run_second, s);
}

static void second_end(struct second *s)
{
	s->over = 1;
	while (pthread_tryjoin_np(s->thread, NULL)) {
		pthread_kill(s->thread, SIGUSR1);
		usleep(1000);
	}
	count.messages += s->messages;
	count.killed += s->killed;
	munmap(s->g.page, 4096);
	close(s->g.vp);
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

/* On, which guests seldom manage themselves; timer and errors unmasked. */
static void apic_on(struct guest *g, struct rng *r)
{
	static union {
		struct hv_local_apic_state state;
		uint8_t bytes[4096];
	} page __attribute__((aligned(4096)));
	struct mshv_get_set_vp_state state = { .type = MSHV_VP_STATE_LAPIC,
					       .buf_sz = 4096,
					       .buf_ptr = (uintptr_t)&page };

	if (ioctl(g->vp, MSHV_GET_VP_STATE, &state))
		return;
	page.state.spurious |= 0x100;
	page.state.lvt[0] = rng_below(r, 256) | rng_below(r, 4) << 17;
	page.state.lvt[5] = rng_below(r, 256);
	state.buf_sz = 4096;
	ioctl(g->vp, MSHV_SET_VP_STATE, &state);
}

/* What the hypervisor counted of a guest: the youngest partition. */
static void look_at_counters(void)
{
	static uint64_t last = 1; /* the root's id; they only grow */
	uint64_t v[HV_COUNTERS_MAX], found = 0;

	for (uint64_t id = last + 1; id < last + 1 + IDS_AHEAD; id++)
		if (!counters_read(HV_COUNTERS_ARG(4, id, 0), v))
			found = id;
	if (!found)
		return;
	last = found;
	for (unsigned int vp = 0; vp < 2; vp++) {
		if (counters_read(HV_COUNTERS_ARG(4, found, vp), v))
			break;
		count.hypercalls += v[VP_COUNTER_HYPERCALLS];
		count.msrs += v[VP_COUNTER_MSR];
		count.cpuids += v[VP_COUNTER_CPUID];
		count.ios += v[VP_COUNTER_IO];
		count.apic += v[VP_COUNTER_APIC_MMIO];
		count.faults += v[VP_COUNTER_NESTED_FAULTS];
	}
}

/* Some of what a guest does comes to its VMM instead. */
static void add_intercepts(const struct guest *g, struct rng *r)
{
	static const uint32_t types[] = { HV_INTERCEPT_MSR, HV_INTERCEPT_CPUID,
					  HV_INTERCEPT_EXCEPTION, HV_INTERCEPT_MSR_INDEX };
	static const uint32_t msrs[] = { 0x10, 0x1b, 0x40000001, 0x400000b0, 0xc0000080, 0x830 };

	for (unsigned int n = rng_below(r, 6); n > 0; n--) {
		struct hv_input_install_intercept in = { .type = RNG_PICK(r, types) };

		in.access = in.type == HV_INTERCEPT_MSR || in.type == HV_INTERCEPT_MSR_INDEX ?
				    rng_below(r, 4) :
				    HV_INTERCEPT_EXECUTE;
		in.parameter = in.type == HV_INTERCEPT_EXCEPTION ? rng_below(r, 32) :
			       in.type == HV_INTERCEPT_CPUID	 ? rng_below(r, 0x10) :
								   RNG_PICK(r, msrs);
		hvcall(g->pt, HVCALL_INSTALL_INTERCEPT, 0, &in, sizeof(in), NULL, 0, NULL);
	}
}

/* What guests may read and run, but not write. */
static uint8_t rom[PROGRAM_ROM_BYTES] __attribute__((aligned(4096)));

static int add_rom(const struct guest *g)
{
	struct mshv_user_mem_region m = {
		.size = sizeof(rom),
		.guest_pfn = PROGRAM_ROM / 4096,
		.userspace_addr = (uintptr_t)rom,
		.flags = 1 << MSHV_SET_MEM_BIT_EXECUTABLE,
	};

	return ioctl(g->pt, MSHV_SET_GUEST_MEMORY, &m);
}

static void check_rom(unsigned long n)
{
	for (size_t i = 0; i < sizeof(rom); i++) {
		if (rom[i] != ROM_BYTE) {
			fail(n, "memory written that was to read only", (long)i);
			break;
		}
	}
}

static unsigned long run_guest(uint64_t seed, unsigned long first)
{
	struct rng choice = { seed * 0x1000003 + first + 1 };
	uint64_t features = rng_one_in(&choice, 4) ? rng_next(&choice) : ~0ull;
	uint64_t flags = rng_one_in(&choice, 4) ? rng_below(&choice, 8) : GUEST_FLAGS;
	bool both = rng_one_in(&choice, 3), synthetic;
	enum mode mode = program_mode(&choice);
	static struct second second;
	static struct program p;
	unsigned long n = first;
	struct guest g;

	synthetic = features & 1 << HV_SYNTHETIC_HYPERCALL;
	if (guest_create_featured(&g, sound_code, sizeof(sound_code),
				  flags | 1 << MSHV_PT_BIT_LAPIC, features)) {
		fail(n, "no guest", errno);
		return first + PROGRAMS_A_GUEST;
	}
	count.guests++;
	if (!rng_one_in(&choice, 4) && add_rom(&g))
		fail(n, "no memory to read only", errno);
	if (rng_one_in(&choice, 3))
		add_intercepts(&g, &choice);
	if (!rng_one_in(&choice, 4))
		apic_on(&g, &choice);
	if (both) {
		program_make(&p, mode, synthetic, g.ram, &choice);
		program_repair(&p, g.ram, &choice);
		both = second_start(&second, &g, &p, rng_next(&choice));
	}
	for (; n < first + PROGRAMS_A_GUEST; n++) {
		struct rng r = { seed * 0x1000003 + n };

		/* Two processors agree about it. */
		program_make(&p, both ? mode : program_mode(&r), synthetic, g.ram, &r);
		count.programs++;
		if (set_registers(&g, p.reg, p.register_count)) {
			count.refused++;
			if (!revive(&g, &p, n, &r))
				continue;
		}
		run_program(&g, &p, n, &r);
		count.slots += program_reached(g.ram);
		if (both)
			pthread_kill(second.thread, SIGUSR1);
	}
	look_at_counters();
	if (both)
		second_end(&second);
	guest_destroy(&g);
	check_rom(n);
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
	sigaction(SIGUSR1, &sa, NULL);
	error = guest_device();
	if (error)
		fail(n, "/dev/mshv", error);
	memset(rom, ROM_BYTE, sizeof(rom));
	printf("fuzzguest: fuzz_seed=%ld\n", seed);
	while (!error && testinit_seconds() < end) {
		if (count.guests % REPORT_EVERY == 0)
			printf("fuzzguest: fuzz_first=%lu\n", n);
		n = run_guest((uint64_t)seed, n);
	}
	printf("fuzzguest: exits: %lu hypercalls, %lu MSRs, %lu CPUIDs, %lu ports, %lu local APIC pages, %lu nested faults\n",
	       count.hypercalls, count.msrs, count.cpuids, count.ios, count.apic, count.faults);
	printf("fuzzguest: seed %ld: %lu programs (%lu instructions tried, %lu messages) in %lu guests: %lu ended, %lu killed, %lu stopped, %lu refused, %lu failures\n",
	       seed, count.programs, count.slots, count.messages, count.guests, count.ended,
	       count.killed, count.stopped, count.refused, count.failures);
	testinit_end();
}
