/* SPDX-License-Identifier: MIT */
/*
 * The socket device under a driver gone mad, in front of a vhost that refuses now and
 * then. Checked: vhost is given rings that lie in guest memory, is not disturbed while
 * it works on them, and works only while the driver says that the device may.
 *
 *   byte   what to do (enum op), modulo their number
 *   ...    its operands
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/vhost.h>

#include "virtio_driver.h"
#include "vmm/log.h"
#include "vmm/virtio/vsock.h"

#define QUEUES 3u
#define RINGS(q)                                                                    \
	{                                                                           \
		0x1000 + 0x1000 * (q), 0x1100 + 0x1000 * (q), 0x1200 + 0x1000 * (q) \
	}

static const struct rings rings[QUEUES] = { RINGS(0), RINGS(1), RINGS(2) };

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

/* ---- vhost ---- */

static struct {
	int fd, error;
	const struct memory *memory;
	bool owned, running;
	bool refuse;	     /* the next request */
	unsigned int set[2]; /* of a ring: a bit for each thing it needs */
	unsigned int num[2];
} vhost;

enum { NUM = 1, BASE = 2, ADDR = 4, CALL = 8, KICK = 16, ALL = 31 };

int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_open(const char *path, int flags, ...)
{
	(void)flags;
	check(!strcmp(path, "/dev/vhost-vsock"));
	vhost.fd = eventfd(0, EFD_CLOEXEC);
	return vhost.fd;
}

int __wrap_open64(const char *path, int flags, ...)
{
	return __wrap_open(path, flags);
}

static bool in_memory(uint64_t host, uint64_t bytes)
{
	const struct mem_region *r = &vhost.memory->region[0];
	uint64_t start = (uintptr_t)r->host;

	return host >= start && host - start <= r->size && bytes <= r->size - (host - start);
}

static void set_addr(const struct vhost_vring_addr *a)
{
	uint64_t n = vhost.num[a->index];

	/* With the event words behind both rings, as vhost reads them. */
	check(in_memory(a->desc_user_addr, 16 * n));
	check(in_memory(a->avail_user_addr, 4 + 2 * n));
	check(in_memory(a->used_user_addr, 4 + 8 * n));
	vhost.set[a->index] |= ADDR;
}

static void set_file(const struct vhost_vring_file *f, unsigned int what)
{
	if (f->fd >= 0)
		vhost.set[f->index] |= what;
	else
		vhost.set[f->index] &= ~what;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct vhost_vring_state *state;
	va_list args;
	void *arg;

	check(fd == vhost.fd);
	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	state = arg;
	/* A stop is not refused; nor is what comes before the guest. */
	if (vhost.refuse && !(request == VHOST_VSOCK_SET_RUNNING && !*(int *)arg)) {
		vhost.refuse = false;
		errno = EFAULT;
		return -1;
	}
	if (request == VHOST_GET_FEATURES) {
		*(uint64_t *)arg = BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_F_EVENT_IDX) |
				   BIT64(VIRTIO_F_INDIRECT_DESC) | 2;
		return 0;
	}
	if (request == VHOST_VSOCK_SET_GUEST_CID)
		return 0;
	if (request == VHOST_SET_OWNER) {
		errno = EBUSY;
		return vhost.owned ? -1 : (vhost.owned = true, 0);
	}
	check(vhost.owned);
	check(!vhost.running || request == VHOST_SET_VRING_CALL ||
	      request == VHOST_VSOCK_SET_RUNNING);
	switch (request) {
	case VHOST_SET_MEM_TABLE:
	case VHOST_SET_FEATURES:
		break;
	case VHOST_SET_VRING_NUM:
		check(state->num && state->num <= 128 && !(state->num & (state->num - 1)));
		vhost.num[state->index] = state->num;
		vhost.set[state->index] |= NUM;
		break;
	case VHOST_SET_VRING_BASE:
		check(state->num <= UINT16_MAX);
		vhost.set[state->index] |= BASE;
		break;
	case VHOST_GET_VRING_BASE:
		state->num = 0;
		break;
	case VHOST_SET_VRING_ADDR:
		set_addr(arg);
		break;
	case VHOST_SET_VRING_KICK:
		set_file(arg, KICK);
		break;
	case VHOST_SET_VRING_CALL:
		set_file(arg, 0);
		vhost.set[((struct vhost_vring_file *)arg)->index] |= CALL;
		break;
	case VHOST_SET_VRING_ERR:
		vhost.error = ((struct vhost_vring_file *)arg)->fd;
		break;
	case VHOST_VSOCK_SET_RUNNING:
		vhost.running = *(int *)arg;
		check(!vhost.running || (vhost.set[0] == ALL && vhost.set[1] == ALL));
		break;
	default:
		check(false);
	}
	return 0;
}

/* It found something in the rings that it cannot read. */
static void complain(void)
{
	const uint64_t one = 1;

	if (vhost.error < 0)
		return;
	check(write(vhost.error, &one, sizeof(one)) == sizeof(one));
	stub_loop_turn();
	check(!vhost.running);
}

/* ---- the driver ---- */

enum op { REGISTER, NOTIFY, RESET, SETUP, COMMAND, ANYWHERE, COMPLAIN, REFUSE, OPS };

static void setup(struct machine *m, uint8_t flags)
{
	driver_begin(m, BIT64(VIRTIO_F_VERSION_1) | (flags & 4 ? BIT64(VIRTIO_F_EVENT_IDX) : 0) |
				(flags & 8 ? BIT64(VIRTIO_F_INDIRECT_DESC) : 0) | (flags & 3));
	for (unsigned int q = 0; q < QUEUES; q++)
		driver_queue(m, q, &rings[q]);
	driver_run(m);
}

static void step(struct machine *m, struct input *in)
{
	switch ((enum op)(input_u8(in) % OPS)) {
	case REGISTER:
		step_register(m, in);
		break;
	case NOTIFY:
		driver_notify(m, input_u8(in) % QUEUES);
		stub_loop_turn();
		break;
	case RESET:
		driver_reg(m, REG(device_status), 1, 0);
		break;
	case SETUP:
		setup(m, input_u8(in));
		break;
	case COMMAND:
		step_command(m, in);
		break;
	case ANYWHERE:
		step_anywhere(m, in);
		break;
	case COMPLAIN:
		complain();
		break;
	case REFUSE:
		vhost.refuse = true;
		break;
	case OPS:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const struct vsock_config config = { .cid = 3 };
	struct input in = { bytes, len };
	const struct virtio_device *v;
	struct memory memory;
	struct machine m;
	void *device;

	log_set_level(LOG_ERROR);
	stub_machine_create(&m, &memory);
	memset(&vhost, 0, sizeof(vhost));
	vhost.memory = &memory;
	vhost.error = -1;
	check(!virtio_vsock_device.create(&m, &config, &device));
	v = device; /* the first thing in it */

	driver_recover(&m);
	setup(&m, input_u8(&in));
	while (in.left) {
		step(&m, &in);
		check(!vhost.running || v->active);
	}
	vhost.refuse = false;
	driver_recover(&m);
	driver_reg(&m, REG(device_status), 1, 0);
	driver_reset_done(&m);
	check(!vhost.running);
	virtio_vsock_device.destroy(device);
	stub_machine_destroy(&m);
	return 0;
}
