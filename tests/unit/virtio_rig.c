/* SPDX-License-Identifier: MIT */
#include "virtio_rig.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/*
 * The interrupt wiring, as vmm/irq.h promises it.
 */

int irq_route_alloc(struct irq *q)
{
	if (q->route_count == q->route_limit)
		return -ENOSPC;
	q->route[q->route_count] = (struct rig_route){
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.masked = true,
	};
	return (int)q->route_count++;
}

int irq_route_fd(struct irq *q, int route)
{
	return q->route[route].fd;
}

int irq_route_set(struct irq *q, int route, uint64_t addr, uint32_t data, bool masked)
{
	struct rig_route *r = &q->route[route];

	pthread_mutex_lock(&q->lock);
	r->addr = addr;
	r->data = data;
	r->masked = masked;
	r->sets++;
	pthread_mutex_unlock(&q->lock);
	return 0;
}

void irq_route_fire(struct irq *q, int route)
{
	uint64_t one = 1;

	assert_int_equal(write(q->route[route].fd, &one, sizeof(one)), sizeof(one));
}

bool irq_route_pending(struct irq *q, int route)
{
	struct pollfd p = { .fd = q->route[route].fd, .events = POLLIN };

	return q->route[route].masked && poll(&p, 1, 0) == 1;
}

int irq_doorbell_set(struct irq *q, uint64_t addr, unsigned int len, int fd, bool on)
{
	int ret = on ? -ENOSPC : -ENOENT;

	if (q->refuse_doorbells || len != 2)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&q->lock);
	for (unsigned int i = 0; i < RIG_DOORBELLS; i++) {
		struct rig_doorbell *d = &q->doorbell[i];

		if (on ? d->fd < 0 : d->fd == fd && d->addr == addr) {
			*d = (struct rig_doorbell){ addr, on ? fd : -1 };
			ret = 0;
			break;
		}
	}
	pthread_mutex_unlock(&q->lock);
	return ret;
}

static bool ring_doorbell(struct irq *q, uint64_t addr, unsigned int size)
{
	uint64_t one = 1;
	bool hit = false;

	pthread_mutex_lock(&q->lock);
	for (unsigned int i = 0; i < RIG_DOORBELLS && !hit; i++) {
		hit = q->doorbell[i].fd >= 0 && q->doorbell[i].addr == addr && size == 2;
		if (hit)
			assert_int_equal(write(q->doorbell[i].fd, &one, sizeof(one)), sizeof(one));
	}
	pthread_mutex_unlock(&q->lock);
	return hit;
}

unsigned int rig_doorbells(struct rig *r)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < RIG_DOORBELLS; i++)
		n += r->irq.doorbell[i].fd >= 0;
	return n;
}

bool rig_interrupted(struct rig *r, unsigned int n, int ms)
{
	struct pollfd p = { .fd = r->irq.route[n].fd, .events = POLLIN };
	uint64_t count;

	return poll(&p, 1, ms) == 1 && read(p.fd, &count, sizeof(count)) == sizeof(count);
}

/*
 * The machine
 */

static void machine_end(struct machine *m, enum vm_end why)
{
	container_of(m, struct rig, machine)->ended = (int)why;
}

void rig_init(struct rig *r)
{
	*r = (struct rig){ .irq.route_limit = RIG_ROUTES, .config.cpus.count = 1, .ended = -1 };
	pthread_mutex_init(&r->irq.lock, NULL);
	for (unsigned int i = 0; i < RIG_DOORBELLS; i++)
		r->irq.doorbell[i].fd = -1;
	assert_int_equal(memory_init(&r->memory, RIG_MEMORY), 0);
	r->machine = (struct machine){
		.config = &r->config,
		.memory = &r->memory,
		.ports = bus_create("ports"),
		.mmio = bus_create("mmio"),
		.irq = &r->irq,
		.loop = loop_create(),
		.end = machine_end,
	};
	r->machine.pci = pci_host_create(&r->machine);
	assert_non_null(r->machine.pci);
}

