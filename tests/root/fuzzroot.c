/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/fuzzroot": every ioctl of /dev/mshv and every
 * hypercall it lets through, with arguments that are right, nearly right or
 * nonsense, from two threads on the same partitions. Whatever the answers, the
 * root and the hypervisor have to go on and no page may be lost. Parameters as
 * in fuzzguest.c; the last line has the figures.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mshv.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "include/abi/hv/guest.h"
#include "include/abi/hv/hypercall.h"
#include "include/abi/hv/register.h"
#include "tests/root/lib/guest.h"
#include "tests/root/lib/memory.h"
#include "tests/root/lib/program.h"
#include "tests/root/lib/random.h"
#include "tests/root/lib/testinit.h"
#include "tests/root/lib/warnings.h"

#define THREADS	   2
#define VPS	   3
#define PAGE	   4096u
#define ARENA	   (4u << 20)
#define ROUND_MS   300	/* the life of a set of partitions */
#define TICK_US	   5000 /* what ends a processor's run */
#define LOST_PAGES 64	/* caches move a little */

struct set {
	int dev, pt, vp[VPS], event;
	uint8_t *arena; /* what the guest's memory may be */
	uint8_t *state_page;
	volatile int over;
};

struct worker {
	struct set *set;
	struct rng r;
	unsigned long ioctls, hypercalls, accepted;
	uint64_t page[2][PAGE / 8]; /* arguments and answers */
};

static void on_alarm(int sig)
{
	(void)sig;
}

/* --- arguments --- */

static void noise(struct rng *r, void *to, size_t size)
{
	uint8_t *p = to;

	for (size_t i = 0; i < size; i++)
		p[i] = rng_one_in(r, 3) ? (uint8_t)rng_next(r) : 0;
}

static uint64_t some_user_address(struct rng *r, const struct set *s)
{
	if (rng_one_in(r, 10))
		return rng_odd(r);
	return (uintptr_t)s->arena + rng_below(r, ARENA / PAGE) * PAGE +
	       (rng_one_in(r, 10) ? rng_below(r, PAGE) : 0);
}

static uint64_t some_pfn(struct rng *r)
{
	switch (rng_below(r, 5)) {
	case 0:
		return rng_odd(r);
	case 1:
		return 0xfee00;
	default:
		return rng_below(r, 4 * ARENA / PAGE);
	}
}

static uint32_t some_register(struct rng *r)
{
	static const uint32_t base[] = { 0,	  0x100,   0x10000, 0x20000, 0x30000,
					 0x40000, 0x41000, 0x50000, 0x60000, 0x70000,
					 0x80000, 0x84800, 0x90000, 0xa0000, 0xb0000 };

	return rng_one_in(r, 20) ? (uint32_t)rng_odd(r) : RNG_PICK(r, base) + rng_below(r, 0x20);
}

static uint32_t some_property(struct rng *r)
{
	static const uint32_t base[] = { 0x10000, 0x20000, 0x30000, 0x50000,
					 0x60000, 0x70000, 0x90000 };

	return rng_one_in(r, 20) ? (uint32_t)rng_odd(r) : RNG_PICK(r, base) + rng_below(r, 0x18);
}

/* --- hypercalls --- */

static const uint16_t codes[] = {
	HVCALL_GET_PARTITION_PROPERTY,	 HVCALL_GET_PARTITION_PROPERTY_EX,
	HVCALL_SET_PARTITION_PROPERTY,	 HVCALL_INSTALL_INTERCEPT,
	HVCALL_GET_VP_REGISTERS,	 HVCALL_SET_VP_REGISTERS,
	HVCALL_SET_VP_REGISTERS,	 HVCALL_TRANSLATE_VIRTUAL_ADDRESS,
	HVCALL_CLEAR_VIRTUAL_INTERRUPT,	 HVCALL_REGISTER_INTERCEPT_RESULT,
	HVCALL_ASSERT_VIRTUAL_INTERRUPT, HVCALL_GET_GPA_PAGES_ACCESS_STATES,
	HVCALL_GET_VP_CPUID_VALUES,	 HVCALL_POST_MESSAGE_DIRECT,
	HVCALL_SIGNAL_EVENT_DIRECT,
};

