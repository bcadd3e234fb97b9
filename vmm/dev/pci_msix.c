/* SPDX-License-Identifier: MIT */
/*
 * MSI-X. "PCI Local Bus Specification 3.0", "MSI-X Capability and Table
 * Structure".
 *
 * One page-sized BAR:
 *
 *   0x000  table: per vector address (8 bytes), data (4), control (4)
 *   0x800  pending bit array, a bit per vector, read-only
 *
 * Each vector has an irq route, an eventfd that the kernel turns into the
 * message, so an interrupt costs one write() and no exit. Masking detaches the
 * route; what is fired meanwhile is kept by it and shows as pending.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "vmm/dev/pci.h"
#include "vmm/device.h"
#include "vmm/log.h"

#define TABLE_OFFSET 0x000u
#define PBA_OFFSET   0x800u
#define BAR_BYTES    PAGE_SIZE

static_assert(PCI_MSIX_MAX * PCI_MSIX_ENTRY_BYTES <= PBA_OFFSET, "table meets PBA");

enum { WORD_ADDR_LOW, WORD_ADDR_HIGH, WORD_DATA, WORD_CONTROL };

static bool must_mask(const struct pci_device *d, unsigned int v)
{
	const struct pci_msix *x = &d->msix;

	return !atomic_load(&x->enabled) || x->function_masked || !pci_is_master(d) ||
	       (x->vector[v].word[WORD_CONTROL] & PCI_MSIX_ENTRY_MASKED);
}

/*
 * Tell irq about vector @v if that changes anything. While it stays masked its
 * address and data may be half written; nobody looks at them.
 */
static void update_vector(struct pci_device *d, unsigned int v, bool message_changed)
{
	struct pci_msix *x = &d->msix;
	const uint32_t *w = x->vector[v].word;
	bool masked = must_mask(d, v);
	uint64_t addr = (uint64_t)w[WORD_ADDR_HIGH] << 32 | w[WORD_ADDR_LOW];
	int err;

	if (masked == x->vector[v].masked && (masked || !message_changed))
		return;
	err = irq_route_set(d->machine->irq, x->vector[v].route, addr, w[WORD_DATA], masked);
	if (err)
		/* A message no interrupt controller would accept: the guest's fault. */
		log_debug("%s: MSI-X vector %u refused (address %#llx, data %#x, error %d)",
			  d->name, v, (unsigned long long)addr, w[WORD_DATA], -err);
	x->vector[v].masked = masked;
}

void pci_msix_update(struct pci_device *d)
{
	for (unsigned int v = 0; v < d->msix.count; v++)
		update_vector(d, v, false);
}

static uint32_t pending_word(struct pci_device *d, unsigned int n)
{
	uint32_t bits = 0;

	for (unsigned int v = 32 * n; v < d->msix.count && v < 32 * (n + 1); v++)
		if (irq_route_pending(d->machine->irq, d->msix.vector[v].route))
			bits |= BIT32(v % 32);
	return bits;
}

static uint32_t read_word(struct pci_device *d, uint64_t off)
{
	uint64_t v = off / PCI_MSIX_ENTRY_BYTES;

	if (off >= PBA_OFFSET)
		return pending_word(d, (unsigned int)((off - PBA_OFFSET) / 4));
	if (v < d->msix.count)
		return d->msix.vector[v].word[off / 4 % 4];
	return 0;
}

/*
 * "Software must use naturally aligned DWORD or QWORD accesses": others get
 * zeros and change nothing.
 */
static bool access_ok(uint64_t off, unsigned int size)
{
	return (size == 4 || size == 8) && off % size == 0;
}

static uint64_t table_read(void *dev, uint64_t off, unsigned int size)
{
	struct pci_device *d = dev;
	uint64_t val;

	if (!access_ok(off, size))
		return 0;
	pthread_mutex_lock(&d->lock);
	val = read_word(d, off);
	if (size == 8)
		val |= (uint64_t)read_word(d, off + 4) << 32;
	pthread_mutex_unlock(&d->lock);
	return val;
}

