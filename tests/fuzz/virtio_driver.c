/* SPDX-License-Identifier: MIT */
#include "virtio_driver.h"

#include <stdlib.h>

#include "abi/platform.h"
#include "vmm/dev/pci.h"

#define CONFIG (PLATFORM_ECAM_BASE + (1 << 15)) /* of slot 1 */
#define NOTIFY 0x3000u				/* in the BAR; 4 bytes a queue */

void check(bool ok)
{
	if (!ok)
		abort();
}

void driver_command(struct machine *m, uint16_t command)
{
	bus_write(m->mmio, CONFIG + PCI_COMMAND, 2, command);
}

uint64_t driver_bar(struct machine *m)
{
	uint64_t val;

	bus_read(m->mmio, CONFIG + PCI_BAR0, 8, &val);
	return val & ~UINT64_C(0xf);
}

void driver_reg(struct machine *m, unsigned int off, unsigned int size, uint64_t val)
{
	bus_write(m->mmio, driver_bar(m) + off, size, val);
}

void driver_begin(struct machine *m, uint64_t features)
{
	driver_reg(m, REG(device_status), 1, 3);
	for (unsigned int i = 0; i < 2; i++) {
		driver_reg(m, REG(driver_feature_select), 4, i);
		driver_reg(m, REG(driver_feature), 4, (uint32_t)(features >> (32 * i)));
	}
	driver_reg(m, REG(device_status), 1, 11);
}

void driver_queue(struct machine *m, unsigned int queue, const struct rings *r)
{
	driver_reg(m, REG(queue_select), 2, queue);
	driver_reg(m, REG(queue_size), 2, QUEUE_SIZE);
	driver_reg(m, REG(queue_desc), 8, r->desc);
	driver_reg(m, REG(queue_driver), 8, r->avail);
	driver_reg(m, REG(queue_device), 8, r->used);
	driver_reg(m, REG(queue_enable), 2, 1);
}

void driver_run(struct machine *m)
{
	driver_reg(m, REG(device_status), 1, 15);
}

void driver_notify(struct machine *m, unsigned int queue)
{
	driver_reg(m, NOTIFY + 4 * queue, 2, queue);
}

void driver_recover(struct machine *m)
{
	bus_write(m->mmio, CONFIG + PCI_BAR0, 8, PLATFORM_PCI64_BASE);
	driver_command(m, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

void driver_reset_done(struct machine *m)
{
	uint64_t status;

	check(bus_read(m->mmio, driver_bar(m) + REG(device_status), 1, &status));
	check(status == 0);
}

void driver_put(struct machine *m, uint64_t at, const void *src, size_t n)
{
	memory_write(m->memory, gpa(at), src, n);
}

struct virtq_avail *driver_avail(struct machine *m, const struct rings *r)
{
	return memory_at(m->memory, gpa(r->avail), 64);
}

void step_register(struct machine *m, struct input *in)
{
	unsigned int off = input_u8(in) % 64;
	unsigned int n = 1u << (input_u8(in) & 3);

	driver_reg(m, off, n, input_bytes(in, n));
}

void step_anywhere(struct machine *m, struct input *in)
{
	unsigned int off = input_u16(in) % 0x4000;
	unsigned int n = 1u << (input_u8(in) & 3);
	uint64_t val;

	bus_read(m->mmio, driver_bar(m) + off, n, &val);
	driver_reg(m, off, n, input_bytes(in, n));
}

void step_command(struct machine *m, struct input *in)
{
	driver_command(m, input_u8(in) & (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER));
}

void step_memory(struct machine *m, struct input *in)
{
	uint64_t at = input_u16(in), val = input_bytes(in, 8);

	driver_put(m, at, &val, 8);
}

void step_ring(struct machine *m, struct input *in, const struct rings *r)
{
	uint8_t n = input_u8(in) % QUEUE_SIZE;
	struct virtq_desc d = {
		.addr = input_u16(in),
		.len = input_u16(in),
		.flags = input_u8(in) & 7,
		.next = input_u8(in) % (QUEUE_SIZE + 1),
	};

	driver_put(m, r->desc + 16u * n, &d, sizeof(d));
	driver_avail(m, r)->ring[input_u8(in) % QUEUE_SIZE] = n;
}

void step_offer(struct machine *m, struct input *in, const struct rings *r)
{
	struct virtq_avail *a = driver_avail(m, r);

	a->idx = (uint16_t)(a->idx + input_u8(in) % (QUEUE_SIZE + 2));
}
