/* SPDX-License-Identifier: MIT */
/* virtio-console above the real console, with pipes where standard streams are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/virtio/console.h"
#include "virtio_rig.h"
#include "vmm/console.h"
#include "vmm/virtio/console.h"

#define SLOT	1u
#define WAIT_MS 5000
#define DATA	0x80000u
#define LARGE	0x20000u /* more than console and pipe hold together */

struct fixture {
	struct rig rig;
	int in[2], out[2]; /* pipes; we hold in[1] and out[0] */
	void *device;
	struct driver receive, transmit;
	/* The serial port. */
	atomic_uint serial_bytes;
};

/* Console and device stay, as in a vmm that ends; they are no leak. */
static struct fixture *kept[8];
static unsigned int kept_count;

static size_t serial_room(void *arg)
{
	(void)arg;
	return 16;
}

static void serial_receive(void *arg, const uint8_t *data, size_t len)
{
	struct fixture *f = arg;

	(void)data;
	atomic_fetch_add(&f->serial_bytes, (unsigned int)len);
}

static void leave(void *arg)
{
	(void)arg;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct console_setup s = { .leave = leave };
	struct console_client serial = {
		.arg = f,
		.room = serial_room,
		.receive = serial_receive,
	};
	int error = 0;

	rig_init(&f->rig);
	assert_int_equal(pipe2(f->in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(f->out, O_CLOEXEC), 0);
	s.loop = f->rig.machine.loop;
	s.in = f->in[0];
	s.out = f->out[1];
	f->rig.machine.console = console_open(&s, &error);
	assert_non_null(f->rig.machine.console);
	assert_int_equal(console_attach(f->rig.machine.console, &serial), 0);
	assert_int_equal(virtio_console_device.create(&f->rig.machine, NULL, &f->device), 0);
	rig_start(&f->rig);
	driver_probe(&f->receive, &f->rig, SLOT);
	*state = f;
	return 0;
}

static int setup_started(void **state)
{
	struct fixture *f;

	setup(state);
	f = *state;
	driver_start(&f->receive, 0);
	driver_start_queue(&f->transmit, &f->receive, VIRTIO_CONSOLE_TRANSMIT);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->out[0]); /* whatever is left: nobody reads it */
	close(f->in[1]);
	rig_stop(&f->rig);
	console_close(f->rig.machine.console);
	kept[kept_count++] = f;
	return 0;
}

/* @n bytes that the guest wrote, as whoever reads our output sees them. */
static void expect_out(struct fixture *f, const void *bytes, size_t n)
{
	uint8_t *got = malloc(n);
	size_t have = 0;

	while (have < n) {
		struct pollfd p = { .fd = f->out[0], .events = POLLIN };
		ssize_t r;

		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		r = read(f->out[0], got + have, n - have);
		assert_true(r > 0);
		have += (size_t)r;
	}
	assert_memory_equal(got, bytes, n);
	free(got);
}

static void add(struct driver *d, const struct buffer *b, unsigned int count)
{
	driver_add(d, b, count);
	driver_publish(d);
	driver_notify(d);
}

static void put(struct fixture *f, uint64_t at, const void *bytes, size_t n)
{
	assert_int_equal(memory_write(&f->rig.memory, gpa(at), bytes, n), 0);
}

static void test_out(void **state)
{
	struct fixture *f = *state;
	const struct buffer b[] = { { DATA, 6, false }, { DATA + 100, 6, false } };
	struct virtq_used_elem e;

	put(f, DATA, "hello ", 6);
	put(f, DATA + 100, "world\n", 6);
	add(&f->transmit, b, 2);
	expect_out(f, "hello world\n", 12);
	assert_true(driver_used(&f->transmit, &e));
	assert_int_equal(e.len, 0);
}

