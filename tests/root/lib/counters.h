/* SPDX-License-Identifier: MIT */
/* What is known of the hypervisor: its statistics pages, and what programs print. */
#ifndef TESTS_ROOT_COUNTERS_H
#define TESTS_ROOT_COUNTERS_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "include/abi/hv/stats.h"

/* The counters that @arg (HV_COUNTERS_ARG) names; 0 or -errno. Opens /dev/mshv. */
int counters_read(uint64_t arg, uint64_t out[HV_COUNTERS_MAX]);

/* Start @path without arguments: what it prints, and its process. NULL: errno says why. */
FILE *program_output(const char *path, pid_t *pid);

/* What is /sys/kernel/debug/mshv elsewhere. */
#define DEBUGFS_ROOT "/debug"
#define DEBUGFS	     DEBUGFS_ROOT "/mshv"

/* Mount debugfs there; 0 if this kernel has none (it is built without ROOT_EXTRA=debug). */
int debugfs_open(void);

/* Counter @name in file @path below DEBUGFS; -1: there is no such file or counter. */
long long debugfs_counter(const char *path, const char *name);

#endif