/* Right where the kernel's copy of the partition id lies before it. */
static void shape(struct rng *r, uint16_t code, uint8_t *in)
{
	struct hv_input_vp_registers *vp = (void *)in;
	struct hv_input_gpa_access_states *states = (void *)in;
	struct hv_input_get_partition_property *property = (void *)in;
	struct hv_input_translate_virtual_address *translate = (void *)in;
	struct hv_input_register_intercept_result *cpuid = (void *)in;
	struct hv_input_assert_virtual_interrupt *irq = (void *)in;
	struct hv_input_post_message_direct *post = (void *)in;
	struct hv_input_signal_event_direct *event = (void *)in;
	struct hv_input_install_intercept *intercept = (void *)in;
	struct hv_register_assoc *set = (void *)(vp + 1);
	uint32_t *get = (void *)(vp + 1);

	switch (code) {
	case HVCALL_GET_VP_REGISTERS:
		for (unsigned int i = 0; i < 16; i++)
			get[i] = some_register(r);
		break;
	case HVCALL_SET_VP_REGISTERS:
		for (unsigned int i = 0; i < 16; i++) {
			set[i].name = some_register(r);
			set[i].value.reg128[0] = rng_odd(r);
			set[i].value.reg128[1] = rng_odd(r);
		}
		break;
	case HVCALL_GET_GPA_PAGES_ACCESS_STATES:
		states->flags = rng_below(r, 16);
		states->gpa_pfn = some_pfn(r);
		return;
	case HVCALL_GET_PARTITION_PROPERTY:
	case HVCALL_GET_PARTITION_PROPERTY_EX:
	case HVCALL_SET_PARTITION_PROPERTY:
		property->property_code = some_property(r);
		return;
	case HVCALL_TRANSLATE_VIRTUAL_ADDRESS:
		translate->control_flags = rng_below(r, 64);
		translate->gva_page = rng_one_in(r, 2) ? some_pfn(r) : rng_odd(r) >> 12;
		break;
	case HVCALL_REGISTER_INTERCEPT_RESULT:
		cpuid->intercept_type = rng_below(r, 4);
		cpuid->eax = (rng_below(r, 3) << 30) + rng_below(r, 0x20);
		cpuid->ecx = rng_below(r, 4);
		break;
	case HVCALL_INSTALL_INTERCEPT:
		intercept->access = rng_below(r, 8);
		intercept->type = rng_below(r, 16);
		if (!rng_one_in(r, 4))
			intercept->parameter = rng_below(r, 0x20);
		return;
	case HVCALL_ASSERT_VIRTUAL_INTERRUPT:
		irq->interrupt_type = rng_below(r, 10);
		irq->control = rng_below(r, 8);
		irq->dest_addr = rng_below(r, 4);
		irq->vector = rng_below(r, 300);
		return;
	case HVCALL_POST_MESSAGE_DIRECT:
		post->vtl = !rng_one_in(r, 8) ? 0 : 1;
		post->sint = rng_below(r, 17);
		break;
	case HVCALL_SIGNAL_EVENT_DIRECT:
		event->vtl = !rng_one_in(r, 8) ? 0 : 1;
		event->sint = (uint8_t)rng_below(r, 17);
		event->flag = (uint16_t)rng_below(r, 2050);
		break;
	default:
		break;
	}
	vp->vp_index = rng_one_in(r, 10) ? (uint32_t)rng_odd(r) : rng_below(r, VPS);
}

static int fuzz_hypercall(struct worker *w, uint64_t *in, uint64_t *out)
{
	struct rng *r = &w->r;
	uint16_t code = rng_one_in(r, 20) ? (uint16_t)rng_odd(r) : RNG_PICK(r, codes);
	struct mshv_root_hvcall c = {
		.code = code,
		.reps = rng_one_in(r, 2) ? 0 :
					   (uint16_t)rng_below(r, rng_one_in(r, 8) ? 65536 : 20),
		.in_sz = rng_one_in(r, 10) ? (uint16_t)rng_odd(r) : PAGE,
		.in_ptr = (uintptr_t)in,
		.out_ptr = rng_one_in(r, 3) ? 0 : (uintptr_t)out,
	};
	int fd = rng_one_in(r, 8) ? w->set->dev :
		 rng_one_in(r, 3) ? w->set->vp[rng_below(r, VPS)] :
				    w->set->pt;

	c.out_sz = c.out_ptr ? PAGE : 0;
	noise(r, in, 512);
	shape(r, code, (uint8_t *)in);
	w->hypercalls++;
	return ioctl(fd, MSHV_ROOT_HVCALL, &c);
}

