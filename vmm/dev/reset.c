/* SPDX-License-Identifier: MIT */
#include "vmm/dev/reset.h"

#include "vmm/device.h"

#define PORT_KBC	0x64
#define KBC_PULSE_RESET 0xfe

#define RESET_CPU	0x04 /* reset control register */

/* Keyboard controller status: nothing to read, ready to be written. */
static uint64_t read_zero(void *dev, uint64_t off, unsigned int size)
{
	(void)dev;
	(void)off;
	(void)size;
	return 0;
}

static void write_kbc(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct machine *m = dev;

	(void)off;
	if (size == 1 && val == KBC_PULSE_RESET)
		m->end(m, VM_END_RESET);
}

static const struct bus_ops kbc_ops = { read_zero, write_kbc };

void reset_control_write(struct machine *m, uint8_t val)
{
	if (val & RESET_CPU)
		m->end(m, VM_END_RESET);
}

int reset_create(struct machine *m)
{
	const struct bus_range range = {
		"keyboard controller", PORT_KBC, 1, &kbc_ops, m,
	};
	int ret = bus_add(m->ports, &range);

	return ret < 0 ? ret : 0;
}
