/* SPDX-License-Identifier: MIT */
/*
 * What a device is given. devices.c holds the table of all device kinds in
 * the order they are created; adding one means one file and one line there.
 */
#ifndef VMM_DEVICE_H
#define VMM_DEVICE_H

#include "base/base.h"
#include "vmm/bus.h"
#include "vmm/irq.h"
#include "vmm/loop.h"
#include "vmm/memory.h"

struct vm_config;
struct pci_host;

/* The machine's side that devices may use; filled by vm.c. */
struct machine {
	const struct vm_config *config;
	struct memory *memory;
	struct bus *ports;
	struct bus *mmio;
	struct irq *irq;
	struct loop *loop;
	struct pci_host *pci;
	/* Ask the VM to end; @why is one of enum vm_end. Any thread. */
	void (*end)(struct machine *m, int why);
};

#endif
