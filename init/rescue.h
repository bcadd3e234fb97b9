/* SPDX-License-Identifier: MIT */
/*
 * The shell on the console, for when there is nothing else left to do.  The
 * only shell of the machine.
 */
#ifndef INIT_RESCUE_H
#define INIT_RESCUE_H

#include <stdbool.h>

/* rootstock.rescue: from now on, is a shell allowed at all? */
void rescue_allow(bool allowed);

bool rescue_is_allowed(void);

/*
 * Give the console to a shell, if allowed.  When the shell ends, init starts
 * over from its beginning in the same process; a signal that asks for the
 * machine's end is obeyed.  Call it before a guest was started.
 */
_Noreturn void rescue_shell(void);

/*
 * init itself is broken: what is the line that says why.  Guests, if any, go on
 * while there is a shell; when it ends the machine restarts.  Fit to be called
 * in a signal handler for faults; a fault in here restarts at once.
 */
_Noreturn void rescue_panic(const char *what);

#endif
