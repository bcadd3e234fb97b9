/* SPDX-License-Identifier: MIT */
/*
 * The network card served by vhost-net, which is a list of what it was asked here:
 * when it is started and stopped, and that it gets the doorbells and interrupts
 * themselves. The real one is in the machine test net-vhost.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/vhost.h>

#include <cmocka.h>

#include "virtio_net_rig.h"
#include "vmm/log.h"

/* One of them for each pair. */
struct fake_vhost {
	int fd;
	bool owned;
	uint64_t memory_bytes;
	uint64_t features;
	struct fake_vring {
		unsigned int num, base;
		uint64_t desc;
		int kick, call, error, backend;
	} vring[2];
};

static struct fake_vhost vhosts[TAP_QUEUES_MAX];
static unsigned int vhost_count;
static unsigned long refuse; /* this request */

int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_open(const char *path, int flags, ...)
{
	struct fake_vhost *h = &vhosts[vhost_count];

	assert_string_equal(path, "/dev/vhost-net");
	assert_true(flags & O_CLOEXEC);
	if (refuse == 1) {
		errno = ENOENT;
		return -1;
	}
	assert_true(vhost_count < TAP_QUEUES_MAX);
	*h = (struct fake_vhost){ .fd = eventfd(0, EFD_CLOEXEC) };
	for (unsigned int i = 0; i < 2; i++)
		h->vring[i] = (struct fake_vring){ .kick = -1, .call = -1, .backend = -1 };
	vhost_count++;
	return h->fd;
}

int __wrap_open64(const char *path, int flags, ...)
{
	return __wrap_open(path, flags);
}

static struct fake_vhost *find(int fd)
{
	for (unsigned int i = 0; i < vhost_count; i++)
		if (vhosts[i].fd == fd)
			return &vhosts[i];
	fail_msg("ioctl on something else");
	return NULL;
}

static void set_memory(struct fake_vhost *h, const struct vhost_memory *m)
{
	for (unsigned int i = 0; i < m->nregions; i++)
		h->memory_bytes += m->regions[i].memory_size;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct fake_vhost *h = find(fd);
	const struct vhost_vring_file *file;
	struct vhost_vring_state *state;
	const struct vhost_vring_addr *addr;
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	file = arg;
	state = arg;
	addr = arg;
	if (request == refuse) {
		errno = EIO;
		return -1;
	}
	/* As in the kernel: everything but asking wants an owner. */
	if (request == VHOST_GET_FEATURES) {
		*(uint64_t *)arg = BIT64(VIRTIO_F_VERSION_1) | EVENT_IDX | INDIRECT | F(MRG_RXBUF);
		return 0;
	}
	if (request == VHOST_SET_OWNER) {
		errno = EBUSY;
		return h->owned ? -1 : (h->owned = true, 0);
	}
	assert_true(h->owned);
	switch (request) {
	case VHOST_SET_MEM_TABLE:
		set_memory(h, arg);
		break;
	case VHOST_SET_FEATURES:
		assert_int_equal(h->vring[0].backend, -1);
		h->features = *(uint64_t *)arg;
		break;
	case VHOST_SET_VRING_NUM:
		assert_int_equal(h->vring[state->index].backend, -1);
		h->vring[state->index].num = state->num;
		break;
	case VHOST_SET_VRING_BASE:
		assert_int_equal(h->vring[state->index].backend, -1);
		h->vring[state->index].base = state->num;
		break;
	case VHOST_GET_VRING_BASE:
		assert_int_equal(h->vring[state->index].backend, -1);
		state->num = h->vring[state->index].base;
		break;
	case VHOST_SET_VRING_ADDR:
		h->vring[addr->index].desc = addr->desc_user_addr;
		break;
	case VHOST_SET_VRING_KICK:
		h->vring[file->index].kick = file->fd;
		break;
	case VHOST_SET_VRING_CALL:
		h->vring[file->index].call = file->fd;
		break;
	case VHOST_SET_VRING_ERR:
		h->vring[file->index].error = file->fd;
		break;
	case VHOST_NET_SET_BACKEND:
		h->vring[file->index].backend = file->fd;
		break;
	default:
		fail_msg("unknown request %#lx", request);
	}
	return 0;
}

