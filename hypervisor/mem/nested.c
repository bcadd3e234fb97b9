/* SPDX-License-Identifier: MIT */
#include "hypervisor/mem/nested.h"

/* A present entry that points to the next table; the leaf below decides. */
#define TABLE_FLAGS (NESTED_PRESENT | NESTED_WRITE | NESTED_USER)
#define ENTRIES	    512u
#define TOP	    3u /* the root table's depth above the 4 KiB leaves */

/* Depth: 0 = 4 KiB leaves, 1 = 2 MiB, 2 = 1 GiB, 3 = root table. */
static unsigned int entry_index(uint64_t gpa, unsigned int depth)
{
	return (unsigned int)(gpa >> (PAGE_SHIFT + 9 * depth)) % ENTRIES;
}

static uint64_t depth_size(unsigned int depth)
{
	return PAGE_SIZE << (9 * depth);
}

/* Tables are addressed 1:1 (mem/pages.h); host tests use ordinary pointers. */
static uint64_t *entry_table(uint64_t entry)
{
	return (uint64_t *)(uintptr_t)(entry & NESTED_ADDR);
}

static bool is_table(uint64_t entry, unsigned int depth)
{
	return depth > 0 && (entry & NESTED_PRESENT) && !(entry & NESTED_LARGE);
}

/* Entries of present leaves and of inaccessible ones; not of tables. */
static bool is_leaf(uint64_t entry, unsigned int depth)
{
	return entry != 0 && !is_table(entry, depth);
}

static uint64_t *table_get(struct nested *n)
{
	uint64_t *table = n->alloc.get(n->alloc.arg);

	if (table)
		n->table_count++;
	return table;
}

static void table_put(struct nested *n, uint64_t *table)
{
	n->table_count--;
	n->alloc.put(n->alloc.arg, table);
}

/* @more leaves at @depth like @entry came; -1: it goes. */
static void count_leaf(struct nested *n, uint64_t entry, unsigned int depth, int more)
{
	if ((entry & NESTED_PRESENT) && is_leaf(entry, depth))
		n->leaves[depth] += (uint64_t)more;
}

/* Free the tables below @table, and @table itself. */
static void free_tree(struct nested *n, uint64_t *table, unsigned int depth)
{
	for (unsigned int i = 0; i < ENTRIES; i++) {
		if (is_table(table[i], depth))
			free_tree(n, entry_table(table[i]), depth - 1);
		else
			count_leaf(n, table[i], depth, -1);
	}
	table_put(n, table);
}

/* The entry that results from cutting leaf @entry of @depth into 512, at @i. */
static uint64_t split_entry(uint64_t entry, unsigned int depth, unsigned int i)
{
	if (!(entry & NESTED_PRESENT))
		return entry; /* inaccessible: no address in it */
	entry += i * depth_size(depth - 1);
	return depth > 1 ? entry : entry & ~NESTED_LARGE;
}

/*
 * Replace the leaf or the hole *@entry of @depth by a table with the same
 * translations. False: no memory.
 */
