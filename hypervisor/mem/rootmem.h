/* SPDX-License-Identifier: MIT */
/*
 * The root partition's nested table: physical memory 1:1, without ours: the
 * hypervisor's own, and what the root has deposited.
 *
 * Built at launch up to the end of RAM; device memory above it is added when
 * first touched, so that 48-bit machines need no 512 tables for it. RAM begins
 * in large pages, which hiding a page cuts; efi/memory.c sets aside the tables.
 */
#ifndef HYPERVISOR_MEM_ROOTMEM_H
#define HYPERVISOR_MEM_ROOTMEM_H

#include "base/base.h"

/* False: no memory. */
bool rootmem_build(void);
/* Let the root see one page of ours (SynIC page and the like). False: no memory. */
bool rootmem_share(void *page, bool writable);
/*
 * Take deposited pages, by frame number, out of the root's sight: returns when none
 * of its processors can reach them any more, but for one that keeps interrupts off for
 * longer than a millisecond: that one keeps old translations until it next exits.
 * False, with nothing changed: a table is needed and there is no memory for it.
 */
bool rootmem_hide(const uint64_t *pfn, uint32_t count);
/* And back. */
void rootmem_show(const uint64_t *pfn, uint32_t count);
/* Table for VMCBs. */
uint64_t rootmem_table(void);

/*
 * The root touched @gpa and nothing is mapped there. True: now it is, try
 * again; where it has deposited a page, and only reads it, that is a page of zeros.
 * False: it is ours, or no physical address.
 */
bool rootmem_fault(uint64_t gpa, bool read);

#endif