/* --- the other ioctls --- */

static int fuzz_memory(struct worker *w)
{
	struct mshv_user_mem_region m = {
		.size = (uint64_t)rng_below(&w->r, 300) * PAGE,
		.guest_pfn = some_pfn(&w->r),
		.userspace_addr = some_user_address(&w->r, w->set),
		.flags = (uint8_t)rng_below(&w->r, 8),
	};

	if (rng_one_in(&w->r, 30))
		noise(&w->r, &m, sizeof(m));
	return ioctl(w->set->pt, MSHV_SET_GUEST_MEMORY, &m);
}

static int fuzz_events(struct worker *w)
{
	struct rng *r = &w->r;
	struct mshv_user_irqfd irq = {
		.fd = w->set->event,
		.resamplefd = -1,
		.gsi = rng_below(r, 40),
		.flags = rng_below(r, 4),
	};
	struct mshv_user_ioeventfd bell = {
		.datamatch = rng_odd(r),
		.addr = some_pfn(r) * PAGE,
		.len = 1u << rng_below(r, 5),
		.fd = w->set->event,
		.flags = rng_below(r, 8),
	};
	struct {
		struct mshv_user_irq_table h;
		struct mshv_user_irq_entry e[8];
	} table = { .h.nr = rng_below(r, 9) };
	uint64_t one = 1;

	switch (rng_below(r, 4)) {
	case 0:
		return ioctl(w->set->pt, MSHV_IRQFD, &irq);
	case 1:
		return ioctl(w->set->pt, MSHV_IOEVENTFD, &bell);
	case 2:
		for (unsigned int i = 0; i < 8; i++)
			table.e[i] = (struct mshv_user_irq_entry){
				.gsi = i,
				.address_lo = 0xfee00000 | (uint32_t)rng_odd(r) % 0x100000,
				.data = (uint32_t)rng_odd(r),
			};
		return ioctl(w->set->pt, MSHV_SET_MSI_ROUTING, &table);
	default:
		return write(w->set->event, &one, sizeof(one)) < 0 ? -1 : 0;
	}
}

static int fuzz_state(struct worker *w)
{
	struct rng *r = &w->r;
	struct mshv_get_set_vp_state s = {
		.type = (uint8_t)rng_below(r, 6),
		.buf_sz = rng_one_in(r, 8) ? (uint32_t)rng_odd(r) : PAGE,
		.buf_ptr = rng_one_in(r, 8) ? some_user_address(r, w->set) :
					      (uintptr_t)w->set->state_page,
	};
	int vp = w->set->vp[rng_below(r, VPS)];
	int ret = ioctl(vp, MSHV_GET_VP_STATE, &s);

	s.buf_sz = PAGE;
	for (unsigned int n = rng_below(r, 8); n > 0; n--)
		w->set->state_page[rng_below(r, 1024)] ^= (uint8_t)(1u << rng_below(r, 8));
	return ioctl(vp, MSHV_SET_VP_STATE, &s) & ret;
}

static int fuzz_bitmap(struct worker *w, uint64_t *out)
{
	struct mshv_gpap_access_bitmap b = {
		.access_type = (uint8_t)rng_below(&w->r, 3),
		.access_op = (uint8_t)rng_below(&w->r, 4),
		.page_count = rng_below(&w->r, 5000),
		.gpap_base = some_pfn(&w->r),
		.bitmap_ptr = (uintptr_t)out,
	};

	return ioctl(w->set->pt, MSHV_GET_GPAP_ACCESS_BITMAP, &b);
}

