/* SPDX-License-Identifier: MIT */
#include "hypervisor/trace.h"

#include "hypervisor/cpu.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/options.h"

#define PANIC_EVENTS 12u

bool trace_on;

bool trace_create(struct cpu *cpu)
{
	trace_on = options.trace;
	if (trace_on)
		cpu->trace = pages_alloc(TRACE_EVENTS * sizeof(*cpu->trace) / PAGE_SIZE);
	return !trace_on || cpu->trace;
}

void trace_add(enum hv_trace_kind kind, uint64_t partition, uint32_t vp, uint64_t code, uint64_t a,
	       uint64_t b)
{
	struct cpu *cpu = cpu_this();
	uint64_t next = cpu->trace_next;

	cpu->trace[next % TRACE_EVENTS] = (struct hv_trace_event){
		.tsc = rdtsc(),
		.partition = (uint32_t)partition,
		.kind = (uint8_t)kind,
		.vp = (uint8_t)vp,
		.code = (uint16_t)code,
		.a = a,
		.b = b,
	};
	__atomic_store_n(&cpu->trace_next, next + 1, __ATOMIC_RELEASE);
}

/*
 * The owner goes on writing: what it may have reached while we copied is counted
 * as lost, and the caller asks again from there.
 */
bool trace_read(uint64_t arg, struct hv_trace_page *out)
{
	uint64_t from = HV_TRACE_ARG_FROM(arg), next;
	const struct cpu *cpu;

	if (!trace_on || HV_TRACE_ARG_CPU(arg) >= cpu_count)
		return false;
	cpu = cpus[HV_TRACE_ARG_CPU(arg)];
	next = __atomic_load_n(&cpu->trace_next, __ATOMIC_ACQUIRE);
	if (next > TRACE_EVENTS - 1)
		from = MAX(from, next - (TRACE_EVENTS - 1));
	*out = (struct hv_trace_page){
		.first = from,
		.cpus = cpu_count,
		.tsc_hz = clock_tsc_hz(),
	};
	while (from < next && out->count < HV_TRACE_PAGE_EVENTS)
		out->event[out->count++] = cpu->trace[from++ % TRACE_EVENTS];
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (out->first + TRACE_EVENTS <= READ_ONCE(cpu->trace_next)) {
		out->first = cpu->trace_next - TRACE_EVENTS / 2;
		out->count = 0;
	}
	return true;
}

void trace_panic(void)
{
	/* enum hv_trace_kind */
	static const char kind[][10] = { "",	    "root exit", "exit",   "call", "intercept",
					 "message", "signal",	 "inject", "fault" };

	for (unsigned int i = 0; trace_on && i < cpu_count; i++) {
		uint64_t next = cpus[i]->trace_next;
		uint64_t n = next < PANIC_EVENTS ? 0 : next - PANIC_EVENTS;

		log_panic_line("--- last events of processor %u (TSC) ---", i);
		for (; n < next; n++) {
			const struct hv_trace_event *e = &cpus[i]->trace[n % TRACE_EVENTS];

			log_panic_line("%llu %u.%u %s %#x %#llx %#llx", LLU(e->tsc), e->partition,
				       e->vp, kind[e->kind], e->code, LLU(e->a), LLU(e->b));
		}
	}
}
