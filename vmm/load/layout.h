/* SPDX-License-Identifier: MIT */
/*
 * Where things lie in the first MiB when the guest starts. All of it is plain
 * RAM; the guest may reuse everything but what lies from the ACPI tables on,
 * which the memory map marks as reserved.
 *
 *   0x001000  GDT
 *   0x002000  PVH start info, modules, memory map
 *   0x007000  Linux zero page
 *   0x009000  page tables: 1 + 1 + 4 pages, the first 4 GiB one to one
 *   0x020000  kernel command line
 *   0x0a0000  end of low RAM in the memory map
 *   0x0e0000  ACPI tables
 *   0x0f0000  generation ID: PLATFORM_VMGENID, and nothing else in its page
 *   0x0ffff0  real-mode reset vector
 *   0x100000  kernel, at this address or above; initrd at the end of low RAM
 */
#ifndef VMM_LOAD_LAYOUT_H
#define VMM_LOAD_LAYOUT_H

#define LAYOUT_GDT	   0x1000ULL
#define LAYOUT_PVH	   0x2000ULL
#define LAYOUT_ZERO_PAGE   0x7000ULL
#define LAYOUT_PAGE_TABLES 0x9000ULL
#define LAYOUT_CMDLINE	   0x20000ULL
#define LAYOUT_LOW_RAM_END 0xa0000ULL
#define LAYOUT_ACPI	   0xe0000ULL
#define LAYOUT_ACPI_SIZE   0x10000ULL
#define LAYOUT_RESET	   0xffff0ULL
#define LAYOUT_RESERVED	   0x20000ULL /* from LAYOUT_ACPI, in the memory map */
#define LAYOUT_KERNEL	   0x100000ULL

/* The tables above and a page for a kernel. */
#define LAYOUT_MEMORY_MIN  0x101000ULL

#endif
