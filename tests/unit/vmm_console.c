/* SPDX-License-Identifier: MIT */
/*
 * The console between pipes: nothing lost, nobody blocked, input no faster
 * than the serial port takes it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "vmm/console.h"

static struct loop *loop;
static struct console *console;
/* A console's memory stays, for its writer may still look at it. */
static struct console *kept[16];
static unsigned int kept_count;
static int in[2], out[2]; /* pipes; the console has in[0] and out[1] */
static pthread_t loop_thread;
static atomic_uint left, drained, asked;

/* The serial port: takes @room bytes in all. */
static struct {
	pthread_mutex_t lock;
	size_t room, len;
	uint8_t data[4096];
} port = { .lock = PTHREAD_MUTEX_INITIALIZER };

static size_t room(void *arg)
{
	size_t n;

	(void)arg;
	atomic_fetch_add(&asked, 1);
	pthread_mutex_lock(&port.lock);
	n = port.room;
	pthread_mutex_unlock(&port.lock);
	return n;
}

static void receive(void *arg, const uint8_t *data, size_t len)
{
	(void)arg;
	pthread_mutex_lock(&port.lock);
	assert_true(len <= port.room);
	memcpy(port.data + port.len, data, len);
	port.len += len;
	port.room -= len;
	pthread_mutex_unlock(&port.lock);
}

static void on_drained(void *arg)
{
	(void)arg;
	atomic_fetch_add(&drained, 1);
}

static void leave(void *arg)
{
	(void)arg;
	atomic_fetch_add(&left, 1);
}

/*
 * The guest empties the port at the worst moment: while the console switches
 * its input off, before (-1) or after (1) the loop knows; 0 for never.
 */
static atomic_int make_room_around_pause;

int __real_loop_modify(struct loop *l, struct loop_source *s, uint32_t events);
int __wrap_loop_modify(struct loop *l, struct loop_source *s, uint32_t events);

static void make_room(void)
{
	pthread_mutex_lock(&port.lock);
	port.room = 16;
	pthread_mutex_unlock(&port.lock);
	console_resume(console);
}

int __wrap_loop_modify(struct loop *l, struct loop_source *s, uint32_t events)
{
	int when = events & EPOLLIN ? 0 : atomic_load(&make_room_around_pause);
	int ret;

	if (when < 0)
		make_room();
	ret = __real_loop_modify(l, s, events);
	if (when > 0)
		make_room();
	return ret;
}

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void start(int in_fd, int out_fd)
{
	struct console_client client = { NULL, room, receive, on_drained };
	struct console_setup setup = { .in = in_fd, .out = out_fd, .leave = leave };
	int error = 0;

	loop = loop_create();
	setup.loop = loop;
	console = console_open(&setup, &error);
	assert_non_null(console);
	kept[kept_count++] = console;
	console_attach(console, &client);
	pthread_create(&loop_thread, NULL, run_loop, loop);
}

static int set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	port.len = 0;
	port.room = sizeof(port.data);
	atomic_store(&left, 0);
	atomic_store(&drained, 0);
	return pipe(in) || pipe(out);
}

static void stop(void)
{
	loop_stop(loop);
	pthread_join(loop_thread, NULL);
	console_close(console);
}

static int tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		close(in[i]);
		close(out[i]);
	}
	loop_destroy(loop);
	return 0;
}

