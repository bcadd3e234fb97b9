/* SPDX-License-Identifier: MIT */
/*
 * Threads, with a stack as large as our code needs and not more: it counts
 * against each guest. What is asked for while the machine is put together
 * begins when it is, inside the sandbox, and under the filter of its kind.
 */
#ifndef VMM_THREAD_H
#define VMM_THREAD_H

#include <pthread.h>

#include "vmm/sandbox/filter.h"

/* Longest chain: an exit that emulates an instruction and logs. */
#define THREAD_STACK_BYTES (64 * 1024)
#define THREAD_NAME_MAX	   15

/* Its fields are thread.c's, but for id, which is good from its begin to its join. */
struct thread {
	pthread_t id;
	enum { THREAD_NONE, THREAD_HELD, THREAD_RUNNING } state;
	enum filter_kind kind;
	char name[THREAD_NAME_MAX + 1];
	void *(*run)(void *arg);
	void *arg;
	struct thread *next; /* held after it */
};

/*
 * Have @run(@arg) run as thread @name (cut to 15 bytes), now or at
 * threads_release(). Its signal mask is that of who makes it begin. @t must stay
 * until joined. Main thread while threads are held, else any. 0 or -errno.
 */
int thread_start(struct thread *t, enum filter_kind kind, const char *name,
		 void *(*run)(void *), void *arg);

/* Wait for its end; one that never began will not, and none is no error. */
void thread_join(struct thread *t);

/* From now on threads wait for threads_release(). Main thread, before any starts. */
void threads_hold(void);

/* Let them begin, in the order asked for. -errno: some did not. */
int threads_release(void);

#endif
