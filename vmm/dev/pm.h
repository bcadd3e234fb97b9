/* SPDX-License-Identifier: MIT */
/*
 * Power management of a hardware-reduced ACPI machine: soft-off, reset and the
 * power button, at PLATFORM_PORT_PM. The button is an event of the generic
 * event device in the DSDT, which reads PLATFORM_PM_EVENTS and notifies it.
 */
#ifndef VMM_DEV_PM_H
#define VMM_DEV_PM_H

struct machine;
struct pm;

/* Sets m->pm. 0 or -errno. */
int pm_create(struct machine *m);

/* Any thread. Whether the guest listens is its own affair. */
void pm_press_power_button(struct pm *pm);

#endif
