/* SPDX-License-Identifier: MIT */
#include "vmm/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_PER_WAIT 8

struct loop {
	int epoll;
	int wake; /* eventfd: loop_stop() */
	atomic_bool stop;
	pthread_t thread; /* that runs loop_run() */
	/* Events of the wait being served; a callback may remove a source
	 * that comes later in it. */
	struct epoll_event event[EVENTS_PER_WAIT];
	int event_count;
};

struct loop *loop_create(void)
{
	struct loop *l = calloc(1, sizeof(*l));
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = l };

	if (!l)
		return NULL;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0)
		goto free_loop;
	l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->wake < 0)
		goto close_epoll;
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->wake, &ev))
		goto close_wake;
	return l;

close_wake:
	close(l->wake);
close_epoll:
	close(l->epoll);
free_loop:
	free(l);
	return NULL;
}

void loop_destroy(struct loop *l)
{
	if (!l)
		return;
	close(l->wake);
	close(l->epoll);
	free(l);
}

static int control(struct loop *l, int op, struct loop_source *s, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	return epoll_ctl(l->epoll, op, s->fd, &ev) ? -errno : 0;
}

int loop_add(struct loop *l, struct loop_source *s, uint32_t events)
{
	return control(l, EPOLL_CTL_ADD, s, events);
}

int loop_modify(struct loop *l, struct loop_source *s, uint32_t events)
{
	return control(l, EPOLL_CTL_MOD, s, events);
}

void loop_remove(struct loop *l, struct loop_source *s)
{
	control(l, EPOLL_CTL_DEL, s, 0);
	if (!pthread_equal(pthread_self(), l->thread))
		return;
	for (int i = 0; i < l->event_count; i++)
		if (l->event[i].data.ptr == s)
			l->event[i].data.ptr = NULL;
}

/* What loop_stop() did is seen by its flag. */
static void take_wake(struct loop *l)
{
	uint64_t count;
	ssize_t done = read(l->wake, &count, sizeof(count));

	(void)done;
}

int loop_run(struct loop *l)
{
	l->thread = pthread_self();
	while (!atomic_load(&l->stop)) {
		int n = epoll_wait(l->epoll, l->event, EVENTS_PER_WAIT, -1);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		l->event_count = n;
		for (int i = 0; i < n && !atomic_load(&l->stop); i++) {
			struct loop_source *s = l->event[i].data.ptr;

			if (l->event[i].data.ptr == l)
				take_wake(l);
			else if (s)
				s->ready(s, l->event[i].events);
		}
		l->event_count = 0;
	}
	atomic_store(&l->stop, false);
	return 0;
}

void loop_stop(struct loop *l)
{
	uint64_t one = 1;
	ssize_t done;

	atomic_store(&l->stop, true);
	/* Full counter means already woken. */
	done = write(l->wake, &one, sizeof(one));
	(void)done;
}
