/* SPDX-License-Identifier: MIT */
/*
 * Boot options of the hypervisor: words "hv.NAME=NUMBER" of the command line
 * (docs/boot.md has them all). Read once, before the launch; constant afterwards.
 */
#ifndef HYPERVISOR_OPTIONS_H
#define HYPERVISOR_OPTIONS_H

#include "base/base.h"

#define OPTIONS_REFUSALS 4u

struct options {
	uint64_t trace;		/* 0: no trace ring */
	uint64_t build;		/* number to report; 0: ours */
	uint64_t deny;		/* privileges (CPUID 40000003h, EBX:EAX) the root does not get */
	uint64_t deposits;	/* 1: each allocation waits for a deposit of its own */
	uint64_t kicks;		/* 1: kicks are late and in another order */
	struct {
		uint64_t code, nth, status;
	} refuse[OPTIONS_REFUSALS];
	unsigned int refusals;
};

extern struct options options;

/* False: a word beginning with "hv." that means nothing; *bad points to it. */
bool options_read(const char *line, const char **bad);

#endif
