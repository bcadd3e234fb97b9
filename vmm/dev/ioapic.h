/* SPDX-License-Identifier: MIT */
/*
 * I/O APIC, version 0x20 (with the EOI register), PLATFORM_GSI_COUNT pins. Intel
 * 82093AA datasheet; EOI register as in the ICH.
 */
#ifndef VMM_DEV_IOAPIC_H
#define VMM_DEV_IOAPIC_H

struct machine;

/* At PLATFORM_IOAPIC_BASE, as the controller of the machine's lines. 0 or -errno. */
int ioapic_create(struct machine *m);

#endif
