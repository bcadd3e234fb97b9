/* SPDX-License-Identifier: MIT */
#include "vmm/irq.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/mshv.h"

/* Devices with a vector per queue and processor want many: PCI_MSIX_MAX each. */
#define ROUTES_MAX 512

struct route {
	int fd;
	bool attached; /* the kernel takes signals off fd */
	uint32_t addr;
	uint32_t data;
	atomic_ulong fired; /* a queue has one route: nobody shares the line */
};

struct irq {
	struct mshv_partition *partition;
	const struct irq_lines_ops *lines_ops;
	void *lines;
	atomic_ulong asserted;
	pthread_mutex_t lock; /* routes and the kernel's copy of them */
	unsigned int route_count;
	struct route route[ROUTES_MAX];
	struct mshv_route table[ROUTES_MAX]; /* of publish(): too much for a stack */
};

struct irq *irq_create(struct mshv_partition *p)
{
	struct irq *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->partition = p;
	pthread_mutex_init(&q->lock, NULL);
	return q;
}

void irq_destroy(struct irq *q)
{
	if (!q)
		return;
	for (unsigned int i = 0; i < q->route_count; i++)
		close(q->route[i].fd);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

/* --- lines --- */

void irq_attach_lines(struct irq *q, const struct irq_lines_ops *ops, void *lines)
{
	q->lines_ops = ops;
	q->lines = lines;
}

void irq_line_set(struct irq *q, unsigned int gsi, bool level)
{
	if (q->lines_ops)
		q->lines_ops->set(q->lines, gsi, level);
}

void irq_eoi(struct irq *q, uint8_t vector)
{
	if (q->lines_ops)
		q->lines_ops->eoi(q->lines, vector);
}

/* --- messages --- */

int irq_send(struct irq *q, const struct irq_message *m)
{
	int ret;

	atomic_fetch_add_explicit(&q->asserted, 1, memory_order_relaxed);
	ret = mshv_assert(q->partition, m->mode, m->level, m->logical, m->dest, m->vector);

	/* A guest may aim at a processor that is not there. */
	if (ret)
		log_debug("interrupt refused (vector 0x%x, mode %u, dest 0x%x, %s)", m->vector,
			  m->mode, m->dest, strerror(-ret));
	return ret;
}

/* --- routes --- */

/* The kernel's gsi of a route; 0 is not usable there (mshv.h). */
static uint32_t route_gsi(int route)
{
	return (uint32_t)route + 1;
}

int irq_route_alloc(struct irq *q)
{
	int ret, fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	pthread_mutex_lock(&q->lock);
	if (q->route_count == ROUTES_MAX) {
		close(fd);
		ret = -ENOSPC;
	} else {
		ret = (int)q->route_count;
		q->route[q->route_count++].fd = fd;
	}
	pthread_mutex_unlock(&q->lock);
	return ret;
}

static struct route *route_at(struct irq *q, int route)
{
	CHECK(route >= 0 && (unsigned int)route < q->route_count);
	return &q->route[route];
}

int irq_route_fd(struct irq *q, int route)
{
	return route_at(q, route)->fd;
}

static int publish(struct irq *q)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < q->route_count; i++) {
		const struct route *r = &q->route[i];

		if (r->attached)
			q->table[n++] = (struct mshv_route){
				route_gsi((int)i),
				r->addr,
				r->data,
			};
	}
	return mshv_routes_set(q->partition, q->table, n);
}

static int attach(struct irq *q, int route, struct route *r, uint32_t addr, uint32_t data)
{
	bool was = r->attached;
	int ret;

	if (was && r->addr == addr && r->data == data)
		return 0;
	r->addr = addr;
	r->data = data;
	r->attached = true;
	/* The route first: a signal must never find the irqfd without one. */
	ret = publish(q);
	if (!ret && !was)
		ret = mshv_irqfd(q->partition, r->fd, route_gsi(route), true);
	if (ret)
		r->attached = was;
	return ret;
}

static int detach(struct irq *q, int route, struct route *r)
{
	int ret;

	if (!r->attached)
		return 0;
	ret = mshv_irqfd(q->partition, r->fd, route_gsi(route), false);
	if (ret)
		return ret;
	r->attached = false;
	return publish(q);
}

int irq_route_set(struct irq *q, int route, uint64_t addr, uint32_t data, bool masked)
{
	struct route *r = route_at(q, route);
	int ret;

	/* Messages that go anywhere but to a local APIC are no interrupts. */
	if (!masked && addr >> 32)
		return -EINVAL;
	pthread_mutex_lock(&q->lock);
	ret = masked ? detach(q, route, r) : attach(q, route, r, (uint32_t)addr, data);
	pthread_mutex_unlock(&q->lock);
	if (ret)
		log_warn("interrupt route refused (%d, address 0x%llx, data 0x%x, %s)", route,
			 (unsigned long long)addr, data, strerror(-ret));
	return ret;
}

void irq_route_fire(struct irq *q, int route)
{
	struct route *r = route_at(q, route);
	uint64_t one = 1;
	/* A full counter is an interrupt still to be taken: nothing is lost. */
	ssize_t done = write(r->fd, &one, sizeof(one));

	(void)done;
	atomic_fetch_add_explicit(&r->fired, 1, memory_order_relaxed);
}

bool irq_route_pending(struct irq *q, int route)
{
	struct pollfd p = { .fd = route_at(q, route)->fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

void irq_count(struct irq *q, struct irq_counts *c)
{
	*c = (struct irq_counts){ .asserted = atomic_load(&q->asserted) };
	pthread_mutex_lock(&q->lock);
	for (unsigned int i = 0; i < q->route_count; i++)
		c->fired += atomic_load(&q->route[i].fired);
	pthread_mutex_unlock(&q->lock);
}

int irq_doorbell_set(struct irq *q, uint64_t addr, unsigned int len, int fd, bool on)
{
	return mshv_ioeventfd(q->partition, addr, len, fd, on);
}
