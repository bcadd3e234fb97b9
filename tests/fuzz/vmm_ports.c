/* SPDX-License-Identifier: MIT */
/*
 * Every register of the small port devices, in any size, order and value, while time
 * passes and the host presses the power button. The machine may end in the ways that
 * they know and no other; the watchdog never bites before its time.
 *
 * Input, six bytes an access: kind and size, port among theirs, value (32 bits).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "abi/platform.h"
#include "vmm/dev/debugport.h"
#include "vmm/dev/pm.h"
#include "vmm/dev/pvpanic.h"
#include "vmm/dev/reset.h"
#include "vmm/dev/rtc.h"
#include "vmm/dev/watchdog.h"
#include "vmm/log.h"

#define NS_PER_S 1000000000ULL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct machine machine;
static struct loop_source *source;
static uint64_t now, due;
static bool looking; /* the main thread, at the timer */

void check_failed(const char *what, const char *file, int line)
{
	(void)what;
	(void)file;
	(void)line;
	abort();
}

#define MUST(cond) ((cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__))

void log_print(enum log_level level, const char *fmt, ...)
{
	(void)fmt;
	/* A guest's fault, if anybody's. */
	MUST(level != LOG_ERROR);
}

void irq_line_set(struct irq *q, unsigned int gsi, bool level)
{
	(void)q;
	(void)level;
	MUST(gsi == PLATFORM_GSI_SCI);
}

int loop_add(struct loop *l, struct loop_source *s, uint32_t events)
{
	(void)l;
	(void)events;
	source = s;
	return 0;
}

void loop_remove(struct loop *l, struct loop_source *s)
{
	(void)l;
	(void)s;
	source = NULL;
}

/* --- time, which the input makes pass --- */

int __wrap_timerfd_create(int clock, int flags);
int __wrap_timerfd_create(int clock, int flags)
{
	(void)clock;
	(void)flags;
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *old)
{
	(void)fd;
	(void)old;
	MUST(flags == TFD_TIMER_ABSTIME);
	MUST(at->it_value.tv_nsec >= 0 && at->it_value.tv_nsec < (long)NS_PER_S);
	due = (uint64_t)at->it_value.tv_sec * NS_PER_S + (uint64_t)at->it_value.tv_nsec;
	MUST(!due || (due > now && due - now <= 6554 * NS_PER_S));
	return 0;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	(void)clock;
	t->tv_sec = (time_t)(now / NS_PER_S);
	t->tv_nsec = (long)(now % NS_PER_S);
	return 0;
}

static void end(struct machine *m, enum vm_end why)
{
	(void)m;
	switch (why) {
	case VM_END_WATCHDOG:
		MUST(looking && due && now >= due);
		break;
	case VM_END_POWER_OFF:
	case VM_END_RESET:
	case VM_END_CRASH:
		MUST(!looking);
		break;
	default:
		abort();
	}
}

/* Early ones too, which must not count. */
static void look(void)
{
	const uint64_t one = 1;

	MUST(write(source->fd, &one, sizeof(one)) == sizeof(one));
	looking = true;
	source->ready(source, 0);
	looking = false;
	if (due && now >= due)
		due = 0;
}

static void access_port(unsigned int bytes, bool write, uint8_t which, uint32_t value)
{
	static const struct {
		uint16_t base, count;
	} range[] = {
		{ PLATFORM_PORT_PM, PLATFORM_PM_PORTS },
		{ PLATFORM_PORT_WATCHDOG, PLATFORM_WATCHDOG_PORTS },
		{ PLATFORM_PORT_RTC, 2 },
		{ PLATFORM_PORT_PVPANIC, 1 },
		{ PLATFORM_PORT_DEBUG, 1 },
		{ 0x64, 1 },
	};
	unsigned int r = which >> 4;
	uint16_t at;
	uint64_t val;

	r %= ARRAY_SIZE(range);
	at = (uint16_t)(range[r].base + (which & 15) % range[r].count);
	if (write)
		bus_write(machine.ports, at, bytes, value & (UINT32_MAX >> (32 - 8 * bytes)));
	else if (bus_read(machine.ports, at, bytes, &val))
		MUST(val <= UINT32_MAX >> (32 - 8 * bytes));
}

/* They live as long as the process, like the program's; inputs begin with all at rest. */
static void set_up(void)
{
	static const struct watchdog_config c = { .fired = false };
	static void *dog;

	now = NS_PER_S;
	if (!machine.ports) {
		machine.ports = bus_create("ports");
		machine.end = end;
		MUST(machine.ports && !pm_create(&machine) && !rtc_create(&machine) &&
		     !reset_create(&machine) && !debugport_create(&machine) &&
		     !pvpanic_create(&machine));
		MUST(!watchdog_device.create(&machine, &c, &dog));
	}
	bus_write(machine.ports, PLATFORM_PORT_WATCHDOG + PLATFORM_WATCHDOG_CONTROL, 1, 0);
	bus_write(machine.ports, PLATFORM_PORT_WATCHDOG + PLATFORM_WATCHDOG_COUNT, 2, 600);
	MUST(!due);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	set_up();
	for (; size >= 6; data += 6, size -= 6) {
		uint32_t value;

		memcpy(&value, data + 2, sizeof(value));
		switch (data[0] >> 4 & 7) {
		case 0:
			now += value * 1000ULL;
			break;
		case 1:
			look();
			break;
		case 2:
			pm_press_power_button(machine.pm);
			break;
		default:
			access_port(1U << (data[0] & 3) % 3, data[0] & 4, data[1], value);
		}
	}
	return 0;
}
