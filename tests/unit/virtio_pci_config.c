/* SPDX-License-Identifier: MIT */
/*
 * PCI as a guest sees it: finding devices, sizing and moving BARs, MSI-X.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "virtio_rig.h"

#define SLOT	  1u
#define VECTORS	  3u
#define BAR_BYTES 0x4000u

struct fixture {
	struct rig rig;
	struct pci_device dev;
	unsigned int cap;
	/* what the hooks saw */
	uint64_t bar_off, bar_val;
	unsigned int bar_size;
	uint64_t moved_to;
	bool mapped;
	unsigned int moves;
	unsigned int cap_reads, cap_writes, cap_off, cap_size;
};

static uint64_t bar_read(void *dev, uint64_t off, unsigned int size)
{
	struct fixture *f = dev;

	f->bar_off = off;
	f->bar_size = size;
	return 0x1122334455667788;
}

static void bar_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct fixture *f = dev;

	f->bar_off = off;
	f->bar_size = size;
	f->bar_val = val;
}

static const struct bus_ops bar_ops = { bar_read, bar_write };

static void moved(void *arg, uint64_t base, bool mapped)
{
	struct fixture *f = arg;

	f->moved_to = base;
	f->mapped = mapped;
	f->moves++;
}

static void cap_read(struct pci_device *d, void *arg, unsigned int off, unsigned int size)
{
	struct fixture *f = arg;

	assert_ptr_equal(d, &f->dev);
	f->cap_reads++;
	f->cap_off = off;
	f->cap_size = size;
}

static void cap_written(struct pci_device *d, void *arg, unsigned int off, unsigned int size)
{
	struct fixture *f = arg;

	assert_ptr_equal(d, &f->dev);
	f->cap_writes++;
	f->cap_off = off;
	f->cap_size = size;
}

static const struct pci_cap_ops cap_ops = { cap_read, cap_written };

static int setup(void **state)
{
	static const struct pci_identity id = {
		.vendor = 0x1234,
		.device = 0x5678,
		.subsystem_vendor = 0x9abc,
		.subsystem = 0xdef0,
		.class = 0x018000,
		.revision = 7,
	};
	static const uint8_t cap[6] = { PCI_CAP_ID_VENDOR, 0xee, 6, 0x11, 0x22, 0x33 };
	static const uint8_t mask[6] = { 0, 0, 0, 0, 0xf0, 0xff };
	struct fixture *f = calloc(1, sizeof(*f));

	rig_init(&f->rig);
	pci_device_init(&f->dev, &f->rig.machine, "test", &id);
	pci_bar_add(&f->dev, 0,
		    &(struct pci_bar){
			    .name = "bar0",
			    .size = BAR_BYTES,
			    .ops = &bar_ops,
			    .arg = f,
			    .moved = moved,
		    });
	f->cap = pci_cap_add(&f->dev, cap, mask, sizeof(cap), &cap_ops, f);
	assert_int_equal(pci_msix_add(&f->dev, 2, VECTORS), 0);
	assert_int_equal(pci_host_add(f->rig.machine.pci, &f->dev), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pci_device_release(&f->dev);
	rig_destroy(&f->rig);
	free(f);
	return 0;
}

static uint64_t get(struct fixture *f, unsigned int off, unsigned int size)
{
	return rig_cfg_read(&f->rig, SLOT, off, size);
}

static void set(struct fixture *f, unsigned int off, unsigned int size, uint64_t val)
{
	rig_cfg_write(&f->rig, SLOT, off, size, val);
}

static void test_find(void **state)
{
	struct fixture *f = *state;
	struct rig *r = &f->rig;

	/* The bridge, the device, and nobody else. */
	assert_int_equal(rig_cfg_read(r, 0, 8, 4) >> 8, PCI_CLASS_HOST_BRIDGE);
	assert_int_equal(get(f, 0, 4), 0x56781234);
	assert_int_equal(get(f, 8, 4), 0x01800007);
	assert_int_equal(get(f, PCI_SUBSYSTEM_VENDOR, 4), 0xdef09abc);
	assert_int_equal(get(f, PCI_HEADER_TYPE, 1), 0);
	assert_int_equal(get(f, 0x3d, 1), 0); /* no interrupt pin */
	for (unsigned int slot = 2; slot < PCI_SLOTS; slot++)
		assert_int_equal(rig_cfg_read(r, slot, 0, 4), 0xffffffff);
	for (unsigned int fn = 1; fn < 8; fn++)
		assert_int_equal(get(f, fn << 12, 4), 0xffffffff);
	/* Extended space is there and empty. */
	assert_int_equal(get(f, 0x100, 4), 0);
	assert_int_equal(get(f, 0xffc, 4), 0);
	assert_int_equal(get(f, 0xfe, 4), 0);
	set(f, 0xfe, 4, UINT32_MAX);
	set(f, 0xffc, 4, UINT32_MAX);
	assert_int_equal(get(f, 0xfc, 4), 0);
}

static void test_access_sizes(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, 0, 1), 0x34);
	assert_int_equal(get(f, 1, 2), 0x7812);
	assert_int_equal(get(f, 3, 1), 0x56);
	assert_int_equal(get(f, 0, 8), 0x0010000056781234); /* status: capability list */
}

