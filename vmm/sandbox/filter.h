/* SPDX-License-Identifier: MIT */
/*
 * Which system calls a thread may make once the machine runs: an allow-list per
 * kind of thread, as seccomp filters. A call that is not on it ends the process
 * with one line that names it.
 */
#ifndef VMM_SANDBOX_FILTER_H
#define VMM_SANDBOX_FILTER_H

enum filter_kind {
	FILTER_MAIN,	/* device thread; takes the machine down */
	FILTER_VP,	/* runs a virtual processor */
	FILTER_CONSOLE, /* writes the guest's serial output */
	FILTER_TRACE,	/* writes what was traced */
	FILTER_DEBUGGER, /* speaks with one */
	FILTER_DISK,	/* works on an image */
	FILTER_NIC,	/* carries packets */
	FILTER_KINDS,
};

/*
 * Have filter_apply() filter, from now on. Main thread, once, before the threads
 * begin; no_new_privs must be set. 0 or -errno.
 */
int filter_prepare(void);

/*
 * Bind the calling thread to its list, for ever; without filter_prepare() nothing.
 * A kernel that refuses ends the process.
 */
void filter_apply(enum filter_kind kind);

#endif
