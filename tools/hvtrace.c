/* SPDX-License-Identifier: MIT */
/*
 * hvtrace, in the root partition: what the reference hypervisor's processors did
 * last, or are doing. Reads the trace ring (include/abi/hv/trace.h) through
 * /dev/mshv, merges the processors by time and prints a line for each event.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mshv.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "include/abi/hv/guest.h"
#include "include/abi/hv/hypercall.h"
#include "include/abi/hv/message.h"
#include "include/abi/hv/trace.h"
#include "include/base/base.h"

#define FOLLOW_US   2000 /* between looks */
#define TRACE_LOOKS 8u	 /* at one processor in a row; its ring has room for five answers */
#define CPUS_MAX    64u
#define EVENTS_MAX  (CPUS_MAX * TRACE_LOOKS * HV_TRACE_PAGE_EVENTS)

struct event {
	struct hv_trace_event e;
	unsigned int cpu;
};

static struct event events[EVENTS_MAX];
static size_t count;
static uint64_t next_event[CPUS_MAX];
static uint64_t tsc_hz, tsc_first;

/* --- names --- */

struct name {
	uint32_t code;
	const char *text;
};

/* clang-format off */
#define CALL(name_) { HVCALL_##name_, #name_ }
/* clang-format on */

static const struct name calls[] = {
	CALL(GET_LOGICAL_PROCESSOR_RUN_TIME),
	CALL(CREATE_PARTITION),
	CALL(INITIALIZE_PARTITION),
	CALL(FINALIZE_PARTITION),
	CALL(DELETE_PARTITION),
	CALL(GET_PARTITION_PROPERTY),
	CALL(SET_PARTITION_PROPERTY),
	CALL(GET_PARTITION_ID),
	CALL(DEPOSIT_MEMORY),
	CALL(WITHDRAW_MEMORY),
	CALL(MAP_GPA_PAGES),
	CALL(UNMAP_GPA_PAGES),
	CALL(INSTALL_INTERCEPT),
	CALL(CREATE_VP),
	CALL(DELETE_VP),
	CALL(GET_VP_REGISTERS),
	CALL(SET_VP_REGISTERS),
	CALL(TRANSLATE_VIRTUAL_ADDRESS),
	CALL(CLEAR_VIRTUAL_INTERRUPT),
	CALL(DELETE_PORT),
	CALL(DISCONNECT_PORT),
	CALL(MAP_STATS_PAGE),
	CALL(UNMAP_STATS_PAGE),
	CALL(SET_SYSTEM_PROPERTY),
	CALL(ADD_LOGICAL_PROCESSOR),
	CALL(GET_SYSTEM_PROPERTY),
	CALL(MAP_DEVICE_INTERRUPT),
	CALL(UNMAP_DEVICE_INTERRUPT),
	CALL(ENTER_SLEEP_STATE),
	CALL(NOTIFY_PARTITION_EVENT),
	CALL(NOTIFY_PORT_RING_EMPTY),
	CALL(REGISTER_INTERCEPT_RESULT),
	CALL(ASSERT_VIRTUAL_INTERRUPT),
	CALL(CREATE_PORT),
	CALL(CONNECT_PORT),
	CALL(DISPATCH_VP),
	CALL(GET_GPA_PAGES_ACCESS_STATES),
	CALL(MAP_VP_STATE_PAGE),
	CALL(UNMAP_VP_STATE_PAGE),
	CALL(GET_VP_STATE),
	CALL(SET_VP_STATE),
	CALL(GET_VP_CPUID_VALUES),
	CALL(GET_PARTITION_PROPERTY_EX),
	CALL(FLUSH_VIRTUAL_ADDRESS_SPACE),
	CALL(FLUSH_VIRTUAL_ADDRESS_LIST),
	CALL(FLUSH_VIRTUAL_ADDRESS_SPACE_EX),
	CALL(FLUSH_VIRTUAL_ADDRESS_LIST_EX),
	CALL(SEND_IPI),
	CALL(SEND_IPI_EX),
	CALL(NOTIFY_LONG_SPIN_WAIT),
	CALL(POST_MESSAGE),
	CALL(SIGNAL_EVENT),
	CALL(POST_MESSAGE_DIRECT),
	CALL(SIGNAL_EVENT_DIRECT),
};

