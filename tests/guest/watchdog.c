/* SPDX-License-Identifier: MIT */
/*
 * The watchdog by its ports. "hang": all processors stop listening, half of them halted,
 * half in a loop, and somebody has to end this guest. "live": the watchdog fires and
 * nobody minds, twice.
 */
#include "abi/platform.h"
#include "tests/guest/lib/guest.h"

#define CPUS	    4U
#define OTHERS	    0xeU
#define COUNT	    (500 / PLATFORM_WATCHDOG_UNIT_MS)
#define PATIENCE_MS 20000
#define SILENCE_MS  2000

#define PORT(r)	    (PLATFORM_PORT_WATCHDOG + PLATFORM_WATCHDOG_##r)

static void out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static uint16_t in16(uint16_t port)
{
	uint16_t value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static void deaf(void)
{
	for (;;) {
		if (cpu_this() % 2)
			__asm__ volatile("cli; hlt");
		else
			relax();
	}
}

static void live(void)
{
	bool over;

	check("runs", in8(PORT(CONTROL)) == PLATFORM_WATCHDOG_RUN, "%u", in8(PORT(CONTROL)));
	over = wait_for(!in16(PORT(LEFT)), PATIENCE_MS);
	check("time over", over, "%u left", in16(PORT(LEFT)));
	/* Long enough for whoever would end us. */
	wait_for(false, SILENCE_MS);
	out8(PORT(RELOAD), 1);
	check("counts again", in16(PORT(LEFT)) > 0, "at once at its end");
	over = wait_for(!in16(PORT(LEFT)), PATIENCE_MS);
	check("time over again", over, "%u left", in16(PORT(LEFT)));
	wait_for(false, SILENCE_MS);
	out8(PORT(CONTROL), 0);
	check("stopped", in8(PORT(CONTROL)) == 0, "%u", in8(PORT(CONTROL)));
}

void guest_main(void)
{
	const char *what = guest_cmdline();

	guest_name = "watchdog";
	for (unsigned int i = 1; i < CPUS; i++)
		cpu_start(i);
	check("processors", wait_for(cpus_up == OTHERS, PATIENCE_MS), "up %#x", cpus_up);
	out16(PORT(COUNT), COUNT);
	out8(PORT(CONTROL), PLATFORM_WATCHDOG_RUN);
	if (what[0] == 'l') {
		live();
		return;
	}
	say("nobody listens");
	work_give(OTHERS, deaf);
	interrupts_off();
	deaf();
}
