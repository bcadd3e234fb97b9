/* SPDX-License-Identifier: MIT */
/*
 * What the TLFS promises a guest, tried by one of four processors: SynIC,
 * synthetic timers, reference time, EOI assist, the rules of hypercall input, IPIs
 * and TLB flushes. One check a subject; the first line that fails is named.
 */
#include "abi/hv/guest.h"
#include "abi/hv/message.h"
#include "abi/hv/msr.h"
#include "tests/guest/lib/guest.h"

#define CPUS		4
#define OTHERS		0xeU
#define SECOND		10000000ULL	/* reference time */
#define MS		(SECOND / 1000)

#define X2APIC_SELF_IPI 0x83f

#define VECTOR_IPI	0x50
#define VECTOR_SINT	0x62
#define VECTOR_AUTO	0x63
#define VECTOR_DIRECT	0xed

#define PAGE		__aligned(4096)

static PAGE uint8_t hypercall_page[4096], tsc_page[4096], input[4096];
static PAGE uint8_t sim[4096], sief[4096], assist[CPUS][4096];

static volatile uint32_t taken[CPUS][256];
static volatile uint32_t assisted;
static volatile uint64_t fault;		/* exception that was skipped */
static volatile unsigned int skip;	/* bytes of the instruction that may fault */
static unsigned int failed_line;

#define CHECK(condition)                                \
	do {                                            \
		if (!(condition) && !failed_line)       \
			failed_line = __LINE__;         \
	} while (0)

static void end(const char *subject)
{
	check(subject, !failed_line, "line %u", failed_line);
	failed_line = 0;
}

/* --- what guests are made of --- */

static void skip_fault(struct guest_frame *f)
{
	fault = f->vector;
	if (!skip) {
		check("no exception", false, "vector %llu, rip %#llx",
		      (unsigned long long)f->vector, (unsigned long long)f->rip);
		guest_end();
	}
	f->rip += skip;
}

static uint64_t fault_of_write(uint32_t msr, uint64_t val)
{
	fault = 0;
	skip = 2;
	wrmsr(msr, val);
	skip = 0;
	return fault;
}

static uint64_t fault_of_read(uint32_t msr)
{
	uint32_t low, high;

	fault = 0;
	skip = 2;
	/* rdmsr() may be left out, its value is not used. */
	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
	skip = 0;
	return fault;
}

static uint64_t hypercall(uint64_t control, uint64_t in, uint64_t out)
{
	register uint64_t r8 __asm__("r8") = out;
	uint64_t result;

	__asm__ volatile("call *%[page]"
			 : "=a"(result), "+c"(control), "+d"(in), "+r"(r8)
			 : [page] "b"(hypercall_page)
			 : "memory", "r9", "r10", "r11");
	return result;
}

static uint64_t now(void)
{
	return rdmsr(HV_MSR_TIME_REF_COUNT);
}

static bool in_time(volatile uint32_t *counter, uint32_t want)
{
	uint64_t until = now() + 5 * SECOND;

	while (*counter < want) {
		if (now() > until)
			return false;
		__asm__ volatile("pause" : : : "memory");
	}
	return true;
}

static void eoi(unsigned int cpu)
{
	uint32_t no_eoi = 0;

	__asm__ volatile("xchg %0, %1" : "+r"(no_eoi), "+m"(*(uint32_t *)assist[cpu]) : : "memory");
	if (no_eoi & 1)
		assisted++;
	else
		wrmsr(HV_MSR_EOI, 0);
}

static void count(struct guest_frame *f)
{
	unsigned int cpu = cpu_this();

	taken[cpu][f->vector]++;
	if (f->vector != VECTOR_AUTO)
		eoi(cpu);
}

/* --- one processor --- */

static void discovery(void)
{
	uint32_t r[4];

	cpuid(1, 0, r);
	CHECK(r[2] >> 31);
	cpuid(HV_CPUID_VENDOR, 0, r);
	CHECK(r[0] >= HV_CPUID_LIMITS && r[1] == HV_CPUID_SIGNATURE_EBX);
	cpuid(HV_CPUID_INTERFACE, 0, r);
	CHECK(r[0] == HV_CPUID_INTERFACE_HV1);
	cpuid(HV_CPUID_FEATURES, 0, r);
	CHECK(r[0] == 0x8e7e && r[3] == 0x80100);
	cpuid(HV_CPUID_HINTS, 0, r);
	CHECK(r[0] == 0xe2c && r[1] == 4095);
	CHECK(rdmsr(HV_MSR_VP_INDEX) == cpu_this());
	end("discovery");
}