static int fuzz_run(struct worker *w)
{
	struct mshv_run_vp run;

	return ioctl(w->set->vp[rng_below(&w->r, VPS)], MSHV_RUN_VP, &run);
}

/* The guest's register page and memory, which others use at the moment. */
static int fuzz_content(struct worker *w)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			  w->set->vp[rng_below(&w->r, VPS)], (off_t)rng_below(&w->r, 4) * PAGE);
	uint32_t at = rng_below(&w->r, ARENA / PAGE) * PAGE;

	if (page != MAP_FAILED) {
		if (rng_one_in(&w->r, 2))
			noise(&w->r, page, 696);
		munmap(page, PAGE);
	}
	if (rng_one_in(&w->r, 4))
		madvise(w->set->arena + at, PAGE * 16 < ARENA - at ? PAGE * 16 : PAGE,
			MADV_DONTNEED);
	if (rng_one_in(&w->r, 4))
		noise(&w->r, w->set->arena + at, PAGE);
	return 0;
}

static int fuzz_any(struct worker *w, uint64_t *in)
{
	int fds[] = { w->set->dev, w->set->pt, w->set->vp[0], w->set->event };

	noise(&w->r, in, 256);
	return ioctl(RNG_PICK(&w->r, fds),
		     (int)(0xb800u | rng_below(&w->r, 0x30) | rng_below(&w->r, 4) << 30 |
			   rng_below(&w->r, 64) << 16),
		     in);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t *in = w->page[0], *out = w->page[1];

	while (!w->set->over) {
		int ret;

		w->ioctls++;
		switch (rng_below(&w->r, 16)) {
		case 0:
			ret = fuzz_memory(w);
			break;
		case 1:
			ret = fuzz_events(w);
			break;
		case 2:
			ret = fuzz_state(w);
			break;
		case 3:
			ret = fuzz_bitmap(w, out);
			break;
		case 4:
			ret = fuzz_run(w);
			break;
		case 5:
			ret = fuzz_content(w);
			break;
		case 6:
			ret = fuzz_any(w, in);
			break;
		default:
			ret = fuzz_hypercall(w, in, out);
			break;
		}
		w->accepted += ret >= 0;
	}
	return NULL;
}

/* --- rounds --- */

static unsigned long failures;
/* The driver warns once of each. */
static struct warning_count known[] = { { .text = WARNING_NO_MEMORY },
					{ .text = WARNING_SUSPENDED },
					{ 0 } };

static void check_warnings(unsigned long n)
{
	int others = warnings_count(known);

	if (others) {
		printf("fuzzroot: FAIL round %lu: %d warnings of the kernel\n", n, others);
		failures++;
	}
}

/* What its processors do, if they get to run. Refused now and then. */
static void make_program(const struct set *s, struct rng *r)
{
	static struct program p;
	struct guest g = { .ram = s->arena };

	program_make(&p, program_mode(r), true, s->arena, r);
	for (unsigned int i = 0; i < VPS; i++) {
		g.vp = s->vp[i];
		set_registers(&g, p.reg, p.register_count);
	}
}

static int create(struct set *s, struct rng *r)
{
	struct mshv_create_partition create = {
		/* Without a local APIC there is none. */
		.pt_flags =
			rng_one_in(r, 4) ? rng_below(r, 8) | 1 << MSHV_PT_BIT_LAPIC : GUEST_FLAGS,
	};
	struct hv_input_set_partition_property features = {
		.property_code = HV_PROPERTY_SYNTHETIC_PROC_FEATURES,
		.value = rng_one_in(r, 4) ? rng_odd(r) : ~0ull,
	};
	struct mshv_user_mem_region m = {
		.size = ARENA,
		.userspace_addr = (uintptr_t)s->arena,
		.flags = 1 << MSHV_SET_MEM_BIT_WRITABLE | 1 << MSHV_SET_MEM_BIT_EXECUTABLE,
	};
	bool program = rng_one_in(r, 2);

	s->pt = ioctl(s->dev, MSHV_CREATE_PARTITION, &create);
	s->event = eventfd(0, EFD_NONBLOCK);
	if (s->pt < 0 ||
	    hvcall(s->pt, HVCALL_SET_PARTITION_PROPERTY, 0, &features, sizeof(features), NULL, 0,
		   NULL) ||
	    ioctl(s->pt, MSHV_INITIALIZE_PARTITION))
		return -1;
	if ((program || rng_one_in(r, 2)) && ioctl(s->pt, MSHV_SET_GUEST_MEMORY, &m))
		return -1;
	for (uint32_t i = 0; i < VPS; i++) {
		struct mshv_create_vp vp = { .vp_index = i };

		s->vp[i] = ioctl(s->pt, MSHV_CREATE_VP, &vp);
		if (s->vp[i] < 0)
			return -1;
	}
	if (program)
		make_program(s, r);
	return 0;
}