/* AMD64 APM vol. 2, appendix C. */
static const struct name root_exits[] = {
	{ 0x60, "interrupt" }, { 0x72, "cpuid" },    { 0x74, "iret" },	    { 0x78, "hlt" },
	{ 0x7c, "msr" },       { 0x7f, "shutdown" }, { 0x81, "hypercall" }, { 0x400, "memory" },
};

static const struct name messages[] = {
	{ HV_MESSAGE_UNMAPPED_GPA, "unmapped address" },
	{ HV_MESSAGE_GPA_INTERCEPT, "address" },
	{ HV_MESSAGE_UNRECOVERABLE_EXCEPTION, "unrecoverable exception" },
	{ HV_MESSAGE_X64_IO_PORT_INTERCEPT, "port" },
	{ HV_MESSAGE_X64_APIC_EOI, "end of interrupt" },
	{ HV_MESSAGE_SCHEDULER_VP_SIGNAL_PAIR, "signals" },
	{ HV_MESSAGE_SYNIC_SINT_INTERCEPT, "doorbells" },
};

static const char *const guest_exits[] = {
	[HV_TRACE_EXIT_INTERNAL] = "internal",
	[HV_TRACE_EXIT_HOST] = "interrupt",
	[HV_TRACE_EXIT_WINDOW] = "window",
	[HV_TRACE_EXIT_IO] = "port",
	[HV_TRACE_EXIT_MEMORY] = "memory",
	[HV_TRACE_EXIT_CPUID] = "cpuid",
	[HV_TRACE_EXIT_MSR] = "msr",
	[HV_TRACE_EXIT_HLT] = "hlt",
	[HV_TRACE_EXIT_HYPERCALL] = "hypercall",
	[HV_TRACE_EXIT_XSETBV] = "xsetbv",
	[HV_TRACE_EXIT_CR8] = "cr8",
	[HV_TRACE_EXIT_SHUTDOWN] = "shutdown",
	[HV_TRACE_EXIT_INVALID] = "invalid state",
	[HV_TRACE_EXIT_EXCEPTION] = "exception",
};

static const char *const faults[] = { "deposit wanted", "kick held back", "call refused" };

static const char *find(const struct name *names, size_t size, uint32_t code)
{
	static char number[16];

	for (size_t i = 0; i < size; i++) {
		if (names[i].code == code)
			return names[i].text;
	}
	snprintf(number, sizeof(number), "%#x", code);
	return number;
}

#define FIND(names_, code_)  find(names_, ARRAY_SIZE(names_), code_)
#define INDEX(texts_, code_) ((code_) < ARRAY_SIZE(texts_) ? (texts_)[code_] : "?")

/* --- printing --- */

static void print_event(const struct event *event)
{
	const struct hv_trace_event *e = &event->e;
	unsigned long long a = e->a, b = e->b;

	printf("%12.6f cpu%-2u ", (double)(e->tsc - tsc_first) / (double)tsc_hz, event->cpu);
	if (e->partition == 1)
		printf("root      ");
	else
		printf("%5u.%-3u ", e->partition, e->vp);
	switch (e->kind) {
	case HV_TRACE_ROOT_EXIT:
		printf("exit %s (%#llx) at %#llx\n", FIND(root_exits, e->code), a, b);
		break;
	case HV_TRACE_GUEST_EXIT:
		printf("exit %s (%#llx) at %#llx\n", INDEX(guest_exits, e->code), a, b);
		break;
	case HV_TRACE_HYPERCALL:
		printf("call %s status %#llx reps %llu of %llu\n", FIND(calls, e->code), b & 0xffff,
		       b >> HV_RESULT_REPS_SHIFT & HV_CONTROL_REP_MASK,
		       a >> HV_CONTROL_REP_COUNT_SHIFT & HV_CONTROL_REP_MASK);
		break;
	case HV_TRACE_INTERCEPT:
		printf("intercept %s at %#llx\n", FIND(messages, (uint32_t)a), b);
		break;
	case HV_TRACE_MESSAGE:
		printf("message %s to cpu%u\n", FIND(messages, (uint32_t)a), e->vp);
		break;
	case HV_TRACE_SIGNAL:
		printf("signal by cpu%llu\n", a);
		break;
	case HV_TRACE_INJECT:
		printf("inject type %u vector %#x at %#llx\n", e->code >> 8, e->code & 0xffu, b);
		break;
	case HV_TRACE_FAULT:
		printf("fault %s (%llu)\n", INDEX(faults, e->code), a);
		break;
	default:
		printf("event %u (%#x %#llx %#llx)\n", e->kind, e->code, a, b);
		break;
	}
}