static void registers(void)
{
	CHECK(fault_of_write(HV_MSR_SVERSION, 1) == 13);
	CHECK(fault_of_write(HV_MSR_TIME_REF_COUNT, 1) == 13);
	CHECK(fault_of_write(HV_MSR_VP_INDEX, 1) == 13);
	CHECK(fault_of_write(HV_MSR_SINT0 + 1, 15) == 13);
	CHECK(fault_of_write(HV_MSR_SINT0 + 1, 16) == 0);
	CHECK(fault_of_write(HV_MSR_SINT0 + 1, 0x10000) == 0);
	CHECK(fault_of_write(HV_MSR_SIMP, 1ULL << 45 | 1) == 13);
	CHECK(fault_of_write(HV_MSR_STIMER0_CONFIG,
			     HV_STIMER_DIRECT | 15 << HV_STIMER_VECTOR_SHIFT) == 13);
	CHECK(fault_of_read(HV_MSR_EOI) == 13);
	CHECK(rdmsr(HV_MSR_SVERSION) == 1);
	CHECK(rdmsr(HV_MSR_SINT0 + 15) == HV_SINT_MASKED);
	end("registers");
}

static void hypercall_input(void)
{
	const uint64_t at = (uintptr_t)input;
	const uint64_t rep = 1ULL << HV_CONTROL_REP_COUNT_SHIFT;

	wrmsr(HV_MSR_HYPERCALL, (uintptr_t)hypercall_page | 1);
	CHECK(!(rdmsr(HV_MSR_HYPERCALL) & 1));		/* no identity yet */
	wrmsr(HV_MSR_GUEST_OS_ID, 1);
	wrmsr(HV_MSR_HYPERCALL, (uintptr_t)hypercall_page | 1);
	CHECK(rdmsr(HV_MSR_HYPERCALL) & 1);
	CHECK(hypercall(0, 0, 0) == HV_STATUS_INVALID_HYPERCALL_CODE);
	CHECK(hypercall(HVCALL_CREATE_PARTITION, at, at) == HV_STATUS_INVALID_HYPERCALL_CODE);
	CHECK(hypercall(HVCALL_SEND_IPI | rep, at, 0) == HV_STATUS_INVALID_HYPERCALL_INPUT);
	CHECK(hypercall(HVCALL_SEND_IPI | 1 << HV_CONTROL_VARHEAD_SHIFT, at, 0) ==
	      HV_STATUS_INVALID_HYPERCALL_INPUT);
	CHECK(hypercall(HVCALL_SEND_IPI | 1ULL << 60, at, 0) == HV_STATUS_INVALID_HYPERCALL_INPUT);
	CHECK(hypercall(HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST, at, 0) ==
	      HV_STATUS_INVALID_HYPERCALL_INPUT);
	CHECK(hypercall(HVCALL_SEND_IPI, at + 4, 0) == HV_STATUS_INVALID_ALIGNMENT);
	CHECK(hypercall(HVCALL_SEND_IPI, at + 4088, 0) == HV_STATUS_INVALID_ALIGNMENT);
	CHECK(hypercall(HVCALL_SEND_IPI | HV_CONTROL_FAST, 15, 1) == HV_STATUS_INVALID_PARAMETER);
	CHECK(hypercall(HVCALL_SIGNAL_EVENT | HV_CONTROL_FAST, 1, 0) == HV_STATUS_ACCESS_DENIED);
	CHECK(hypercall(HVCALL_NOTIFY_LONG_SPIN_WAIT | HV_CONTROL_FAST, 9, 0) == 0);
	/* XMM registers are not offered. */
	fault = 0;
	skip = 3;
	hypercall(HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE | HV_CONTROL_FAST, 0, 0);
	skip = 0;
	CHECK(fault == 6);
	end("hypercall input");
}

