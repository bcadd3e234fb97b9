/* SPDX-License-Identifier: MIT */
/*
 * The product's VMM with one device more (tests/insn/window.h). Not a line of it is
 * different: the linker puts this file in front of a device that every machine has
 * (--wrap).
 */
#include "tests/insn/window.h"

#include <string.h>

#include "vmm/device.h"
#include "vmm/log.h"

int __real_pvpanic_create(struct machine *m);
int __wrap_pvpanic_create(struct machine *m);

static uint64_t window_read(void *dev, uint64_t off, unsigned int size)
{
	struct machine *m = dev;
	uint64_t val = 0;

	if (memory_read(m->memory, gpa(off), &val, size))
		log_error("window: read of %u at 0x%llx", size, (unsigned long long)off);
	return val;
}

static void window_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct machine *m = dev;

	if (memory_write(m->memory, gpa(off), &val, size))
		log_error("window: write of %u at 0x%llx", size, (unsigned long long)off);
}

static const struct bus_ops window_ops = { window_read, window_write };

int __wrap_pvpanic_create(struct machine *m)
{
	const struct bus_range range = {
		.name = "window",
		.base = WINDOW_BASE,
		.size = WINDOW_SIZE,
		.ops = &window_ops,
		.dev = m,
	};
	int ret = bus_add(m->mmio, &range);

	return ret < 0 ? ret : __real_pvpanic_create(m);
}