static void *run_loop(void *arg)
{
	struct rig *r = arg;

	loop_run(r->machine.loop);
	return NULL;
}

void rig_start(struct rig *r)
{
	assert_int_equal(pthread_create(&r->loop_thread, NULL, run_loop, r), 0);
	r->loop_running = true;
}

void rig_stop(struct rig *r)
{
	if (!r->loop_running)
		return;
	loop_stop(r->machine.loop);
	pthread_join(r->loop_thread, NULL);
	r->loop_running = false;
}

void rig_destroy(struct rig *r)
{
	rig_stop(r);
	pci_host_destroy(r->machine.pci);
	loop_destroy(r->machine.loop);
	bus_destroy(r->machine.mmio);
	bus_destroy(r->machine.ports);
	memory_destroy(&r->memory);
	for (unsigned int i = 0; i < r->irq.route_count; i++)
		close(r->irq.route[i].fd);
	pthread_mutex_destroy(&r->irq.lock);
}

uint64_t rig_read(struct rig *r, uint64_t addr, unsigned int size)
{
	uint64_t val;

	bus_read(r->machine.mmio, addr, size, &val);
	return val;
}

void rig_write(struct rig *r, uint64_t addr, unsigned int size, uint64_t val)
{
	if (!ring_doorbell(&r->irq, addr, size))
		bus_write(r->machine.mmio, addr, size, val);
}

static uint64_t ecam(unsigned int slot, unsigned int off)
{
	return PLATFORM_ECAM_BASE + ((uint64_t)slot << 15) + off;
}

uint64_t rig_cfg_read(struct rig *r, unsigned int slot, unsigned int off, unsigned int size)
{
	return rig_read(r, ecam(slot, off), size);
}

void rig_cfg_write(struct rig *r, unsigned int slot, unsigned int off, unsigned int size,
		   uint64_t val)
{
	rig_write(r, ecam(slot, off), size, val);
}

/*
 * The driver
 */

#define REG(field) offsetof(struct virtio_pci_common_cfg, field)

static uint64_t bar_address(struct driver *d, unsigned int bar)
{
	uint64_t low = rig_cfg_read(d->rig, d->slot, PCI_BAR0 + 4 * bar, 4);
	uint64_t high = rig_cfg_read(d->rig, d->slot, PCI_BAR0 + 4 * bar + 4, 4);

	return (high << 32 | low) & ~UINT64_C(0xf);
}

static uint64_t area(struct driver *d, unsigned int cap)
{
	unsigned int bar = (unsigned int)rig_cfg_read(
		d->rig, d->slot, cap + offsetof(struct virtio_pci_cap, bar), 1);
	uint64_t off =
		rig_cfg_read(d->rig, d->slot, cap + offsetof(struct virtio_pci_cap, offset), 4);

	return bar_address(d, bar) + off;
}

