/* SPDX-License-Identifier: MIT */
/* The end of the machine; guests have ended before, or are ended here. */
#ifndef INIT_SHUTDOWN_H
#define INIT_SHUTDOWN_H

#include "init/console.h"
#include "init/sys.h"

/*
 * End what still runs, save and unmount what can be, say so, end.  console may
 * be NULL; then the log goes to descriptor 2 already.
 */
_Noreturn void shutdown_machine(enum sys_ending ending, struct console *console);

#endif
