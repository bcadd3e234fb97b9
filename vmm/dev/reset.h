/* SPDX-License-Identifier: MIT */
/*
 * The two ways to reset a PC that need no ACPI: the keyboard controller's
 * pulse (0xfe to port 0x64) and the chipset's reset control (port 0xcf9).
 * There is no keyboard behind the controller.
 */
#ifndef VMM_DEV_RESET_H
#define VMM_DEV_RESET_H

#include <stdint.h>

struct machine;

/* The port of the keyboard controller. 0 or -errno. */
int reset_create(struct machine *m);

/*
 * The chipset's register shares its dword with the PCI configuration address,
 * so the host bridge passes byte writes on.
 */
#define RESET_CONTROL 0xcf9

/* On a VP thread. */
void reset_control_write(struct machine *m, uint8_t val);

#endif
