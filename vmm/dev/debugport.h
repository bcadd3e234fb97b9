/* SPDX-License-Identifier: MIT */
/*
 * PLATFORM_PORT_DEBUG: bytes a guest's earliest code wants to be seen, as
 * lines in the VMM's log.
 */
#ifndef VMM_DEV_DEBUGPORT_H
#define VMM_DEV_DEBUGPORT_H

struct machine;

/* 0 or -errno. */
int debugport_create(struct machine *m);

#endif
