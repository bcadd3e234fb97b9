/* SPDX-License-Identifier: MIT */
#include "vmm/dev/ioapic.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "abi/platform.h"
#include "vmm/device.h"

#define PINS	       PLATFORM_GSI_COUNT
#define VERSION	       0x20U
#define ID	       0U

/* Window, datasheet "Memory Mapped Registers for Accessing IOAPIC Registers" */
#define REG_SELECT     0x00
#define REG_DATA       0x10
#define REG_EOI	       0x40
#define WINDOW	       0x1000

/* Indirect registers */
#define INDEX_ID       0x00
#define INDEX_VERSION  0x01
#define INDEX_ARB      0x02
#define INDEX_RTE      0x10

/* Redirection table entry */
#define RTE_VECTOR     0xffULL
#define RTE_MODE_SHIFT 8
#define RTE_LOGICAL    BIT64(11)
#define RTE_REMOTE_IRR BIT64(14)
#define RTE_LEVEL      BIT64(15)
#define RTE_MASKED     BIT64(16)
#define RTE_DEST_SHIFT 56
/* Delivery status and remote IRR belong to us, bits 17 to 55 to nobody. */
#define RTE_WRITABLE   0xff0000000001afffULL

struct ioapic {
	struct irq *irq;
	pthread_mutex_t lock;
	uint32_t select;
	uint32_t id;
	uint32_t wires; /* level of each pin */
	uint32_t edges; /* edge pins: came while masked */
	uint64_t rte[PINS];
};

static void send(struct ioapic *a, uint64_t rte)
{
	struct irq_message m = {
		.vector = (uint8_t)(rte & RTE_VECTOR),
		.mode = (rte >> RTE_MODE_SHIFT) & 7,
		.logical = (rte & RTE_LOGICAL) != 0,
		.level = (rte & RTE_LEVEL) != 0,
		.dest = (uint32_t)(rte >> RTE_DEST_SHIFT),
	};

	irq_send(a->irq, &m);
}

/* Something about @pin changed: deliver if it is due. */
static void service(struct ioapic *a, unsigned int pin)
{
	uint64_t rte = a->rte[pin];

	if (rte & RTE_MASKED)
		return;
	if (rte & RTE_LEVEL) {
		if (!(a->wires & BIT32(pin)) || (rte & RTE_REMOTE_IRR))
			return;
		a->rte[pin] |= RTE_REMOTE_IRR;
	} else {
		if (!(a->edges & BIT32(pin)))
			return;
		a->edges &= ~BIT32(pin);
	}
	send(a, rte);
}

static void set_line(void *lines, unsigned int pin, bool level)
{
	struct ioapic *a = lines;

	if (pin >= PINS)
		return;
	pthread_mutex_lock(&a->lock);
	if (level && !(a->wires & BIT32(pin))) {
		a->wires |= BIT32(pin);
		/*
		 * An edge on a masked pin is kept until the unmask. The
		 * datasheet lets it vanish, but then a device whose line stays
		 * high is never heard again.
		 */
		a->edges |= BIT32(pin);
		service(a, pin);
	} else if (!level) {
		a->wires &= ~BIT32(pin);
	}
	pthread_mutex_unlock(&a->lock);
}

static void eoi_locked(struct ioapic *a, uint8_t vector)
{
	for (unsigned int pin = 0; pin < PINS; pin++) {
		uint64_t rte = a->rte[pin];

		if (!(rte & RTE_LEVEL) || (rte & RTE_VECTOR) != vector || !(rte & RTE_REMOTE_IRR))
			continue;
		a->rte[pin] &= ~RTE_REMOTE_IRR;
		service(a, pin); /* the wire may still be high */
	}
}

static void eoi(void *lines, uint8_t vector)
{
	struct ioapic *a = lines;

	pthread_mutex_lock(&a->lock);
	eoi_locked(a, vector);
	pthread_mutex_unlock(&a->lock);
}

static void write_rte(struct ioapic *a, unsigned int pin, bool high, uint32_t val)
{
	uint64_t old = a->rte[pin];
	uint64_t rte;

	if (high)
		rte = (old & 0xffffffffULL) | (uint64_t)val << 32;
	else
		rte = (old & ~0xffffffffULL) | val;
	rte = (rte & RTE_WRITABLE) | (old & RTE_REMOTE_IRR);
	/*
	 * Remote IRR means nothing for an edge pin; Linux clears a stuck one
	 * by switching the pin to edge and back.
	 */
	if (!(rte & RTE_LEVEL))
		rte &= ~RTE_REMOTE_IRR;
	/* What a level pin saw is its wire; no old edge may come back. */
	if (old & RTE_LEVEL)
		a->edges &= ~BIT32(pin);
	a->rte[pin] = rte;
	service(a, pin);
}

static uint32_t read_index(const struct ioapic *a)
{
	unsigned int pin;

	switch (a->select) {
	case INDEX_ID:
	case INDEX_ARB:
		return a->id;
	case INDEX_VERSION:
		return VERSION | (PINS - 1) << 16;
	default:
		if (a->select < INDEX_RTE)
			return 0;
		pin = (a->select - INDEX_RTE) / 2;
		if (pin >= PINS)
			return 0;
		return (uint32_t)(a->rte[pin] >> (a->select & 1 ? 32 : 0));
	}
}

static void write_index(struct ioapic *a, uint32_t val)
{
	unsigned int pin;

	if (a->select == INDEX_ID) {
		a->id = val & 0x0f000000U;
		return;
	}
	if (a->select < INDEX_RTE)
		return;
	pin = (a->select - INDEX_RTE) / 2;
	if (pin < PINS)
		write_rte(a, pin, a->select & 1, val);
}

static uint64_t ioapic_read(void *dev, uint64_t off, unsigned int size)
{
	struct ioapic *a = dev;
	uint32_t val = 0;

	(void)size;
	pthread_mutex_lock(&a->lock);
	if (off == REG_SELECT)
		val = a->select;
	else if (off == REG_DATA)
		val = read_index(a);
	pthread_mutex_unlock(&a->lock);
	return val;
}

static void ioapic_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct ioapic *a = dev;

	(void)size;
	pthread_mutex_lock(&a->lock);
	if (off == REG_SELECT)
		a->select = val & 0xff;
	else if (off == REG_DATA)
		write_index(a, (uint32_t)val);
	else if (off == REG_EOI)
		eoi_locked(a, (uint8_t)val);
	pthread_mutex_unlock(&a->lock);
}

static const struct bus_ops ioapic_ops = { ioapic_read, ioapic_write };
static const struct irq_lines_ops line_ops = { set_line, eoi };

int ioapic_create(struct machine *m)
{
	struct bus_range range = {
		.name = "ioapic",
		.base = PLATFORM_IOAPIC_BASE,
		.size = WINDOW,
		.ops = &ioapic_ops,
	};
	struct ioapic *a = calloc(1, sizeof(*a));
	int ret;

	if (!a)
		return -ENOMEM;
	a->irq = m->irq;
	a->id = ID << 24;
	pthread_mutex_init(&a->lock, NULL);
	for (unsigned int pin = 0; pin < PINS; pin++)
		a->rte[pin] = RTE_MASKED;
	range.dev = a;
	ret = bus_add(m->mmio, &range);
	if (ret < 0) {
		free(a);
		return ret;
	}
	irq_attach_lines(m->irq, &line_ops, a);
	return 0;
}
