/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/vsock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vhost.h>

#include "abi/pci.h"
#include "abi/virtio/vsock.h"
#include "vmm/log.h"
#include "vmm/virtio/device.h"
#include "vmm/virtio/pci.h"
#include "vmm/virtio/vhost.h"

#define DEVICE	   "/dev/vhost-vsock"
#define QUEUE_SIZE 128u

/* Without these it could not read the rings that we offer. */
#define NEEDED \
	(BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_F_EVENT_IDX) | BIT64(VIRTIO_F_INDIRECT_DESC))

/* What the host's kernel does with packets, not we. */
#define OFFERED_IF_KNOWN BIT64(VIRTIO_VSOCK_F_SEQPACKET)

/* The first two, under the same numbers. */
#define VHOST_QUEUES	 2u

static_assert(VIRTIO_VSOCK_RX < VHOST_QUEUES && VIRTIO_VSOCK_TX < VHOST_QUEUES, "vhost's");

struct virtio_vsock {
	struct virtio_device v;
	struct virtio_pci pci;
	struct machine *machine;
	struct vhost vhost;
	bool served;		   /* vhost works on the rings */
	struct loop_source failed; /* what it says of rings without sense */
	struct virtio_vsock_config config;
};

static struct virtio_vsock *vsock_of(struct virtio_device *v)
{
	return container_of(v, struct virtio_vsock, v);
}

static int set_running(struct virtio_vsock *s, int on)
{
	return ioctl(s->vhost.fd, VHOST_VSOCK_SET_RUNNING, &on) ? -errno : 0;
}

static void stop(struct virtio_vsock *s)
{
	set_running(s, 0);
	for (unsigned int i = 0; i < VHOST_QUEUES; i++)
		vhost_stop(&s->vhost, i, &s->v.queue[i]);
	s->served = false;
}

static int start(struct virtio_vsock *s)
{
	int err = vhost_begin(&s->vhost, s->v.features);

	if (err)
		return err;
	for (unsigned int i = 0; i < VHOST_QUEUES && !err; i++)
		err = vhost_start(&s->vhost, i, &s->v.queue[i], virtio_pci_kick_fd(&s->pci, i),
				  virtio_pci_call_fd(&s->pci, i), s->failed.fd);
	if (!err)
		err = set_running(s, 1);
	s->served = true;
	if (err)
		stop(s);
	return err;
}

static void run(struct virtio_device *v, bool on)
{
	struct virtio_vsock *s = vsock_of(v);
	bool want = on && v->queue[VIRTIO_VSOCK_RX].enabled && v->queue[VIRTIO_VSOCK_TX].enabled;
	int err = 0;

	if (want && !s->served)
		err = start(s);
	else if (!want && s->served)
		stop(s);
	if (err)
		log_warn("vsock: vhost cannot serve the guest (%s)", strerror(-err));
}

static void interrupt_moved(struct virtio_device *v, unsigned int queue)
{
	struct virtio_vsock *s = vsock_of(v);

	if (s->served && queue < VHOST_QUEUES)
		vhost_set_call(&s->vhost, queue, virtio_pci_call_fd(&s->pci, queue));
}

/* No notification comes to us: two queues are vhost's, and the third's buffers wait. */
static void process(struct virtio_device *v, unsigned int queue)
{
	(void)v;
	(void)queue;
}

static const struct virtio_kind vsock_kind = {
	.name = "vsock",
	.type = VIRTIO_ID_VSOCK,
	.pci_class = PCI_CLASS_COMMUNICATION_OTHER,
	.queue_size = QUEUE_SIZE,
	.process = process,
	.run = run,
	.interrupt_moved = interrupt_moved,
};

/* Main thread: vhost found a ring that no driver would write. */
static void rings_failed(struct loop_source *source, uint32_t events)
{
	struct virtio_vsock *s = source->arg;
	uint64_t count;

	(void)events;
	if (read(source->fd, &count, sizeof(count)) != sizeof(count))
		return;
	pthread_mutex_lock(&s->v.lock);
	if (s->served)
		virtio_broken(&s->v, 0, "rings or packets that vhost cannot read");
	pthread_mutex_unlock(&s->v.lock);
}

/* The guest can be reached from here on, though it does not answer yet. */
static int take_cid(struct virtio_vsock *s)
{
	const uint64_t cid = s->config.guest_cid;

	return ioctl(s->vhost.fd, VHOST_VSOCK_SET_GUEST_CID, &cid) ? -errno : 0;
}

static int attach(struct virtio_vsock *s)
{
	const struct virtio_setup setup = {
		.kind = &vsock_kind,
		.memory = s->machine->memory,
		.queue_count = VIRTIO_VSOCK_QUEUES,
		.features = BIT64(VIRTIO_VSOCK_F_STREAM) | (s->vhost.features & OFFERED_IF_KNOWN),
		.config = &s->config,
		.config_bytes = sizeof(s->config),
	};

	return virtio_pci_add(&s->pci, s->machine, NULL, &s->v, &setup);
}

static int open_vhost(struct virtio_vsock *s)
{
	int err = vhost_open(&s->vhost, DEVICE, s->machine->memory);

	if (!err && (s->vhost.features & NEEDED) != NEEDED)
		err = -EOPNOTSUPP;
	if (!err)
		err = take_cid(s);
	return err;
}

static void release(struct virtio_vsock *s)
{
	vhost_close(&s->vhost);
	if (s->failed.fd >= 0)
		close(s->failed.fd);
	free(s);
}

static int create(struct machine *m, const void *config, void **device)
{
	const struct vsock_config *c = config;
	struct virtio_vsock *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->machine = m;
	s->config.guest_cid = c->cid;
	s->vhost.fd = -1;
	s->failed = (struct loop_source){
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.ready = rings_failed,
		.arg = s,
	};
	err = s->failed.fd < 0 ? -errno : open_vhost(s);
	if (err) {
		log_error("vsock: no guest can be %u (" DEVICE ": %s)", c->cid, strerror(-err));
		release(s);
		return err;
	}
	err = loop_add(m->loop, &s->failed, EPOLLIN);
	if (!err) {
		err = attach(s);
		if (!err) {
			*device = s;
			return 0;
		}
		loop_remove(m->loop, &s->failed);
	}
	log_error("vsock: cannot be added (%s)", strerror(-err));
	release(s);
	return err;
}

static void destroy(void *device)
{
	struct virtio_vsock *s = device;

	pthread_mutex_lock(&s->v.lock);
	run(&s->v, false);
	pthread_mutex_unlock(&s->v.lock);
	loop_remove(s->machine->loop, &s->failed);
	virtio_pci_remove(&s->pci);
	release(s);
}

static const struct option_key keys[] = {
	{ "cid", OPTION_COUNT, offsetof(struct vsock_config, cid), .min = VMMCTL_CID_MIN,
	  .max = VMMCTL_CID_MAX, .required = true },
	{ 0 },
};

const struct device_kind virtio_vsock_device = {
	.name = "vsock",
	.option = "--vsock",
	.usage = "cid=N",
	.purpose = "sockets to the host's programs, by vhost-vsock; N: its number, from 3",
	.max = 1,
	.keys = keys,
	.config_bytes = sizeof(struct vsock_config),
	.create = create,
	.destroy = destroy,
};