static bool becomes(bool (*condition)(void))
{
	for (int i = 0; i < 2000; i++) {
		if (condition())
			return true;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return false;
}

static size_t received(void)
{
	size_t n;

	pthread_mutex_lock(&port.lock);
	n = port.len;
	pthread_mutex_unlock(&port.lock);
	return n;
}

static void test_output(void **state)
{
	char buf[64] = "";

	(void)state;
	start(in[0], out[1]);
	for (const char *p = "hello\n"; *p; p++)
		assert_true(console_put(console, (uint8_t)*p));
	stop(); /* everything is out then */
	assert_int_equal(read(out[0], buf, sizeof(buf)), 6);
	assert_string_equal(buf, "hello\n");
}

/* As many bytes as go in; false when the writer makes no more room. */
static bool put_patiently(uint8_t byte)
{
	for (int i = 0; i < 50; i++) {
		if (console_put(console, byte))
			return true;
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	}
	return false;
}

static bool was_drained(void)
{
	return atomic_load(&drained) > 0;
}

static void test_slow_reader(void **state)
{
	uint8_t next = 0, expect = 0, buf[4096];
	size_t put = 0, got = 0;
	ssize_t n;

	(void)state;
	start(in[0], out[1]);
	/* Pipe and ring fill up; putting never blocks. */
	while (put_patiently(next)) {
		next++;
		put++;
	}
	assert_true(put > 65536);
	assert_false(console_can_put(console));
	/* The reader comes: bytes in order, none missing, and we are told. */
	while (got < put) {
		n = read(out[0], buf, sizeof(buf));
		assert_true(n > 0);
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(buf[i], expect++);
		got += (size_t)n;
	}
	assert_true(becomes(was_drained));
	assert_true(console_can_put(console));
	stop();
}

static bool broken(void)
{
	/* A console without a reader takes everything. */
	for (int i = 0; i < 1000; i++)
		if (!console_put(console, 'x'))
			return false;
	return true;
}

static void test_reader_gone(void **state)
{
	(void)state;
	start(in[0], out[1]);
	close(out[0]);
	out[0] = -1;
	console_put(console, 'x');
	for (int i = 0; i < 100; i++)
		assert_true(becomes(broken));
	stop();
}

static bool all_in(void)
{
	return received() == 100;
}

static bool five_in(void)
{
	return received() == 5;
}

static void test_input_waits_for_room(void **state)
{
	uint8_t data[100];

	(void)state;
	for (unsigned int i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	port.room = 5;
	start(in[0], out[1]);
	assert_int_equal(write(in[1], data, sizeof(data)), sizeof(data));
	assert_true(becomes(five_in));
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	assert_int_equal(received(), 5);
	for (int i = 0; i < 95; i++) {
		pthread_mutex_lock(&port.lock);
		port.room = 1;
		pthread_mutex_unlock(&port.lock);
		console_resume(console);
		while (room(NULL))
			nanosleep(&(struct timespec){ .tv_nsec = 10000 }, NULL);
	}
	assert_true(becomes(all_in));
	assert_memory_equal(port.data, data, sizeof(data));
	stop();
}

/* Whoever typed has left, and the guest is slow: nobody turns in circles meanwhile. */
static void test_input_hangs_up_without_room(void **state)
{
	(void)state;
	port.room = 1;
	start(in[0], out[1]);
	assert_int_equal(write(in[1], "12345", 5), 5);
	close(in[1]);
	in[1] = -1;
	while (received() < 1)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	atomic_store(&asked, 0);
	nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	assert_in_range(atomic_load(&asked), 0, 2);
	pthread_mutex_lock(&port.lock);
	port.room = 16;
	pthread_mutex_unlock(&port.lock);
	console_resume(console);
	assert_true(becomes(five_in));
	stop();
}

static void test_input_ends(void **state)
{
	(void)state;
	start(in[0], out[1]);
	assert_int_equal(write(in[1], "12345", 5), 5);
	close(in[1]);
	in[1] = -1;
	assert_true(becomes(five_in));
	console_resume(console); /* harmless after the end */
	stop();
}

static void test_input_from_file(void **state)
{
	FILE *f = tmpfile();

	(void)state;
	fputs("12345", f);
	rewind(f);
	start(fileno(f), out[1]); /* epoll does not take it */
	assert_true(becomes(five_in));
	stop();
	fclose(f);
}

static bool all_pasted(void)
{
	return received() == 64;
}

/* Room made during the pause is room: input that waits goes on. */
static void input_not_lost(int when)
{
	uint8_t bytes[64];

	memset(bytes, 'k', sizeof(bytes));
	port.room = 16;
	atomic_store(&make_room_around_pause, when);
	start(in[0], out[1]);
	assert_int_equal(write(in[1], bytes, sizeof(bytes)), sizeof(bytes));
	assert_true(becomes(all_pasted));
	stop();
	atomic_store(&make_room_around_pause, 0);
}

static void test_room_before_pause(void **state)
{
	(void)state;
	input_not_lost(-1);
}

static void test_room_after_pause(void **state)
{
	(void)state;
	input_not_lost(1);
}

static bool has_left(void)
{
	return atomic_load(&left) == 1;
}

static void test_terminal(void **state)
{
	struct termios before, during, after;
	int master, slave;

	(void)state;
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	tcgetattr(slave, &before);
	start(slave, out[1]);
	tcgetattr(slave, &during);
	assert_int_equal(during.c_lflag & (ICANON | ECHO | ISIG), 0);
	/* a, Ctrl-A twice is one, Ctrl-A b is both, then the way out */
	assert_int_equal(write(master, "a\001\001\001b", 5), 5);
	while (received() < 4)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	assert_memory_equal(port.data, "a\001\001b", 4);
	assert_int_equal(atomic_load(&left), 0);
	assert_int_equal(write(master, "\001x", 2), 2);
	assert_true(becomes(has_left));
	assert_int_equal(received(), 4);
	stop();
	tcgetattr(slave, &after);
	assert_int_equal(before.c_lflag, after.c_lflag);
	close(master);
	close(slave);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_output),
		TEST(test_slow_reader),
		TEST(test_reader_gone),
		TEST(test_input_waits_for_room),
		TEST(test_input_hangs_up_without_room),
		TEST(test_input_ends),
		TEST(test_input_from_file),
		TEST(test_room_before_pause),
		TEST(test_room_after_pause),
		TEST(test_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
