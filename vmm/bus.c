/* SPDX-License-Identifier: MIT */
/*
 * A bus is a short table scanned from the start: a machine has some ten
 * ranges, and a scan of two cache lines costs less than an exit by orders of
 * magnitude.
 *
 * Readers take no lock. Everything but base and size is written once before
 * the range is published (count, release). A move changes base and size; a
 * reader could pair an old base with a new size, so both sit behind a sequence
 * number per range: odd while it changes, and the reader tries again.
 */
#include "vmm/bus.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "vmm/log.h"

struct slot {
	struct bus_range range; /* as it was claimed; where it is now: */
	atomic_uint sequence;
	_Atomic uint64_t base;
	_Atomic uint64_t size;
};

struct bus {
	const char *name;
	pthread_mutex_t writers;
	atomic_uint count;
	struct slot slot[BUS_RANGES_MAX];
};

struct bus *bus_create(const char *name)
{
	struct bus *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->name = name;
	pthread_mutex_init(&b->writers, NULL);
	return b;
}

void bus_destroy(struct bus *b)
{
	if (!b)
		return;
	pthread_mutex_destroy(&b->writers);
	free(b);
}

static bool overlaps(const struct bus *b, int skip, uint64_t base, uint64_t size)
{
	unsigned int n = atomic_load(&b->count);

	for (unsigned int i = 0; i < n; i++) {
		uint64_t other = atomic_load(&b->slot[i].base);
		uint64_t other_size = atomic_load(&b->slot[i].size);

		if ((int)i == skip || !other_size || !size)
			continue;
		/* Last bytes, because a range may end at the top. */
		if (base <= other + (other_size - 1) && other <= base + (size - 1))
			return true;
	}
	return false;
}

static bool wraps(uint64_t base, uint64_t size)
{
	return size && base + (size - 1) < base;
}

int bus_add(struct bus *b, const struct bus_range *r)
{
	unsigned int n;
	int ret;

	if (wraps(r->base, r->size))
		return -EINVAL;
	pthread_mutex_lock(&b->writers);
	n = atomic_load(&b->count);
	if (n == BUS_RANGES_MAX) {
		ret = -ENOSPC;
	} else if (overlaps(b, -1, r->base, r->size)) {
		ret = -EEXIST;
	} else {
		b->slot[n].range = *r;
		atomic_store(&b->slot[n].base, r->base);
		atomic_store(&b->slot[n].size, r->size);
		/* Release: pairs with the acquire in find(). */
		atomic_store_explicit(&b->count, n + 1, memory_order_release);
		ret = (int)n;
	}
	pthread_mutex_unlock(&b->writers);
	return ret;
}

int bus_move(struct bus *b, int id, uint64_t base, uint64_t size)
{
	struct slot *s;
	int ret = 0;

	if (wraps(base, size))
		return -EINVAL;
	pthread_mutex_lock(&b->writers);
	CHECK(id >= 0 && (unsigned int)id < atomic_load(&b->count));
	s = &b->slot[id];
	if (overlaps(b, id, base, size)) {
		ret = -EEXIST;
	} else {
		atomic_fetch_add(&s->sequence, 1);
		atomic_store(&s->base, base);
		atomic_store(&s->size, size);
		atomic_fetch_add(&s->sequence, 1);
	}
	pthread_mutex_unlock(&b->writers);
	return ret;
}

static void place(struct slot *s, uint64_t *base, uint64_t *size)
{
	unsigned int before, after;

	do {
		before = atomic_load(&s->sequence);
		*base = atomic_load(&s->base);
		*size = atomic_load(&s->size);
		after = atomic_load(&s->sequence);
	} while ((before & 1) || before != after);
}

/* Index of the range around all of an access, or -1. */
static int find(struct bus *b, uint64_t addr, unsigned int len, uint64_t *off)
{
	unsigned int n = atomic_load_explicit(&b->count, memory_order_acquire);

	for (unsigned int i = 0; i < n; i++) {
		uint64_t base, size;

		place(&b->slot[i], &base, &size);
		if (addr < base || addr - base >= size)
			continue;
		if (len > size - (addr - base))
			return -1;
		*off = addr - base;
		return (int)i;
	}
	return -1;
}

int bus_find(struct bus *b, uint64_t addr)
{
	uint64_t off;

	return find(b, addr, 1, &off);
}

const char *bus_name(const struct bus *b, unsigned int id)
{
	return b->slot[id].range.name;
}

static uint64_t ones(unsigned int size)
{
	return size >= 8 ? ~UINT64_C(0) : BIT64(size * 8) - 1;
}

bool bus_read(struct bus *b, uint64_t addr, unsigned int size, uint64_t *val)
{
	const struct bus_range *r;
	uint64_t off;
	int i;

	i = find(b, addr, size, &off);
	if (i < 0) {
		*val = ones(size);
		return false;
	}
	r = &b->slot[i].range;
	*val = r->ops->read(r->dev, off, size) & ones(size);
	return true;
}

bool bus_write(struct bus *b, uint64_t addr, unsigned int size, uint64_t val)
{
	const struct bus_range *r;
	uint64_t off;
	int i;

	i = find(b, addr, size, &off);
	if (i < 0)
		return false;
	r = &b->slot[i].range;
	r->ops->write(r->dev, off, size, val & ones(size));
	return true;
}
