/* SPDX-License-Identifier: MIT */
#include "tests/guest/lib/guest.h"

void guest_other_main(unsigned int cpu);

volatile uint32_t cpu_starts[GUEST_CPUS_MAX];
volatile uint32_t cpus_up;

static void (*volatile work[GUEST_CPUS_MAX])(void);

static void wake(struct guest_frame *f __maybe_unused)
{
	apic_eoi();
}

void cpu_start(unsigned int cpu)
{
	apic_send(cpu, ICR_INIT | ICR_ASSERT);
	apic_send(cpu, ICR_STARTUP | ICR_ASSERT | GUEST_SIPI_PAGE);
}

/* guest.c: a started processor, interrupts off. */
__noreturn void guest_other_main(unsigned int cpu)
{
	on_vector(VECTOR_WORK, wake);
	cpu_starts[cpu]++;
	__atomic_or_fetch(&cpus_up, BIT32(cpu), __ATOMIC_SEQ_CST);
	for (;;) {
		if (work[cpu]) {
			work[cpu]();
			work[cpu] = NULL;
		} else {
			halt();
		}
	}
}

void work_give(uint32_t mask, void (*fn)(void))
{
	for (unsigned int i = 0; i < GUEST_CPUS_MAX; i++) {
		if (!(mask & BIT32(i)))
			continue;
		work[i] = fn;
		apic_send(i, ICR_ASSERT | VECTOR_WORK);
	}
}

bool work_wait(unsigned int ms)
{
	bool done = true;

	for (unsigned int i = 0; i < GUEST_CPUS_MAX; i++)
		done &= wait_for(!work[i], ms);
	return done;
}
