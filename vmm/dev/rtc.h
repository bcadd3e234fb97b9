/* SPDX-License-Identifier: MIT */
/*
 * CMOS clock (MC146818) at PLATFORM_PORT_RTC: UTC, read only, no alarms and no
 * periodic interrupt; the rest of its memory is plain storage.
 */
#ifndef VMM_DEV_RTC_H
#define VMM_DEV_RTC_H

struct machine;

/* 0 or -errno. */
int rtc_create(struct machine *m);

#endif
