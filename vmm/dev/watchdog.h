/* SPDX-License-Identifier: MIT */
/*
 * The watchdog: a guest that started it and gives no sign of life in time ends as
 * the user wants it to (--on-watchdog), also when none of its processors takes
 * interrupts any more: the time is the device thread's, not the guest's.
 *
 * Ports of platform.h, which ACPI's WDAT table describes, so that the drivers that
 * systems have for it do (Linux: wdat_wdt). It has no state beside theirs.
 */
#ifndef VMM_DEV_WATCHDOG_H
#define VMM_DEV_WATCHDOG_H

#include "vmm/device.h"

/* --watchdog */
struct watchdog_config {
	bool fired; /* what the guest reads as the reason of its start */
};

extern const struct device_kind watchdog_device;

#endif
