/* SPDX-License-Identifier: MIT */
/*
 * The machine a guest sees: address map, ports, interrupt lines. One place,
 * used by the VMM's devices, its ACPI tables and the tests' bare guests.
 */
#ifndef ABI_PLATFORM_H
#define ABI_PLATFORM_H

/* Guest physical map. RAM: 0 … PLATFORM_LOW_RAM_MAX, then from 4 GiB. */
#define PLATFORM_VMGENID	0x000f0000ULL	/* reserved RAM; a page of its own */
#define PLATFORM_LOW_RAM_MAX	0xc0000000ULL
#define PLATFORM_ECAM_BASE	0xe0000000ULL	/* one bus: 1 MiB */
#define PLATFORM_ECAM_SIZE	0x00100000ULL
#define PLATFORM_PCI32_BASE	0xd0000000ULL	/* 32-bit BARs */
#define PLATFORM_PCI32_SIZE	0x10000000ULL
#define PLATFORM_PCI32_LAST	0xdfffffffULL	/* ASL cannot compute it */
#define PLATFORM_PCI64_BASE	0x8000000000ULL	/* 64-bit BARs: 512 GiB … */
#define PLATFORM_PCI64_SIZE	0x1000000000ULL
#define PLATFORM_PCI64_LAST	0x8fffffffffULL
#define PLATFORM_IOAPIC_BASE	0xfec00000ULL
#define PLATFORM_LAPIC_BASE	0xfee00000ULL

/* Ports */
#define PLATFORM_PORT_COM1	0x3f8
#define PLATFORM_PORT_RTC	0x70
#define PLATFORM_PORT_PM	0x600	/* sleep control, status, reset, power button */
#define PLATFORM_PORT_DEBUG	0x402	/* bytes to the VMM's log */
#define PLATFORM_PORT_PVPANIC	0x505
#define PLATFORM_PORT_WATCHDOG	0x620

/*
 * PLATFORM_PORT_PM, a byte each. Sleep control and status: ACPI "Sleep Control
 * Register", "Sleep Status Register". Events: reading tells which are pending
 * and clears them.
 */
#define PLATFORM_PM_SLEEP_CONTROL	0
#define PLATFORM_PM_SLEEP_STATUS	1
#define PLATFORM_PM_RESET		2	/* write PLATFORM_PM_RESET_VALUE */
#define PLATFORM_PM_EVENTS		3
#define PLATFORM_PM_PORTS		4

#define PLATFORM_PM_RESET_VALUE		0x5a
#define PLATFORM_PM_SLEEP_S5		5	/* SLP_TYP of the soft-off state */
#define PLATFORM_PM_EVENT_POWER_BUTTON	0x01

/*
 * PLATFORM_PORT_WATCHDOG, as the ACPI table WDAT tells it. Counts are of
 * PLATFORM_WATCHDOG_UNIT_MS.
 */
#define PLATFORM_WATCHDOG_CONTROL	0	/* byte; PLATFORM_WATCHDOG_RUN: counts down */
#define PLATFORM_WATCHDOG_STATUS	1	/* byte; 1: began anew because it fired; 0 clears */
#define PLATFORM_WATCHDOG_RELOAD	2	/* byte; written: counts from the top again */
#define PLATFORM_WATCHDOG_COUNT		4	/* word: the top */
#define PLATFORM_WATCHDOG_LEFT		6	/* word: of it, read only */
#define PLATFORM_WATCHDOG_PORTS		8

#define PLATFORM_WATCHDOG_RUN		0x01
#define PLATFORM_WATCHDOG_FIRED		0x01
#define PLATFORM_WATCHDOG_UNIT_MS	100
#define PLATFORM_WATCHDOG_COUNT_MIN	1
#define PLATFORM_WATCHDOG_COUNT_MAX	0xffff

/*
 * Interrupt lines (GSI = IOAPIC pin). As few pins as there is use for: Linux goes
 * through all of them when it starts, with 22 exits each.
 */
#define PLATFORM_GSI_COUNT	8
#define PLATFORM_GSI_COM1	4
#define PLATFORM_GSI_SCI	5

#endif
