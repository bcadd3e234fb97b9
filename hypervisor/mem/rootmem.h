/* SPDX-License-Identifier: MIT */
/*
 * The root partition's nested table: physical memory 1:1, without ours.
 *
 * Built at launch up to the end of RAM; device memory above it is added when
 * first touched, so that 48-bit machines need no 512 tables for it.
 */
#ifndef HYPERVISOR_MEM_ROOTMEM_H
#define HYPERVISOR_MEM_ROOTMEM_H

#include "base/base.h"

/* False: no memory. */
bool rootmem_build(void);
/* Let the root see one page of ours (SynIC page and the like). False: no memory. */
bool rootmem_share(void *page, bool writable);
/* Table for VMCBs. */
uint64_t rootmem_table(void);

/*
 * The root touched @gpa and nothing is mapped there. True: now it is, try
 * again. False: it is ours, or no physical address.
 */
bool rootmem_fault(uint64_t gpa);

#endif
