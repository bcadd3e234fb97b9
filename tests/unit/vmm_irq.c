/* SPDX-License-Identifier: MIT */
/* Interrupts: what the kernel is told, and in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vmm/irq.h"
#include "vmm/mshv.h"

static struct {
	struct mshv_route route[1024];
	unsigned int count;
	int fd[1024]; /* per gsi, 0: none */
	bool unrouted_irqfd;
	int error;
} kernel;

static struct {
	uint32_t type, dest;
	bool level, logical;
	uint8_t vector;
} asserted;

int mshv_assert(struct mshv_partition *p, uint32_t type, bool level, bool logical, uint32_t dest,
		uint8_t vector)
{
	(void)p;
	asserted.type = type;
	asserted.dest = dest;
	asserted.level = level;
	asserted.logical = logical;
	asserted.vector = vector;
	return 0;
}

static bool routed(uint32_t gsi)
{
	for (unsigned int i = 0; i < kernel.count; i++)
		if (kernel.route[i].gsi == gsi)
			return true;
	return false;
}

int mshv_routes_set(struct mshv_partition *p, const struct mshv_route *r, unsigned int count)
{
	(void)p;
	if (kernel.error)
		return kernel.error;
	memcpy(kernel.route, r, count * sizeof(*r));
	kernel.count = count;
	for (uint32_t gsi = 0; gsi < 1024; gsi++)
		kernel.unrouted_irqfd |= kernel.fd[gsi] && !routed(gsi);
	return 0;
}

int mshv_irqfd(struct mshv_partition *p, int fd, uint32_t gsi, bool on)
{
	(void)p;
	assert_int_not_equal(gsi, 0);
	assert_true(on ? kernel.fd[gsi] == 0 : kernel.fd[gsi] == fd);
	kernel.unrouted_irqfd |= on && !routed(gsi);
	kernel.fd[gsi] = on ? fd : 0;
	return 0;
}

int mshv_ioeventfd(struct mshv_partition *p, uint64_t gpa, unsigned int len, int fd, bool on)
{
	(void)p, (void)gpa, (void)len, (void)fd, (void)on;
	return 0;
}

static struct irq *irq;

static int set_up(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	irq = irq_create(NULL);
	return irq ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	/* An irqfd without a route would lose its signals. */
	assert_false(kernel.unrouted_irqfd);
	irq_destroy(irq);
	return 0;
}

static void test_message(void **state)
{
	const struct irq_message m = {
		.vector = 0x31,
		.mode = 1,
		.logical = true,
		.level = true,
		.dest = 5,
	};

	(void)state;
	assert_int_equal(irq_send(irq, &m), 0);
	assert_int_equal(asserted.vector, 0x31);
	assert_int_equal(asserted.type, 1);
	assert_int_equal(asserted.dest, 5);
	assert_true(asserted.logical);
	assert_true(asserted.level);
}

static void test_routes(void **state)
{
	int a = irq_route_alloc(irq), b = irq_route_alloc(irq);

	(void)state;
	assert_true(a >= 0 && b >= 0 && a != b);
	assert_int_equal(kernel.count, 0);
	assert_int_equal(irq_route_set(irq, a, 0xfee00000, 0x41, false), 0);
	assert_int_equal(irq_route_set(irq, b, 0xfee01000, 0x42, false), 0);
	assert_int_equal(kernel.count, 2);
	/* A new target: the table changes, the irqfd stays. */
	assert_int_equal(irq_route_set(irq, a, 0xfee02000, 0x43, false), 0);
	assert_int_equal(kernel.count, 2);
	assert_int_equal(kernel.route[0].addr, 0xfee02000);
	assert_int_equal(kernel.route[0].data, 0x43);
	assert_int_equal(irq_route_set(irq, a, 0, 0, true), 0);
	assert_int_equal(kernel.count, 1);
	assert_int_equal(kernel.route[0].data, 0x42);
	assert_int_equal(irq_route_set(irq, a, 0, 0, true), 0);
	assert_int_equal(irq_route_set(irq, a, 0xfee00000, 0x41, false), 0);
	assert_int_equal(kernel.count, 2);
}

static void test_pending(void **state)
{
	int r = irq_route_alloc(irq);
	uint64_t count;

	(void)state;
	assert_false(irq_route_pending(irq, r));
	irq_route_fire(irq, r);
	assert_true(irq_route_pending(irq, r));
	assert_true(irq_route_pending(irq, r)); /* looking takes nothing */
	assert_int_equal(read(irq_route_fd(irq, r), &count, 8), 8);
	assert_int_equal(count, 1);
	assert_false(irq_route_pending(irq, r));
}

static void test_refused(void **state)
{
	int r = irq_route_alloc(irq);

	(void)state;
	assert_int_equal(irq_route_set(irq, r, 1ULL << 32, 0x41, false), -EINVAL);
	kernel.error = -ENOMEM;
	assert_int_equal(irq_route_set(irq, r, 0xfee00000, 0x41, false), -ENOMEM);
	assert_int_equal(kernel.fd[1], 0);
	kernel.error = 0;
	assert_int_equal(irq_route_set(irq, r, 0xfee00000, 0x41, false), 0);
	assert_int_not_equal(kernel.fd[1], 0);
}

static void test_many(void **state)
{
	int r, n = 0;

	(void)state;
	while ((r = irq_route_alloc(irq)) >= 0) {
		assert_int_equal(irq_route_set(irq, r, 0xfee00000, 0x41, false), 0);
		n++;
	}
	assert_int_equal(r, -ENOSPC);
	assert_in_range(n, 64, 1000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_message), TEST(test_routes), TEST(test_pending),
		TEST(test_refused), TEST(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
