/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space: what we use of "PCI Local Bus Specification 3.0",
 * "Configuration Space Organization", and of its MSI-X section.
 */
#ifndef ABI_PCI_H
#define ABI_PCI_H

/* Type 0 header */
#define PCI_VENDOR		0x00
#define PCI_DEVICE		0x02
#define PCI_COMMAND		0x04
#define PCI_STATUS		0x06
#define PCI_REVISION		0x08
#define PCI_CLASS		0x09 /* programming interface, subclass, class */
#define PCI_HEADER_TYPE		0x0e
#define PCI_BAR0		0x10
#define PCI_BAR_COUNT		6
#define PCI_SUBSYSTEM_VENDOR	0x2c
#define PCI_SUBSYSTEM		0x2e
#define PCI_CAP_POINTER		0x34
#define PCI_INTERRUPT_LINE	0x3c
#define PCI_HEADER_BYTES	0x40

#define PCI_COMMAND_MEMORY	0x0002
#define PCI_COMMAND_MASTER	0x0004
#define PCI_COMMAND_INTX_OFF	0x0400

#define PCI_STATUS_CAP_LIST	0x0010

#define PCI_BAR_64BIT		0x4
#define PCI_BAR_PREFETCH	0x8

#define PCI_CAP_ID_VENDOR	0x09
#define PCI_CAP_ID_MSIX		0x11

/* "MSI-X Capability and Table Structure" */
#define PCI_MSIX_CAP_BYTES	12
#define PCI_MSIX_CONTROL	2 /* offsets within the capability */
#define PCI_MSIX_TABLE		4
#define PCI_MSIX_PBA		8
#define PCI_MSIX_CONTROL_ENABLE 0x8000
#define PCI_MSIX_CONTROL_MASK	0x4000 /* the whole function */

#define PCI_MSIX_ENTRY_BYTES	16
#define PCI_MSIX_ENTRY_ADDR	0 /* offsets within an entry */
#define PCI_MSIX_ENTRY_DATA	8
#define PCI_MSIX_ENTRY_CONTROL	12
#define PCI_MSIX_ENTRY_MASKED	0x1

/* Classes: base class << 16 | subclass << 8 | programming interface */
#define PCI_CLASS_HOST_BRIDGE	0x060000
#define PCI_CLASS_STORAGE_OTHER 0x018000
#define PCI_CLASS_ETHERNET	0x020000
#define PCI_CLASS_COMMUNICATION_OTHER 0x078000
#define PCI_CLASS_OTHER		0xff0000

/* One function's share of the ECAM window; legacy access reaches 256 of it. */
#define PCI_CONFIG_BYTES	256
#define PCI_ECAM_BYTES		4096

/* "Configuration Mechanism #1": address port and data port. */
#define PCI_CONF1_ADDRESS	0xcf8
#define PCI_CONF1_DATA		0xcfc
#define PCI_CONF1_ENABLE	0x80000000u

#endif