/* --- reading --- */

/* One answer of the hypervisor into @page; false: there is no such processor, or no ring. */
static bool read_page(int fd, unsigned int cpu, struct hv_trace_page *page)
{
	struct hv_input_get_partition_property_ex in = {
		.property_code = HV_PROPERTY_TRACE,
		.arg = HV_TRACE_ARG(cpu, next_event[cpu]),
	};
	struct mshv_root_hvcall call = {
		.code = HVCALL_GET_PARTITION_PROPERTY_EX,
		.in_sz = sizeof(in),
		.out_sz = sizeof(*page),
		.in_ptr = (uintptr_t)&in,
		.out_ptr = (uintptr_t)page,
	};

	return ioctl(fd, MSHV_ROOT_HVCALL, &call) == 0;
}

static void add(unsigned int cpu, const struct hv_trace_page *page)
{
	for (uint32_t i = 0; i < page->count && i < HV_TRACE_PAGE_EVENTS && count < EVENTS_MAX; i++)
		events[count++] = (struct event){ page->event[i], cpu };
}

/*
 * All there is of one processor up to now: what it adds while we look is for the
 * next time, for looking makes events, too. Returns the number of processors; 0:
 * nothing can be read.
 */
static unsigned int collect(int fd, unsigned int cpu)
{
	static struct hv_trace_page page;
	unsigned int full = TRACE_LOOKS;

	do {
		if (!read_page(fd, cpu, &page))
			return 0;
		if (page.first > next_event[cpu] && next_event[cpu])
			printf("cpu%u: %llu events lost\n", cpu,
			       (unsigned long long)(page.first - next_event[cpu]));
		next_event[cpu] = page.first + page.count;
		tsc_hz = page.tsc_hz;
		add(cpu, &page);
	} while (page.count == HV_TRACE_PAGE_EVENTS && --full);
	return page.cpus;
}

static int by_time(const void *a, const void *b)
{
	uint64_t x = ((const struct event *)a)->e.tsc, y = ((const struct event *)b)->e.tsc;

	return x < y ? -1 : x > y;
}

/* False: nothing can be read. */
static bool look(int fd)
{
	unsigned int cpus = 1;

	count = 0;
	for (unsigned int cpu = 0; cpu < cpus && cpu < ARRAY_SIZE(next_event); cpu++) {
		cpus = collect(fd, cpu);
		if (!cpus)
			return false;
	}
	qsort(events, count, sizeof(events[0]), by_time);
	return true;
}

int main(int argc, char **argv)
{
	bool follow = argc == 2 && !strcmp(argv[1], "-f");
	int fd;

	if (argc > 1 && !follow) {
		fputs("usage: hvtrace [-f]\n"
		      "Prints the last events of the hypervisor's processors; -f: and goes on.\n",
		      stderr);
		return 2;
	}
	fd = open("/dev/mshv", O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "hvtrace: /dev/mshv: %s\n", strerror(errno));
		return 1;
	}
	do {
		if (!look(fd)) {
			fputs("hvtrace: this hypervisor has no trace (hv.trace=0, or not ours)\n",
			      stderr);
			return 1;
		}
		if (count && !tsc_first)
			tsc_first = events[0].e.tsc;
		for (size_t i = 0; i < count; i++)
			print_event(&events[i]);
		fflush(stdout);
	} while (follow && usleep(FOLLOW_US) == 0);
	return 0;
}