static void round_of(struct set *s, uint64_t seed, struct worker *total)
{
	struct rng r = { seed };
	struct worker w[THREADS] = { 0 };
	pthread_t thread[THREADS];
	double end = testinit_seconds() + ROUND_MS / 1e3;
	unsigned int left = (1u << THREADS) - 1;

	s->over = 0;
	if (create(s, &r)) {
		printf("fuzzroot: FAIL no partition (errno %d)\n", errno);
		failures++;
		syscall(SYS_close_range, (unsigned int)s->dev + 1, ~0u, 0);
		return;
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		w[i].set = s;
		w[i].r.state = rng_next(&r);
		pthread_create(&thread[i], NULL, work, &w[i]);
	}
	/*
	 * A processor that runs comes back for a signal only; and a thread that waits
	 * for that processor, not before: signals for all that are not done.
	 */
	while (left) {
		usleep(TICK_US);
		s->over = testinit_seconds() >= end;
		for (unsigned int i = 0; i < THREADS; i++) {
			if (!(left & 1u << i))
				continue;
			pthread_kill(thread[i], SIGALRM);
			if (s->over && !pthread_tryjoin_np(thread[i], NULL))
				left &= ~(1u << i);
		}
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		total->ioctls += w[i].ioctls;
		total->hypercalls += w[i].hypercalls;
		total->accepted += w[i].accepted;
	}
	/* Theirs, and what random ioctls made. */
	syscall(SYS_close_range, (unsigned int)s->dev + 1, ~0u, 0);
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_alarm }; /* no SA_RESTART */
	struct worker total = { 0 };
	struct set set = { 0 };
	unsigned long n, first;
	struct memory before = { 0 }, after = { 0 };
	long lost, grown, seed;
	double end;

	testinit_start();
	seed = testinit_number("fuzz_seed", 0);
	if (!seed)
		seed = time(NULL);
	first = n = (unsigned long)testinit_number("fuzz_first", 0);
	sigaction(SIGALRM, &sa, NULL);
	set.dev = open("/dev/mshv", O_RDWR);
	set.arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	set.state_page =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	printf("fuzzroot: fuzz_seed=%ld\n", seed);
	round_of(&set, 0, &total);
	memset(set.arena, 1, ARENA);
	memory_look(&before);
	end = testinit_seconds() + (double)testinit_number("fuzz_time", 10);
	while (testinit_seconds() < end) {
		if (n % 10 == 0)
			printf("fuzzroot: fuzz_first=%lu\n", n);
		round_of(&set, (uint64_t)seed * 0x1000003 + n++, &total);
		check_warnings(n);
	}
	memset(set.arena, 1, ARENA);
	memory_look(&after);
	/* What the hypervisor loses shows in its own log, exactly. */
	lost = memory_lost(&before, &after);
	grown = memory_grown(&before, &after);
	if (!before.free || !after.free || lost > LOST_PAGES ||
	    grown > MEMORY_GROWTH + (long)(n - first)) {
		printf("fuzzroot: FAIL %ld pages lost, %ld more in the kernel's stores\n", lost,
		       grown);
		failures++;
	}
	printf("fuzzroot: seed %ld: %lu ioctls, %lu of them hypercalls, %lu accepted, in %lu rounds, %ld pages lost: %lu failures\n",
	       seed, total.ioctls, total.hypercalls, total.accepted, n - first, lost, failures);
	testinit_end();
}
