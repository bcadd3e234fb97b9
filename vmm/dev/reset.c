/* SPDX-License-Identifier: MIT */
#include "vmm/dev/reset.h"

#include "vmm/device.h"

#define PORT_KBC	0x64
#define KBC_PULSE_RESET	0xfe

#define PORT_CF9	0xcf9
#define CF9_RESET_CPU	BIT32(2)

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

static void write_cf9(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct machine *m = dev;

	(void)off;
	if (size == 1 && (val & CF9_RESET_CPU))
		m->end(m, VM_END_RESET);
}

static const struct bus_ops kbc_ops = { read_zero, write_kbc };
static const struct bus_ops cf9_ops = { read_zero, write_cf9 };

int reset_create(struct machine *m)
{
	const struct bus_range ranges[] = {
		{ "keyboard controller", PORT_KBC, 1, &kbc_ops, m },
		{ "reset control", PORT_CF9, 1, &cf9_ops, m },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		int ret = bus_add(m->ports, &ranges[i]);

		if (ret < 0)
			return ret;
	}
	return 0;
}
