/* SPDX-License-Identifier: MIT */
#include "vmm/thread.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

static bool hold;
static struct thread *held;
static struct thread **held_tail = &held;

static void *begin(void *arg)
{
	struct thread *t = arg;

	/* Itself: behind the walls there is no /proc to name another one by. */
	pthread_setname_np(pthread_self(), t->name);
	filter_apply(t->kind);
	return t->run(t->arg);
}

static int create(struct thread *t)
{
	pthread_attr_t attr;
	int ret;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
	ret = pthread_create(&t->id, &attr, begin, t);
	pthread_attr_destroy(&attr);
	t->state = ret ? THREAD_NONE : THREAD_RUNNING;
	return -ret;
}

int thread_start(struct thread *t, enum filter_kind kind, const char *name, void *(*run)(void *),
		 void *arg)
{
	*t = (struct thread){ .kind = kind, .run = run, .arg = arg };
	snprintf(t->name, sizeof(t->name), "%s", name);
	if (!hold)
		return create(t);
	t->state = THREAD_HELD;
	*held_tail = t;
	held_tail = &t->next;
	return 0;
}

/* Out of the list of those that wait. */
static void drop(struct thread *t)
{
	struct thread **at = &held;

	while (*at && *at != t)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = t->next;
	if (held_tail == &t->next)
		held_tail = at;
}

void thread_join(struct thread *t)
{
	if (t->state == THREAD_HELD)
		drop(t);
	if (t->state == THREAD_RUNNING)
		pthread_join(t->id, NULL);
	t->state = THREAD_NONE;
}

void threads_hold(void)
{
	hold = true;
}

int threads_release(void)
{
	int ret = 0;

	hold = false;
	while (held) {
		struct thread *t = held;
		int err;

		drop(t);
		err = create(t);
		if (!ret)
			ret = err;
	}
	return ret;
}
