/* SPDX-License-Identifier: MIT */
/*
 * What a device is given. devices.c holds the table of all device kinds in
 * the order they are created; adding one means one file and one line there.
 */
#ifndef VMM_DEVICE_H
#define VMM_DEVICE_H

#include "abi/vmmctl.h"
#include "base/base.h"
#include "vmm/bus.h"
#include "vmm/irq.h"
#include "vmm/loop.h"
#include "vmm/memory.h"

struct console;
struct pci_host;
struct pm;
struct virtio_blk;
struct vm_config;

/* Why a machine stops. The first reason given counts. */
enum vm_end {
	VM_END_NONE, /* it runs */
	VM_END_POWER_OFF,
	VM_END_RESET,
	VM_END_CRASH,	 /* a state no processor can leave */
	VM_END_KILLED,	 /* the user's wish, the guest not asked */
	VM_END_INTERNAL, /* the VMM or the host failed */
};

/* The machine's side that devices may use; filled by vm.c. */
struct machine {
	const struct vm_config *config;
	struct memory *memory;
	struct bus *ports;
	struct bus *mmio;
	struct irq *irq;
	struct loop *loop;
	struct pci_host *pci;
	struct console *console; /* the guest's serial port, our side */
	struct pm *pm;		 /* power button */
	struct virtio_blk *disk[VMMCTL_DISKS_MAX];
	/* Ask the VM to end. Any thread; returns at once, the caller goes on. */
	void (*end)(struct machine *m, enum vm_end why);
};

#endif
