/* SPDX-License-Identifier: MIT */
/*
 * The socket device served by vhost-vsock, which is a list of what it was asked here:
 * the number it was given, when it is started and stopped, and that it gets doorbells
 * and interrupts themselves. The real one is in the machine test vsock.
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

#include "abi/virtio/vsock.h"
#include "virtio_rig.h"
#include "vmm/log.h"
#include "vmm/virtio/pci.h"
#include "vmm/virtio/vsock.h"

#define SLOT	  1u
#define CID	  0xfffffffeu
#define RING	  (BIT64(VIRTIO_F_EVENT_IDX) | BIT64(VIRTIO_F_INDIRECT_DESC))
#define SEQPACKET BIT64(VIRTIO_VSOCK_F_SEQPACKET)
#define STREAM	  BIT64(VIRTIO_VSOCK_F_STREAM)
#define REG(f)	  offsetof(struct virtio_pci_common_cfg, f)

static struct {
	int fd; /* -1: closed */
	uint64_t offers, features, memory_bytes, cid;
	bool owned, running;
	unsigned int starts;
	struct {
		unsigned int num, base;
		uint64_t desc;
		int kick, call, error;
	} vring[2];
} vhost;

static unsigned long refuse; /* this request; 1: the file */
static int refuse_error;

int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_open(const char *path, int flags, ...)
{
	assert_string_equal(path, "/dev/vhost-vsock");
	assert_true(flags & O_CLOEXEC);
	if (refuse == 1) {
		errno = ENOENT;
		return -1;
	}
	vhost.fd = eventfd(0, EFD_CLOEXEC);
	for (unsigned int i = 0; i < 2; i++)
		vhost.vring[i].kick = vhost.vring[i].call = -1;
	return vhost.fd;
}

int __wrap_open64(const char *path, int flags, ...)
{
	return __wrap_open(path, flags);
}

static void set_memory(const struct vhost_memory *m)
{
	vhost.memory_bytes = 0;
	for (unsigned int i = 0; i < m->nregions; i++)
		vhost.memory_bytes += m->regions[i].memory_size;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	const struct vhost_vring_file *file;
	const struct vhost_vring_addr *addr;
	struct vhost_vring_state *state;
	va_list args;
	void *arg;

	assert_int_equal(fd, vhost.fd);
	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	file = arg;
	state = arg;
	addr = arg;
	if (request == refuse) {
		errno = refuse_error;
		return -1;
	}
	switch (request) {
	case VHOST_GET_FEATURES:
		*(uint64_t *)arg = vhost.offers;
		return 0;
	case VHOST_VSOCK_SET_GUEST_CID:
		vhost.cid = *(uint64_t *)arg;
		return 0;
	case VHOST_SET_OWNER:
		errno = EBUSY;
		return vhost.owned ? -1 : (vhost.owned = true, 0);
	}
	/* As in the kernel: everything else wants an owner, and what is about rings, rest. */
	assert_true(vhost.owned);
	assert_true(!vhost.running || request == VHOST_SET_VRING_CALL ||
		    request == VHOST_VSOCK_SET_RUNNING);
	switch (request) {
	case VHOST_SET_MEM_TABLE:
		set_memory(arg);
		break;
	case VHOST_SET_FEATURES:
		assert_int_equal(*(uint64_t *)arg & ~vhost.offers, 0);
		vhost.features = *(uint64_t *)arg;
		break;
	case VHOST_SET_VRING_NUM:
		vhost.vring[state->index].num = state->num;
		break;
	case VHOST_SET_VRING_BASE:
		vhost.vring[state->index].base = state->num;
		break;
	case VHOST_GET_VRING_BASE:
		state->num = vhost.vring[state->index].base;
		break;
	case VHOST_SET_VRING_ADDR:
		vhost.vring[addr->index].desc = addr->desc_user_addr;
		break;
	case VHOST_SET_VRING_KICK:
		vhost.vring[file->index].kick = file->fd;
		break;
	case VHOST_SET_VRING_CALL:
		vhost.vring[file->index].call = file->fd;
		break;
	case VHOST_SET_VRING_ERR:
		vhost.vring[file->index].error = file->fd;
		break;
	case VHOST_VSOCK_SET_RUNNING:
		vhost.running = *(int *)arg;
		vhost.starts += vhost.running;
		break;
	default:
		fail_msg("unknown request %#lx", request);
	}
	return 0;
}

struct fixture {
	struct rig rig;
	void *device;
	struct driver rx, tx, event;
};

static const struct vsock_config config = { .cid = CID };

