/* SPDX-License-Identifier: MIT */
/*
 * virtio-console. Virtio 1.2, "Console Device": one port, two queues.
 *
 * The console (vmm/console.h) may have no room for output, and may have no input
 * for a long time. So each queue has one chain at hand that is used up piece by
 * piece: of the guest's output what is not taken yet, and a buffer for what may
 * come in. The last one goes back to the driver with what there was.
 */
#include "vmm/virtio/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/pci.h"
#include "abi/virtio/console.h"
#include "vmm/console.h"
#include "vmm/device.h"
#include "vmm/log.h"
#include "vmm/virtio/device.h"
#include "vmm/virtio/pci.h"

#define QUEUE_SIZE 32u
#define SERIAL	   0u /* number of the console's client that is there without us */

/* A chain, and what is left of it. */
struct at_hand {
	bool taken;
	uint16_t head;
	struct iovec *iov;
	unsigned int count;
	struct iovec room[QUEUE_SIZE];
};

struct virtio_console {
	struct virtio_device v;
	struct virtio_pci pci;
	struct console *console;
	unsigned int client;
	struct at_hand receive, transmit;
};

/* --- from the guest --- */

/* Hand on what is at hand; false: the console is full. Lock held. */
static bool write_chain(struct virtio_console *c)
{
	struct at_hand *t = &c->transmit;

	while (t->count) {
		size_t n = console_write(c->console, t->iov->iov_base, t->iov->iov_len);

		if (n < t->iov->iov_len) {
			t->iov->iov_base = (uint8_t *)t->iov->iov_base + n;
			t->iov->iov_len -= n;
			return false;
		}
		t->iov++;
		t->count--;
	}
	return true;
}

static void transmit(struct virtio_console *c)
{
	struct virtio_device *v = &c->v;
	struct at_hand *t = &c->transmit;
	struct virtq_chain chain = { .iov = t->room, .iov_max = QUEUE_SIZE };

	do {
		virtq_quiet(&v->queue[VIRTIO_CONSOLE_TRANSMIT]);
		while (t->taken || virtio_pop(v, VIRTIO_CONSOLE_TRANSMIT, &chain)) {
			if (!t->taken) {
				t->head = chain.head;
				t->iov = t->room;
				t->count = chain.read_count;
			}
			t->taken = !write_chain(c);
			if (t->taken)
				break; /* drained() goes on */
			virtio_push(v, VIRTIO_CONSOLE_TRANSMIT, t->head, 0);
		}
	} while (!t->taken && virtio_listen(v, VIRTIO_CONSOLE_TRANSMIT));
	virtio_end_batch(v, VIRTIO_CONSOLE_TRANSMIT);
}

/* The console's writer has made room. */
static void drained(void *arg)
{
	struct virtio_console *c = arg;

	pthread_mutex_lock(&c->v.lock);
	if (c->transmit.taken)
		c->v.transport->kick_all(&c->v);
	pthread_mutex_unlock(&c->v.lock);
}

/* --- to the guest --- */

/* Is there a buffer of the driver's to fill? Lock held, in process(). */
static bool prepare(struct virtio_console *c)
{
	struct at_hand *r = &c->receive;
	struct virtq_chain chain = { .iov = r->room, .iov_max = QUEUE_SIZE };

	/* A buffer without room is given back as it is. */
	while (!r->taken && virtio_pop(&c->v, VIRTIO_CONSOLE_RECEIVE, &chain)) {
		if (!chain.write_bytes) {
			virtio_push(&c->v, VIRTIO_CONSOLE_RECEIVE, chain.head, 0);
			continue;
		}
		r->taken = true;
		r->head = chain.head;
		r->iov = r->room + chain.read_count;
		r->count = chain.write_count;
	}
	return r->taken;
}

static size_t room(void *arg)
{
	struct virtio_console *c = arg;
	size_t bytes = 0;

	pthread_mutex_lock(&c->v.lock);
	for (unsigned int i = 0; c->receive.taken && i < c->receive.count; i++)
		bytes += c->receive.iov[i].iov_len;
	pthread_mutex_unlock(&c->v.lock);
	return bytes;
}

/* Device thread, and nothing else on it between room() and this. */
static void receive(void *arg, const uint8_t *data, size_t len)
{
	struct virtio_console *c = arg;
	struct at_hand *r = &c->receive;

	pthread_mutex_lock(&c->v.lock);
	/* A reset in between takes the buffer with it, and what was typed. */
	if (r->taken && iov_put(&r->iov, &r->count, data, len)) {
		virtio_push(&c->v, VIRTIO_CONSOLE_RECEIVE, r->head, (uint32_t)len);
		r->taken = false;
		virtio_end_batch(&c->v, VIRTIO_CONSOLE_RECEIVE);
		/* The next one, or listen for it. */
		c->v.transport->kick_all(&c->v);
	}
	pthread_mutex_unlock(&c->v.lock);
}

/* --- both --- */

static void process(struct virtio_device *v, unsigned int queue)
{
	struct virtio_console *c = container_of(v, struct virtio_console, v);

	if (queue == VIRTIO_CONSOLE_TRANSMIT) {
		transmit(c);
		return;
	}
	do {
		virtq_quiet(&v->queue[queue]);
		if (prepare(c)) {
			console_resume(c->console);
			break;
		}
	} while (virtio_listen(v, queue));
	virtio_end_batch(v, queue);
}

/* Input comes to a driver that works. */
static void run(struct virtio_device *v, bool on)
{
	struct virtio_console *c = container_of(v, struct virtio_console, v);

	console_front(c->console, on ? c->client : SERIAL);
}

static void forget(struct virtio_console *c, struct at_hand *h, unsigned int queue)
{
	if (h->taken)
		virtio_unpop(&c->v, queue, 1);
	h->taken = false;
}

static void reset(struct virtio_device *v)
{
	struct virtio_console *c = container_of(v, struct virtio_console, v);

	forget(c, &c->receive, VIRTIO_CONSOLE_RECEIVE);
	forget(c, &c->transmit, VIRTIO_CONSOLE_TRANSMIT);
}

static const struct virtio_kind console_kind = {
	.name = "console",
	.type = VIRTIO_ID_CONSOLE,
	.pci_class = PCI_CLASS_COMMUNICATION_OTHER,
	.queue_size = QUEUE_SIZE,
	.process = process,
	.run = run,
	.reset = reset,
};

static int create(struct machine *m, const void *config, void **device)
{
	const struct virtio_setup setup = {
		.kind = &console_kind,
		.memory = m->memory,
		.queue_count = 2,
	};
	struct virtio_console *c = calloc(1, sizeof(*c));
	struct console_client client = {
		.arg = c,
		.room = room,
		.receive = receive,
		.drained = drained,
	};
	int err;

	(void)config;
	if (!c)
		return -ENOMEM;
	c->console = m->console;
	err = virtio_pci_add(&c->pci, m, m->loop, &c->v, &setup);
	if (!err) {
		c->client = console_attach(m->console, &client);
		*device = c;
		return 0;
	}
	free(c);
	log_error("console: cannot be added (%s)", strerror(-err));
	return err;
}

static const struct option_key no_keys[] = { { 0 } };

/* Not destroyed: the console's writer may call drained() to the very end. */
const struct device_kind virtio_console_device = {
	.name = "console",
	.option = "--console",
	.usage = "",
	.purpose = "virtio-console (hvc0) on the same streams as the serial port",
	.max = 1,
	.keys = no_keys,
	.create = create,
};
