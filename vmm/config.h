/* SPDX-License-Identifier: MIT */
/*
 * What the user asked for. Filled once from the command line, constant
 * afterwards; strings belong to the command line.
 */
#ifndef VMM_CONFIG_H
#define VMM_CONFIG_H

#include <stdio.h>

#include "abi/vmmctl.h"
#include "base/base.h"
#include "lib/cpus.h"
#include "vmm/device.h"
#include "vmm/log.h"

struct vm_config {
	const char *name;
	const char *kernel;
	const char *initrd; /* NULL: none */
	const char *cmdline;
	const char *mshv;			  /* hypervisor device */
	uint64_t memory;			  /* bytes, page multiple */
	bool huge_pages, prefault;		  /* memory_prepare() */
	struct cpus cpus;			  /* complete */
	uint32_t grace_s;			  /* from power button to kill */
	uint32_t log_level;			  /* enum log_level */
	uint32_t on_reset, on_crash, on_watchdog; /* enum vm_policy */
	bool sandbox;
	bool stats;	   /* print what was counted */
	const char *trace; /* file, "-": standard error; NULL: not wanted */
	const char *gdb;   /* where a debugger connects (server.h); NULL: nowhere */
	bool gdb_wait;
	struct device_config device[DEVICES_MAX];
	unsigned int device_count;
};

enum config_result { CONFIG_RUN, CONFIG_HELP, CONFIG_WRONG };

/*
 * Read the command line into @c: whole option names, each once (but those of
 * devices, @kinds, which NULL ends), no control characters. CONFIG_WRONG: the usage
 * and, below it, one line that says what is wrong were printed to standard error.
 * Modifies the strings of devices.
 */
enum config_result config_parse(struct vm_config *c, const struct device_kind *const *kinds,
				int argc, char **argv);

/*
 * Is -errno @error about what was asked for (a file that is not there, a
 * kernel that is none), rather than about the state of the host?
 */
bool config_is_at_fault(int error);

/* Is there a device of that kind? */
bool config_has(const struct vm_config *c, const struct device_kind *kind);

void config_usage(FILE *to, const struct device_kind *const *kinds);

#endif
