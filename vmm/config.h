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
#include "vmm/log.h"

#define DISK_SERIAL_MAX 20 /* VIRTIO_BLK_ID_BYTES */

struct disk_config {
	const char *path;
	const char *serial; /* NULL: none */
	bool readonly;
};

struct vm_config {
	const char *name;
	const char *kernel;
	const char *initrd; /* NULL: none */
	const char *cmdline;
	const char *mshv; /* hypervisor device */
	uint64_t memory;  /* bytes, page multiple */
	unsigned int cpus;
	unsigned int grace_s; /* from power button to kill */
	enum log_level log_level;
	struct disk_config disk[VMMCTL_DISKS_MAX];
	unsigned int disk_count;
};

enum config_result { CONFIG_RUN, CONFIG_HELP, CONFIG_WRONG };

/*
 * Read the command line into @c: whole option names, each once (but --disk),
 * no control characters. CONFIG_WRONG: the usage and, below it, one line that
 * says what is wrong were printed to standard error. Modifies the strings of --disk.
 */
enum config_result config_parse(struct vm_config *c, int argc, char **argv);

/*
 * Is -errno @error about what was asked for (a file that is not there, a
 * kernel that is none), rather than about the state of the host?
 */
bool config_is_at_fault(int error);

void config_usage(FILE *to);

#endif