/* Nobody reads for a while: nothing is lost, nothing is doubled. */
static void test_out_full(void **state)
{
	struct fixture *f = *state;
	const struct buffer b = { DATA, LARGE, false };
	struct virtq_used_elem e;
	uint8_t *bytes = malloc(LARGE);

	for (size_t i = 0; i < LARGE; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	put(f, DATA, bytes, LARGE);
	add(&f->transmit, &b, 1);
	usleep(100000);
	expect_out(f, bytes, LARGE);
	assert_true(driver_used(&f->transmit, &e));
	free(bytes);
}

/* A reset takes back what could not be written; then it works again. */
static void test_out_reset(void **state)
{
	struct fixture *f = *state;
	const struct buffer b = { DATA, LARGE, false };
	const struct buffer small = { DATA, 3, false };
	uint8_t *junk = malloc(LARGE);
	struct virtq_used_elem e;
	ssize_t n;

	add(&f->transmit, &b, 1);
	usleep(100000);
	driver_reset(&f->receive);
	do {
		struct pollfd p = { .fd = f->out[0], .events = POLLIN };

		n = poll(&p, 1, 300) == 1 ? read(f->out[0], junk, LARGE) : 0;
	} while (n > 0);
	free(junk);

	driver_start(&f->receive, 0);
	driver_start_queue(&f->transmit, &f->receive, VIRTIO_CONSOLE_TRANSMIT);
	put(f, DATA, "abc", 3);
	add(&f->transmit, &small, 1);
	expect_out(f, "abc", 3);
	assert_true(driver_used(&f->transmit, &e));
}

static void test_in(void **state)
{
	struct fixture *f = *state;
	const struct buffer b[] = { { DATA, 4, true }, { DATA + 100, 4, true } };
	const struct buffer unfit = { DATA, 4, false };
	struct virtq_used_elem e;
	char got[8];

	/* Typed before there is a buffer: it waits. One without room does not help. */
	assert_int_equal(write(f->in[1], "secret", 6), 6);
	add(&f->receive, &unfit, 1);
	assert_true(driver_used(&f->receive, &e));
	assert_int_equal(e.len, 0);
	add(&f->receive, b, 2);
	assert_true(driver_used(&f->receive, &e));
	assert_int_equal(e.len, 6);
	assert_int_equal(memory_read(&f->rig.memory, gpa(DATA), got, 4), 0);
	assert_int_equal(memory_read(&f->rig.memory, gpa(DATA + 100), got + 4, 2), 0);
	assert_memory_equal(got, "secret", 6);
	assert_int_equal(atomic_load(&f->serial_bytes), 0);

	/* Many, each with its buffer, more than a notification's share. */
	for (int i = 0; i < 1500; i++) {
		add(&f->receive, b, 1);
		assert_int_equal(write(f->in[1], "x", 1), 1);
		assert_true(driver_used(&f->receive, &e));
		assert_int_equal(e.len, 1);
	}
}

/* Without a driver, and after it is gone, the serial port has the input. */
static void test_front(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(write(f->in[1], "one", 3), 3);
	for (int i = 0; i < WAIT_MS && atomic_load(&f->serial_bytes) < 3; i++)
		usleep(1000);
	assert_int_equal(atomic_load(&f->serial_bytes), 3);
	driver_start(&f->receive, 0);
	assert_int_equal(write(f->in[1], "two", 3), 3);
	usleep(50000);
	assert_int_equal(atomic_load(&f->serial_bytes), 3);
	driver_reset(&f->receive);
	for (int i = 0; i < WAIT_MS && atomic_load(&f->serial_bytes) < 6; i++)
		usleep(1000);
	assert_int_equal(atomic_load(&f->serial_bytes), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_out, setup_started, teardown),
		cmocka_unit_test_setup_teardown(test_out_full, setup_started, teardown),
		cmocka_unit_test_setup_teardown(test_out_reset, setup_started, teardown),
		cmocka_unit_test_setup_teardown(test_in, setup_started, teardown),
		cmocka_unit_test_setup_teardown(test_front, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
