/* SPDX-License-Identifier: MIT */
/*
 * The walls around a VMM, for the day a guest takes it over. What it needs it has
 * opened by then; of the rest of the system it sees nothing:
 *
 *   its own namespaces   user, PID, mount, network, IPC, UTS, cgroup
 *   an empty root        nothing to open, execute or connect to
 *   a user of its own    not even files it finds again are its own
 *   no capabilities, no way to get any (no_new_privs, bounding set)
 *   Landlock             the same again, by another mechanism
 *   limits               no new descriptors, processes, core dumps
 *   system calls         an allow-list per kind of thread (filter.h)
 *
 * Order: sandbox_begin() first of all, then everything is opened, with threads
 * held (thread.h), then sandbox_enter(), then threads_release().
 */
#ifndef VMM_SANDBOX_SANDBOX_H
#define VMM_SANDBOX_SANDBOX_H

#include <stdbool.h>

/*
 * A PID namespace is for children: unless this process is the first of one (init
 * starts it so), continue in a child that is. The parent passes signals on, waits
 * and exits as the child does. Single-threaded. 0 or -errno; logs.
 */
int sandbox_begin(void);

/*
 * Go behind the walls, all but the last: filters come with the threads, and with
 * filter_apply() on this one. Single-threaded. @one_more: one descriptor may be open
 * beside those that are, a debugger's. 0 or -errno; logs which wall.
 */
int sandbox_enter(bool one_more);

/* --- between the files of this directory --- */

/* @text into the file @path. 0 or -errno. */
int sandbox_write(const char *path, const char *text);

#endif
