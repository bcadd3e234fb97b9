/* SPDX-License-Identifier: MIT */
/*
 * What a guest's vmm may take of the machine, whoever is in charge of it: a cgroup
 * per guest, /sys/fs/cgroup/NAME. Its memory is the guest's and some for the vmm;
 * its processes are its threads.
 */
#ifndef INIT_CGROUP_H
#define INIT_CGROUP_H

#include "init/manifest.h"

/* Once, when the file systems are mounted. Logs what is wrong. */
void cgroup_begin(void);

/*
 * The guest's cgroup, made or found, with its limits: a descriptor for
 * CLONE_INTO_CGROUP, the caller's to close; or -errno, which was logged: the guest
 * can run without.
 */
int cgroup_open(const struct manifest_guest *guest);

#endif
