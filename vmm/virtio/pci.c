/* SPDX-License-Identifier: MIT */
/*
 * virtio over PCI. Read pci.h first. Section titles in quotes are those of the
 * virtio 1.2 specification.
 */
#include "vmm/virtio/pci.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/device.h"
#include "vmm/irq.h"
#include "vmm/log.h"

#define REGISTERS_BAR 0u
#define MSIX_BAR      2u

/* Areas of the register BAR: a page each, so that a guest can map them apart. */
#define AREA_BYTES    0x1000u
#define AREA_COMMON   0x0000u
#define AREA_ISR      0x1000u
#define AREA_DEVICE   0x2000u
#define AREA_NOTIFY   0x3000u
#define BAR_BYTES     0x4000u

/* notify_off_multiplier: every queue has an address of its own. */
#define NOTIFY_STRIDE 4u
/* "Available Buffer Notifications": a 16-bit write of the queue's index */
#define NOTIFY_BYTES  2u

static struct virtio_pci *transport(struct virtio_device *v)
{
	return v->transport_data;
}

/*
 * Notifications
 */

static uint64_t notify_address(const struct virtio_pci *p, unsigned int queue)
{
	return p->bar_base + AREA_NOTIFY + queue * NOTIFY_STRIDE;
}

/* Have the kernel turn stores to the notify address into the eventfd, or no longer. */
static void set_doorbell(struct virtio_pci *p, unsigned int queue, bool on)
{
	struct virtio_pci_queue *q = &p->queue[queue];
	int err;

	if (q->doorbell == on)
		return;
	err = irq_doorbell_set(p->machine->irq, notify_address(p, queue), NOTIFY_BYTES, q->kick.fd,
			       on);
	if (err)
		/* Works all the same, by an exit per notification. */
		log_debug("%s: no doorbell for queue %u (error %d)", p->pci.name, queue, -err);
	q->doorbell = on && !err;
}

static void kick(struct virtio_pci *p, unsigned int queue)
{
	uint64_t one = 1;
	ssize_t done;

	/* A full counter is as good as one more. */
	done = write(p->queue[queue].kick.fd, &one, sizeof(one));
	(void)done;
}

static void kick_all(struct virtio_pci *p)
{
	for (unsigned int i = 0; i < p->queue_count; i++)
		kick(p, i);
}

/* Device thread. */
static void kicked(struct loop_source *s, uint32_t events)
{
	struct virtio_pci_queue *q = s->arg;
	struct virtio_pci *p = q->transport;
	uint64_t count;

	(void)events;
	/* Clear first: what comes after this is announced by another event. */
	if (read(s->fd, &count, sizeof(count)) == sizeof(count))
		virtio_notified(p->device, (unsigned int)(q - p->queue));
}

/*
 * What the device asks of its transport; virtio_device.lock is held.
 */

static void interrupt(struct virtio_pci *p, uint16_t vector, uint8_t isr)
{
	/* "ISR status capability": used when MSI-X is disabled */
	if (!pci_msix_enabled(&p->pci))
		p->isr |= isr;
	else if (vector != VIRTIO_MSI_NO_VECTOR)
		pci_msix_fire(&p->pci, vector);
}

static void interrupt_queue(struct virtio_device *v, unsigned int queue)
{
	struct virtio_pci *p = transport(v);

	interrupt(p, p->queue[queue].vector, VIRTIO_PCI_ISR_QUEUE);
}

static void interrupt_config(struct virtio_device *v)
{
	struct virtio_pci *p = transport(v);

	interrupt(p, p->config_vector, VIRTIO_PCI_ISR_CONFIG);
}

static void transport_kick_all(struct virtio_device *v)
{
	kick_all(transport(v));
}

static bool may_run(struct virtio_device *v)
{
	return pci_is_master(&transport(v)->pci);
}

static const struct virtio_transport transport_ops = {
	.interrupt_queue = interrupt_queue,
	.interrupt_config = interrupt_config,
	.kick_all = transport_kick_all,
	.may_run = may_run,
};

/*
 * "Common configuration structure layout"
 */

