/* SPDX-License-Identifier: MIT */
#include "vmm/dev/pvpanic.h"

#include "abi/platform.h"
#include "vmm/device.h"
#include "vmm/log.h"

#define PANICKED     0x01
#define CRASH_LOADED 0x02 /* its crash kernel takes over: it goes on */
#define SHUT_DOWN    0x04

/* What we understand of the events. */
static uint64_t pvpanic_read(void *dev, uint64_t off, unsigned int size)
{
	(void)dev;
	(void)off;
	(void)size;
	return PANICKED | CRASH_LOADED | SHUT_DOWN;
}

static void pvpanic_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct machine *m = dev;

	(void)off;
	if (size != 1)
		return;
	if (val & CRASH_LOADED) {
		log_warn("guest panicked (its crash kernel takes over)");
	} else if (val & PANICKED) {
		log_warn("guest panicked");
		m->end(m, VM_END_CRASH);
	} else if (val & SHUT_DOWN) {
		m->end(m, VM_END_POWER_OFF);
	}
}

static const struct bus_ops pvpanic_ops = { pvpanic_read, pvpanic_write };

int pvpanic_create(struct machine *m)
{
	const struct bus_range range = {
		.name = "pvpanic",
		.base = PLATFORM_PORT_PVPANIC,
		.size = 1,
		.ops = &pvpanic_ops,
		.dev = m,
	};
	int ret = bus_add(m->ports, &range);

	return ret < 0 ? ret : 0;
}