void driver_probe(struct driver *d, struct rig *r, unsigned int slot)
{
	unsigned int cap;

	*d = (struct driver){ .rig = r, .slot = slot };
	assert_int_equal(rig_cfg_read(r, slot, PCI_VENDOR, 2), VIRTIO_PCI_VENDOR);
	assert_true(rig_cfg_read(r, slot, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);

	for (cap = (unsigned int)rig_cfg_read(r, slot, PCI_CAP_POINTER, 1); cap;
	     cap = (unsigned int)rig_cfg_read(r, slot, cap + 1, 1)) {
		if (rig_cfg_read(r, slot, cap, 1) == PCI_CAP_ID_MSIX) {
			d->msix_cap = cap;
			continue;
		}
		switch (rig_cfg_read(r, slot, cap + 3, 1)) {
		case VIRTIO_PCI_CAP_COMMON:
			d->common_cap = cap;
			break;
		case VIRTIO_PCI_CAP_NOTIFY:
			d->notify_cap = cap;
			break;
		case VIRTIO_PCI_CAP_ISR:
			d->isr_cap = cap;
			break;
		case VIRTIO_PCI_CAP_DEVICE:
			d->device_cap = cap;
			break;
		case VIRTIO_PCI_CAP_PCI:
			d->cfg_cap = cap;
			break;
		default:
			fail_msg("unknown capability at %#x", cap);
		}
	}
	/* device_cap is for devices that have a configuration. */
	assert_true(d->common_cap && d->notify_cap && d->isr_cap && d->cfg_cap && d->msix_cap);

	d->common = area(d, d->common_cap);
	d->notify = area(d, d->notify_cap);
	d->isr = area(d, d->isr_cap);
	d->device = d->device_cap ? area(d, d->device_cap) : 0;
	d->notify_stride = (uint32_t)rig_cfg_read(r, slot, d->notify_cap + 16, 4);
	d->msix_table = bar_address(
		d, (unsigned int)rig_cfg_read(r, slot, d->msix_cap + PCI_MSIX_TABLE, 4) & 7);
	rig_cfg_write(r, slot, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

uint64_t driver_get(struct driver *d, unsigned int off, unsigned int size)
{
	return rig_read(d->rig, d->common + off, size);
}

void driver_set(struct driver *d, unsigned int off, unsigned int size, uint64_t val)
{
	rig_write(d->rig, d->common + off, size, val);
}

uint8_t driver_status(struct driver *d)
{
	return (uint8_t)driver_get(d, REG(device_status), 1);
}

void driver_set_status(struct driver *d, uint8_t status)
{
	driver_set(d, REG(device_status), 1, status);
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 200 * 1000 }, NULL);
}

void driver_reset(struct driver *d)
{
	driver_set_status(d, 0);
	for (unsigned int i = 0; driver_status(d) != 0; i++) {
		assert_true(i < 50000);
		nap();
	}
}

static void set64(struct driver *d, unsigned int off, uint64_t val)
{
	driver_set(d, off, 4, (uint32_t)val);
	driver_set(d, off + 4, 4, val >> 32);
}

static void set_vector(struct driver *d, unsigned int v)
{
	uint64_t entry = d->msix_table + (uint64_t)v * PCI_MSIX_ENTRY_BYTES;

	rig_write(d->rig, entry, 4, 0xfee00000);
	rig_write(d->rig, entry + 4, 4, 0);
	rig_write(d->rig, entry + 8, 4, 0x40 + v);
	rig_write(d->rig, entry + 12, 4, 0);
}

/* Rings at a place of the queue's own, empty, and enabled. */
static void start_queue(struct driver *d, unsigned int queue, unsigned int vector)
{
	d->queue = queue;
	driver_set(d, REG(queue_select), 2, queue);
	d->size = (uint16_t)driver_get(d, REG(queue_size), 2);
	assert_true(d->size > 0 && d->size <= DRIVER_QUEUE_SIZE);
	d->desc = 0x10000 + DRIVER_RINGS_BYTES * queue;
	d->avail = d->desc + 0x1000;
	d->used = d->desc + 0x2000;
	d->avail_idx = d->used_seen = d->next_desc = 0;
	memset(memory_at(&d->rig->memory, gpa(d->desc), DRIVER_RINGS_BYTES), 0, DRIVER_RINGS_BYTES);
	set64(d, REG(queue_desc), d->desc);
	set64(d, REG(queue_driver), d->avail);
	set64(d, REG(queue_device), d->used);
	set_vector(d, vector);
	driver_set(d, REG(queue_msix_vector), 2, vector);
	assert_int_equal(driver_get(d, REG(queue_msix_vector), 2), vector);
	driver_set(d, REG(queue_enable), 2, 1);
	assert_int_equal(driver_get(d, REG(queue_enable), 2), 1);
}

void driver_start(struct driver *d, uint64_t features)
{
	uint8_t status = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER;

	driver_reset(d);
	driver_set_status(d, VIRTIO_STATUS_ACKNOWLEDGE);
	driver_set_status(d, status);
	features |= BIT64(VIRTIO_F_VERSION_1);
	for (unsigned int i = 0; i < 2; i++) {
		driver_set(d, REG(driver_feature_select), 4, i);
		driver_set(d, REG(driver_feature), 4, (uint32_t)(features >> (32 * i)));
	}
	driver_set_status(d, status |= VIRTIO_STATUS_FEATURES_OK);
	assert_true(driver_status(d) & VIRTIO_STATUS_FEATURES_OK);
	d->features = features;
	d->event_idx = features >> VIRTIO_F_EVENT_IDX & 1;

	rig_cfg_write(d->rig, d->slot, d->msix_cap + PCI_MSIX_CONTROL, 2, PCI_MSIX_CONTROL_ENABLE);
	set_vector(d, 1);
	driver_set(d, REG(config_msix_vector), 2, 1);
	assert_int_equal(driver_get(d, REG(config_msix_vector), 2), 1);
	start_queue(d, 0, 0);
	driver_set_status(d, status | VIRTIO_STATUS_DRIVER_OK);
}

void driver_start_queue(struct driver *other, const struct driver *d, unsigned int queue)
{
	*other = *d;
	start_queue(other, queue, queue + 1);
}

static void *at(struct driver *d, uint64_t addr, uint64_t len)
{
	void *p = memory_at(&d->rig->memory, gpa(addr), len);

	assert_non_null(p);
	return p;
}

uint16_t driver_add(struct driver *d, const struct buffer *b, unsigned int count)
{
	struct virtq_desc *desc = at(d, d->desc, VIRTQ_DESC_BYTES(d->size));
	struct virtq_avail *avail = at(d, d->avail, VIRTQ_AVAIL_BYTES(d->size));
	uint16_t head = d->next_desc % d->size;

	/* Chains are given out round robin: enough while the ring never fills. */
	for (unsigned int i = 0; i < count; i++) {
		uint16_t flags = b[i].write ? VIRTQ_DESC_F_WRITE : 0;

		if (i + 1 < count)
			flags |= VIRTQ_DESC_F_NEXT;
		desc[d->next_desc % d->size] = (struct virtq_desc){
			.addr = b[i].addr,
			.len = b[i].len,
			.flags = flags,
			.next = (uint16_t)((d->next_desc + 1) % d->size),
		};
		d->next_desc++;
	}
	avail->ring[d->avail_idx % d->size] = head;
	d->avail_idx++;
	return head;
}

void driver_publish(struct driver *d)
{
	struct virtq_avail *avail = at(d, d->avail, VIRTQ_AVAIL_BYTES(d->size));

	atomic_store_explicit((_Atomic uint16_t *)&avail->idx, d->avail_idx, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
}

void driver_notify(struct driver *d)
{
	driver_publish(d);
	rig_write(d->rig, d->notify + d->queue * d->notify_stride, 2, d->queue);
}

bool driver_used(struct driver *d, struct virtq_used_elem *e)
{
	struct virtq_used *used = at(d, d->used, VIRTQ_USED_BYTES(d->size));
	struct virtq_avail *avail = at(d, d->avail, VIRTQ_AVAIL_BYTES(d->size) + 2);

	for (unsigned int i = 0; i < 25000; i++) {
		uint16_t idx =
			atomic_load_explicit((_Atomic uint16_t *)&used->idx, memory_order_acquire);

		if (idx != d->used_seen) {
			*e = used->ring[d->used_seen % d->size];
			d->used_seen++;
			/* Ask for an interrupt for the next one. */
			avail->ring[d->size] = d->used_seen;
			return true;
		}
		nap();
	}
	return false;
}