static void reset_registers(struct virtio_pci *p)
{
	p->device_feature_select = 0;
	p->driver_feature_select = 0;
	p->queue_select = 0;
	p->config_vector = VIRTIO_MSI_NO_VECTOR;
	p->isr = 0;
	for (unsigned int i = 0; i < p->queue_count; i++) {
		p->queue[i].vector = VIRTIO_MSI_NO_VECTOR;
		set_doorbell(p, i, false);
	}
}

/*
 * All registers at once, of which the caller takes the bytes it wants: any
 * access is harmless, whatever its size and place.
 */
static uint64_t common_read(struct virtio_pci *p, unsigned int off, unsigned int size)
{
	const struct virtio_device *v = p->device;
	struct virtio_pci_common_cfg c = {
		.device_feature_select = p->device_feature_select,
		.device_feature = virtio_offered_features(v, p->device_feature_select),
		.driver_feature_select = p->driver_feature_select,
		.driver_feature = virtio_driver_features(v, p->driver_feature_select),
		.config_msix_vector = p->config_vector,
		.num_queues = (uint16_t)v->queue_count,
		.device_status = v->status,
		.config_generation = v->generation,
		.queue_select = p->queue_select,
	};
	uint64_t val = 0;

	/* A queue that does not exist has size 0, and zeros in the rest. */
	if (p->queue_select < v->queue_count) {
		const struct virtq *q = &v->queue[p->queue_select];

		c.queue_size = q->size;
		c.queue_msix_vector = p->queue[p->queue_select].vector;
		c.queue_enable = q->enabled;
		c.queue_notify_off = p->queue_select;
		c.queue_desc = q->desc_gpa.v;
		c.queue_driver = q->avail_gpa.v;
		c.queue_device = q->used_gpa.v;
	}
	if (off + size <= sizeof(c))
		memcpy(&val, (const uint8_t *)&c + off, size);
	return val;
}

/* A vector the device does not have reads back as none, which tells the driver. */
static uint16_t checked_vector(const struct virtio_pci *p, uint32_t val)
{
	return val < p->pci.msix.count ? (uint16_t)val : VIRTIO_MSI_NO_VECTOR;
}

/* Half of a 64-bit ring address. */
static void set_half(gpa_t *a, bool high, uint32_t val)
{
	unsigned int shift = high ? 32 : 0;

	a->v = (a->v & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)val << shift;
}

#define REG(field)	  offsetof(struct virtio_pci_common_cfg, field)
#define ACCESS(off, size) ((off) << 4 | (size))

static void queue_write(struct virtio_pci *p, unsigned int off, unsigned int size, uint32_t val)
{
	struct virtio_device *v = p->device;
	unsigned int n = p->queue_select;
	struct virtq *q;

	if (!virtio_queue_writable(v, n))
		return;
	q = &v->queue[n];
	switch (ACCESS(off, size)) {
	case ACCESS(REG(queue_size), 2):
		virtio_queue_set_size(v, n, (uint16_t)val);
		break;
	case ACCESS(REG(queue_enable), 2):
		if (val == 1 && virtio_queue_enable(v, n) && p->bar_mapped)
			set_doorbell(p, n, true);
		break;
	case ACCESS(REG(queue_desc), 4):
	case ACCESS(REG(queue_desc) + 4, 4):
		set_half(&q->desc_gpa, off != REG(queue_desc), val);
		break;
	case ACCESS(REG(queue_driver), 4):
	case ACCESS(REG(queue_driver) + 4, 4):
		set_half(&q->avail_gpa, off != REG(queue_driver), val);
		break;
	case ACCESS(REG(queue_device), 4):
	case ACCESS(REG(queue_device) + 4, 4):
		set_half(&q->used_gpa, off != REG(queue_device), val);
		break;
	default:
		break;
	}
}

