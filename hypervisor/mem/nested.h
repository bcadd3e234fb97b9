/* SPDX-License-Identifier: MIT */
/*
 * Nested (second-level) page tables, AMD64 4-level long-mode format with the
 * user bit set in every entry (APM vol. 2 "Nested Paging"). One table per
 * partition. The table pages come from the given allocator, so the same code
 * serves the root (private pool) and guests (deposits).
 *
 * A leaf that is "mapped but inaccessible" (TLFS NO_ACCESS) is a non-present
 * entry with NESTED_RESERVED set. The owner's lock is held around every call;
 * the caller flushes translations on all CPUs afterwards.
 */
#ifndef HYPERVISOR_MEM_NESTED_H
#define HYPERVISOR_MEM_NESTED_H

#include "base/base.h"

struct nested_alloc {
	void *(*get)(void *arg);		/* one zeroed page or NULL */
	void (*put)(void *arg, void *page);
	void *arg;
};

struct nested {
	uint64_t *root;
	struct nested_alloc alloc;
	uint64_t table_count;
	uint64_t leaves[3];			/* present ones by enum nested_level */
};

#define NESTED_PRESENT		BIT64(0)
#define NESTED_WRITE		BIT64(1)
#define NESTED_USER		BIT64(2)
#define NESTED_UNCACHED		BIT64(4)
#define NESTED_ACCESSED		BIT64(5)
#define NESTED_DIRTY		BIT64(6)
#define NESTED_LARGE		BIT64(7)
#define NESTED_RESERVED		BIT64(9)	/* software: NO_ACCESS */
#define NESTED_NX		BIT64(63)
#define NESTED_ADDR		0x000ffffffffff000ULL

enum nested_level { NESTED_4K, NESTED_2M, NESTED_1G };

bool nested_init(struct nested *n, struct nested_alloc alloc);
/*
 * Free the table pages of a gigabyte, which may be 513. True: those were all, and
 * there is no table any more.
 */
bool nested_destroy(struct nested *n);

/*
 * Set one leaf of the given size: @gpa -> @spa with @flags (PRESENT, WRITE,
 * NX, …, or NESTED_RESERVED alone). Replaces what was there: a larger leaf is
 * split, a smaller table below a new large leaf is freed. False: no memory;
 * the table is unchanged then.
 */
bool nested_map(struct nested *n, uint64_t gpa, uint64_t spa, uint64_t flags,
		enum nested_level level);
/*
 * The same in two steps, for many leaves in a row: the entry for @gpa, with the tables
 * above it, then its leaf. The entry behind it is the next leaf's, up to the end of the
 * page that they are in. NULL: no memory; everything translates as before.
 */
uint64_t *nested_slot(struct nested *n, uint64_t gpa, enum nested_level level);
void nested_set(struct nested *n, uint64_t *slot, uint64_t spa, uint64_t flags,
		enum nested_level level);
/* Remove one leaf's worth; absent is fine. False: no memory to split a larger leaf. */
bool nested_unmap(struct nested *n, uint64_t gpa, enum nested_level level);
/*
 * The 512 leaves of 4 KiB around @gpa, made of a larger one if need be; NULL: no
 * memory. The caller keeps their format.
 */
uint64_t *nested_leaves(struct nested *n, uint64_t gpa);
/* The entry that translates @gpa (0 if none) and the size it covers. */
uint64_t nested_lookup(const struct nested *n, uint64_t gpa, enum nested_level *level);
/* Same, but a pointer, for A/D bits; NULL if none. */
uint64_t *nested_entry(const struct nested *n, uint64_t gpa, enum nested_level *level);

#endif
