/* SPDX-License-Identifier: MIT */
#include "vmm/devices.h"

#include <errno.h>
#include <string.h>

#include "vmm/config.h"
#include "vmm/dev/debugport.h"
#include "vmm/dev/ioapic.h"
#include "vmm/dev/pci.h"
#include "vmm/dev/pm.h"
#include "vmm/dev/reset.h"
#include "vmm/dev/rtc.h"
#include "vmm/dev/serial.h"
#include "vmm/device.h"
#include "vmm/log.h"
#include "vmm/virtio/blk.h"

static int pci_create(struct machine *m)
{
	m->pci = pci_host_create(m);
	return m->pci ? 0 : -errno;
}

static int disks_create(struct machine *m)
{
	for (unsigned int i = 0; i < m->config->disk_count; i++) {
		m->disk[i] = virtio_blk_create(m, &m->config->disk[i]);
		if (!m->disk[i])
			return -errno;
	}
	return 0;
}

/* Nothing the guest was told to be written may get lost. */
static void disks_destroy(struct machine *m)
{
	for (unsigned int i = 0; i < m->config->disk_count; i++)
		virtio_blk_destroy(m->disk[i]);
}

/* In this order: lines need the IOAPIC, cards need the bus. */
static const struct {
	const char *name;
	int (*create)(struct machine *m);
	/* Only where something outlives the process; also after a failure. */
	void (*destroy)(struct machine *m);
} kinds[] = {
	{ "I/O APIC", ioapic_create, NULL },	 { "serial port", serial_create, NULL },
	{ "clock", rtc_create, NULL },		 { "power management", pm_create, NULL },
	{ "reset ports", reset_create, NULL },	 { "debug port", debugport_create, NULL },
	{ "PCI host bridge", pci_create, NULL }, { "disks", disks_create, disks_destroy },
};

int devices_create(struct machine *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		int ret = kinds[i].create(m);

		if (ret < 0) {
			log_error("device cannot be created (%s: %s)", kinds[i].name,
				  strerror(-ret));
			return ret;
		}
	}
	return 0;
}

void devices_destroy(struct machine *m)
{
	for (size_t i = ARRAY_SIZE(kinds); i-- > 0;)
		if (kinds[i].destroy)
			kinds[i].destroy(m);
}