/* Registers are written whole ("PCI-specific Initialization"); else nothing happens. */
static void common_write(struct virtio_pci *p, unsigned int off, unsigned int size, uint64_t wide)
{
	struct virtio_device *v = p->device;
	uint32_t val = (uint32_t)wide;

	if (size == 8) {
		common_write(p, off, 4, val);
		common_write(p, off + 4, 4, wide >> 32);
		return;
	}
	switch (ACCESS(off, size)) {
	case ACCESS(REG(device_feature_select), 4):
		p->device_feature_select = val;
		break;
	case ACCESS(REG(driver_feature_select), 4):
		p->driver_feature_select = val;
		break;
	case ACCESS(REG(driver_feature), 4):
		virtio_choose_features(v, p->driver_feature_select, val);
		break;
	case ACCESS(REG(config_msix_vector), 2):
		if (!v->resetting)
			p->config_vector = checked_vector(p, val);
		break;
	case ACCESS(REG(device_status), 1):
		if (virtio_set_status(v, (uint8_t)val))
			reset_registers(p);
		break;
	case ACCESS(REG(queue_select), 2):
		p->queue_select = (uint16_t)val;
		break;
	case ACCESS(REG(queue_msix_vector), 2):
		/* The one register of a queue that may change while it is in use. */
		if (p->queue_select < v->queue_count && !v->resetting) {
			p->queue[p->queue_select].vector = checked_vector(p, val);
			if (v->kind->interrupt_moved)
				v->kind->interrupt_moved(v, p->queue_select);
		}
		break;
	default:
		queue_write(p, off, size, val);
		break;
	}
}

/*
 * The register BAR. Any VP thread.
 */

static uint64_t bar_read(void *dev, uint64_t off, unsigned int size)
{
	struct virtio_pci *p = dev;
	unsigned int at = off % AREA_BYTES;
	uint64_t val = 0;

	pthread_mutex_lock(&p->device->lock);
	switch (off - at) {
	case AREA_COMMON:
		val = common_read(p, at, size);
		break;
	case AREA_ISR:
		/* "Reading this register resets it to 0." */
		if (at == 0) {
			val = p->isr;
			p->isr = 0;
		}
		break;
	case AREA_DEVICE:
		val = virtio_config_read(p->device, at, size);
		break;
	default:
		break; /* notifications are write-only */
	}
	pthread_mutex_unlock(&p->device->lock);
	return val;
}

static void bar_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct virtio_pci *p = dev;
	unsigned int at = off % AREA_BYTES;

	if (off - at == AREA_NOTIFY) {
		/* As the doorbell does: the address says which queue. */
		if (at / NOTIFY_STRIDE < p->queue_count)
			kick(p, at / NOTIFY_STRIDE);
		return;
	}
	pthread_mutex_lock(&p->device->lock);
	if (off - at == AREA_COMMON)
		common_write(p, at, size, val);
	else if (off - at == AREA_DEVICE)
		virtio_config_write(p->device, at, size, val);
	pthread_mutex_unlock(&p->device->lock);
}

static const struct bus_ops bar_ops = { .read = bar_read, .write = bar_write };

/* pci_device.lock is held. */
static void bar_moved(void *arg, uint64_t base, bool mapped)
{
	struct virtio_pci *p = arg;

	pthread_mutex_lock(&p->device->lock);
	/* Unmapping comes before mapping elsewhere, with the old base. */
	p->bar_base = base;
	p->bar_mapped = mapped;
	for (unsigned int i = 0; i < p->queue_count; i++)
		set_doorbell(p, i, mapped && p->device->queue[i].enabled);
	pthread_mutex_unlock(&p->device->lock);
}

static void master_changed(struct pci_device *d, bool on)
{
	struct virtio_pci *p = container_of(d, struct virtio_pci, pci);

	virtio_transport_changed(p->device);
	/* Notifications that came while we might not look at memory. */
	if (on)
		kick_all(p);
}

/*
 * "PCI configuration access capability": a window into the BAR for those who
 * cannot map it. Accesses to pci_cfg_data become accesses to the BAR.
 * pci_device.lock is held, which is why only the register BAR, whose functions
 * never take it, can be reached like that.
 */

#define CFG_DATA offsetof(struct virtio_pci_cfg_cap, pci_cfg_data)

