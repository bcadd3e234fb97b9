/* SPDX-License-Identifier: MIT */
/*
 * virtio over PCI, the modern interface: one PCI function per virtio device.
 *
 *   BAR 0, 16 KiB     0x0000 common configuration
 *                     0x1000 ISR status
 *                     0x2000 device configuration
 *                     0x3000 notifications, 4 bytes per queue
 *   BAR 2, 4 KiB      MSI-X: as many vectors as queues and one more, the driver
 *                     says which is for what
 *
 * Notifications come as an eventfd the kernel signals when the guest stores to
 * the queue's address (doorbell), or as a write to BAR 0 that signals the same
 * eventfd; the device's thread waits for it. Interrupts go out through irq
 * routes. So in the steady state no guest access reaches a VP thread.
 *
 * No INTx, as nowhere in this machine (dev/pci.h). Without MSI-X a driver can
 * poll; the ISR register works then.
 *
 * Locks: pci_device.lock, then virtio_device.lock. The latter protects
 * everything in struct virtio_pci but pci.
 */
#ifndef VMM_VIRTIO_PCI_H
#define VMM_VIRTIO_PCI_H

#include "abi/virtio/pci.h"
#include "vmm/dev/pci.h"
#include "vmm/loop.h"
#include "vmm/virtio/device.h"

struct machine;

struct virtio_pci_queue {
	struct loop_source kick; /* arg: this */
	struct virtio_pci *transport;
	uint16_t vector;
	bool doorbell; /* registered at the present address */
};

struct virtio_pci {
	struct pci_device pci;
	struct machine *machine;
	struct loop *loop; /* NULL: the device hears notifications by itself */
	struct virtio_device *device;

	/* registers */
	uint32_t device_feature_select;
	uint32_t driver_feature_select;
	uint16_t queue_select;
	uint16_t config_vector;
	uint8_t isr;

	unsigned int cfg_cap; /* PCI configuration access capability */
	bool bar_mapped;
	uint64_t bar_base;
	unsigned int queue_count; /* of those below, set up */
	struct virtio_pci_queue *queue;
};

/* Queues of one device: each has an interrupt vector, and the device one more. */
#define VIRTIO_PCI_QUEUES_MAX (PCI_MSIX_MAX - 1)

/*
 * Put @v, initialised, behind a new PCI function of @m. Before the first VP
 * runs. @loop hears the driver's notifications and calls the device's process:
 * m->loop, or one on a thread of the device's own. NULL: the device listens to
 * virtio_pci_kick_fd() by itself. 0 or -errno, then nothing is left behind but *v.
 */
int virtio_pci_attach(struct virtio_pci *p, struct machine *m, struct loop *loop,
		      struct virtio_device *v);

/* After the last VP and the thread that runs the loop have ended. */
void virtio_pci_detach(struct virtio_pci *p);

/*
 * What most devices want: virtio_init() and virtio_pci_attach(). 0 or -errno, then
 * nothing is left behind.
 */
int virtio_pci_add(struct virtio_pci *p, struct machine *m, struct loop *loop,
		   struct virtio_device *v, const struct virtio_setup *s);

/* And back: virtio_pci_detach(), virtio_release(). */
void virtio_pci_remove(struct virtio_pci *p);

/*
 * For devices without a loop: the eventfd that is signalled when the driver
 * notifies @queue, or may have. Then virtio_notified() is due.
 */
int virtio_pci_kick_fd(const struct virtio_pci *p, unsigned int queue);

/*
 * The eventfd whose signal is the interrupt of @queue: the kernel takes it from
 * there, and keeps it while the vector is masked. -1: the driver chose none.
 * virtio_kind.interrupt_moved says when that changes. Lock held.
 */
int virtio_pci_call_fd(const struct virtio_pci *p, unsigned int queue);

#endif
