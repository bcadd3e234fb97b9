/* SPDX-License-Identifier: MIT */
/* The device thread's loop: stopped, and run again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/loop.h"

static struct loop *loop;
static unsigned int calls;

/* Once for each of what was written, for it is a semaphore. */
static void ready(struct loop_source *s, uint32_t events)
{
	uint64_t count;

	assert_int_equal(events, EPOLLIN);
	assert_int_equal(read(s->fd, &count, sizeof(count)), sizeof(count));
	if (++calls == *(unsigned int *)s->arg)
		loop_stop(loop);
}

static void test_runs_again(void **state)
{
	unsigned int stop_at = 3;
	struct loop_source s = {
		.fd = eventfd(3, EFD_NONBLOCK | EFD_SEMAPHORE),
		.ready = ready,
		.arg = &stop_at,
	};
	const uint64_t two = 2;

	(void)state;
	loop = loop_create();
	assert_non_null(loop);
	assert_int_equal(loop_add(loop, &s, EPOLLIN), 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(calls, 3);
	/* What woke it then does not stop it now. */
	assert_int_equal(write(s.fd, &two, sizeof(two)), sizeof(two));
	stop_at = 5;
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(calls, 5);
	/* Stopped before it runs: nothing is served. */
	assert_int_equal(write(s.fd, &two, sizeof(two)), sizeof(two));
	loop_stop(loop);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(calls, 5);
	loop_remove(loop, &s);
	loop_destroy(loop);
	close(s.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_runs_again) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
