/* SPDX-License-Identifier: MIT */
/*
 * Accesses of a guest to configuration space, to the configuration ports, and
 * to wherever it has moved BARs and MSI-X table meanwhile. The input is a list
 * of
 *
 *   byte   kind of access, read or write, log2 of the size
 *   2 bytes  offset
 *   as many bytes as a write has
 *
 * Checked: read-only bytes stay, and a BAR that answers is where it says.
 */
#include <stdlib.h>
#include <string.h>

#include "abi/platform.h"
#include "virtio_stubs.h"
#include "vmm/dev/pci.h"
#include "vmm/log.h"
#include "vmm/virtio/device.h"
#include "vmm/virtio/pci.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

static void process(struct virtio_device *v, unsigned int queue)
{
	struct iovec iov[16];
	struct virtq_chain c = { .iov = iov, .iov_max = ARRAY_SIZE(iov) };

	while (virtio_pop(v, queue, &c))
		virtio_push(v, queue, c.head, 0);
	virtio_end_batch(v, queue);
}

static const struct virtio_kind kind = {
	.name = "fuzz",
	.type = 4,
	.queue_size = 16,
	.process = process,
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_bars(struct machine *m, struct pci_device *d)
{
	bool decode = d->config[PCI_COMMAND] & PCI_COMMAND_MEMORY;

	for (unsigned int n = 0; n < PCI_BAR_COUNT; n += 2) {
		struct pci_bar *b = &d->bar[n];
		uint64_t reg, val;

		memcpy(&reg, &d->config[PCI_BAR0 + 4 * n], sizeof(reg));
		check(!b->mapped || decode);
		check(!b->mapped || b->base == (reg & ~UINT64_C(0xf)));
		if (b->mapped)
			check(bus_read(m->mmio, b->base + b->size - 4, 4, &val));
	}
}

static void check_fixed(const struct pci_device *d, const uint8_t *before)
{
	for (unsigned int i = 0; i < PCI_CONFIG_BYTES; i++)
		check(((d->config[i] ^ before[i]) & ~d->writable[i]) == 0);
}

static uint64_t place(const struct virtio_pci *p, unsigned int what, uint16_t off)
{
	switch (what) {
	case 0: /* the device's configuration space */
		return PLATFORM_ECAM_BASE + (1 << 15) + off % 256;
	case 1: /* anywhere in ECAM */
		return PLATFORM_ECAM_BASE + off * 16u;
	case 2:
		return p->pci.bar[0].base + off % 0x4000;
	default:
		return p->pci.bar[2].base + off % 0x1000;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };
	static const uint64_t config = 0x0807060504030201;
	uint8_t before[PCI_CONFIG_BYTES];
	struct virtio_device v;
	struct virtio_pci p;
	struct memory memory;
	struct machine m;
	const struct virtio_setup setup = {
		.kind = &kind,
		.memory = &memory,
		.queue_count = 2,
		.config = &config,
		.config_bytes = sizeof(config),
	};

	log_set_level(LOG_ERROR);
	stub_machine_create(&m, &memory);
	check(virtio_init(&v, &setup) == 0);
	check(virtio_pci_attach(&p, &m, m.loop, &v) == 0);
	memcpy(before, p.pci.config, sizeof(before));

	while (in.left) {
		uint8_t op = input_u8(&in);
		unsigned int size = 1u << (op & 3);
		bool write = op & 4;
		uint16_t off = input_u16(&in);
		uint64_t val = write ? input_bytes(&in, size) : 0;
		bool ports = op & 0x40;
		uint64_t at = ports ? 0xcf0u + off % 16 : place(&p, op >> 4 & 3, off);
		struct bus *b = ports ? m.ports : m.mmio;

		if (write)
			bus_write(b, at, size, val);
		else
			bus_read(b, at, size, &val);
		if (op & 0x80)
			stub_loop_turn();
		check_bars(&m, &p.pci);
	}
	/* pci_cfg_data shows what is behind it. */
	memcpy(&before[p.cfg_cap + 16], &p.pci.config[p.cfg_cap + 16], 4);
	check_fixed(&p.pci, before);

	virtio_pci_detach(&p);
	virtio_release(&v);
	stub_machine_destroy(&m);
	return 0;
}
