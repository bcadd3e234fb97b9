/* SPDX-License-Identifier: MIT */
/* Devices of one page: random numbers, the balloon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "abi/virtio/balloon.h"
#include "virtio_rig.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/rng.h"

#define SLOT 1u

/* Guest memory */
#define LIST 0x40000u
#define DATA 0x80000u
#define PAGE 0x1000u

struct fixture {
	struct rig rig;
	const struct device_kind *kind;
	void *device;
	struct driver d;
};

static struct fixture *make(const struct device_kind *kind, const void *config, uint64_t features)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_init(&f->rig);
	f->kind = kind;
	assert_int_equal(kind->create(&f->rig.machine, config, &f->device), 0);
	rig_start(&f->rig);
	driver_probe(&f->d, &f->rig, SLOT);
	driver_start(&f->d, features);
	return f;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rig_stop(&f->rig);
	f->kind->destroy(f->device);
	rig_destroy(&f->rig);
	free(f);
	return 0;
}

static uint8_t *at(struct fixture *f, uint64_t address)
{
	return memory_at(&f->rig.memory, gpa(address), 1);
}

/* One chain through @d; returns the length the device reported. */
static uint32_t send(struct driver *d, const struct buffer *b, unsigned int count)
{
	struct virtq_used_elem e;

	driver_add(d, b, count);
	driver_publish(d);
	driver_notify(d);
	assert_true(driver_used(d, &e));
	return e.len;
}

/* --- rng --- */

static int setup_rng(void **state)
{
	*state = make(&virtio_rng_device, NULL, 0);
	return 0;
}

/* Are there @count bytes of which at least one in eight differs from @byte? */
static bool is_random(const uint8_t *p, size_t count, uint8_t byte)
{
	size_t others = 0;

	for (size_t i = 0; i < count; i++)
		others += p[i] != byte;
	return others >= count - count / 8;
}

static void test_rng(void **state)
{
	struct fixture *f = *state;
	const struct buffer two[] = { { DATA, 100, true }, { DATA + 200, 60, true } };
	uint8_t before[260];

	memset(at(f, DATA), 0x5a, 300);
	assert_int_equal(send(&f->d, two, 2), 160);
	assert_true(is_random(at(f, DATA), 100, 0x5a));
	assert_true(is_random(at(f, DATA + 200), 60, 0x5a));
	/* Between and behind the buffers nothing was touched. */
	for (int i = 100; i < 200; i++)
		assert_int_equal(at(f, DATA)[i], 0x5a);
	assert_int_equal(at(f, DATA)[260], 0x5a);
	/* Not the same again. */
	memcpy(before, at(f, DATA), sizeof(before));
	assert_int_equal(send(&f->d, two, 2), 160);
	assert_memory_not_equal(before, at(f, DATA), 100);
}

static void test_rng_too_much(void **state)
{
	struct fixture *f = *state;
	const struct buffer large = { DATA, 64 * PAGE, true };
	uint32_t got = send(&f->d, &large, 1);

	/* Less than asked for, never nothing, and told how much. */
	assert_true(got > 0 && got < large.len);
	assert_true(is_random(at(f, DATA), got, 0));
	assert_int_equal(at(f, DATA)[got], 0);
}

static void test_rng_nothing_to_fill(void **state)
{
	struct fixture *f = *state;
	const struct buffer readable = { DATA, 16, false };
	const struct buffer good = { DATA, 16, true };

	assert_int_equal(send(&f->d, &readable, 1), 0);
	assert_int_equal(at(f, DATA)[0], 0);
	assert_int_equal(send(&f->d, &good, 1), 16);
}

/* --- balloon --- */

static const struct balloon_config balloon = {
	.size = 64 * PAGE,
	.deflate_on_oom = true,
	.reporting = true,
};

static int setup_balloon(void **state)
{
	*state = make(&virtio_balloon_device, &balloon,
		      BIT64(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) | BIT64(VIRTIO_BALLOON_F_REPORTING));
	return 0;
}

static void fill_pages(struct fixture *f, unsigned int pages)
{
	memset(at(f, DATA), 0xa5, (size_t)pages * PAGE);
}

static bool is_zero(struct fixture *f, unsigned int page)
{
	return at(f, DATA + page * PAGE)[0] == 0 && at(f, DATA + page * PAGE)[PAGE - 1] == 0;
}

static void test_inflate(void **state)
{
	struct fixture *f = *state;
	static const uint32_t list[] = {
		DATA / PAGE,	     DATA / PAGE + 1, DATA / PAGE + 3, /* two runs */
		RIG_MEMORY / PAGE,   UINT32_MAX,	       /* no memory */
		DATA / PAGE + 5,
	};
	const struct buffer b = { LIST, sizeof(list), false };
	struct buffer odd = b;

	fill_pages(f, 8);
	memcpy(at(f, LIST), list, sizeof(list));
	assert_int_equal(send(&f->d, &b, 1), 0);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(is_zero(f, i), i == 0 || i == 1 || i == 3 || i == 5);

	/* The last number is not whole: it is not one. */
	fill_pages(f, 8);
	odd.len = sizeof(list) - 1;
	assert_int_equal(send(&f->d, &odd, 1), 0);
	assert_true(is_zero(f, 3));
	assert_false(is_zero(f, 5));
}