static void reset_world(void)
{
	memset(&vhost, 0, sizeof(vhost));
	vhost.fd = -1;
	vhost.offers = BIT64(VIRTIO_F_VERSION_1) | RING | SEQPACKET;
	refuse = 0;
	refuse_error = EIO;
}

/* The device, and no driver yet. */
static struct fixture *make(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_init(&f->rig);
	assert_int_equal(virtio_vsock_device.create(&f->rig.machine, &config, &f->device), 0);
	rig_start(&f->rig);
	/* In the sandbox there must be no thread of vhost's yet. */
	assert_false(vhost.owned);
	driver_probe(&f->rx, &f->rig, SLOT);
	return f;
}

static void set_master(struct fixture *f, bool on)
{
	rig_cfg_write(&f->rig, SLOT, PCI_COMMAND, 2,
		      PCI_COMMAND_MEMORY | (on ? PCI_COMMAND_MASTER : 0));
}

/* The rig's driver enables queues after DRIVER_OK: the device looks again at this. */
static void start(struct fixture *f, uint64_t features)
{
	driver_start(&f->rx, features);
	driver_start_queue(&f->tx, &f->rx, VIRTIO_VSOCK_TX);
	driver_start_queue(&f->event, &f->rx, VIRTIO_VSOCK_EVENT);
	set_master(f, false);
	set_master(f, true);
}

static int setup(void **state)
{
	struct fixture *f;

	reset_world();
	f = make();
	start(f, RING | SEQPACKET | STREAM);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rig_stop(&f->rig);
	virtio_vsock_device.destroy(f->device);
	assert_false(vhost.running);
	rig_destroy(&f->rig);
	free(f);
	return 0;
}

static bool serves(void)
{
	for (unsigned int i = 0; i < 2; i++)
		assert_true((vhost.vring[i].kick >= 0) == vhost.running);
	return vhost.running;
}

static void test_start(void **state)
{
	struct fixture *f = *state;

	assert_true(serves());
	assert_int_equal(vhost.cid, CID);
	assert_int_equal(vhost.memory_bytes, RIG_MEMORY);
	/* Of the features those it has a say in: streams are not a bit of its. */
	assert_int_equal(vhost.features, BIT64(VIRTIO_F_VERSION_1) | RING | SEQPACKET);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(vhost.vring[i].num, 128);
		assert_ptr_equal((void *)(uintptr_t)vhost.vring[i].desc,
				 memory_at(&f->rig.memory, gpa(i ? f->tx.desc : f->rx.desc), 1));
		/* Vector 0 for the first queue, 2 for the second: the rig's choice. */
		assert_int_equal(vhost.vring[i].call, irq_route_fd(&f->rig.irq, i ? 2 : 0));
	}
	assert_int_not_equal(vhost.vring[0].kick, vhost.vring[1].kick);
}

/* The driver reads the number, and cannot change it. */
static void test_config(void **state)
{
	struct fixture *f = *state;
	uint64_t bar = f->rx.device;

	assert_int_equal(rig_read(&f->rig, bar, 4), CID);
	assert_int_equal(rig_read(&f->rig, bar + 4, 4), 0);
	rig_write(&f->rig, bar, 4, 7);
	assert_int_equal(rig_read(&f->rig, bar, 4), CID);
	assert_int_equal(vhost.cid, CID);
}

static void test_stop(void **state)
{
	struct fixture *f = *state;

	/* It goes on where vhost was. */
	vhost.vring[1].base = 77;
	set_master(f, false);
	assert_false(serves());
	vhost.vring[1].base = 0;
	set_master(f, true);
	assert_true(serves());
	assert_int_equal(vhost.vring[1].base, 77);

	driver_reset(&f->rx);
	assert_false(serves());
	start(f, RING);
	assert_true(serves());
	assert_int_equal(vhost.vring[1].base, 0);
	assert_int_equal(vhost.features, BIT64(VIRTIO_F_VERSION_1) | RING);
}

/* Buffers for events are the driver's to give, and there they stay. */
static void test_event_queue(void **state)
{
	struct fixture *f = *state;
	const struct buffer b = { 0x80000, 4, true };
	const struct virtq_used *used = memory_at(&f->rig.memory, gpa(f->event.used), 4);

	driver_add(&f->event, &b, 1);
	driver_publish(&f->event);
	driver_notify(&f->event);
	driver_notify(&f->rx);
	rig_stop(&f->rig); /* whoever hears it has */
	rig_start(&f->rig);
	assert_int_equal(used->idx, 0);
	assert_true(serves());
	assert_false(driver_status(&f->rx) & VIRTIO_STATUS_NEEDS_RESET);
}

