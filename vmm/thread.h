/* SPDX-License-Identifier: MIT */
/*
 * Threads with a stack as large as our code needs and not more: it counts
 * against each guest.
 */
#ifndef VMM_THREAD_H
#define VMM_THREAD_H

#include <pthread.h>

/* Longest chain: an exit that emulates an instruction and logs. */
#define THREAD_STACK_BYTES (64 * 1024)

/*
 * Start @run(@arg) as thread @name (at most 15 bytes). The signal mask is the
 * caller's. @thread NULL: nobody will join it. 0 or -errno.
 */
int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg);

#endif
