/* SPDX-License-Identifier: MIT */
/*
 * The host bridge: finds the device an access to configuration space means,
 * and hands out slots and BAR addresses.
 *
 * Two ways in. ECAM ("PCI Express Base Specification", "Enhanced Configuration
 * Access Mechanism") maps every function's registers; bus 0 only:
 *
 *   offset  27..20 bus   19..15 device   14..12 function   11..0 register
 *
 * The ports ("PCI Local Bus Specification 3.0", "Configuration Mechanism #1")
 * hold the same in an address register, for guests that look there first:
 *
 *   31 enable   23..16 bus   15..11 device   10..8 function   7..2 register
 */
#include "vmm/dev/pci.h"

#include <errno.h>
#include <stdlib.h>

#include "abi/platform.h"
#include "vmm/dev/reset.h"
#include "vmm/device.h"
#include "vmm/log.h"

/*
 * QEMU's generic PCI Express host bridge; every operating system leaves it
 * alone, which is all we want from an identity.
 */
#define BRIDGE_VENDOR 0x1b36
#define BRIDGE_DEVICE 0x0008

struct pci_host {
	struct machine *machine;
	struct pci_device bridge;
	struct pci_device *slot[PCI_SLOTS]; /* fixed once VPs run */
	unsigned int slot_count;
	uint64_t next_bar; /* first free byte of the BAR window */
	_Atomic uint32_t conf1_address;
};

/* The device at @devfn (device << 3 | function) of bus 0, or NULL. */
static struct pci_device *find(struct pci_host *h, unsigned int devfn)
{
	return devfn & 7 ? NULL : h->slot[devfn >> 3 & 31];
}

static uint64_t ecam_read(void *dev, uint64_t off, unsigned int size)
{
	struct pci_device *d = find(dev, (unsigned int)(off >> 12));

	return d ? pci_config_read(d, off & 0xfff, size) : ~UINT64_C(0);
}

static void ecam_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct pci_device *d = find(dev, (unsigned int)(off >> 12));

	if (d)
		pci_config_write(d, off & 0xfff, size, val);
}

static const struct bus_ops ecam_ops = { .read = ecam_read, .write = ecam_write };

/* What a data port access at @byte (0 to 3) means; NULL: nothing there. */
static struct pci_device *conf1_target(struct pci_host *h, uint64_t byte, unsigned int *reg)
{
	uint32_t addr = atomic_load(&h->conf1_address);

	*reg = (addr & 0xfc) + (unsigned int)byte;
	if (!(addr & PCI_CONF1_ENABLE) || (addr >> 16 & 0xff) != 0)
		return NULL;
	return find(h, addr >> 8 & 0xff);
}

static uint64_t conf1_read(void *dev, uint64_t off, unsigned int size)
{
	struct pci_host *h = dev;
	struct pci_device *d;
	unsigned int reg;

	/*
	 * Only a whole dword reaches the address register; the reset register
	 * that hides in it is write-only here.
	 */
	if (off < 4)
		return off == 0 && size == 4 ? atomic_load(&h->conf1_address) : ~UINT64_C(0);
	d = conf1_target(h, off - 4, &reg);
	return d ? pci_config_read(d, reg, size) : ~UINT64_C(0);
}

static void conf1_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct pci_host *h = dev;
	struct pci_device *d;
	unsigned int reg;

	if (off < 4) {
		if (off == 0 && size == 4)
			atomic_store(&h->conf1_address, (uint32_t)val);
		else if (off == RESET_CONTROL - PCI_CONF1_ADDRESS && size == 1)
			reset_control_write(h->machine, (uint8_t)val);
		return;
	}
	d = conf1_target(h, off - 4, &reg);
	if (d)
		pci_config_write(d, reg, size, val);
}

static const struct bus_ops conf1_ops = { .read = conf1_read, .write = conf1_write };

struct pci_host *pci_host_create(struct machine *m)
{
	static const struct pci_identity bridge = {
		.vendor = BRIDGE_VENDOR,
		.device = BRIDGE_DEVICE,
		.class = PCI_CLASS_HOST_BRIDGE,
	};
	struct pci_host *h = calloc(1, sizeof(*h));
	const struct bus_range ecam = {
		.name = "ecam",
		.base = PLATFORM_ECAM_BASE,
		.size = PLATFORM_ECAM_SIZE,
		.ops = &ecam_ops,
		.dev = h,
	};
	const struct bus_range conf1 = {
		.name = "pci-conf1",
		.base = PCI_CONF1_ADDRESS,
		.size = 8,
		.ops = &conf1_ops,
		.dev = h,
	};
	int err;

	if (!h)
		return NULL;
	h->machine = m;
	h->next_bar = PLATFORM_PCI64_BASE;
	pci_device_init(&h->bridge, m, "pci", &bridge);

	err = pci_host_add(h, &h->bridge);
	if (err)
		goto release_bridge;
	err = bus_add(m->mmio, &ecam);
	if (err < 0)
		goto release_bridge;
	err = bus_add(m->ports, &conf1);
	if (err < 0)
		goto release_bridge;
	return h;

release_bridge:
	pci_device_release(&h->bridge);
	free(h);
	errno = -err;
	return NULL;
}

void pci_host_destroy(struct pci_host *h)
{
	if (!h)
		return;
	pci_device_release(&h->bridge);
	free(h);
}

/* Naturally aligned places in the 64-bit window, never given back. */
static int assign_bar(struct pci_host *h, struct pci_device *d, unsigned int n)
{
	struct pci_bar *b = &d->bar[n];
	uint64_t base = ALIGN_UP(h->next_bar, b->size);
	/* Claimed but not decoded: size 0 until the guest enables memory. */
	const struct bus_range range = {
		.name = b->name,
		.base = base,
		.size = 0,
		.ops = b->ops,
		.dev = b->arg,
	};

	if (base + b->size > PLATFORM_PCI64_BASE + PLATFORM_PCI64_SIZE)
		return -ENOSPC;
	b->range = bus_add(h->machine->mmio, &range);
	if (b->range < 0)
		return b->range;
	pci_config_write(d, PCI_BAR0 + 4 * n, 8, base);
	h->next_bar = base + b->size;
	return 0;
}

int pci_host_add(struct pci_host *h, struct pci_device *d)
{
	if (h->slot_count == PCI_SLOTS)
		return -ENOSPC;
	for (unsigned int n = 0; n < PCI_BAR_COUNT; n += 2) {
		int err = d->bar[n].size ? assign_bar(h, d, n) : 0;

		if (err)
			return err;
	}
	h->slot[h->slot_count++] = d;
	return 0;
}
