/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's own address space: virtual = physical, everything up to
 * the end of memory and at least 4 GiB (local APIC). Shared by all processors.
 */
#ifndef HYPERVISOR_MEM_PAGING_H
#define HYPERVISOR_MEM_PAGING_H

#include "base/base.h"

/* Build; the root table lies below 4 GiB. False: no memory. */
bool paging_build(uint64_t ram_top);
/* Use on this processor. */
void paging_load(void);
/* Does this processor have 1 GiB pages? */
bool paging_has_1g(void);
/* Bits of a physical address. */
unsigned int paging_address_bits(void);

#endif
