/* SPDX-License-Identifier: MIT */
#include "vmm/dev/pm.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "abi/platform.h"
#include "vmm/device.h"
#include "vmm/log.h"

/* ACPI "Sleep Control Register" */
#define SLEEP_TYPE_SHIFT 2
#define SLEEP_TYPE_MASK	 7
#define SLEEP_ENABLE	 BIT32(5)

struct pm {
	struct machine *machine;
	atomic_uint events;
};

static uint64_t pm_read(void *dev, uint64_t off, unsigned int size)
{
	struct pm *pm = dev;

	if (off != PLATFORM_PM_EVENTS || size != 1)
		return 0;
	/* Lower the wire first: an event that comes now raises it again. */
	irq_line_set(pm->machine->irq, PLATFORM_GSI_SCI, false);
	return atomic_exchange(&pm->events, 0);
}

static void sleep_control(struct pm *pm, uint64_t val)
{
	unsigned int type = (val >> SLEEP_TYPE_SHIFT) & SLEEP_TYPE_MASK;

	if (!(val & SLEEP_ENABLE))
		return;
	if (type == PLATFORM_PM_SLEEP_S5)
		pm->machine->end(pm->machine, VM_END_POWER_OFF);
	else
		log_warn("sleep state not offered (type %u)", type);
}

static void pm_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct pm *pm = dev;

	if (size != 1)
		return;
	if (off == PLATFORM_PM_SLEEP_CONTROL)
		sleep_control(pm, val);
	else if (off == PLATFORM_PM_RESET && val == PLATFORM_PM_RESET_VALUE)
		pm->machine->end(pm->machine, VM_END_RESET);
}

static const struct bus_ops pm_ops = { pm_read, pm_write };

void pm_press_power_button(struct pm *pm)
{
	atomic_fetch_or(&pm->events, PLATFORM_PM_EVENT_POWER_BUTTON);
	/* An edge each time, also when the last one was never looked at. */
	irq_line_set(pm->machine->irq, PLATFORM_GSI_SCI, false);
	irq_line_set(pm->machine->irq, PLATFORM_GSI_SCI, true);
}

int pm_create(struct machine *m)
{
	struct bus_range range = {
		.name = "power management",
		.base = PLATFORM_PORT_PM,
		.size = PLATFORM_PM_PORTS,
		.ops = &pm_ops,
	};
	struct pm *pm = calloc(1, sizeof(*pm));
	int ret;

	if (!pm)
		return -ENOMEM;
	pm->machine = m;
	range.dev = pm;
	ret = bus_add(m->ports, &range);
	if (ret < 0) {
		free(pm);
		return ret;
	}
	m->pm = pm;
	return 0;
}
