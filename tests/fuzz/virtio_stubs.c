/* SPDX-License-Identifier: MIT */
#include "virtio_stubs.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "vmm/config.h"
#include "vmm/dev/pci.h"
#include "vmm/thread.h"

#define SOURCES_MAX 16

struct loop {
	struct loop_source *source[SOURCES_MAX];
	short events[SOURCES_MAX];
	unsigned int count;
};

static struct loop the_loop;

int loop_add(struct loop *l, struct loop_source *s, uint32_t events)
{
	if (l->count == SOURCES_MAX)
		abort();
	l->events[l->count] = (short)(events & (EPOLLIN | EPOLLOUT));
	l->source[l->count++] = s;
	return 0;
}

void loop_remove(struct loop *l, struct loop_source *s)
{
	for (unsigned int i = 0; i < l->count; i++)
		if (l->source[i] == s) {
			l->source[i] = l->source[--l->count];
			l->events[i--] = l->events[l->count];
		}
}

void stub_loop_turn(void)
{
	for (unsigned int i = 0; i < the_loop.count; i++) {
		struct loop_source *s = the_loop.source[i];
		struct pollfd p = { .fd = s->fd, .events = the_loop.events[i] };

		/* The numbers are those of epoll. */
		if (poll(&p, 1, 0) == 1)
			s->ready(s, (uint32_t)p.revents);
	}
}

/* thread.h: there is one, the fuzzer's. */

int thread_start(struct thread *t, enum filter_kind kind, const char *name, void *(*run)(void *),
		 void *arg)
{
	(void)t, (void)kind, (void)name, (void)run, (void)arg;
	return 0;
}

void thread_join(struct thread *t)
{
	(void)t;
}

/*
 * irq.h: routes are numbers, everything succeeds but doorbells.
 */

static int routes;

int irq_route_alloc(struct irq *q)
{
	(void)q;
	return routes++;
}

int irq_route_fd(struct irq *q, int route)
{
	(void)q;
	(void)route;
	return -1;
}

int irq_route_set(struct irq *q, int route, uint64_t addr, uint32_t data, bool masked)
{
	(void)q;
	(void)addr;
	(void)data;
	(void)masked;
	if (route < 0 || route >= routes)
		abort();
	return 0;
}

void irq_route_fire(struct irq *q, int route)
{
	(void)q;
	if (route < 0 || route >= routes)
		abort();
}

bool irq_route_pending(struct irq *q, int route)
{
	(void)q;
	if (route < 0 || route >= routes)
		abort();
	return route & 1;
}

int irq_doorbell_set(struct irq *q, uint64_t addr, unsigned int len, int fd, bool on)
{
	(void)q;
	(void)addr;
	(void)len;
	(void)fd;
	(void)on;
	return -1;
}

static void machine_end(struct machine *m, enum vm_end why)
{
	(void)m;
	(void)why;
}

void stub_machine_create(struct machine *m, struct memory *memory)
{
	static const struct vm_config config = { .cpus.count = 1 };

	routes = 0;
	*memory = (struct memory){
		.region_count = 1,
		.region[0] = { 0, STUB_MEMORY, aligned_alloc(4096, STUB_MEMORY) },
		.total = STUB_MEMORY,
	};
	memset(memory->region[0].host, 0, STUB_MEMORY);
	*m = (struct machine){
		.config = &config,
		.memory = memory,
		.ports = bus_create("ports"),
		.mmio = bus_create("mmio"),
		.loop = &the_loop,
		.end = machine_end,
	};
	m->pci = pci_host_create(m);
	if (!m->pci)
		abort();
}

void stub_machine_destroy(struct machine *m)
{
	if (the_loop.count)
		abort();
	pci_host_destroy(m->pci);
	bus_destroy(m->mmio);
	bus_destroy(m->ports);
	free(m->memory->region[0].host);
}

uint8_t input_u8(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->at++;
}

uint64_t input_bytes(struct input *in, unsigned int n)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < n; i++)
		v |= (uint64_t)input_u8(in) << (8 * i);
	return v;
}

uint16_t input_u16(struct input *in)
{
	return (uint16_t)input_bytes(in, 2);
}