static uint64_t page_time(void)
{
	const volatile struct {
		uint32_t sequence, reserved;
		uint64_t scale;
		int64_t offset;
	} *p = (void *)tsc_page;

	return (uint64_t)((unsigned __int128)rdtsc() * p->scale >> 64) + (uint64_t)p->offset;
}

static void reference_time(void)
{
	uint64_t hz = rdmsr(HV_MSR_TSC_FREQUENCY);
	uint64_t start, tsc, gone, expected;

	wrmsr(HV_MSR_REFERENCE_TSC, (uintptr_t)tsc_page | 1);
	CHECK(*(volatile uint32_t *)tsc_page != 0);
	for (unsigned int i = 0; i < 1000; i++) {
		uint64_t before = now(), page = page_time(), after = now();

		CHECK(before <= page && page <= after);
	}
	/* It counts at the rate the TSC's frequency says. */
	start = now();
	tsc = rdtsc();
	while (now() < start + 50 * MS)
		;
	gone = now() - start;
	expected = (rdtsc() - tsc) / (hz / SECOND);
	CHECK(gone > expected - expected / 100 - 2 * MS);
	CHECK(gone < expected + expected / 100 + 2 * MS);
	end("reference time");
}

static volatile struct hv_message *slot(unsigned int sint)
{
	return (volatile struct hv_message *)(void *)sim + sint;
}

static volatile struct hv_timer_message *timer_message(unsigned int sint)
{
	return (volatile void *)slot(sint)->payload;
}

static void stop_timers(void)
{
	for (unsigned int i = 0; i < 4; i++)
		wrmsr(HV_MSR_STIMER0_CONFIG + 2 * i, 0);
}

#define TO_SINT(n) ((uint64_t)(n) << HV_STIMER_SINT_SHIFT)

static void synic_messages(void)
{
	volatile uint32_t *got = &taken[0][VECTOR_SINT];
	uint64_t due;

	for (unsigned int i = 0; i < sizeof(sim); i++)
		sim[i] = sief[i] = 0xee;
	wrmsr(HV_MSR_SIMP, (uintptr_t)sim | 1);
	wrmsr(HV_MSR_SIEFP, (uintptr_t)sief | 1);
	CHECK(sim[0] == 0 && sim[4095] == 0 && sief[0] == 0 && sief[4095] == 0);
	wrmsr(HV_MSR_SCONTROL, 1);
	wrmsr(HV_MSR_SINT0 + 2, VECTOR_SINT);

	due = now() + 2 * MS;
	wrmsr(HV_MSR_STIMER0_CONFIG + 2, HV_STIMER_AUTO_ENABLE | TO_SINT(2));
	wrmsr(HV_MSR_STIMER0_COUNT + 2, due);
	CHECK(in_time(got, 1));
	CHECK(slot(2)->header.type == HV_MESSAGE_TIMER_EXPIRED);
	CHECK(slot(2)->header.payload_size == sizeof(struct hv_timer_message));
	CHECK(timer_message(2)->timer_index == 1);
	CHECK(timer_message(2)->expiration == due);
	CHECK(timer_message(2)->delivery >= due && timer_message(2)->delivery <= now());
	CHECK(!(rdmsr(HV_MSR_STIMER0_CONFIG + 2) & HV_STIMER_ENABLE));

	/* The slot is in use: the next one waits, and says so. */
	wrmsr(HV_MSR_STIMER0_CONFIG, HV_STIMER_AUTO_ENABLE | TO_SINT(2));
	wrmsr(HV_MSR_STIMER0_COUNT, 1);
	CHECK(slot(2)->header.flags == HV_MESSAGE_FLAG_PENDING);
	CHECK(timer_message(2)->timer_index == 1 && *got == 1);
	slot(2)->header.type = HV_MESSAGE_NONE;
	wrmsr(HV_MSR_EOM, 0);
	CHECK(in_time(got, 2));
	CHECK(timer_message(2)->timer_index == 0 && timer_message(2)->expiration == 1);
	CHECK(slot(2)->header.flags == 0);
	slot(2)->header.type = HV_MESSAGE_NONE;

	/* Masked: the message without the interrupt; SINT 0 is not for timers. */
	wrmsr(HV_MSR_SINT0 + 2, HV_SINT_MASKED);
	wrmsr(HV_MSR_STIMER0_COUNT, 1);
	CHECK(slot(2)->header.type == HV_MESSAGE_TIMER_EXPIRED && *got == 2);
	slot(2)->header.type = HV_MESSAGE_NONE;
	wrmsr(HV_MSR_STIMER0_CONFIG, HV_STIMER_ENABLE);
	CHECK(rdmsr(HV_MSR_STIMER0_CONFIG) == 0);

	/* AutoEOI: no EOI, and the next one comes all the same. */
	wrmsr(HV_MSR_SINT0 + 3, VECTOR_AUTO | HV_SINT_AUTO_EOI);
	for (unsigned int i = 1; i <= 3; i++) {
		wrmsr(HV_MSR_STIMER0_CONFIG, HV_STIMER_AUTO_ENABLE | TO_SINT(3));
		wrmsr(HV_MSR_STIMER0_COUNT, 1);
		CHECK(in_time(&taken[0][VECTOR_AUTO], i));
		slot(3)->header.type = HV_MESSAGE_NONE;
	}
	stop_timers();
	end("SynIC messages");
}

