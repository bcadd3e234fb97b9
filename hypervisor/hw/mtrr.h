/* SPDX-License-Identifier: MIT */
/*
 * Memory types: all processors must agree on them (AMD64 APM vol. 2,
 * "MTRRs in Multi-Processing Environments"). Firmware sets up the bootstrap
 * processor and may count on the operating system for the others, which INIT
 * leaves with whatever they had.
 */
#ifndef HYPERVISOR_HW_MTRR_H
#define HYPERVISOR_HW_MTRR_H

/* Bootstrap processor: remember its MTRRs and PAT. Before the others start. */
void mtrr_save(void);
/* Any other processor, caches on, interrupts off: take over what was saved. */
void mtrr_load(void);

#endif
