/* SPDX-License-Identifier: MIT */
#include "vmm/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "abi/platform.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* linux/mman.h; musl does not have it yet */
#endif

#define HIGH_RAM_BASE (UINT64_C(4) << 30)

/*
 * One mapping, aligned to 2 MiB so that the kernel can back it with huge pages
 * and the hypervisor can use large entries. Memory is only taken when touched.
 */
static uint8_t *map_ram(uint64_t size)
{
	uint64_t span = size + LARGE_PAGE_SIZE;
	uintptr_t start, aligned;
	void *p;

	p = mmap(NULL, span, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		 -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	start = (uintptr_t)p;
	aligned = ALIGN_UP(start, LARGE_PAGE_SIZE);
	if (aligned > start)
		munmap(p, aligned - start);
	if (start + span > aligned + size)
		munmap((uint8_t *)p + (aligned - start) + size, start + span - aligned - size);
	return (uint8_t *)p + (aligned - start);
}

int memory_init(struct memory *m, uint64_t size)
{
	uint64_t low = MIN(size, PLATFORM_LOW_RAM_MAX);
	uint8_t *host;

	*m = (struct memory){ .total = size };
	if (!size || !IS_ALIGNED(size, PAGE_SIZE))
		return -EINVAL;
	if (size > PLATFORM_PCI64_BASE - HIGH_RAM_BASE)
		return -E2BIG;
	host = map_ram(size);
	if (!host)
		return -ENOMEM;
	madvise(host, size, MADV_DONTDUMP);
	m->region[0] = (struct mem_region){ 0, low, host };
	m->region_count = 1;
	if (size > low) {
		m->region[1] = (struct mem_region){ HIGH_RAM_BASE, size - low, host + low };
		m->region_count = 2;
	}
	return 0;
}

/* Kernels before 5.14 do not know the advice: touch each page instead. */
static int populate(uint8_t *host, uint64_t size)
{
	if (madvise(host, size, MADV_POPULATE_WRITE) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	for (uint64_t at = 0; at < size; at += PAGE_SIZE)
		*(volatile uint8_t *)(host + at) = 0;
	return 0;
}

/*
 * Transparent huge pages rather than hugetlbfs: the driver maps either kind by entries
 * of 2 MiB, and these need no memory put aside when the host starts.
 */
int memory_prepare(struct memory *m, bool huge, bool prefault)
{
	uint8_t *host = m->region[0].host;

	/* Advice only: kernels without huge pages refuse, which is fine. */
	madvise(host, m->total, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return prefault ? populate(host, m->total) : 0;
}

void memory_destroy(struct memory *m)
{
	if (m->region_count)
		munmap(m->region[0].host, m->total);
	*m = (struct memory){ 0 };
}

void *memory_at(const struct memory *m, gpa_t a, uint64_t len)
{
	for (unsigned int i = 0; i < m->region_count; i++) {
		const struct mem_region *r = &m->region[i];

		if (a.v >= r->start && a.v - r->start < r->size &&
		    len <= r->size - (a.v - r->start))
			return r->host + (a.v - r->start);
	}
	return NULL;
}

int memory_read(const struct memory *m, gpa_t a, void *dst, uint64_t len)
{
	const void *src = memory_at(m, a, len);

	if (!src)
		return -EFAULT;
	memcpy(dst, src, len);
	return 0;
}

int memory_write(const struct memory *m, gpa_t a, const void *src, uint64_t len)
{
	void *dst = memory_at(m, a, len);

	if (!dst)
		return -EFAULT;
	memcpy(dst, src, len);
	return 0;
}

void memory_discard_host(void *host, uint64_t len)
{
	uint64_t start = ALIGN_UP((uintptr_t)host, PAGE_SIZE);
	uint64_t end = ALIGN_DOWN((uintptr_t)host + len, PAGE_SIZE);

	/* An error leaves the pages as they are, which is all that can be done. */
	if (start < end)
		madvise((void *)start, end - start, MADV_DONTNEED);
}

void memory_discard(const struct memory *m, gpa_t a, uint64_t len)
{
	void *host = memory_at(m, a, len);

	if (host)
		memory_discard_host(host, len);
}
