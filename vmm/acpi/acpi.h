/* SPDX-License-Identifier: MIT */
/*
 * The guest's ACPI tables: a hardware-reduced machine (ACPI "Hardware-Reduced
 * ACPI"), so that the guest looks for no PIC, PIT or PM timer. The DSDT is
 * compiled from dsdt.asl at build time; the rest depends on the configuration.
 */
#ifndef VMM_ACPI_ACPI_H
#define VMM_ACPI_ACPI_H

#include "vmm/memory.h"

/*
 * Write the tables to LAYOUT_ACPI, with one for the watchdog if there is one. Before
 * any VP runs. Returns 0 with the address of the root pointer in *rsdp, or -EFAULT
 * (memory too small).
 */
int acpi_build(const struct memory *m, unsigned int cpus, bool watchdog, uint64_t *rsdp);

#endif
