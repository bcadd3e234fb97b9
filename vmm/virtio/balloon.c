/* SPDX-License-Identifier: MIT */
/*
 * virtio-balloon. Virtio 1.2, "Traditional Memory Balloon Device".
 *
 * Pages given back are dropped from our own mapping; the hypervisor's follows by
 * itself, and the next access of the guest finds a page of zeros. A guest that
 * uses what it gave back harms nobody but itself.
 */
#include "vmm/virtio/balloon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/pci.h"
#include "abi/virtio/balloon.h"
#include "vmm/device.h"
#include "vmm/log.h"
#include "vmm/virtio/device.h"
#include "vmm/virtio/pci.h"

#define QUEUE_SIZE 128u

/* "Virtqueues": those that are not offered have no number. */
#define INFLATE	   0u
#define DEFLATE	   1u
#define REPORTING  2u

/* Page numbers looked at in one go, and in one chain: Linux sends 256. */
#define PFNS	   256u
#define PFNS_MAX   4096u

/*
 * What one notification may cost: calls of the kernel, and large pages in them. The rest
 * is done when others of the device thread had their turn.
 */
#define COST_MAX   4096u

struct virtio_balloon {
	struct virtio_device v;
	struct virtio_pci pci;
	struct virtio_balloon_config config;
	struct iovec iov[QUEUE_SIZE];
};

/*
 * Runs of neighbours go in one call; what is no memory of the guest's is skipped. This,
 * inflate() and report() return what they cost.
 */
static uint64_t drop_pages(const struct memory *memory, const uint32_t *pfn, unsigned int count)
{
	uint64_t cost = 0;
	unsigned int n;

	for (unsigned int i = 0; i < count; i += n, cost++) {
		for (n = 1; i + n < count && pfn[i + n] == pfn[i] + n;)
			n++;
		memory_discard(memory, gpa((uint64_t)pfn[i] << VIRTIO_BALLOON_PAGE_SHIFT),
			       (uint64_t)n << VIRTIO_BALLOON_PAGE_SHIFT);
	}
	return cost;
}

/* The readable part is page numbers. */
static uint64_t inflate(struct virtio_balloon *b, struct virtq_chain *c)
{
	uint64_t left = MIN(c->read_bytes / sizeof(uint32_t), PFNS_MAX);
	struct iovec *iov = c->iov;
	unsigned int iov_count = c->read_count;
	uint64_t cost = 0;
	uint32_t pfn[PFNS];

	while (left) {
		unsigned int n = (unsigned int)MIN(left, PFNS);

		if (!iov_take(&iov, &iov_count, pfn, n * sizeof(pfn[0])))
			break;
		cost += drop_pages(b->v.memory, pfn, n);
		left -= n;
	}
	return cost;
}

/* The writable part is the free memory itself; more than there is need not be true. */
static uint64_t report(const struct virtio_balloon *b, const struct virtq_chain *c)
{
	const struct iovec *iov = c->iov + c->read_count;
	uint64_t left = b->v.memory->total, cost = 0;

	for (unsigned int i = 0; i < c->write_count && left; i++) {
		uint64_t n = MIN(iov[i].iov_len, left);

		memory_discard_host(iov[i].iov_base, n);
		left -= n;
		cost += 1 + n / LARGE_PAGE_SIZE;
	}
	return cost;
}

static void process(struct virtio_device *v, unsigned int queue)
{
	struct virtio_balloon *b = container_of(v, struct virtio_balloon, v);
	struct virtq_chain c = { .iov_max = QUEUE_SIZE };
	uint64_t cost = 0;

	do {
		virtq_quiet(&v->queue[queue]);
		for (c.iov = b->iov; virtio_pop(v, queue, &c); c.iov = b->iov) {
			/* Deflating needs nothing: pages come back when they are touched. */
			if (queue == INFLATE)
				cost += inflate(b, &c);
			else if (queue == REPORTING)
				cost += report(b, &c);
			virtio_push(v, queue, c.head, 0);
			if (cost >= COST_MAX)
				v->budget = 0;
		}
	} while (virtio_listen(v, queue));
	virtio_end_batch(v, queue);
}

/* The driver says how large the balloon is. */
static void config_written(struct virtio_device *v, unsigned int off, unsigned int size,
			   uint64_t val)
{
	struct virtio_balloon *b = container_of(v, struct virtio_balloon, v);

	if (off == offsetof(struct virtio_balloon_config, actual) &&
	    size == sizeof(b->config.actual))
		b->config.actual = (uint32_t)val;
}

static const struct virtio_kind balloon_kind = {
	.name = "balloon",
	.type = VIRTIO_ID_BALLOON,
	.pci_class = PCI_CLASS_OTHER,
	.queue_size = QUEUE_SIZE,
	.process = process,
	.config_written = config_written,
};

static int check_config(const struct machine *m, const struct balloon_config *c)
{
	if (c->size < m->memory->total)
		return 0;
	log_error("balloon: as large as the guest's memory (%llu MiB)",
		  (unsigned long long)c->size >> 20);
	return -EINVAL;
}

static int create(struct machine *m, const void *config, void **device)
{
	const struct balloon_config *c = config;
	struct virtio_balloon *b = calloc(1, sizeof(*b));
	struct virtio_setup setup = {
		.kind = &balloon_kind,
		.memory = m->memory,
		.queue_count = c->reporting ? 3 : 2,
		.features = (c->deflate_on_oom ? BIT64(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) : 0) |
			    (c->reporting ? BIT64(VIRTIO_BALLOON_F_REPORTING) : 0),
		.config_bytes = sizeof(b->config),
	};
	int err = -ENOMEM;

	if (!b)
		goto failed;
	err = check_config(m, c);
	if (err)
		goto free_balloon;
	b->config.num_pages = (uint32_t)(c->size >> VIRTIO_BALLOON_PAGE_SHIFT);
	setup.config = &b->config;
	err = virtio_pci_add(&b->pci, m, m->loop, &b->v, &setup);
	if (!err) {
		*device = b;
		return 0;
	}
free_balloon:
	free(b);
failed:
	log_error("balloon: cannot be added (%s)", strerror(-err));
	return err;
}

static void destroy(void *device)
{
	struct virtio_balloon *b = device;

	virtio_pci_remove(&b->pci);
	free(b);
}

static const struct option_key keys[] = {
	{ "size", OPTION_SIZE, offsetof(struct balloon_config, size), .max = INT64_MAX },
	{ "deflate-on-oom", OPTION_FLAG,
	  .offset = offsetof(struct balloon_config, deflate_on_oom) },
	{ "reporting", OPTION_FLAG, .offset = offsetof(struct balloon_config, reporting) },
	{ 0 },
};

const struct device_kind virtio_balloon_device = {
	.name = "balloon",
	.option = "--balloon",
	.usage = "[=size=SIZE][,deflate-on-oom=on][,reporting=on]",
	.purpose = "memory the guest gives back, or reports as free",
	.max = 1,
	.keys = keys,
	.config_bytes = sizeof(struct balloon_config),
	.create = create,
	.destroy = destroy,
};
