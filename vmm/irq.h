/* SPDX-License-Identifier: MIT */
/*
 * Interrupts as devices see them. Two ways into the guest:
 *   lines     a device raises or lowers a GSI of the IOAPIC (irq_line_set)
 *   routes    an MSI bound to an eventfd that the kernel delivers without us
 *             (irqfd): irq_route_*, used by MSI-X tables
 * Implemented by irq.c over mshv.c; devices never see the hypervisor.
 */
#ifndef VMM_IRQ_H
#define VMM_IRQ_H

#include "base/base.h"

struct irq;		/* the VM's interrupt wiring */

/* Any thread. @level: state of the wire after the call. */
void irq_line_set(struct irq *q, unsigned int gsi, bool level);

/*
 * A route: eventfd -> MSI. alloc returns an id >= 0 or -errno and creates the
 * eventfd; set (re)programs or, with @masked, detaches it (signals made while
 * masked stay pending in the eventfd counter and are delivered at unmask);
 * fire is what a device calls to interrupt (write to the eventfd).
 */
int irq_route_alloc(struct irq *q);
int irq_route_fd(struct irq *q, int route);
int irq_route_set(struct irq *q, int route, uint64_t addr, uint32_t data, bool masked);
void irq_route_fire(struct irq *q, int route);
/* MSI-X pending bit: was it fired while masked? */
bool irq_route_pending(struct irq *q, int route);

/*
 * Doorbells: guest writes of @len bytes (0: any) at MMIO @addr signal @fd
 * inside the kernel (ioeventfd). Returns 0 or -errno; on failure, or where
 * the hypervisor cannot match, the write arrives at the bus range instead, so
 * the range's write callback must do the same work.
 */
int irq_doorbell_set(struct irq *q, uint64_t addr, unsigned int len, int fd, bool on);

/* How often so far: sent by us, and handed to the kernel by irq_route_fire(). */
struct irq_counts {
	uint64_t asserted, fired;
};

void irq_count(struct irq *q, struct irq_counts *c);

/* --- for the controller of the lines (dev/ioapic.c) --- */

/* What reaches a local APIC. */
struct irq_message {
	uint8_t vector;
	uint8_t mode;		/* delivery mode, as in an MSI's data: 0 fixed … */
	bool logical;
	bool level;
	uint32_t dest;
};

/* Now. Any thread. 0, or -errno if the hypervisor refuses it. */
int irq_send(struct irq *q, const struct irq_message *m);

struct irq_lines_ops {
	/* Any thread. @gsi is whatever a device said; check it. */
	void (*set)(void *lines, unsigned int gsi, bool level);
	/* A local APIC finished a level-triggered vector. VP threads. */
	void (*eoi)(void *lines, uint8_t vector);
};

/* Once, before the first VP runs. */
void irq_attach_lines(struct irq *q, const struct irq_lines_ops *ops, void *lines);

/* --- for vm.c and exit.c --- */

struct mshv_partition;

/* NULL: no memory. */
struct irq *irq_create(struct mshv_partition *p);
void irq_destroy(struct irq *q);
void irq_eoi(struct irq *q, uint8_t vector);

#endif
