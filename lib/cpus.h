/* SPDX-License-Identifier: MIT */
/*
 * A guest's processors: how many, how they are arranged, where they run. Read by
 * init (manifest) and by vmm (command line) with the same rules and reasons. No
 * allocation, no operating system; any thread.
 */
#ifndef LIB_CPUS_H
#define LIB_CPUS_H

#include <stdbool.h>
#include <stdint.h>

#include "include/abi/vmmctl.h"

struct cpus {
	uint32_t count;
	/* Of a socket and of a core; 0: not said, until cpus_complete(). */
	uint32_t cores, threads;
	/*
	 * Processors of the host: the guest's number i runs on pin[i], and from the
	 * list's end the list begins again. None: wherever the host likes.
	 */
	uint32_t pin_count;
	uint16_t pin[VMMCTL_CPUS_MAX];
};

/* Highest number of a processor of the host, and one. */
#define CPUS_HOST_MAX 1024

/* Add "5" or "0-3" to the list. False: it is neither, or does not fit. */
bool cpus_pin(struct cpus *c, const char *text);

/*
 * Decide what was not said (threads: 1; cores: all in one socket) and check the
 * whole. NULL, or why this cannot be, in words for a message.
 *
 * APIC ids are the processors' numbers, so each part but the largest one must
 * have a power of two of the next smaller ones: ids have a field for each.
 */
const char *cpus_complete(struct cpus *c);

/* Bits it takes to number @count things. */
unsigned int cpus_bits(uint32_t count);

#endif