static uint64_t order[4];
static volatile unsigned int came;

/* No exit in here, which would hide that none was asked for. */
static void note(struct guest_frame *f)
{
	if (came < ARRAY_SIZE(order))
		order[came] = f->vector;
	came++;
}

/* An interrupt without EOI, and one that waits behind it. */
static void auto_eoi_and_another(void)
{
	on_vector(VECTOR_AUTO, note);
	on_vector(VECTOR_IPI, note);
	for (unsigned int i = 0; i < 50; i++) {
		interrupts_off();
		came = 0;
		wrmsr(X2APIC_SELF_IPI, VECTOR_IPI);
		wrmsr(X2APIC_SELF_IPI, VECTOR_AUTO);
		__asm__ volatile("sti; nop; nop; cli" : : : "memory");
		CHECK(came == 2 && order[0] == VECTOR_AUTO && order[1] == VECTOR_IPI);
		interrupts_on();
		CHECK(in_time(&came, 2));
		wrmsr(HV_MSR_EOI, 0);
	}
	on_vector(VECTOR_AUTO, count);
	on_vector(VECTOR_IPI, count);
	end("AutoEOI and another");
}

static void timers_direct(void)
{
	volatile uint32_t *got = &taken[0][VECTOR_DIRECT];
	const uint64_t direct = HV_STIMER_DIRECT | VECTOR_DIRECT << HV_STIMER_VECTOR_SHIFT;
	uint64_t due, late = 0, start;

	wrmsr(HV_MSR_STIMER0_CONFIG, direct | HV_STIMER_AUTO_ENABLE);
	interrupts_off();
	for (unsigned int i = 1; i <= 10; i++) {
		due = now() + 3 * MS;
		wrmsr(HV_MSR_STIMER0_COUNT, due);
		while (*got < i && now() < due + 5 * SECOND)
			__asm__ volatile("sti; hlt; cli" : : : "memory");
		CHECK(*got == i && now() >= due);
		late = now() - due > late ? now() - due : late;
	}
	CHECK(late < SECOND);

	/* Idle with interrupts off: ends when one is requested, which is not taken. */
	start = *got;
	due = now() + 3 * MS;
	wrmsr(HV_MSR_STIMER0_COUNT, due);
	rdmsr(HV_MSR_GUEST_IDLE);
	CHECK(now() >= due && *got == start);
	interrupts_on();
	CHECK(in_time(got, (uint32_t)start + 1));

	/* Zero stops. */
	wrmsr(HV_MSR_STIMER0_COUNT, now() + 2 * MS);
	wrmsr(HV_MSR_STIMER0_COUNT, 0);
	start = now();
	due = *got;
	while (now() < start + 10 * MS)
		;
	CHECK(*got == due);
	end("synthetic timers, direct");
}

