/* SPDX-License-Identifier: MIT */
/*
 * Guest memory. Hostile: it changes while we look at it. Every access of a
 * device goes through this file, which checks the whole range against the RAM
 * regions; nobody else turns a guest physical address into a pointer.
 *
 * Regions are added before the first VP runs and never change afterwards, so
 * the functions below need no lock and may be called from any thread.
 */
#ifndef VMM_MEMORY_H
#define VMM_MEMORY_H

#include "base/base.h"

/* A guest physical address: a number, never a pointer. */
typedef struct { uint64_t v; } gpa_t;

static inline gpa_t gpa(uint64_t v)
{
	return (gpa_t){ v };
}

struct mem_region {
	uint64_t start;		/* guest physical, page aligned */
	uint64_t size;		/* bytes, page multiple */
	uint8_t *host;
};

#define MEM_REGIONS_MAX 4

struct memory {
	struct mem_region region[MEM_REGIONS_MAX];
	unsigned int region_count;
	uint64_t total;		/* bytes of RAM */
};

/*
 * Map @size bytes of RAM and lay them out: from 0 up to the PCI hole
 * (PLATFORM_LOW_RAM_MAX), the rest from 4 GiB. Returns 0 or -errno.
 */
int memory_init(struct memory *m, uint64_t size);

/*
 * Once, before anything is in it: in pages of 2 MiB as far as the kernel has some to
 * give (@huge), and all of it now rather than at each first touch (@prefault). 0, or
 * -errno: the host does not have that much.
 */
int memory_prepare(struct memory *m, bool huge, bool prefault);

void memory_destroy(struct memory *m);

/*
 * Host pointer to [@a, @a + @len), or NULL if the range is not wholly inside
 * one region. The bytes behind it may change at any moment: read each once
 * (READ_ONCE or a copy), validate the copy.
 */
void *memory_at(const struct memory *m, gpa_t a, uint64_t len);

/* Copies; return 0, or -EFAULT with nothing copied. */
int memory_read(const struct memory *m, gpa_t a, void *dst, uint64_t len);
int memory_write(const struct memory *m, gpa_t a, const void *src, uint64_t len);

/*
 * Give [@a, @a + @len) back to the host: it reads as zeros from now on, or in time.
 * Whole pages that lie in it; where it is not RAM, nothing. Any thread.
 */
void memory_discard(const struct memory *m, gpa_t a, uint64_t len);
/* The same by a pointer that memory_at() returned or that lies behind one. */
void memory_discard_host(void *host, uint64_t len);

#endif
