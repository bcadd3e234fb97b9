/* SPDX-License-Identifier: MIT */
/*
 * The options of the kernel command line that are for init: words that begin
 * with "rootstock.".  Pure; docs/manifest.md describes them.
 */
#ifndef INIT_CMDLINE_H
#define INIT_CMDLINE_H

#include <stdbool.h>

#include "include/abi/vmmctl.h"

#define CMDLINE_MANIFEST "/etc/rootstock/manifest.yaml"

struct cmdline {
	/* rootstock.rescue=on|off: may there be a shell on the console? */
	bool rescue;
	/* rootstock.manifest=PATH */
	char manifest[VMMCTL_PATH_MAX + 1];
};

/*
 * Read /proc/cmdline's text.  complain gets each word that begins with
 * "rootstock." and is not understood; it changes nothing.
 */
void cmdline_parse(struct cmdline *out, const char *text, void (*complain)(const char *word));

#endif