static void test_vector(void **state)
{
	struct fixture *f = *state;

	driver_set(&f->rx, REG(queue_select), 2, 0);
	driver_set(&f->rx, REG(queue_msix_vector), 2, VIRTIO_MSI_NO_VECTOR);
	assert_int_equal(vhost.vring[0].call, -1);
	driver_set(&f->rx, REG(queue_msix_vector), 2, 2);
	assert_int_equal(vhost.vring[0].call, irq_route_fd(&f->rig.irq, 2));
	/* The event queue's is nothing to vhost. */
	driver_set(&f->rx, REG(queue_select), 2, VIRTIO_VSOCK_EVENT);
	driver_set(&f->rx, REG(queue_msix_vector), 2, VIRTIO_MSI_NO_VECTOR);
	assert_int_equal(vhost.vring[0].call, irq_route_fd(&f->rig.irq, 2));
}

/* What vhost cannot read breaks the device, as it would in our hands. */
static void test_broken_rings(void **state)
{
	struct fixture *f = *state;
	uint64_t count = 1;

	log_set_level(LOG_ERROR);
	assert_int_equal(write(vhost.vring[1].error, &count, sizeof(count)), sizeof(count));
	assert_true(rig_interrupted(&f->rig, 1, 5000));
	assert_true(driver_status(&f->rx) & VIRTIO_STATUS_NEEDS_RESET);
	assert_false(serves());
	log_set_level(LOG_INFO);
}

/* Nothing half started is left, and the next attempt may succeed. */
static void test_refused(void **state)
{
	static const unsigned long requests[] = {
		VHOST_SET_OWNER,      VHOST_SET_MEM_TABLE,  VHOST_SET_FEATURES,
		VHOST_SET_VRING_NUM,  VHOST_SET_VRING_BASE, VHOST_SET_VRING_ADDR,
		VHOST_SET_VRING_CALL, VHOST_SET_VRING_ERR,  VHOST_VSOCK_SET_RUNNING,
	};

	(void)state;
	log_set_level(LOG_ERROR);
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		struct fixture *f;
		void *fixture;

		reset_world();
		f = make();
		refuse = requests[i];
		start(f, RING);
		assert_false(serves());
		refuse = 0;
		set_master(f, false);
		set_master(f, true);
		assert_true(serves());
		assert_int_equal(vhost.memory_bytes, RIG_MEMORY);
		fixture = f;
		teardown(&fixture);
	}
	log_set_level(LOG_INFO);
}

/* One of the two queues is not enough. */
static void test_half_a_driver(void **state)
{
	struct fixture *f;
	void *fixture;

	(void)state;
	reset_world();
	f = make();
	driver_start(&f->rx, RING);
	set_master(f, false);
	set_master(f, true);
	assert_false(serves());
	driver_start_queue(&f->tx, &f->rx, VIRTIO_VSOCK_TX);
	set_master(f, false);
	set_master(f, true);
	assert_true(serves());
	fixture = f;
	teardown(&fixture);
}

static int try_create(unsigned long request, int error)
{
	struct rig rig;
	void *device;
	int ret;

	rig_init(&rig);
	refuse = request;
	refuse_error = error;
	ret = virtio_vsock_device.create(&rig.machine, &config, &device);
	rig_destroy(&rig);
	return ret;
}

/* There is no such host, or the number is somebody's; or the host cannot do enough. */
static void test_not_here(void **state)
{
	(void)state;
	log_set_level(LOG_ERROR);
	reset_world();
	assert_int_equal(try_create(1, 0), -ENOENT);
	assert_int_equal(try_create(VHOST_VSOCK_SET_GUEST_CID, EADDRINUSE), -EADDRINUSE);
	assert_int_equal(try_create(VHOST_GET_FEATURES, EIO), -EIO);
	vhost.offers = BIT64(VIRTIO_F_VERSION_1);
	assert_int_equal(try_create(0, 0), -EOPNOTSUPP);
	log_set_level(LOG_INFO);
}

/* Where the host knows no packets, nor does the guest. */
static void test_streams_only(void **state)
{
	struct fixture *f;
	void *fixture;

	(void)state;
	reset_world();
	vhost.offers &= ~SEQPACKET;
	f = make();
	driver_set(&f->rx, REG(device_feature_select), 4, 0);
	assert_int_equal(driver_get(&f->rx, REG(device_feature), 4) & (STREAM | SEQPACKET), STREAM);
	fixture = f;
	teardown(&fixture);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_start),
		T(test_config),
		T(test_stop),
		T(test_event_queue),
		T(test_vector),
		T(test_broken_rings),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_half_a_driver),
		cmocka_unit_test(test_not_here),
		cmocka_unit_test(test_streams_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
