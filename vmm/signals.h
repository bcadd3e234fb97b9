/* SPDX-License-Identifier: MIT */
/*
 * Signals from outside arrive as a descriptor on the device thread; nothing
 * else in the program is ever interrupted by them.
 */
#ifndef VMM_SIGNALS_H
#define VMM_SIGNALS_H

#include "vmm/loop.h"

/* First thing in main(), so that every thread inherits it. */
void signals_block(void);

/* Call @shut_down on SIGTERM, SIGINT and SIGHUP. 0 or -errno. */
int signals_watch(struct loop *l, void (*shut_down)(void *arg), void *arg);

#endif
