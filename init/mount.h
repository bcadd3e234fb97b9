/* SPDX-License-Identifier: MIT */
/*
 * The kernel's own file systems, and their end.  Only PID 1, only at start-up
 * and shutdown.
 */
#ifndef INIT_MOUNT_H
#define INIT_MOUNT_H

/*
 * Mount all of them; what is mounted already stays.  Each failure is one line
 * in the log and no reason to stop: what needs it will say so.
 */
void mount_all(void);

/* Unmount everything that can be, last mounted first. */
void unmount_all(void);

#endif