static bool make_table(struct nested *n, uint64_t *entry, unsigned int depth)
{
	uint64_t *table = table_get(n), old = READ_ONCE(*entry);

	if (!table)
		return false;
	do {
		for (unsigned int i = 0; i < ENTRIES; i++)
			table[i] = split_entry(old, depth, i);
		/* The processor may mark the leaf meanwhile. */
	} while (!__atomic_compare_exchange_n(entry, &old, (uint64_t)(uintptr_t)table | TABLE_FLAGS,
					      false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	count_leaf(n, old, depth, -1);
	count_leaf(n, table[0], depth - 1, ENTRIES);
	return true;
}

static uint64_t leaf_value(uint64_t spa, uint64_t flags, unsigned int depth)
{
	if (!(flags & NESTED_PRESENT))
		return flags & NESTED_RESERVED;
	/* Bit 7 is "large" only above the last level (PAT there). */
	return spa | flags | NESTED_USER | (depth > 0 ? NESTED_LARGE : 0);
}

bool nested_init(struct nested *n, struct nested_alloc alloc)
{
	*n = (struct nested){ .alloc = alloc };
	n->root = table_get(n);
	return n->root != NULL;
}

bool nested_destroy(struct nested *n)
{
	for (unsigned int i = 0; i < ENTRIES; i++) {
		uint64_t *gibs = is_table(n->root[i], TOP) ? entry_table(n->root[i]) : NULL;

		for (unsigned int g = 0; gibs && g < ENTRIES; g++) {
			if (!is_table(gibs[g], TOP - 1))
				continue;
			free_tree(n, entry_table(gibs[g]), TOP - 2);
			gibs[g] = 0;
			return false;
		}
	}
	free_tree(n, n->root, TOP);
	n->root = NULL;
	return true;
}

/* A failure in the middle leaves tables that translate exactly as before. */
uint64_t *nested_slot(struct nested *n, uint64_t gpa, enum nested_level level)
{
	unsigned int depth = (unsigned int)level;
	uint64_t *table = n->root;

	for (unsigned int d = TOP; d > depth; d--) {
		uint64_t *entry = &table[entry_index(gpa, d)];

		if (!is_table(*entry, d) && !make_table(n, entry, d))
			return NULL;
		table = entry_table(*entry);
	}
	return &table[entry_index(gpa, depth)];
}

static void set_leaf(struct nested *n, uint64_t *entry, unsigned int depth, uint64_t value)
{
	uint64_t old = *entry;

	WRITE_ONCE(*entry, value);
	count_leaf(n, old, depth, -1);
	count_leaf(n, value, depth, 1);
	if (is_table(old, depth))
		free_tree(n, entry_table(old), depth - 1);
}

void nested_set(struct nested *n, uint64_t *slot, uint64_t spa, uint64_t flags,
		enum nested_level level)
{
	set_leaf(n, slot, (unsigned int)level, leaf_value(spa, flags, (unsigned int)level));
}

bool nested_map(struct nested *n, uint64_t gpa, uint64_t spa, uint64_t flags,
		enum nested_level level)
{
	uint64_t *slot = nested_slot(n, gpa, level);

	if (slot)
		nested_set(n, slot, spa, flags, level);
	return slot != NULL;
}

bool nested_unmap(struct nested *n, uint64_t gpa, enum nested_level level)
{
	unsigned int depth = (unsigned int)level;
	uint64_t *table = n->root;
	uint64_t *entry;

	/* A hole needs no tables: look before making any. */
	for (unsigned int d = TOP; d > depth; d--) {
		entry = &table[entry_index(gpa, d)];
		if (*entry == 0)
			return true;
		if (is_leaf(*entry, d)) {
			entry = nested_slot(n, gpa, level);
			if (!entry)
				return false;
			set_leaf(n, entry, depth, 0);
			return true;
		}
		table = entry_table(*entry);
	}
	set_leaf(n, &table[entry_index(gpa, depth)], depth, 0);
	return true;
}

uint64_t *nested_leaves(struct nested *n, uint64_t gpa)
{
	return nested_slot(n, gpa & ~(LARGE_PAGE_SIZE - 1), NESTED_4K);
}

uint64_t *nested_entry(const struct nested *n, uint64_t gpa, enum nested_level *level)
{
	uint64_t *table = n->root;

	for (unsigned int d = TOP; table; d--) {
		uint64_t *entry = &table[entry_index(gpa, d)];

		if (*entry == 0)
			return NULL;
		if (is_leaf(*entry, d)) {
			if (level)
				*level = (enum nested_level)d;
			return entry;
		}
		table = entry_table(*entry);
	}
	return NULL;
}

uint64_t nested_lookup(const struct nested *n, uint64_t gpa, enum nested_level *level)
{
	uint64_t *entry = nested_entry(n, gpa, level);

	return entry ? *entry : 0;
}