static bool cfg_window(const struct virtio_pci *p, uint32_t *offset, uint32_t *length)
{
	struct virtio_pci_cap c;

	memcpy(&c, &p->pci.config[p->cfg_cap], sizeof(c));
	*offset = c.offset;
	*length = c.length;
	return c.bar == REGISTERS_BAR && (c.length == 1 || c.length == 2 || c.length == 4) &&
	       c.offset % c.length == 0 && c.offset <= BAR_BYTES - c.length;
}

static void cfg_read(struct pci_device *d, void *arg, unsigned int off, unsigned int size)
{
	struct virtio_pci *p = arg;
	uint32_t offset, length, val;

	if (off + size <= CFG_DATA || !cfg_window(p, &offset, &length))
		return;
	val = (uint32_t)bar_read(p, offset, length);
	memcpy(&d->config[p->cfg_cap + CFG_DATA], &val, sizeof(val));
}

static void cfg_written(struct pci_device *d, void *arg, unsigned int off, unsigned int size)
{
	struct virtio_pci *p = arg;
	uint32_t offset, length, val;

	if (off + size <= CFG_DATA || !cfg_window(p, &offset, &length))
		return;
	memcpy(&val, &d->config[p->cfg_cap + CFG_DATA], sizeof(val));
	if (length < 4)
		val &= BIT32(8 * length) - 1;
	bar_write(p, offset, length, val);
}

static const struct pci_cap_ops cfg_ops = { .read = cfg_read, .written = cfg_written };

/* "Virtio Structure PCI Capabilities" */
static void add_caps(struct virtio_pci *p)
{
	const struct virtio_device *v = p->device;
	struct virtio_pci_cap common = {
		.cap_vndr = PCI_CAP_ID_VENDOR,
		.cap_len = sizeof(common),
		.cfg_type = VIRTIO_PCI_CAP_COMMON,
		.bar = REGISTERS_BAR,
		.offset = AREA_COMMON,
		.length = sizeof(struct virtio_pci_common_cfg),
	};
	struct virtio_pci_cap isr = {
		.cap_vndr = PCI_CAP_ID_VENDOR,
		.cap_len = sizeof(isr),
		.cfg_type = VIRTIO_PCI_CAP_ISR,
		.bar = REGISTERS_BAR,
		.offset = AREA_ISR,
		.length = 1,
	};
	struct virtio_pci_cap device = {
		.cap_vndr = PCI_CAP_ID_VENDOR,
		.cap_len = sizeof(device),
		.cfg_type = VIRTIO_PCI_CAP_DEVICE,
		.bar = REGISTERS_BAR,
		.offset = AREA_DEVICE,
		.length = v->config_bytes,
	};
	struct virtio_pci_notify_cap notify = {
		.cap = {
			.cap_vndr = PCI_CAP_ID_VENDOR,
			.cap_len = sizeof(notify),
			.cfg_type = VIRTIO_PCI_CAP_NOTIFY,
			.bar = REGISTERS_BAR,
			.offset = AREA_NOTIFY,
			.length = v->queue_count * NOTIFY_STRIDE,
		},
		.notify_off_multiplier = NOTIFY_STRIDE,
	};
	struct virtio_pci_cfg_cap cfg = {
		.cap = {
			.cap_vndr = PCI_CAP_ID_VENDOR,
			.cap_len = sizeof(cfg),
			.cfg_type = VIRTIO_PCI_CAP_PCI,
		},
	};
	struct virtio_pci_cfg_cap cfg_writable = {
		.cap = { .bar = 0xff, .offset = UINT32_MAX, .length = UINT32_MAX },
		.pci_cfg_data = { 0xff, 0xff, 0xff, 0xff },
	};

	pci_cap_add(&p->pci, &common, NULL, sizeof(common), NULL, NULL);
	pci_cap_add(&p->pci, &isr, NULL, sizeof(isr), NULL, NULL);
	if (v->config_bytes)
		pci_cap_add(&p->pci, &device, NULL, sizeof(device), NULL, NULL);
	pci_cap_add(&p->pci, &notify, NULL, sizeof(notify), NULL, NULL);
	p->cfg_cap = pci_cap_add(&p->pci, &cfg, &cfg_writable, sizeof(cfg), &cfg_ops, p);
}