static void timers_periodic(void)
{
	volatile uint32_t *got = &taken[0][VECTOR_DIRECT];
	const uint64_t config = HV_STIMER_DIRECT | VECTOR_DIRECT << HV_STIMER_VECTOR_SHIFT |
				HV_STIMER_PERIODIC | HV_STIMER_AUTO_ENABLE;
	uint64_t start, gone;
	uint32_t first, ticks;

	for (unsigned int lazy = 0; lazy < 2; lazy++) {
		wrmsr(HV_MSR_STIMER0_CONFIG + 4, config | (lazy ? HV_STIMER_LAZY : 0));
		/* The host may take its time between any two of these lines. */
		first = *got;
		start = now();
		wrmsr(HV_MSR_STIMER0_COUNT + 4, 10 * MS);
		CHECK(in_time(got, first + 10));
		gone = now() - start;
		CHECK(gone >= 100 * MS - MS);
		CHECK(rdmsr(HV_MSR_STIMER0_CONFIG + 4) & HV_STIMER_ENABLE);

		/* 30 periods with interrupts off: a few ticks come later, not thirty. */
		interrupts_off();
		start = now();
		while (now() < start + 300 * MS)
			;
		first = *got;
		start = now();
		interrupts_on();
		while (now() < start + 50 * MS)
			;
		ticks = *got - first;
		gone = (now() - start) / (10 * MS);
		CHECK(ticks >= 2 && ticks <= gone + (lazy ? 2 : 6));
		stop_timers();
	}
	end("synthetic timers, periodic");
}

static void eoi_assist(void)
{
	volatile uint32_t *got = &taken[0][VECTOR_IPI];
	uint32_t before = *got, saved = assisted;

	wrmsr(HV_MSR_VP_ASSIST_PAGE, (uintptr_t)assist[0] | 1);
	for (unsigned int i = 1; i <= 100; i++) {
		hypercall(HVCALL_SEND_IPI | HV_CONTROL_FAST, VECTOR_IPI, 1);
		CHECK(in_time(got, before + i));
	}
	/* Nothing else was pending, so the EOIs were spared. */
	CHECK(assisted - saved >= 90);
	end("EOI assist");
}

/* --- all processors --- */

static volatile uint32_t ready, generation, seen[CPUS], answers;
static PAGE uint64_t probe_table[512], probe_directory[512];
static PAGE uint32_t probe_page[2][1024];
#define PROBE	(8ULL << 30)	/* a page there, beyond what the start-up code maps */

/* Never ends: the work of a started processor. */
static void helper(void)
{
	unsigned int cpu = cpu_this();
	volatile uint32_t *probe = (void *)PROBE;
	uint32_t done = 0;

	wrmsr(HV_MSR_VP_ASSIST_PAGE, (uintptr_t)assist[cpu] | 1);
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	interrupts_on();
	for (;;) {
		(void)*probe;		/* keeps the translation in use */
		if (generation == done) {
			relax();
			continue;
		}
		done = generation;
		seen[cpu] = *probe;
		__atomic_add_fetch(&answers, 1, __ATOMIC_SEQ_CST);
	}
}

static void start_others(void)
{
	uint64_t *pml4, *pointers;

	__asm__ volatile("mov %%cr3, %0" : "=r"(pml4));
	pointers = (uint64_t *)(pml4[0] & 0x000ffffffffff000ULL);
	probe_table[0] = (uintptr_t)probe_page[0] | 3;
	probe_directory[0] = (uintptr_t)probe_table | 3;
	pointers[PROBE >> 30] = (uintptr_t)probe_directory | 3;
	for (unsigned int i = 1; i < CPUS; i++)
		cpu_start(i);
	CHECK(wait_for(cpus_up == OTHERS, 5000));
	work_give(OTHERS, helper);
	CHECK(wait_for(ready == CPUS - 1, 5000));
	interrupts_on();
	end("start of processors");
}

static bool all_took(uint32_t n)
{
	for (unsigned int i = 1; i < CPUS; i++) {
		if (!in_time(&taken[i][VECTOR_IPI], n))
			return false;
	}
	return true;
}

