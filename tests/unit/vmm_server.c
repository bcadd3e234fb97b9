/* SPDX-License-Identifier: MIT */
/* Where a debugger connects: one that does not behave. The guest is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "vmm/debug/control.h"
#include "vmm/debug/server.h"
#include "vmm/device.h"

/* --- a guest that does what it is told --- */

static atomic_bool attached;

struct control *control_create(struct machine *m, struct mshv_partition *p, struct vcpu *vcpu,
			       unsigned int count, bool wait, int notify)
{
	(void)p, (void)vcpu, (void)count, (void)wait, (void)notify;
	return (struct control *)m;
}

void control_end(struct control *c)
{
	(void)c;
}

int control_attach(struct control *c)
{
	(void)c;
	atomic_store(&attached, true);
	return 0;
}

void control_detach(struct control *c)
{
	(void)c;
	atomic_store(&attached, false);
}

bool control_pause(struct control *c)
{
	(void)c;
	return true;
}

void control_resume(struct control *c, const enum gdb_action *action)
{
	(void)c, (void)action;
}

bool control_event(struct control *c, struct gdb_stop *stop)
{
	(void)c, (void)stop;
	return false;
}

bool control_get(struct control *c, unsigned int vp, uint8_t block[GDBREGS_BYTES])
{
	(void)c, (void)vp;
	memset(block, 0, GDBREGS_BYTES);
	return true;
}

bool control_set(struct control *c, unsigned int vp, const uint8_t block[GDBREGS_BYTES])
{
	(void)c, (void)vp, (void)block;
	return true;
}

size_t control_read(struct control *c, unsigned int vp, uint64_t at, void *to, size_t len)
{
	(void)c, (void)vp, (void)at;
	memset(to, 0, len);
	return len;
}

size_t control_write(struct control *c, unsigned int vp, uint64_t at, const void *from, size_t len)
{
	(void)c, (void)vp, (void)at, (void)from;
	return len;
}

int control_point(struct control *c, unsigned int vp, enum gdb_point kind, uint64_t at,
		  unsigned int len, bool on)
{
	(void)c, (void)vp, (void)kind, (void)at, (void)len, (void)on;
	return 0;
}

/* --- */

static struct machine machine;
/* A server's memory stays, as the process does. */
static struct server *kept[2];
static unsigned int kept_count;

static struct server *open_server(int *peer)
{
	struct server_setup setup = { .machine = &machine, .count = 1 };
	char where[16];
	struct server *s;
	int pair[2], error, room = 8192;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	snprintf(where, sizeof(where), "fd:%d", pair[0]);
	setup.where = where;
	s = server_open(&setup, &error);
	assert_non_null(s);
	kept[kept_count++] = s;
	*peer = pair[1];
	return s;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void send_all(int fd, const char *text, size_t len)
{
	assert_int_equal(write(fd, text, len), len);
}

static atomic_bool enough;

/* Reads, but so slowly that nobody gets far with it. */
static void *drip(void *arg)
{
	const int fd = *(const int *)arg;
	char bytes[256];

	while (!atomic_load(&enough)) {
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
		if (read(fd, bytes, sizeof(bytes)) <= 0)
			break;
	}
	return NULL;
}

/* A machine ends when it ends, whatever a debugger still wants to hear. */
static void test_slow_reader_does_not_hold_the_end(void **state)
{
	static const char ask[] = "$m0,7e0#95";
	char again[1000];
	pthread_t reader;
	struct server *s;
	double begin;
	int peer;

	(void)state;
	s = open_server(&peer);
	send_all(peer, ask, sizeof(ask) - 1);
	memset(again, '-', sizeof(again)); /* "it did not arrive" */
	send_all(peer, again, sizeof(again));
	pthread_create(&reader, NULL, drip, &peer);
	nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
	begin = seconds();
	server_close(s, 0);
	assert_true(seconds() - begin < 10);
	atomic_store(&enough, true);
	shutdown(peer, SHUT_RDWR);
	pthread_join(reader, NULL);
	close(peer);
}

/* One that reads is told how it ended. */
static void test_end_is_told(void **state)
{
	struct server *s;
	char bytes[64] = "";
	int peer;

	(void)state;
	s = open_server(&peer);
	while (!atomic_load(&attached))
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	server_close(s, 11);
	assert_true(read(peer, bytes, sizeof(bytes) - 1) > 0);
	assert_string_equal(bytes, "$W0b#e9");
	close(peer);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_end_is_told),
		cmocka_unit_test(test_slow_reader_does_not_hold_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
