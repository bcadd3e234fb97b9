/* SPDX-License-Identifier: MIT */
/*
 * virtio-rng: one queue, whose buffers are filled. Virtio 1.2, "Entropy Device".
 * docs/HACKING.md tells how a device is written along this one.
 */
#include "vmm/virtio/rng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "abi/pci.h"
#include "vmm/device.h"
#include "vmm/log.h"
#include "vmm/virtio/device.h"
#include "vmm/virtio/pci.h"

#define QUEUE_SIZE    16u
/*
 * A driver gets as much as it wants, by asking again. So much at a time keeps one
 * that asks for a lot from holding up the device thread.
 */
#define REQUEST_BYTES 1024u

struct virtio_rng {
	struct virtio_device v;
	struct virtio_pci pci;
	struct iovec iov[QUEUE_SIZE];
};

/* How many bytes of the chain are random now. */
static uint32_t fill(const struct virtq_chain *c)
{
	const struct iovec *iov = c->iov + c->read_count;
	uint32_t filled = 0;

	for (unsigned int i = 0; i < c->write_count && filled < REQUEST_BYTES; i++) {
		size_t want = MIN(iov[i].iov_len, REQUEST_BYTES - filled);
		ssize_t got = getrandom(iov[i].iov_base, want, 0);

		if (got > 0)
			filled += (uint32_t)got;
		if (got != (ssize_t)want)
			break;
	}
	return filled;
}

static void process(struct virtio_device *v, unsigned int queue)
{
	struct virtio_rng *r = container_of(v, struct virtio_rng, v);
	struct virtq_chain c = { .iov = r->iov, .iov_max = QUEUE_SIZE };

	do {
		virtq_quiet(&v->queue[queue]);
		while (virtio_pop(v, queue, &c))
			virtio_push(v, queue, c.head, fill(&c));
	} while (virtio_listen(v, queue));
	virtio_end_batch(v, queue);
}

static const struct virtio_kind rng_kind = {
	.name = "rng",
	.type = VIRTIO_ID_ENTROPY,
	.pci_class = PCI_CLASS_OTHER,
	.queue_size = QUEUE_SIZE,
	.process = process,
};

static int create(struct machine *m, const void *config, void **device)
{
	const struct virtio_setup setup = {
		.kind = &rng_kind,
		.memory = m->memory,
		.queue_count = 1,
	};
	struct virtio_rng *r = calloc(1, sizeof(*r));
	int err;

	(void)config;
	if (!r)
		return -ENOMEM;
	err = virtio_pci_add(&r->pci, m, m->loop, &r->v, &setup);
	if (!err) {
		*device = r;
		return 0;
	}
	free(r);
	log_error("rng: cannot be added (%s)", strerror(-err));
	return err;
}

static void destroy(void *device)
{
	struct virtio_rng *r = device;

	virtio_pci_remove(&r->pci);
	free(r);
}

static const struct option_key no_keys[] = { { 0 } };

const struct device_kind virtio_rng_device = {
	.name = "rng",
	.option = "--rng",
	.usage = "",
	.purpose = "random bytes from the host",
	.max = 1,
	.keys = no_keys,
	.create = create,
	.destroy = destroy,
};
