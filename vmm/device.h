/* SPDX-License-Identifier: MIT */
/*
 * What a device is given, and what it gives: a struct device_kind, listed in
 * devices.c. Adding a device means one file and one line there.
 */
#ifndef VMM_DEVICE_H
#define VMM_DEVICE_H

#include "abi/vmmctl.h"
#include "base/base.h"
#include "vmm/bus.h"
#include "vmm/irq.h"
#include "vmm/loop.h"
#include "vmm/memory.h"
#include "vmm/options.h"

struct console;
struct machine;
struct pci_host;
struct pm;
struct vm_config;

/* Why a machine stops. The first reason given counts. */
enum vm_end {
	VM_END_NONE, /* it runs */
	VM_END_POWER_OFF,
	VM_END_RESET,
	VM_END_CRASH,	 /* a state no processor can leave */
	VM_END_WATCHDOG, /* no sign of life */
	VM_END_KILLED,	 /* the user's wish, the guest not asked */
	VM_END_INTERNAL, /* the VMM or the host failed */
};

/* What is done about a reset, a crash, a watchdog that fires. */
enum vm_policy {
	VM_POLICY_END,	    /* the process says why by its exit code */
	VM_POLICY_PRESERVE, /* the processors stand still, everything else stays */
	VM_POLICY_IGNORE,   /* the guest goes on */
};

/*
 * A kind of device that a machine has as often as the command line says. Its
 * configuration is a plain structure that starts as zeros and is filled along
 * keys; strings in it belong to the command line.
 */
struct device_kind {
	const char *name;	       /* for messages: "disk" */
	const char *option;	       /* "--disk" */
	const char *usage;	       /* for --help: "path=FILE[,readonly=on]" */
	const char *purpose;	       /* and what it is, a few words */
	unsigned int max;	       /* in one machine */
	const struct option_key *keys; /* one without name ends them */
	size_t config_bytes;	       /* up to DEVICE_CONFIG_BYTES */
	/* Before any VP runs. Logs what is wrong. 0 with *device set, or -errno. */
	int (*create)(struct machine *m, const void *config, void **device);
	/* After the last VP and the device thread. Optional: the process ends anyway. */
	void (*destroy)(void *device);
};

#define DEVICES_MAX	    31 /* all kinds together: slots of the PCI bus */
#define DEVICE_CONFIG_BYTES 128

/* One that was asked for. */
struct device_config {
	const struct device_kind *kind;
	uint64_t bytes[DEVICE_CONFIG_BYTES / sizeof(uint64_t)];
};

/* One that exists. */
struct device {
	const struct device_kind *kind;
	void *self;
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
	struct device device[DEVICES_MAX]; /* devices.c */
	unsigned int device_count;
	/*
	 * When a debugger last let all of its processors go (CLOCK_MONOTONIC, ns): the time
	 * before was not the guest's. UINT64_MAX: it holds some. 0: there was none yet.
	 */
	_Atomic uint64_t released_ns;
	/* Ask the VM to end. Any thread; returns at once, the caller goes on. */
	void (*end)(struct machine *m, enum vm_end why);
};

#endif