static int add_queue(struct virtio_pci *p, unsigned int n)
{
	struct virtio_pci_queue *q = &p->queue[n];
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int err;

	if (fd < 0)
		return -errno;
	q->kick = (struct loop_source){ .fd = fd, .ready = kicked, .arg = q };
	q->transport = p;
	err = p->loop ? loop_add(p->loop, &q->kick, EPOLLIN) : 0;
	if (err) {
		close(fd);
		return err;
	}
	p->queue_count++;
	return 0;
}

static void remove_queues(struct virtio_pci *p)
{
	while (p->queue_count) {
		struct virtio_pci_queue *q = &p->queue[--p->queue_count];

		set_doorbell(p, p->queue_count, false);
		if (p->loop)
			loop_remove(p->loop, &q->kick);
		close(q->kick.fd);
	}
	free(p->queue);
}

int virtio_pci_attach(struct virtio_pci *p, struct machine *m, struct loop *loop,
		      struct virtio_device *v)
{
	/* "PCI Device Discovery" */
	const struct pci_identity id = {
		.vendor = VIRTIO_PCI_VENDOR,
		.device = (uint16_t)(VIRTIO_PCI_DEVICE_BASE + v->kind->type),
		.subsystem_vendor = VIRTIO_PCI_VENDOR,
		.subsystem = (uint16_t)(VIRTIO_PCI_DEVICE_BASE + v->kind->type),
		.class = v->kind->pci_class,
		.revision = VIRTIO_PCI_REVISION,
	};
	const struct pci_bar registers = {
		.name = v->kind->name,
		.size = BAR_BYTES,
		.ops = &bar_ops,
		.arg = p,
		.moved = bar_moved,
	};
	int err;

	CHECK(v->queue_count <= VIRTIO_PCI_QUEUES_MAX);
	*p = (struct virtio_pci){
		.machine = m,
		.device = v,
		.loop = loop,
		.queue = calloc(v->queue_count, sizeof(p->queue[0])),
	};
	if (!p->queue)
		return -ENOMEM;
	v->transport = &transport_ops;
	v->transport_data = p;

	pci_device_init(&p->pci, m, v->kind->name, &id);
	p->pci.master_changed = master_changed;
	for (unsigned int i = 0; i < v->queue_count; i++) {
		err = add_queue(p, i);
		if (err)
			goto remove_queues;
	}
	reset_registers(p);

	/* One vector per queue and one for configuration changes. */
	err = pci_msix_add(&p->pci, MSIX_BAR, v->queue_count + 1);
	if (err)
		goto remove_queues;
	add_caps(p);
	pci_bar_add(&p->pci, REGISTERS_BAR, &registers);
	err = pci_host_add(m->pci, &p->pci);
	if (err)
		goto remove_queues;
	return 0;

remove_queues:
	remove_queues(p);
	pci_device_release(&p->pci);
	return err;
}

void virtio_pci_detach(struct virtio_pci *p)
{
	remove_queues(p);
	pci_device_release(&p->pci);
}

int virtio_pci_add(struct virtio_pci *p, struct machine *m, struct loop *loop,
		   struct virtio_device *v, const struct virtio_setup *s)
{
	int err = virtio_init(v, s);

	if (err)
		return err;
	err = virtio_pci_attach(p, m, loop, v);
	if (err)
		virtio_release(v);
	return err;
}

void virtio_pci_remove(struct virtio_pci *p)
{
	virtio_pci_detach(p);
	virtio_release(p->device);
}

int virtio_pci_call_fd(const struct virtio_pci *p, unsigned int queue)
{
	unsigned int vector = p->queue[queue].vector;

	if (vector >= p->pci.msix.count)
		return -1;
	return irq_route_fd(p->machine->irq, p->pci.msix.vector[vector].route);
}

int virtio_pci_kick_fd(const struct virtio_pci *p, unsigned int queue)
{
	return p->queue[queue].kick.fd;
}
