/* SPDX-License-Identifier: MIT */
#include "vmm/devices.h"

#include <errno.h>
#include <string.h>

#include "vmm/config.h"
#include "vmm/dev/debugport.h"
#include "vmm/dev/ioapic.h"
#include "vmm/dev/pci.h"
#include "vmm/dev/pm.h"
#include "vmm/dev/pvpanic.h"
#include "vmm/dev/reset.h"
#include "vmm/dev/rtc.h"
#include "vmm/dev/serial.h"
#include "vmm/dev/vmgenid.h"
#include "vmm/dev/watchdog.h"
#include "vmm/device.h"
#include "vmm/log.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/blk.h"
#include "vmm/virtio/console.h"
#include "vmm/virtio/net.h"
#include "vmm/virtio/rng.h"
#include "vmm/virtio/vsock.h"

static int pci_create(struct machine *m)
{
	m->pci = pci_host_create(m);
	return m->pci ? 0 : -errno;
}

/* Every machine has these. In this order: lines need the IOAPIC. */
static const struct {
	const char *name;
	int (*create)(struct machine *m);
} platform[] = {
	{ "I/O APIC", ioapic_create },	   { "serial port", serial_create },
	{ "clock", rtc_create },	   { "power management", pm_create },
	{ "reset ports", reset_create },   { "debug port", debugport_create },
	{ "pvpanic", pvpanic_create },	   { "generation ID", vmgenid_create },
	{ "PCI host bridge", pci_create },
};

/* And these as often as it is given them. In this order they are on the bus. */
const struct device_kind *const device_kinds[] = {
	&virtio_blk_device,	/* --disk */
	&virtio_net_device,	/* --nic */
	&virtio_console_device, /* --console */
	&virtio_rng_device,	/* --rng */
	&virtio_balloon_device, /* --balloon */
	&virtio_vsock_device,	/* --vsock */
	&watchdog_device,	/* --watchdog */
	NULL,
};

static int create(struct machine *m, const struct device_config *c)
{
	struct device *d = &m->device[m->device_count];
	int ret;

	CHECK(m->device_count < DEVICES_MAX);
	ret = c->kind->create(m, c->bytes, &d->self);
	if (ret < 0)
		return ret;
	d->kind = c->kind;
	m->device_count++;
	return 0;
}

int devices_create(struct machine *m)
{
	int ret;

	for (size_t i = 0; i < ARRAY_SIZE(platform); i++) {
		ret = platform[i].create(m);
		if (ret < 0) {
			log_error("device cannot be created (%s: %s)", platform[i].name,
				  strerror(-ret));
			return ret;
		}
	}
	for (size_t k = 0; device_kinds[k]; k++) {
		for (unsigned int i = 0; i < m->config->device_count; i++) {
			if (m->config->device[i].kind != device_kinds[k])
				continue;
			ret = create(m, &m->config->device[i]);
			if (ret < 0)
				return ret;
		}
	}
	return 0;
}

void devices_destroy(struct machine *m)
{
	while (m->device_count) {
		const struct device *d = &m->device[--m->device_count];

		if (d->kind->destroy)
			d->kind->destroy(d->self);
	}
}
