/* SPDX-License-Identifier: MIT */
/*
 * virtio-net by vhost-net: a thread of the kernel for each pair of queues
 * carries packets between rings and tap. Ours is to start and stop it, and the
 * control queue.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vhost.h>

#include "vmm/log.h"
#include "vmm/virtio/net.h"

/* Without these it could not read the rings that we offer. */
#define NEEDED                                                                                   \
	(BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_F_EVENT_IDX) | BIT64(VIRTIO_F_INDIRECT_DESC) | \
	 BIT64(VIRTIO_NET_F_MRG_RXBUF))

/* The tap that queue @index (0 receives, 1 transmits) works with; -1: none. */
static int set_backend(struct vhost *h, unsigned int index, int fd)
{
	const struct vhost_vring_file backend = { .index = index, .fd = fd };

	return ioctl(h->fd, VHOST_NET_SET_BACKEND, &backend) ? -errno : 0;
}

static void stop_pair(struct virtio_net *n, unsigned int pair)
{
	/* Each waits for the packet under way, which waits for nobody. */
	for (unsigned int i = 0; i < 2; i++) {
		set_backend(&n->vhost[pair], i, -1);
		vhost_stop(&n->vhost[pair], i, &n->v.queue[2 * pair + i]);
	}
	n->served &= ~BIT32(pair);
}

static int start_pair(struct virtio_net *n, unsigned int pair)
{
	struct vhost *h = &n->vhost[pair];
	int err = vhost_begin(h, n->v.features);

	if (err)
		return err;
	for (unsigned int i = 0; i < 2 && !err; i++) {
		unsigned int queue = 2 * pair + i;

		err = vhost_start(h, i, &n->v.queue[queue], virtio_pci_kick_fd(&n->pci, queue),
				  virtio_pci_call_fd(&n->pci, queue), n->failed.fd);
	}
	for (unsigned int i = 0; i < 2 && !err; i++)
		err = set_backend(h, i, n->tap.fd[pair]);
	n->served |= BIT32(pair);
	if (err)
		stop_pair(n, pair);
	return err;
}

/* The control queue is ours; which one it is, the driver's features say. */
static void listen_to_control(struct virtio_net *n, bool on)
{
	if (on == (n->control.fd >= 0))
		return;
	if (on) {
		n->control.fd = virtio_pci_kick_fd(&n->pci, net_control_queue(n));
		loop_add(n->machine->loop, &n->control, EPOLLIN);
	} else {
		loop_remove(n->machine->loop, &n->control);
		n->control.fd = -1;
	}
}

void net_vhost_apply(struct virtio_net *n, bool on)
{
	for (unsigned int i = 0; i < n->pairs; i++) {
		bool want = on && i < n->used && n->v.queue[net_rx(i)].enabled &&
			    n->v.queue[net_tx(i)].enabled;
		int err = 0;

		if (want == (n->served >> i & 1))
			continue;
		if (want)
			err = start_pair(n, i);
		else
			stop_pair(n, i);
		if (err)
			log_warn("net: vhost cannot serve the guest (%s)", strerror(-err));
	}
	/* Never one that vhost listens to: it has let go of it by now. */
	listen_to_control(n, on && virtio_has(&n->v, VIRTIO_NET_F_CTRL_VQ));
}

void net_vhost_interrupt_moved(struct virtio_net *n, unsigned int queue)
{
	if (n->served >> (queue / 2) & 1)
		vhost_set_call(&n->vhost[queue / 2], queue % 2, virtio_pci_call_fd(&n->pci, queue));
}

/* Main thread. */
static void control_ready(struct loop_source *s, uint32_t events)
{
	struct virtio_net *n = s->arg;
	unsigned int queue;
	uint64_t count;

	(void)events;
	pthread_mutex_lock(&n->v.lock);
	/* It may have been let go of meanwhile, by another thread. */
	if (s->fd < 0 || read(s->fd, &count, sizeof(count)) != sizeof(count))
		queue = n->v.queue_count;
	else
		queue = net_control_queue(n);
	pthread_mutex_unlock(&n->v.lock);
	if (queue < n->v.queue_count)
		virtio_notified(&n->v, queue);
}

/* Main thread: vhost found a ring that no driver would write. */
static void rings_failed(struct loop_source *s, uint32_t events)
{
	struct virtio_net *n = s->arg;
	uint64_t count;

	(void)events;
	if (read(s->fd, &count, sizeof(count)) != sizeof(count))
		return;
	pthread_mutex_lock(&n->v.lock);
	if (n->served)
		virtio_broken(&n->v, 0, "rings or packets that vhost cannot read");
	pthread_mutex_unlock(&n->v.lock);
}

int net_vhost_create(struct virtio_net *n)
{
	int err = 0;

	n->control = (struct loop_source){ .fd = -1, .ready = control_ready, .arg = n };
	n->failed = (struct loop_source){
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.ready = rings_failed,
		.arg = n,
	};
	for (unsigned int i = 0; i < n->pairs; i++)
		n->vhost[i].fd = -1;
	if (n->failed.fd < 0)
		return -errno;
	for (unsigned int i = 0; i < n->pairs && !err; i++) {
		err = vhost_open(&n->vhost[i], "/dev/vhost-net", n->machine->memory);
		if (!err && (n->vhost[i].features & NEEDED) != NEEDED)
			err = -EOPNOTSUPP;
	}
	if (!err)
		err = loop_add(n->machine->loop, &n->failed, EPOLLIN);
	if (err) {
		close(n->failed.fd);
		n->failed.fd = -1;
		net_vhost_destroy(n);
	}
	return err;
}

void net_vhost_destroy(struct virtio_net *n)
{
	for (unsigned int i = 0; i < n->pairs; i++)
		vhost_close(&n->vhost[i]);
	if (n->failed.fd < 0)
		return;
	loop_remove(n->machine->loop, &n->failed);
	close(n->failed.fd);
}