static void test_read_only(void **state)
{
	struct fixture *f = *state;
	uint8_t before[256], mask;

	for (unsigned int i = 0; i < 256; i++)
		before[i] = (uint8_t)get(f, i, 1);
	/* Ones and zeros everywhere but where a bit has a meaning. */
	for (unsigned int i = 0; i < 256; i++) {
		mask = f->dev.writable[i];
		set(f, i, 1, 0xff);
		assert_int_equal(get(f, i, 1) & (uint8_t)~mask, before[i] & (uint8_t)~mask);
		set(f, i, 1, 0);
		assert_int_equal(get(f, i, 1) & (uint8_t)~mask, before[i] & (uint8_t)~mask);
	}
	assert_int_equal(get(f, PCI_VENDOR, 4), 0x56781234);
}

static void test_command(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, PCI_COMMAND, 2), 0);
	assert_false(pci_is_master(&f->dev));
	set(f, PCI_COMMAND, 2, 0xffff);
	assert_int_equal(get(f, PCI_COMMAND, 2),
			 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_OFF);
	assert_true(pci_is_master(&f->dev));
	set(f, PCI_COMMAND, 1, 0);
	assert_false(pci_is_master(&f->dev));
}

static void test_bar_assigned(void **state)
{
	struct fixture *f = *state;
	uint64_t bar = get(f, PCI_BAR0, 8);
	uint64_t addr = bar & ~UINT64_C(0xf), val;

	assert_int_equal(bar & 0xf, PCI_BAR_64BIT | PCI_BAR_PREFETCH);
	assert_true(addr >= PLATFORM_PCI64_BASE);
	assert_true(addr + BAR_BYTES <= PLATFORM_PCI64_BASE + PLATFORM_PCI64_SIZE);
	assert_int_equal(addr % BAR_BYTES, 0);
	/* The MSI-X BAR is somewhere else. */
	val = get(f, PCI_BAR0 + 8, 8) & ~UINT64_C(0xf);
	assert_true(val >= addr + BAR_BYTES);
	/* No more BARs. */
	assert_int_equal(get(f, PCI_BAR0 + 16, 8), 0);

	/* Nothing answers before memory is enabled. */
	assert_false(bus_read(f->rig.machine.mmio, addr, 4, &val));
	assert_int_equal(f->moves, 0);
	set(f, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(f->moves, 1);
	assert_true(f->mapped);
	assert_int_equal(f->moved_to, addr);
	assert_true(bus_read(f->rig.machine.mmio, addr + 8, 4, &val));
	assert_int_equal(val, 0x55667788);
	assert_int_equal(f->bar_off, 8);
	assert_true(bus_write(f->rig.machine.mmio, addr + BAR_BYTES - 1, 1, 0xab));
	assert_int_equal(f->bar_off, BAR_BYTES - 1);
	assert_int_equal(f->bar_val, 0xab);
	/* Off again. */
	set(f, PCI_COMMAND, 2, 0);
	assert_int_equal(f->moves, 2);
	assert_false(f->mapped);
	assert_false(bus_read(f->rig.machine.mmio, addr, 4, &val));
}

static void test_bar_sizing(void **state)
{
	struct fixture *f = *state;
	uint64_t old = get(f, PCI_BAR0, 8);
	unsigned int moves;

	set(f, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	/* As Linux does it: a half at a time, with decoding off. */
	set(f, PCI_COMMAND, 2, 0);
	moves = f->moves;
	set(f, PCI_BAR0, 4, UINT32_MAX);
	assert_int_equal(get(f, PCI_BAR0, 4),
			 (uint32_t) ~(BAR_BYTES - 1) | PCI_BAR_64BIT | PCI_BAR_PREFETCH);
	set(f, PCI_BAR0, 4, (uint32_t)old);
	set(f, PCI_BAR0 + 4, 4, UINT32_MAX);
	assert_int_equal(get(f, PCI_BAR0 + 4, 4), UINT32_MAX);
	set(f, PCI_BAR0 + 4, 4, old >> 32);
	assert_int_equal(get(f, PCI_BAR0, 8), old);
	assert_int_equal(f->moves, moves);
	/* And with decoding on, which moves the BAR about; it must come back. */
	set(f, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	set(f, PCI_BAR0, 4, UINT32_MAX);
	set(f, PCI_BAR0 + 4, 4, UINT32_MAX);
	assert_int_equal(f->moved_to, ~(uint64_t)(BAR_BYTES - 1));
	set(f, PCI_BAR0, 4, (uint32_t)old);
	set(f, PCI_BAR0 + 4, 4, old >> 32);
	assert_true(f->mapped);
	assert_int_equal(f->moved_to, old & ~UINT64_C(0xf));
}

static void test_bar_move(void **state)
{
	struct fixture *f = *state;
	struct bus *b = f->rig.machine.mmio;
	uint64_t old = get(f, PCI_BAR0, 8) & ~UINT64_C(0xf);
	uint64_t new = PLATFORM_PCI32_BASE + BAR_BYTES;
	uint64_t val;

	set(f, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	set(f, PCI_BAR0, 8, new + 0x123);
	assert_int_equal(get(f, PCI_BAR0, 8), new | PCI_BAR_64BIT | PCI_BAR_PREFETCH);
	assert_true(f->mapped);
	assert_int_equal(f->moved_to, new);
	assert_false(bus_read(b, old, 4, &val));
	assert_true(bus_read(b, new, 4, &val));

	/* Onto something that is taken: dead there, alive again elsewhere. */
	set(f, PCI_BAR0, 8, PLATFORM_ECAM_BASE);
	assert_false(f->mapped);
	assert_false(bus_read(b, new, 4, &val));
	assert_int_equal(rig_cfg_read(&f->rig, 0, 8, 4) >> 8, PCI_CLASS_HOST_BRIDGE);
	set(f, PCI_BAR0, 8, old);
	assert_true(f->mapped);
	assert_true(bus_read(b, old, 4, &val));
}

static void test_no_room(void **state)
{
	struct fixture *f = *state;
	struct pci_device *more = calloc(PCI_SLOTS, sizeof(*more));
	static const struct pci_identity id = { .vendor = 1 };
	unsigned int n, released;

	for (n = 0; n < PCI_SLOTS; n++) {
		pci_device_init(&more[n], &f->rig.machine, "more", &id);
		if (pci_host_add(f->rig.machine.pci, &more[n]))
			break;
	}
	assert_int_equal(n, PCI_SLOTS - 2);
	for (released = 0; released <= n; released++)
		pci_device_release(&more[released]);

	free(more);
}

static void test_no_window(void **state)
{
	struct fixture *f = *state;
	struct pci_device *d = calloc(1, sizeof(*d));
	static const struct pci_identity id = { .vendor = 1 };

	/* As large as the window, which is no longer empty. */
	pci_device_init(d, &f->rig.machine, "huge", &id);
	pci_bar_add(d, 0,
		    &(struct pci_bar){
			    .name = "huge",
			    .size = PLATFORM_PCI64_SIZE,
			    .ops = &bar_ops,
			    .arg = f,
		    });
	assert_int_equal(pci_host_add(f->rig.machine.pci, d), -ENOSPC);
	pci_device_release(d);
	free(d);
}

static void test_capabilities(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, PCI_CAP_POINTER, 1), f->cap);
	assert_int_equal(get(f, f->cap, 1), PCI_CAP_ID_VENDOR);
	assert_int_equal(get(f, f->cap + 1, 1), f->dev.msix.cap);
	assert_int_equal(f->dev.msix.cap % 4, 0);
	assert_int_equal(get(f, f->dev.msix.cap + 1, 1), 0);

	/* Hooks see what they own of an access, and only that. */
	f->cap_reads = 0;
	get(f, f->cap - 2, 4);
	assert_int_equal(f->cap_reads, 1);
	assert_int_equal(f->cap_off, 0);
	assert_int_equal(f->cap_size, 2);
	get(f, f->cap + 4, 4);
	assert_int_equal(f->cap_off, 4);
	assert_int_equal(f->cap_size, 2);
	get(f, f->cap + 8, 4);
	assert_int_equal(f->cap_reads, 2);
	set(f, f->cap + 4, 2, 0xffff);
	assert_int_equal(f->cap_writes, 1);
	assert_int_equal(get(f, f->cap + 4, 2), 0xfff2);
}

/* ---- MSI-X ---- */

static uint64_t table(struct fixture *f)
{
	return get(f, PCI_BAR0 + 8, 8) & ~UINT64_C(0xf);
}

static void set_entry(struct fixture *f, unsigned int v, uint64_t addr, uint32_t data,
		      uint32_t control)
{
	uint64_t at = table(f) + 16 * v;

	rig_write(&f->rig, at, 4, (uint32_t)addr);
	rig_write(&f->rig, at + 4, 4, addr >> 32);
	rig_write(&f->rig, at + 8, 4, data);
	rig_write(&f->rig, at + 12, 4, control);
}

static void enable_msix(struct fixture *f)
{
	set(f, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	set(f, f->dev.msix.cap + PCI_MSIX_CONTROL, 2, PCI_MSIX_CONTROL_ENABLE);
}

static void test_msix_capability(void **state)
{
	struct fixture *f = *state;
	unsigned int cap = f->dev.msix.cap;

	assert_int_equal(get(f, cap + PCI_MSIX_CONTROL, 2), VECTORS - 1);
	assert_int_equal(get(f, cap + PCI_MSIX_TABLE, 4), 2);
	assert_int_equal(get(f, cap + PCI_MSIX_PBA, 4), 0x802);
	set(f, cap + PCI_MSIX_CONTROL, 2, 0xffff);
	assert_int_equal(get(f, cap + PCI_MSIX_CONTROL, 2),
			 PCI_MSIX_CONTROL_ENABLE | PCI_MSIX_CONTROL_MASK | (VECTORS - 1));
}

static void test_msix_routes(void **state)
{
	struct fixture *f = *state;
	struct rig_route *r = f->rig.irq.route;

	assert_int_equal(f->rig.irq.route_count, VECTORS);
	/* Off: nothing is sent. */
	assert_false(pci_msix_enabled(&f->dev));
	pci_msix_fire(&f->dev, 0);
	assert_false(rig_interrupted(&f->rig, 0, 0));

	enable_msix(f);
	assert_true(pci_msix_enabled(&f->dev));
	/* Entries start masked, so nobody told the hypervisor anything. */
	assert_int_equal(r[0].sets + r[1].sets + r[2].sets, 0);
	set_entry(f, 1, 0xfee01000, 0x41, 0);
	assert_int_equal(r[1].sets, 1);
	assert_false(r[1].masked);
	assert_int_equal(r[1].addr, 0xfee01000);
	assert_int_equal(r[1].data, 0x41);
	pci_msix_fire(&f->dev, 1);
	assert_true(rig_interrupted(&f->rig, 1, 0));
	assert_false(rig_interrupted(&f->rig, 0, 0));
	pci_msix_fire(&f->dev, VECTORS); /* no such vector */
	pci_msix_fire(&f->dev, UINT32_MAX);

	/* Changing the message of an unmasked vector takes effect. */
	rig_write(&f->rig, table(f) + 16 + 8, 4, 0x42);
	assert_int_equal(r[1].data, 0x42);
	assert_int_equal(r[1].sets, 2);
	rig_write(&f->rig, table(f) + 16 + 8, 4, 0x42);
	assert_int_equal(r[1].sets, 2);
	/* A quadword at once, too. */
	rig_write(&f->rig, table(f) + 16 + 8, 8, UINT64_C(0xffffffff00000043));
	assert_true(r[1].masked);
	assert_int_equal(rig_read(&f->rig, table(f) + 16 + 8, 8), UINT64_C(0x0000000100000043));
}

static void test_msix_masks(void **state)
{
	struct fixture *f = *state;
	struct rig_route *r = f->rig.irq.route;
	unsigned int control = f->dev.msix.cap + PCI_MSIX_CONTROL;

	enable_msix(f);
	set_entry(f, 0, 0xfee00000, 0x40, 0);
	set_entry(f, 2, 0xfee00000, 0x42, 0);
	assert_false(r[0].masked);

	/* vector */
	rig_write(&f->rig, table(f) + 12, 4, PCI_MSIX_ENTRY_MASKED);
	assert_true(r[0].masked);
	assert_false(r[2].masked);
	pci_msix_fire(&f->dev, 0);
	assert_int_equal(rig_read(&f->rig, table(f) + 0x800, 4), 1);
	assert_int_equal(rig_read(&f->rig, table(f) + 0x800, 8), 1);
	rig_write(&f->rig, table(f) + 0x800, 4, 0); /* read-only */
	assert_int_equal(rig_read(&f->rig, table(f) + 0x800, 4), 1);
	rig_write(&f->rig, table(f) + 12, 4, 0);
	assert_false(r[0].masked);
	assert_true(rig_interrupted(&f->rig, 0, 0)); /* delivered after all */
	assert_int_equal(rig_read(&f->rig, table(f) + 0x800, 4), 0);

	/* function */
	set(f, control, 2, PCI_MSIX_CONTROL_ENABLE | PCI_MSIX_CONTROL_MASK);
	assert_true(r[0].masked && r[2].masked);
	pci_msix_fire(&f->dev, 2);
	assert_int_equal(rig_read(&f->rig, table(f) + 0x800, 4), 4);
	set(f, control, 2, PCI_MSIX_CONTROL_ENABLE);
	assert_false(r[0].masked || r[2].masked);

	/* bus master */
	set(f, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_true(r[0].masked && r[2].masked);
	set(f, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_false(r[0].masked || r[2].masked);

	/* off */
	set(f, control, 2, 0);
	assert_true(r[0].masked && r[2].masked);
}

static void test_msix_odd_accesses(void **state)
{
	struct fixture *f = *state;

	enable_msix(f);
	set_entry(f, 0, 0xfee00000, 0x40, 0);
	rig_write(&f->rig, table(f) + 8, 1, 0xff);
	rig_write(&f->rig, table(f) + 8, 2, 0xffff);
	rig_write(&f->rig, table(f) + 6, 4, UINT32_MAX);
	rig_write(&f->rig, table(f) + 4, 8, UINT64_MAX);
	assert_int_equal(rig_read(&f->rig, table(f), 8), 0xfee00000);
	assert_int_equal(rig_read(&f->rig, table(f) + 8, 8), 0x40);
	assert_int_equal(rig_read(&f->rig, table(f) + 8, 2), 0);
	/* Past the last vector. */
	rig_write(&f->rig, table(f) + 16 * VECTORS, 4, UINT32_MAX);
	assert_int_equal(rig_read(&f->rig, table(f) + 16 * VECTORS, 4), 0);
	assert_int_equal(rig_read(&f->rig, table(f) + 0x808, 4), 0);
	assert_int_equal(rig_read(&f->rig, table(f) + 0xffc, 4), 0);
}

static void test_msix_out_of_routes(void **state)
{
	struct fixture *f = *state;
	struct pci_device *d = calloc(1, sizeof(*d));
	static const struct pci_identity id = { .vendor = 1 };

	f->rig.irq.route_limit = VECTORS + 1;
	pci_device_init(d, &f->rig.machine, "more", &id);
	assert_int_equal(pci_msix_add(d, 0, 2), -ENOSPC);
	pci_device_release(d);
	free(d);
}

/* ---- ports ---- */

static uint64_t in(struct fixture *f, uint16_t port, unsigned int size)
{
	uint64_t val;

	bus_read(f->rig.machine.ports, port, size, &val);
	return val;
}

static void out(struct fixture *f, uint16_t port, unsigned int size, uint64_t val)
{
	bus_write(f->rig.machine.ports, port, size, val);
}

static void test_conf1(void **state)
{
	struct fixture *f = *state;

	/* Linux's probe: pci_check_type1 */
	out(f, 0xcfb, 1, 1);
	out(f, 0xcf8, 4, 0x80000000);
	assert_int_equal(in(f, 0xcf8, 4), 0x80000000);
	out(f, 0xcf8, 4, 0x80000000 | 0x08);
	assert_int_equal(in(f, 0xcfe, 2), PCI_CLASS_HOST_BRIDGE >> 8);

	out(f, 0xcf8, 4, 0x80000000 | SLOT << 11);
	assert_int_equal(in(f, 0xcfc, 4), 0x56781234);
	assert_int_equal(in(f, 0xcfe, 2), 0x5678);
	assert_int_equal(in(f, 0xcfd, 1), 0x12);
	out(f, 0xcf8, 4, 0x80000000 | SLOT << 11 | PCI_COMMAND);
	out(f, 0xcfc, 2, PCI_COMMAND_MASTER);
	assert_int_equal(get(f, PCI_COMMAND, 2), PCI_COMMAND_MASTER);

	/* disabled, other bus, other function, empty slot */
	out(f, 0xcf8, 4, SLOT << 11);
	assert_int_equal(in(f, 0xcfc, 4), 0xffffffff);
	out(f, 0xcf8, 4, 0x80010000 | SLOT << 11);
	assert_int_equal(in(f, 0xcfc, 4), 0xffffffff);
	out(f, 0xcf8, 4, 0x80000000 | SLOT << 11 | 1 << 8);
	assert_int_equal(in(f, 0xcfc, 4), 0xffffffff);
	out(f, 0xcf8, 4, 0x80000000 | 31u << 11);
	assert_int_equal(in(f, 0xcfc, 4), 0xffffffff);
	out(f, 0xcfc, 4, 0);
	/* only whole dwords reach the address register */
	out(f, 0xcf8, 2, 0);
	assert_int_equal(in(f, 0xcf8, 4), 0x80000000 | 31u << 11);
	assert_int_equal(in(f, 0xcf8, 2), 0xffff);
	/* the chipset's reset register lies inside it */
	out(f, 0xcf9, 1, 0x02);
	assert_int_equal(f->rig.ended, -1);
	out(f, 0xcf9, 1, 0x06);
	assert_int_equal(f->rig.ended, VM_END_RESET);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_find),	      T(test_access_sizes),	 T(test_read_only),
		T(test_command),      T(test_bar_assigned),	 T(test_bar_sizing),
		T(test_bar_move),     T(test_no_room),		 T(test_no_window),
		T(test_capabilities), T(test_msix_capability),	 T(test_msix_routes),
		T(test_msix_masks),   T(test_msix_odd_accesses), T(test_msix_out_of_routes),
		T(test_conf1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