static void table_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct pci_device *d = dev;
	uint64_t v = off / PCI_MSIX_ENTRY_BYTES;
	unsigned int first = off / 4 % 4;
	bool message_changed = false;

	if (!access_ok(off, size) || off >= PBA_OFFSET || v >= d->msix.count)
		return;
	pthread_mutex_lock(&d->lock);
	for (unsigned int i = 0; i < size / 4; i++) {
		uint32_t *word = &d->msix.vector[v].word[first + i];
		uint32_t new = (uint32_t)(val >> (32 * i));

		if (first + i == WORD_CONTROL)
			new &= PCI_MSIX_ENTRY_MASKED;
		else if (*word != new)
			message_changed = true;
		*word = new;
	}
	update_vector(d, (unsigned int)v, message_changed);
	pthread_mutex_unlock(&d->lock);
}

static const struct bus_ops table_ops = {
	.read = table_read,
	.write = table_write,
};

static void control_written(struct pci_device *d, void *arg, unsigned int off, unsigned int size)
{
	struct pci_msix *x = &d->msix;
	uint16_t control;

	(void)arg;
	(void)off;
	(void)size;
	memcpy(&control, &d->config[x->cap + PCI_MSIX_CONTROL], sizeof(control));
	atomic_store(&x->enabled, control & PCI_MSIX_CONTROL_ENABLE);
	x->function_masked = control & PCI_MSIX_CONTROL_MASK;
	pci_msix_update(d);
}

static const struct pci_cap_ops cap_ops = { .written = control_written };

int pci_msix_add(struct pci_device *d, unsigned int bar, unsigned int count)
{
	const struct pci_bar table_bar = {
		.name = "msix",
		.size = BAR_BYTES,
		.ops = &table_ops,
		.arg = d,
	};
	struct pci_msix *x = &d->msix;
	uint8_t cap[PCI_MSIX_CAP_BYTES] = { PCI_CAP_ID_MSIX };
	uint8_t writable[PCI_MSIX_CAP_BYTES] = { 0 };
	uint16_t table_size = (uint16_t)(count - 1);
	uint16_t control = PCI_MSIX_CONTROL_ENABLE | PCI_MSIX_CONTROL_MASK;
	uint32_t table = TABLE_OFFSET | bar;
	uint32_t pba = PBA_OFFSET | bar;

	CHECK(count > 0 && count <= PCI_MSIX_MAX && x->count == 0);
	for (unsigned int v = 0; v < count; v++) {
		int route = irq_route_alloc(d->machine->irq);

		if (route < 0)
			return route;
		x->vector[v].route = route;
		x->vector[v].masked = true;
		x->vector[v].word[WORD_CONTROL] = PCI_MSIX_ENTRY_MASKED;
		x->count++;
	}

	memcpy(&cap[PCI_MSIX_CONTROL], &table_size, sizeof(table_size));
	memcpy(&cap[PCI_MSIX_TABLE], &table, sizeof(table));
	memcpy(&cap[PCI_MSIX_PBA], &pba, sizeof(pba));
	memcpy(&writable[PCI_MSIX_CONTROL], &control, sizeof(control));
	x->cap = pci_cap_add(d, cap, writable, sizeof(cap), &cap_ops, NULL);
	pci_bar_add(d, bar, &table_bar);
	return 0;
}

void pci_msix_release(struct pci_device *d)
{
	/* Detach only: routes live as long as the machine does. */
	atomic_store(&d->msix.enabled, false);
	pci_msix_update(d);
}

bool pci_msix_enabled(const struct pci_device *d)
{
	return atomic_load(&d->msix.enabled);
}

void pci_msix_fire(struct pci_device *d, unsigned int v)
{
	if (pci_msix_enabled(d) && v < d->msix.count)
		irq_route_fire(d->machine->irq, d->msix.vector[v].route);
}
