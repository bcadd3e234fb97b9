/* SPDX-License-Identifier: MIT */
/*
 * Address buses: port I/O and MMIO. A device claims a range once at set-up;
 * exits look it up. Look-ups run on VP threads without a lock; ranges are
 * added before the first VP runs, except PCI BARs, which move under
 * bus_move() (readers see the old or the new place, never half of one).
 *
 * A device's own state is protected by its own lock, taken in its callbacks.
 */
#ifndef VMM_BUS_H
#define VMM_BUS_H

#include "base/base.h"

struct bus_ops {
	/*
	 * @off is relative to the range, @size is 1, 2, 4 or 8 and the access
	 * lies inside the range. read returns the value zero-extended.
	 */
	uint64_t (*read)(void *dev, uint64_t off, unsigned int size);
	void (*write)(void *dev, uint64_t off, unsigned int size, uint64_t val);
};

struct bus_range {
	const char *name;	/* for messages; static string */
	uint64_t base;
	uint64_t size;		/* 0: disabled (BAR not decoded) */
	const struct bus_ops *ops;
	void *dev;
};

#define BUS_RANGES_MAX 64

struct bus;

/* @name: for messages, static. NULL: no memory. */
struct bus *bus_create(const char *name);
void bus_destroy(struct bus *b);

/* Claim [@base, @base + @size). Returns the range's id or -errno (-EEXIST: overlap). */
int bus_add(struct bus *b, const struct bus_range *r);

/* Move or (size 0) disable a range claimed earlier; any thread. -EEXIST on overlap. */
int bus_move(struct bus *b, int id, uint64_t base, uint64_t size);

/*
 * An access by the guest. Nothing there: reads give all ones, writes vanish;
 * returns false then. An access across a range's end counts as nothing there.
 */
bool bus_read(struct bus *b, uint64_t addr, unsigned int size, uint64_t *val);
bool bus_write(struct bus *b, uint64_t addr, unsigned int size, uint64_t val);

/* Id of the range that has @addr now, or -1; and a range's name. */
int bus_find(struct bus *b, uint64_t addr);
const char *bus_name(const struct bus *b, unsigned int id);

#endif
