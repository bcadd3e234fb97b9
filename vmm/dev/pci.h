/* SPDX-License-Identifier: MIT */
/*
 * PCI: one host bridge, one bus, devices with function 0 only.
 *
 * The guest reaches configuration space through the ECAM window (MMIO) or the
 * ports 0xcf8/0xcfc; both end in pci_config_read/write. A device is bytes plus
 * a mask of those the guest may change; what a change means follows from where
 * it lies:
 *
 *   0x00  header: command register, BARs      this file's business
 *   0x40  capabilities, in the order added    their owner's hooks
 *
 * BARs are 64 bits wide and prefetchable, so that they may live above 4 GiB.
 * The VMM assigns them before the guest runs, as firmware would; they decode
 * once the guest sets the command register's memory bit, and the guest may
 * move them at any time.
 *
 * Threads: everything up to pci_host_add() before the first VP runs; the
 * register functions on any VP thread. A device's lock covers its
 * configuration space and MSI-X table. Order: pci_device.lock, then a device's
 * own lock (BAR hooks take it), then the buses' and irq's. A device must not
 * call in here with its own lock held, but for pci_msix_fire(),
 * pci_msix_enabled() and pci_is_master(), which take none.
 *
 * INTx does not exist (interrupt pin 0): MSI-X or polling.
 */
#ifndef VMM_DEV_PCI_H
#define VMM_DEV_PCI_H

#include <pthread.h>
#include <stdatomic.h>

#include "abi/pci.h"
#include "base/base.h"
#include "vmm/bus.h"

struct irq;
struct machine;
struct pci_device;
struct pci_host;

#define PCI_SLOTS    32
#define PCI_CAPS_MAX 8
#define PCI_MSIX_MAX 64 /* vectors of one device */

struct pci_identity {
	uint16_t vendor, device;
	uint16_t subsystem_vendor, subsystem;
	uint32_t class; /* PCI_CLASS_* */
	uint8_t revision;
};

/* A memory BAR. Number n takes registers n and n + 1; n is even. */
struct pci_bar {
	const char *name;
	uint64_t size; /* power of two, a page or more; 0: no such BAR */
	const struct bus_ops *ops;
	void *arg; /* for ops and moved */
	/*
	 * Optional: the BAR is now decoded at @base, or no longer (@mapped
	 * false). The device's lock is held.
	 */
	void (*moved)(void *arg, uint64_t base, bool mapped);

	/* ours */
	int range; /* on the MMIO bus */
	bool mapped;
	uint64_t base;
};

/* A capability with registers the guest may write or that change by themselves. */
struct pci_cap_ops {
	/* Optional. [@off, @off + @size) of the capability is about to be read. */
	void (*read)(struct pci_device *d, void *arg, unsigned int off, unsigned int size);
	/* Optional. It was written; config holds the new bytes. */
	void (*written)(struct pci_device *d, void *arg, unsigned int off, unsigned int size);
};

struct pci_cap {
	uint8_t start, size;
	const struct pci_cap_ops *ops;
	void *arg;
};

/* MSI-X: a table of messages, each bound to an irq route. */
struct pci_msix {
	unsigned int count; /* vectors; 0: no MSI-X */
	unsigned int cap;   /* offset in configuration space */
	atomic_bool enabled;
	bool function_masked;
	struct {
		uint32_t word[4]; /* address low, high, data, control */
		int route;
		bool masked; /* as last told to irq */
	} vector[PCI_MSIX_MAX];
};

struct pci_device {
	const char *name;
	struct machine *machine;
	/* Optional: the bus master bit changed. The lock is held. */
	void (*master_changed)(struct pci_device *d, bool on);

	pthread_mutex_t lock;
	uint8_t config[PCI_CONFIG_BYTES];
	uint8_t writable[PCI_CONFIG_BYTES]; /* bit set: the guest may change it */
	atomic_bool master;
	struct pci_bar bar[PCI_BAR_COUNT];
	struct pci_cap cap[PCI_CAPS_MAX];
	unsigned int cap_count;
	unsigned int cap_end; /* first byte after the last capability */
	struct pci_msix msix;
};

/* ---- setting a device up (pci_config.c) ---- */

void pci_device_init(struct pci_device *d, struct machine *m, const char *name,
		     const struct pci_identity *id);
/* Releases what init and msix_add took. The device's BARs must not be reachable any more. */
void pci_device_release(struct pci_device *d);

/* Describe BAR @n before pci_host_add(); the ours part of *bar is ignored. */
void pci_bar_add(struct pci_device *d, unsigned int n, const struct pci_bar *bar);

/*
 * Append a capability: @size bytes with the id in the first; the link is
 * filled in. @writable: mask of the same size, or NULL for read-only. @ops and
 * what it points to may be NULL. Returns its offset in configuration space.
 */
unsigned int pci_cap_add(struct pci_device *d, const void *bytes, const void *writable,
			 unsigned int size, const struct pci_cap_ops *ops, void *arg);

/* ---- MSI-X (pci_msix.c) ---- */

/* Give the device @count vectors, table and pending bits in BAR @bar. 0 or -errno. */
int pci_msix_add(struct pci_device *d, unsigned int bar, unsigned int count);
void pci_msix_release(struct pci_device *d);
/*
 * Send vector @v, now or at unmask; nothing if MSI-X is off or there is no
 * such vector. Any thread.
 */
void pci_msix_fire(struct pci_device *d, unsigned int v);
bool pci_msix_enabled(const struct pci_device *d);
/* Something that masks vectors changed; pci_config.c calls it with the lock held. */
void pci_msix_update(struct pci_device *d);

/* ---- registers (pci_config.c) ---- */

/* May the device read and write guest memory? (command register) Any thread. */
bool pci_is_master(const struct pci_device *d);

/* Access [@off, @off + @size) of configuration space; @size up to 8, any alignment. */
uint64_t pci_config_read(struct pci_device *d, unsigned int off, unsigned int size);
void pci_config_write(struct pci_device *d, unsigned int off, unsigned int size, uint64_t val);

/* ---- the host bridge (pci_host.c) ---- */

/* Creates the bridge at slot 0 and claims ECAM and 0xcf8-0xcff. NULL: errno says why. */
struct pci_host *pci_host_create(struct machine *m);
void pci_host_destroy(struct pci_host *h);

/* Put a device into the next free slot and assign its BARs. 0 or -errno. */
int pci_host_add(struct pci_host *h, struct pci_device *d);

#endif
