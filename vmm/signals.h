/* SPDX-License-Identifier: MIT */
/*
 * Signals from outside arrive as a descriptor on the device thread; no thread is
 * ever interrupted by them. (Processors' threads are by one of our own: vcpu.h.)
 */
#ifndef VMM_SIGNALS_H
#define VMM_SIGNALS_H

#include "vmm/loop.h"

/* Before any thread begins, so that each inherits it. */
void signals_block(void);

/* Call @shut_down on SIGTERM, SIGINT and SIGHUP. 0 or -errno. */
int signals_watch(struct loop *l, void (*shut_down)(void *arg), void *arg);

#endif