static void ipis(void)
{
	struct hv_input_send_ipi_ex *ex = (void *)input;
	uint64_t *bank = (uint64_t *)(ex + 1);
	uint64_t start = now();
	uint32_t n = 0, self = taken[0][VECTOR_IPI];

	for (unsigned int i = 0; i < 100; i++) {
		CHECK(hypercall(HVCALL_SEND_IPI | HV_CONTROL_FAST, VECTOR_IPI, 0xe) == 0);
		CHECK(all_took(++n));
	}
	say("300 IPIs in %llu us", (unsigned long long)(now() - start) / 10);
	*ex = (struct hv_input_send_ipi_ex){
		.vector = VECTOR_IPI, .set = { HV_VP_SET_SPARSE_4K, 1 },
	};
	*bank = 0xe;
	CHECK(!hypercall(HVCALL_SEND_IPI_EX | 1 << HV_CONTROL_VARHEAD_SHIFT, (uintptr_t)input, 0));
	CHECK(all_took(++n));
	CHECK(hypercall(HVCALL_SEND_IPI_EX, (uintptr_t)input, 0) ==
	      HV_STATUS_INVALID_HYPERCALL_INPUT);
	ex->set.format = HV_VP_SET_ALL;
	CHECK(hypercall(HVCALL_SEND_IPI_EX, (uintptr_t)input, 0) == 0);
	CHECK(all_took(++n));
	CHECK(in_time(&taken[0][VECTOR_IPI], self + 1));
	for (unsigned int i = 1; i < CPUS; i++)
		CHECK(taken[i][VECTOR_IPI] == n);
	end("IPIs");
}

/* Change what all processors have in their TLBs, flush, and ask what they see. */
static bool flush_round(unsigned int i)
{
	struct hv_input_flush *flush = (void *)input;
	struct hv_input_flush_ex *ex = (void *)input;
	uint64_t *rest = (uint64_t *)(ex + 1);
	const uint64_t at = (uintptr_t)input, rep = 1ULL << HV_CONTROL_REP_COUNT_SHIFT;
	const uint64_t varhead = 1 << HV_CONTROL_VARHEAD_SHIFT;
	uint64_t r = 0;

	answers = 0;
	*(volatile uint64_t *)probe_table = (uintptr_t)probe_page[i & 1] | 3;
	*flush = (struct hv_input_flush){ .processor_mask = 0xf };
	switch (i % 4) {
	case 0:
		r = hypercall(HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE, at, 0);
		break;
	case 1:
		*(uint64_t *)(flush + 1) = PROBE;
		r = hypercall(HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST | rep, at, 0);
		r = r == rep ? 0 : 1;
		break;
	case 2:
		*ex = (struct hv_input_flush_ex){ .set = { HV_VP_SET_SPARSE_4K, 1 } };
		rest[0] = 0xf;
		r = hypercall(HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE_EX | varhead, at, 0);
		break;
	default:
		*ex = (struct hv_input_flush_ex){ .set = { HV_VP_SET_ALL, 0 } };
		rest[0] = PROBE;
		r = hypercall(HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST_EX | rep, at, 0);
		r = r == rep ? 0 : 1;
		break;
	}
	generation++;
	if (r || !in_time(&answers, CPUS - 1))
		return false;
	for (unsigned int cpu = 1; cpu < CPUS; cpu++) {
		if (seen[cpu] != probe_page[i & 1][0])
			return false;
	}
	return true;
}

static void tlb_flush(void)
{
	uint64_t start = now();

	probe_page[0][0] = 0x1111;
	probe_page[1][0] = 0x2222;
	for (unsigned int i = 1; i <= 100; i++)
		CHECK(flush_round(i));
	say("100 flushes in %llu us", (unsigned long long)(now() - start) / 10);
	end("TLB flush");
}

void guest_main(void)
{
	guest_name = "enlightened";
	on_vector(6, skip_fault);
	on_vector(13, skip_fault);
	on_vector(VECTOR_IPI, count);
	on_vector(VECTOR_SINT, count);
	on_vector(VECTOR_AUTO, count);
	on_vector(VECTOR_DIRECT, count);
	apic_to_x2apic();
	interrupts_on();
	discovery();
	registers();
	hypercall_input();
	reference_time();
	synic_messages();
	auto_eoi_and_another();
	timers_direct();
	timers_periodic();
	eoi_assist();
	start_others();
	ipis();
	tlb_flush();
}
