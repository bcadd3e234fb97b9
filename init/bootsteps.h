/* SPDX-License-Identifier: MIT */
/*
 * What main.c lists: one function a step, called once each, in main.c's order.
 * Those that find the machine unable to run guests end in the rescue shell, or
 * with rootstock.rescue=off as docs/manifest.md says, and do not return then.
 */
#ifndef INIT_BOOTSTEPS_H
#define INIT_BOOTSTEPS_H

#include "init/cmdline.h"
#include "init/console.h"
#include "init/loop.h"
#include "init/manifest.h"

/* All that PID 1 ever needs, in one piece that exists from the beginning. */
struct machine {
	struct cmdline options;
	struct console console;
	struct manifest manifest;
	struct loop loop;
};

/* Signals, a usable standard error, the first line of the log. */
void boot_begin(void);

/* From here on the log queues with the guests' output and never waits. */
void boot_console(struct machine *machine);

void boot_options(struct machine *machine);

void boot_manifest(struct machine *machine);

/* Is there a hypervisor to run guests on? */
void boot_hypervisor(struct machine *machine);

/* Bridges for the manifest's networks. */
void boot_networks(struct machine *machine);

#endif