static const struct nic_config one = { .tap = "tap0", .vhost = NET_VHOST_ON };
static const struct nic_config two = { .tap = "tap0", .vhost = NET_VHOST_ON, .queues = 2 };

#define FEATURES (EVENT_IDX | INDIRECT | F(MRG_RXBUF) | F(CTRL_VQ) | F(CTRL_RX) | F(CSUM))

static void set_master(struct fixture *f, bool on)
{
	rig_cfg_write(&f->rig, SLOT, PCI_COMMAND, 2,
		      PCI_COMMAND_MEMORY | (on ? PCI_COMMAND_MASTER : 0));
}

/* The rig's driver enables queues after DRIVER_OK: the device looks again at this. */
static struct fixture *start(const struct nic_config *c, uint64_t features)
{
	struct fixture *f;

	vhost_count = 0;
	f = net_make_card(c);
	/* In the sandbox there must be no thread of vhost's yet. */
	assert_false(vhosts[0].owned);
	net_start(f, features);
	set_master(f, false);
	set_master(f, true);
	return f;
}

static int setup_one(void **state)
{
	*state = start(&one, FEATURES);
	return 0;
}

static int setup_two(void **state)
{
	*state = start(&two, FEATURES | F(MQ));
	return 0;
}

static bool serves(unsigned int pair)
{
	const struct fake_vring *v = vhosts[pair].vring;

	assert_true((v[0].backend >= 0) == (v[1].backend >= 0));
	assert_true((v[0].kick >= 0) == (v[1].kick >= 0));
	assert_true((v[0].kick >= 0) == (v[0].backend >= 0));
	return v[0].backend >= 0;
}

static void test_start(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vhost_count, 1);
	assert_true(serves(0));
	assert_int_equal(vhosts[0].memory_bytes, RIG_MEMORY);
	/* Of the features those it has a say in. */
	assert_int_equal(vhosts[0].features,
			 BIT64(VIRTIO_F_VERSION_1) | EVENT_IDX | INDIRECT | F(MRG_RXBUF));
	for (unsigned int i = 0; i < 2; i++) {
		const struct fake_vring *v = &vhosts[0].vring[i];

		assert_int_equal(v->num, NET_QUEUE_SIZE);
		assert_int_equal(v->kick, virtio_pci_kick_fd(&f->net->pci, i));
		/* Vector 0 for the first queue, 2 for the second: the rig's choice. */
		assert_int_equal(v->call, irq_route_fd(&f->rig.irq, i ? 2 : 0));
		assert_int_equal(v->backend, f->net->tap.fd[0]);
		assert_ptr_equal((void *)(uintptr_t)v->desc,
				 memory_at(&f->rig.memory, gpa(i ? f->tx.desc : f->rx.desc), 1));
	}
	assert_int_equal(control(f, VIRTIO_NET_CTRL_RX, 0, "\1", 1), VIRTIO_NET_OK);
}

static void test_stop(void **state)
{
	struct fixture *f = *state;

	/* It goes on where vhost was. */
	vhosts[0].vring[1].base = 77;
	set_master(f, false);
	assert_false(serves(0));
	vhosts[0].vring[1].base = 0;
	set_master(f, true);
	assert_true(serves(0));
	assert_int_equal(vhosts[0].vring[1].base, 77);

	driver_reset(&f->rx);
	assert_false(serves(0));
	net_start(f, FEATURES);
	set_master(f, false);
	set_master(f, true);
	assert_true(serves(0));
	assert_int_equal(vhosts[0].vring[1].base, 0);
	assert_int_equal(control(f, VIRTIO_NET_CTRL_RX, 0, "\1", 1), VIRTIO_NET_OK);
}

