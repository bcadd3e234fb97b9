/* SPDX-License-Identifier: MIT */
/*
 * The local APIC's timer on eight processors at once, in its three modes, and
 * wake-ups: everybody asks everybody and sleeps until the answer. In xAPIC mode,
 * then in x2APIC mode. "timer: N checks, 0 failures" is a pass.
 */
#include "tests/guest/lib/guest.h"

#define CPUS	     8U
#define OTHERS	     0xfeU
#define PATIENCE_MS  20000

#define V_TIMER	     0x71
#define V_PONG	     0x81
#define V_PING	     0x91

/* --- timers, on all processors at once --- */

#define ONE_SHOT_US  20000ULL
#define PERIOD_US    5000ULL
#define PERIODS	     8U
#define WITHDRAWN_US 500000ULL /* a busy host must not be in between */

static struct {
	uint64_t begin, at[PERIODS + 1];
	volatile unsigned int ticks;
} timer[CPUS];

static void tick(struct guest_frame *f __maybe_unused)
{
	unsigned int cpu = cpu_this();

	if (timer[cpu].ticks <= PERIODS)
		timer[cpu].at[timer[cpu].ticks] = rdtsc();
	timer[cpu].ticks++;
	apic_eoi();
}

static void timer_off(void)
{
	apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED | V_TIMER);
	apic_write(APIC_TIMER_COUNT, 0);
}

static void timer_begin(unsigned int cpu)
{
	timer[cpu].ticks = 0;
	timer[cpu].begin = rdtsc();
}

/* Half of the processors sleep, the others look at the clock. */
static void timer_wait(unsigned int cpu, unsigned int ticks)
{
	uint64_t until = rdtsc() + ticks_us(PATIENCE_MS / 2 * 1000);

	while (timer[cpu].ticks < ticks && rdtsc() < until) {
		if (cpu % 2) {
			halt();
		} else {
			interrupts_on();
			relax();
			interrupts_off();
		}
	}
}

static void one_shot(void)
{
	unsigned int cpu = cpu_this();

	apic_write(APIC_TIMER_DIVIDE, 0xb); /* by 1 */
	apic_write(APIC_LVT_TIMER, V_TIMER);
	timer_begin(cpu);
	apic_write(APIC_TIMER_COUNT, (uint32_t)ticks_us(ONE_SHOT_US));
	timer_wait(cpu, 1);
}

static void one_shot_divided(void)
{
	unsigned int cpu = cpu_this();

	apic_write(APIC_TIMER_DIVIDE, 0x3); /* by 16 */
	apic_write(APIC_LVT_TIMER, V_TIMER);
	timer_begin(cpu);
	apic_write(APIC_TIMER_COUNT, (uint32_t)ticks_us(ONE_SHOT_US) / 16);
	timer_wait(cpu, 1);
	apic_write(APIC_TIMER_DIVIDE, 0xb);
}

static void periodic(void)
{
	unsigned int cpu = cpu_this();

	apic_write(APIC_LVT_TIMER, APIC_PERIODIC | V_TIMER);
	timer_begin(cpu);
	apic_write(APIC_TIMER_COUNT, (uint32_t)ticks_us(PERIOD_US));
	timer_wait(cpu, PERIODS);
	timer_off();
}

static void deadline(void)
{
	unsigned int cpu = cpu_this();

	apic_write(APIC_LVT_TIMER, APIC_TSC_DEADLINE | V_TIMER);
	timer_begin(cpu);
	wrmsr(MSR_TSC_DEADLINE, timer[cpu].begin + ticks_us(ONE_SHOT_US));
	timer_wait(cpu, 1);
	timer_off();
}

/* In the past: at once. */
static void deadline_passed(void)
{
	unsigned int cpu = cpu_this();

	apic_write(APIC_LVT_TIMER, APIC_TSC_DEADLINE | V_TIMER);
	timer_begin(cpu);
	wrmsr(MSR_TSC_DEADLINE, 1);
	timer_wait(cpu, 1);
	timer_off();
}

/* Set and taken back: never. */
static void deadline_withdrawn(void)
{
	unsigned int cpu = cpu_this();

	apic_write(APIC_LVT_TIMER, APIC_TSC_DEADLINE | V_TIMER);
	timer_begin(cpu);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + ticks_us(WITHDRAWN_US));
	wrmsr(MSR_TSC_DEADLINE, 0);
	wait_for(false, WITHDRAWN_US / 1000 + 50);
	timer_off();
}

/*
 * @ticks of them on each processor, the n-th not before n * @us. Late is the
 * host's business: the worst is told, and only one that never came fails.
 */
static void test_timer(const char *what, void (*fn)(void), unsigned int ticks, uint64_t us)
{
	uint64_t latest = 0;
	unsigned int early = 0, wrong = 0;

	work_give(OTHERS, fn);
	fn();
	work_wait(PATIENCE_MS);
	for (unsigned int i = 0; i < CPUS; i++) {
		unsigned int seen = MIN(timer[i].ticks, ticks);

		/* A period may be shorter than the handler's turn. */
		wrong += ticks > 1 ? timer[i].ticks < ticks : timer[i].ticks != ticks;
		for (unsigned int n = 0; n < seen; n++) {
			uint64_t due = timer[i].begin + ticks_us(us) * (n + 1);

			early += timer[i].at[n] + ticks_us(1) < due;
			if (timer[i].at[n] > due)
				latest = MAX(latest, timer[i].at[n] - due);
		}
	}
	check(what, !early && !wrong, "%u early, %u processors with a wrong number", early, wrong);
	if (ticks)
		say("%s: at most %llu us late", what, (unsigned long long)us_ticks(latest));
}

