/* SPDX-License-Identifier: MIT */
/*
 * A device's configuration space. "PCI Local Bus Specification 3.0",
 * "Configuration Space".
 */
#include <string.h>

#include "vmm/dev/pci.h"
#include "vmm/device.h"
#include "vmm/log.h"

static void put(uint8_t *at, unsigned int size, uint64_t val)
{
	for (unsigned int i = 0; i < size; i++)
		at[i] = (uint8_t)(val >> (8 * i));
}

static uint64_t get(const uint8_t *at, unsigned int size)
{
	uint64_t val = 0;

	for (unsigned int i = 0; i < size; i++)
		val |= (uint64_t)at[i] << (8 * i);
	return val;
}

void pci_device_init(struct pci_device *d, struct machine *m, const char *name,
		     const struct pci_identity *id)
{
	*d = (struct pci_device){ .name = name, .machine = m };
	pthread_mutex_init(&d->lock, NULL);
	d->cap_end = PCI_HEADER_BYTES;

	put(&d->config[PCI_VENDOR], 2, id->vendor);
	put(&d->config[PCI_DEVICE], 2, id->device);
	put(&d->config[PCI_REVISION], 1, id->revision);
	put(&d->config[PCI_CLASS], 3, id->class);
	put(&d->config[PCI_SUBSYSTEM_VENDOR], 2, id->subsystem_vendor);
	put(&d->config[PCI_SUBSYSTEM], 2, id->subsystem);

	put(&d->writable[PCI_COMMAND], 2,
	    PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_OFF);
	/* A note of the operating system to itself; means nothing to us. */
	put(&d->writable[PCI_INTERRUPT_LINE], 1, 0xff);
}

void pci_device_release(struct pci_device *d)
{
	pci_msix_release(d);
	pthread_mutex_destroy(&d->lock);
}

void pci_bar_add(struct pci_device *d, unsigned int n, const struct pci_bar *bar)
{
	unsigned int reg = PCI_BAR0 + 4 * n;

	CHECK(n % 2 == 0 && n < PCI_BAR_COUNT && d->bar[n].size == 0);
	CHECK(bar->size >= PAGE_SIZE && (bar->size & (bar->size - 1)) == 0);

	d->bar[n] = *bar;
	d->bar[n].range = -1;
	d->bar[n].mapped = false;
	d->bar[n].base = 0;
	/*
	 * The address bits below the size are wired to zero: that is how
	 * software measures a BAR, by writing ones and reading back.
	 */
	put(&d->config[reg], 8, PCI_BAR_64BIT | PCI_BAR_PREFETCH);
	put(&d->writable[reg], 8, ~(bar->size - 1));
}

unsigned int pci_cap_add(struct pci_device *d, const void *bytes, const void *writable,
			 unsigned int size, const struct pci_cap_ops *ops, void *arg)
{
	unsigned int start = d->cap_end;
	/* The link that so far ends the list: the header's, or the last capability's. */
	unsigned int link = d->cap_count ? d->cap[d->cap_count - 1].start + 1u : PCI_CAP_POINTER;

	CHECK(d->cap_count < PCI_CAPS_MAX && size >= 2);
	CHECK(start + size <= PCI_CONFIG_BYTES);

	memcpy(&d->config[start], bytes, size);
	if (writable)
		memcpy(&d->writable[start], writable, size);
	d->config[start + 1] = 0;
	d->config[link] = (uint8_t)start;
	d->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;

	d->cap[d->cap_count++] = (struct pci_cap){
		.start = (uint8_t)start,
		.size = (uint8_t)size,
		.ops = ops,
		.arg = arg,
	};
	d->cap_end = ALIGN_UP(start + size, 4u);
	return start;
}

/*
 * Bring the MMIO bus in line with command register and BAR. Where the guest
 * puts a BAR onto something else, the first come stays and the BAR is dead
 * until it moves again.
 */
static void update_bar(struct pci_device *d, struct pci_bar *b, uint64_t base, bool decode)
{
	bool mapped;

	if (b->mapped == decode && (!decode || b->base == base))
		return;

	if (b->mapped && b->moved)
		b->moved(b->arg, b->base, false);
	mapped = decode && bus_move(d->machine->mmio, b->range, base, b->size) == 0;
	if (!mapped)
		bus_move(d->machine->mmio, b->range, base, 0);
	b->mapped = mapped;
	b->base = base;
	if (mapped && b->moved)
		b->moved(b->arg, base, true);
}

static void update_bars(struct pci_device *d)
{
	bool decode = get(&d->config[PCI_COMMAND], 2) & PCI_COMMAND_MEMORY;

	for (unsigned int n = 0; n < PCI_BAR_COUNT; n += 2) {
		struct pci_bar *b = &d->bar[n];
		uint64_t reg = get(&d->config[PCI_BAR0 + 4 * n], 8);

		if (b->size)
			update_bar(d, b, reg & ~(b->size - 1), decode);
	}
}

static void update_master(struct pci_device *d)
{
	bool on = get(&d->config[PCI_COMMAND], 2) & PCI_COMMAND_MASTER;

	if (atomic_load(&d->master) == on)
		return;
	atomic_store(&d->master, on);
	/* A message is a write to memory, so it needs the bit as well. */
	pci_msix_update(d);
	if (d->master_changed)
		d->master_changed(d, on);
}

bool pci_is_master(const struct pci_device *d)
{
	return atomic_load(&d->master);
}

/* The part of an access at [off, off + size) inside a capability, relative to it. */
static bool cap_overlap(const struct pci_cap *c, unsigned int off, unsigned int size,
			unsigned int *from, unsigned int *bytes)
{
	unsigned int start = MAX(off, c->start);
	unsigned int end = MIN(off + size, (unsigned int)c->start + c->size);

	if (start >= end)
		return false;
	*from = start - c->start;
	*bytes = end - start;
	return true;
}

uint64_t pci_config_read(struct pci_device *d, unsigned int off, unsigned int size)
{
	unsigned int from, bytes;
	uint64_t val;

	/*
	 * No extended capabilities: zeros, which also end the list there for
	 * software that looks. An access across the end counts as beyond it.
	 */
	if (off + size > PCI_CONFIG_BYTES)
		return 0;

	pthread_mutex_lock(&d->lock);
	for (unsigned int i = 0; i < d->cap_count; i++) {
		const struct pci_cap *c = &d->cap[i];

		if (c->ops && c->ops->read && cap_overlap(c, off, size, &from, &bytes))
			c->ops->read(d, c->arg, from, bytes);
	}
	val = get(&d->config[off], size);
	pthread_mutex_unlock(&d->lock);
	return val;
}

void pci_config_write(struct pci_device *d, unsigned int off, unsigned int size, uint64_t val)
{
	unsigned int from, bytes;

	if (off + size > PCI_CONFIG_BYTES)
		return;

	pthread_mutex_lock(&d->lock);
	for (unsigned int i = 0; i < size; i++) {
		uint8_t byte = (uint8_t)(val >> (8 * i));
		uint8_t mask = d->writable[off + i];

		d->config[off + i] = (uint8_t)((d->config[off + i] & ~mask) | (byte & mask));
	}
	if (off < PCI_HEADER_BYTES) {
		update_bars(d);
		update_master(d);
	}
	for (unsigned int i = 0; i < d->cap_count; i++) {
		const struct pci_cap *c = &d->cap[i];

		if (c->ops && c->ops->written && cap_overlap(c, off, size, &from, &bytes))
			c->ops->written(d, c->arg, from, bytes);
	}
	pthread_mutex_unlock(&d->lock);
}
