/* SPDX-License-Identifier: MIT */
/*
 * Starts a vmm the way include/abi/vmmctl.h says.  Called by loop.c only.
 */
#ifndef INIT_SPAWN_H
#define INIT_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "init/manifest.h"

/* Our ends of its pipes, not blocking; the caller closes them. */
struct spawn_pipes {
	int in;	 /* what it reads; -1: /dev/null */
	int out; /* what the guest writes */
	int err; /* what the vmm says */
};

/*
 * Start guest, one of manifest's, whose watchdog @fired last time. The child's pid, or
 * -errno with nothing left behind.  A program that cannot be executed shows as a child
 * that ends with VMMCTL_NO_EXEC.
 */
pid_t spawn_vmm(const struct manifest *manifest, const struct manifest_guest *guest, bool console,
		bool fired, struct spawn_pipes *pipes);

#endif
