/* SPDX-License-Identifier: MIT */
/*
 * The device thread: one epoll loop for every file descriptor devices wait
 * for (console input, eventfds of queues, completions, signals, timers).
 * Callbacks run on the loop's thread, one at a time.
 */
#ifndef VMM_LOOP_H
#define VMM_LOOP_H

#include <stdint.h>

struct loop;

struct loop_source {
	int fd;
	/* @events: EPOLLIN … as epoll_wait reported them. */
	void (*ready)(struct loop_source *s, uint32_t events);
	void *arg;
};

/* NULL: errno says why. */
struct loop *loop_create(void);
/* Sources are their owners', and so are their descriptors. */
void loop_destroy(struct loop *l);

/* @s must stay valid until removed. Any thread. 0 or -errno. */
int loop_add(struct loop *l, struct loop_source *s, uint32_t events);
int loop_modify(struct loop *l, struct loop_source *s, uint32_t events);
/*
 * On the loop's thread: never called again. On another thread: a call may
 * still be under way or come once more, so @s must outlive the loop.
 */
void loop_remove(struct loop *l, struct loop_source *s);

/* Run until loop_stop, also of before; returns 0 or -errno. May be run again. */
int loop_run(struct loop *l);
/* Any thread, and async-signal-safe. */
void loop_stop(struct loop *l);

#endif