static void test_timers(void)
{
	uint32_t first, second;

	test_timer("one shot", one_shot, 1, ONE_SHOT_US);
	test_timer("one shot divided", one_shot_divided, 1, ONE_SHOT_US);
	test_timer("periodic", periodic, PERIODS, PERIOD_US);
	test_timer("TSC deadline", deadline, 1, ONE_SHOT_US);
	test_timer("TSC deadline in the past", deadline_passed, 1, 0);
	test_timer("TSC deadline withdrawn", deadline_withdrawn, 0, 0);

	apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED | V_TIMER);
	apic_write(APIC_TIMER_COUNT, 0xffffffff);
	first = apic_read(APIC_TIMER_NOW);
	wait_for(false, 1);
	second = apic_read(APIC_TIMER_NOW);
	check("counts down", second < first && first - second >= ticks_us(1000), "%u, then %u",
	      first, second);
	timer_off();
}

/* --- everybody to everybody, each waiting for the answer, asleep --- */

#define ROUNDS 12U

static volatile uint32_t pings[CPUS][CPUS]; /* from, to: answered */
static volatile uint32_t asked[CPUS][CPUS];

static void ping(struct guest_frame *f __maybe_unused)
{
	unsigned int cpu = cpu_this();

	/* Several senders may share one interrupt. */
	for (unsigned int i = 0; i < CPUS; i++) {
		if (i != cpu && asked[i][cpu] != pings[i][cpu]) {
			pings[i][cpu] = asked[i][cpu];
			apic_send(i, ICR_ASSERT | V_PONG); /* wakes it */
		}
	}
	apic_eoi();
}

static void storm(void)
{
	unsigned int cpu = cpu_this();

	for (unsigned int round = 1; round <= ROUNDS; round++) {
		for (unsigned int to = 0; to < CPUS; to++) {
			if (to == cpu)
				continue;
			asked[cpu][to] = round;
			apic_send(to, ICR_ASSERT | V_PING);
			while (pings[cpu][to] != round)
				halt();
		}
	}
}

/* How many answers have come. */
static unsigned int answered(void)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < CPUS; i++)
		for (unsigned int to = 0; to < CPUS; to++)
			sum += pings[i][to];
	return sum;
}

/* Until all have done their work, or no answer came for as long as our patience lasts. */
static void storm_wait(void)
{
	unsigned int before;

	do {
		before = answered();
	} while (!work_wait(PATIENCE_MS) && answered() != before);
}

static void storm_forget(void)
{
	for (unsigned int i = 0; i < CPUS; i++)
		for (unsigned int to = 0; to < CPUS; to++)
			asked[i][to] = pings[i][to] = 0;
}

/* A wake-up that got lost leaves two processors asleep, until somebody else asks one. */
static void test_storm(void)
{
	unsigned int missing = 0;

	work_give(OTHERS, storm);
	storm();
	storm_wait();
	for (unsigned int i = 0; i < CPUS; i++)
		for (unsigned int to = 0; to < CPUS; to++)
			missing += i != to && pings[i][to] != ROUNDS;
	check("everybody to everybody, asleep", !missing, "%u pairs unanswered", missing);
	storm_forget();
}

/* --- always the same one, so that nobody else wakes who is asleep for good --- */

#define ASKERS	    0x2aU /* 1, 3, 5, the next one each */
#define PAIR_ROUNDS 1000U

static void pair(void)
{
	unsigned int cpu = cpu_this(), to = cpu + 1;

	for (unsigned int round = 1; round <= PAIR_ROUNDS; round++) {
		asked[cpu][to] = round;
		apic_send(to, ICR_ASSERT | V_PING);
		while (pings[cpu][to] != round)
			halt();
	}
}

static void test_pairs(void)
{
	unsigned int asleep = 0;

	work_give(ASKERS, pair);
	storm_wait();
	/* Who sleeps although the answer is there, or was never asked. */
	for (unsigned int i = 0; i < CPUS - 1; i++)
		asleep += (ASKERS & BIT32(i)) && pings[i][i + 1] != PAIR_ROUNDS;
	check("one to another, asleep", !asleep, "asked %u %u %u, answered %u %u %u", asked[1][2],
	      asked[3][4], asked[5][6], pings[1][2], pings[3][4], pings[5][6]);
	storm_forget();
}

static void all(void)
{
	test_timers();
	test_storm();
	test_pairs();
}

static void pong(struct guest_frame *f __maybe_unused)
{
	apic_eoi();
}

void guest_main(void)
{
	on_vector(V_TIMER, tick);
	on_vector(V_PING, ping);
	on_vector(V_PONG, pong);

	guest_name = "timer, xAPIC";
	for (unsigned int i = 1; i < CPUS; i++)
		cpu_start(i);
	check("processors", wait_for(cpus_up == OTHERS, PATIENCE_MS), "up %#x", cpus_up);
	all();
	guest_name = "timer, x2APIC";
	work_give(OTHERS, apic_to_x2apic);
	work_wait(PATIENCE_MS);
	apic_to_x2apic();
	all();
	guest_name = "timer";
}
