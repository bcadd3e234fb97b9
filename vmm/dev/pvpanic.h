/* SPDX-License-Identifier: MIT */
/*
 * pvpanic: a guest's kernel says that it panicked, instead of waiting for somebody
 * to notice. QEMU's "pvpanic device" specification; ACPI QEMU0001.
 */
#ifndef VMM_DEV_PVPANIC_H
#define VMM_DEV_PVPANIC_H

struct machine;

/* 0 or -errno. */
int pvpanic_create(struct machine *m);

#endif