static void test_vector(void **state)
{
	struct fixture *f = *state;

	driver_set(&f->rx, offsetof(struct virtio_pci_common_cfg, queue_select), 2, 0);
	driver_set(&f->rx, offsetof(struct virtio_pci_common_cfg, queue_msix_vector), 2,
		   VIRTIO_MSI_NO_VECTOR);
	assert_int_equal(vhosts[0].vring[0].call, -1);
	driver_set(&f->rx, offsetof(struct virtio_pci_common_cfg, queue_msix_vector), 2, 2);
	assert_int_equal(vhosts[0].vring[0].call, irq_route_fd(&f->rig.irq, 2));
}

static void test_pairs(void **state)
{
	struct fixture *f = *state;
	uint16_t pairs = 2;

	assert_int_equal(vhost_count, 2);
	assert_true(serves(0));
	assert_false(serves(1));
	assert_int_equal(control(f, VIRTIO_NET_CTRL_MQ, 0, &pairs, 2), VIRTIO_NET_OK);
	assert_true(serves(1));
	assert_int_equal(vhosts[1].vring[1].kick, virtio_pci_kick_fd(&f->net->pci, 3));
	assert_int_equal(vhosts[1].vring[0].backend, f->net->tap.fd[1]);
	pairs = 1;
	assert_int_equal(control(f, VIRTIO_NET_CTRL_MQ, 0, &pairs, 2), VIRTIO_NET_OK);
	assert_true(serves(0));
	assert_false(serves(1));
	driver_reset(&f->rx);
	assert_false(serves(0));
}

/* What vhost cannot read breaks the device, as it would in our hands. */
static void test_broken_rings(void **state)
{
	struct fixture *f = *state;
	uint64_t count = 1;

	assert_int_equal(write(vhosts[0].vring[1].error, &count, sizeof(count)), sizeof(count));
	assert_true(rig_interrupted(&f->rig, 1, 5000));
	assert_true(driver_status(&f->rx) & VIRTIO_STATUS_NEEDS_RESET);
	assert_false(serves(0));
}

/* Nothing half started is left, and the next attempt may succeed. */
static void test_refused(void **state)
{
	static const unsigned long requests[] = {
		VHOST_SET_OWNER,     VHOST_SET_MEM_TABLE,  VHOST_SET_FEATURES,
		VHOST_SET_VRING_NUM, VHOST_SET_VRING_ADDR, VHOST_SET_VRING_CALL,
	};

	(void)state;
	log_set_level(LOG_ERROR);
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		struct fixture *f;
		void *fixture;

		refuse = requests[i];
		f = start(&one, FEATURES);
		assert_false(serves(0));
		refuse = 0;
		set_master(f, false);
		set_master(f, true);
		assert_true(serves(0));
		assert_int_equal(vhosts[0].memory_bytes, RIG_MEMORY);
		fixture = f;
		teardown(&fixture);
	}
	log_set_level(LOG_INFO);
}

/* "auto" does without, "on" does not. */
static void test_no_vhost(void **state)
{
	struct nic_config c = { .tap = "tap0", .vhost = NET_VHOST_AUTO };
	struct fixture *f;
	struct rig rig;
	void *fixture;

	(void)state;
	refuse = 1;
	f = net_make_card(&c);
	assert_false(f->net->by_vhost);
	fixture = f;
	teardown(&fixture);
	rig_init(&rig);
	c.vhost = NET_VHOST_ON;
	assert_null(virtio_net_create(&rig.machine, &c));
	assert_int_equal(errno, ENOENT);
	rig_destroy(&rig);
	refuse = 0;
}

#define ONE(f) cmocka_unit_test_setup_teardown(f, setup_one, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ONE(test_start),
		ONE(test_stop),
		ONE(test_vector),
		cmocka_unit_test_setup_teardown(test_pairs, setup_two, teardown),
		ONE(test_broken_rings),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_vhost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