static void test_deflate(void **state)
{
	struct fixture *f = *state;
	static const uint32_t list[] = { DATA / PAGE };
	const struct buffer b = { LIST, sizeof(list), false };
	struct driver deflate;

	fill_pages(f, 1);
	memcpy(at(f, LIST), list, sizeof(list));
	driver_start_queue(&deflate, &f->d, 1);
	assert_int_equal(send(&deflate, &b, 1), 0);
	assert_false(is_zero(f, 0));
}

static void test_report(void **state)
{
	struct fixture *f = *state;
	/* Whole pages only: of the second buffer the one in the middle. */
	const struct buffer b[] = {
		{ DATA, 2 * PAGE, true },
		{ DATA + 3 * PAGE + 8, 2 * PAGE, true },
	};
	struct driver reporting;

	fill_pages(f, 8);
	driver_start_queue(&reporting, &f->d, 2);
	assert_int_equal(send(&reporting, b, 2), 0);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(is_zero(f, i), i == 0 || i == 1 || i == 4);
	assert_int_equal(at(f, DATA + 3 * PAGE)[8], 0xa5);
}

#define CHAINS	  32u
#define SCATTERED 2048u /* pages in each that are no neighbours */

static atomic_uint given, given_by_turn;
static int other = -1; /* an eventfd: what else the device thread has to do */

int __real_madvise(void *at, size_t len, int advice);
int __wrap_madvise(void *at, size_t len, int advice);

int __wrap_madvise(void *at, size_t len, int advice)
{
	uint64_t one = 1;

	if (other >= 0 && atomic_fetch_add(&given, 1) == 0)
		assert_int_equal(write(other, &one, sizeof(one)), sizeof(one));
	return __real_madvise(at, len, advice);
}

static void other_turn(struct loop_source *s, uint32_t events)
{
	uint64_t count;

	(void)events;
	assert_int_equal(read(s->fd, &count, sizeof(count)), sizeof(count));
	atomic_store(&given_by_turn, atomic_load(&given));
}

/* Each page is a call of the kernel: who gives back many does not have the thread alone. */
static void test_inflate_in_turns(void **state)
{
	struct fixture *f = *state;
	const struct buffer b = { LIST, SCATTERED * sizeof(uint32_t), false };
	uint32_t *list = (void *)at(f, LIST);
	struct loop_source source = { .ready = other_turn };
	struct virtq_used_elem e;

	for (unsigned int i = 0; i < SCATTERED; i++)
		list[i] = DATA / PAGE + 2 * (i % 2);
	source.fd = other = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(loop_add(f->rig.machine.loop, &source, EPOLLIN), 0);
	for (unsigned int i = 0; i < CHAINS; i++)
		driver_add(&f->d, &b, 1);
	driver_publish(&f->d);
	driver_notify(&f->d);
	for (unsigned int i = 0; i < CHAINS; i++)
		assert_true(driver_used(&f->d, &e));
	assert_int_equal(atomic_load(&given), CHAINS * SCATTERED);
	assert_in_range(atomic_load(&given_by_turn), 1, CHAINS * SCATTERED / 4);
	loop_remove(f->rig.machine.loop, &source);
	close(other);
	other = -1;
}

/* Nor does one who reports all memory many times over. */
static void test_report_in_turns(void **state)
{
	struct fixture *f = *state;
	struct buffer b[16];
	struct driver reporting;

	for (unsigned int i = 0; i < ARRAY_SIZE(b); i++)
		b[i] = (struct buffer){ DATA, RIG_MEMORY - DATA, true };
	driver_start_queue(&reporting, &f->d, 2);
	atomic_store(&given, 0);
	other = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(send(&reporting, b, ARRAY_SIZE(b)), 0);
	close(other);
	other = -1;
	assert_in_range(atomic_load(&given), 1, 2);
}

static void test_size(void **state)
{
	struct fixture *f = *state;
	uint64_t actual = f->d.device + offsetof(struct virtio_balloon_config, actual);

	assert_int_equal(rig_read(&f->rig, f->d.device, 4), 64);
	assert_int_equal(rig_read(&f->rig, actual, 4), 0);
	rig_write(&f->rig, actual, 4, 17);
	assert_int_equal(rig_read(&f->rig, actual, 4), 17);
	/* What we want is not the driver's to say. */
	rig_write(&f->rig, f->d.device, 4, 1);
	assert_int_equal(rig_read(&f->rig, f->d.device, 4), 64);
}

static void test_too_large(void **state)
{
	const struct balloon_config c = { .size = RIG_MEMORY };
	struct rig *r = calloc(1, sizeof(*r));
	void *device = NULL;

	(void)state;
	rig_init(r);
	assert_int_equal(virtio_balloon_device.create(&r->machine, &c, &device), -EINVAL);
	rig_destroy(r);
	free(r);
}

#define RNG(name)     cmocka_unit_test_setup_teardown(name, setup_rng, teardown)
#define BALLOON(name) cmocka_unit_test_setup_teardown(name, setup_balloon, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RNG(test_rng),
		RNG(test_rng_too_much),
		RNG(test_rng_nothing_to_fill),
		BALLOON(test_inflate),
		BALLOON(test_deflate),
		BALLOON(test_report), BALLOON(test_inflate_in_turns), BALLOON(test_report_in_turns),
		BALLOON(test_size),
		cmocka_unit_test(test_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
