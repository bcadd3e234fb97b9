/* SPDX-License-Identifier: MIT */
#include "vmm/backend/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "abi/virtio/net.h"

static_assert(sizeof(((struct tap *)NULL)->name) == IFNAMSIZ, "room for a name");

/* Ours must be as the guest's, whose header has num_buffers since version 1. */
static int prepare(int fd)
{
	int header = sizeof(struct virtio_net_hdr);

	if (ioctl(fd, TUNSETVNETHDRSZ, &header) || fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK))
		return -errno;
	return 0;
}

static int open_queue(const char *name, bool several)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int err, fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (several)
		r.ifr_flags |= IFF_MULTI_QUEUE;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	err = ioctl(fd, TUNSETIFF, &r) ? -errno : prepare(fd);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int tap_open(struct tap *t, const char *name, unsigned int queues)
{
	*t = (struct tap){ 0 };
	/* The kernel would take "%d" for a pattern, and cut what is too long. */
	if (!*name || strlen(name) >= sizeof(t->name) || strpbrk(name, "/%: "))
		return -EINVAL;
	strcpy(t->name, name);
	while (t->queues < queues) {
		int fd = open_queue(name, queues > 1);

		if (fd < 0) {
			tap_close(t);
			return fd;
		}
		t->fd[t->queues++] = fd;
	}
	return 0;
}

int tap_adopt(struct tap *t, const int *fd, unsigned int queues)
{
	const short wanted = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;

	*t = (struct tap){ 0 };
	for (unsigned int i = 0; i < queues; i++) {
		struct ifreq r = { 0 };
		int err;

		if (ioctl(fd[i], TUNGETIFF, &r) || (r.ifr_flags & wanted) != wanted)
			return -EBADFD;
		if (i && strncmp(t->name, r.ifr_name, sizeof(t->name)))
			return -EBADFD;
		memcpy(t->name, r.ifr_name, sizeof(t->name) - 1);
		err = prepare(fd[i]);
		if (err)
			return err;
	}
	for (unsigned int i = 0; i < queues; i++) {
		fcntl(fd[i], F_SETFD, FD_CLOEXEC);
		t->fd[t->queues++] = fd[i];
	}
	return 0;
}

void tap_close(struct tap *t)
{
	while (t->queues)
		close(t->fd[--t->queues]);
}

unsigned int tap_mtu(const struct tap *t)
{
	struct ifreq r = { 0 };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned int mtu = 0;

	if (fd < 0)
		return 0;
	memcpy(r.ifr_name, t->name, sizeof(r.ifr_name));
	if (ioctl(fd, SIOCGIFMTU, &r) == 0 && r.ifr_mtu > 0)
		mtu = (unsigned int)r.ifr_mtu;
	close(fd);
	return mtu;
}

int tap_set_offloads(struct tap *t, uint64_t guest_features)
{
	static const struct {
		unsigned int feature, flag;
	} table[] = {
		{ VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM },
		{ VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },
		{ VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 },
		{ VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN },
	};
	const uint64_t uso = BIT64(VIRTIO_NET_F_GUEST_USO4) | BIT64(VIRTIO_NET_F_GUEST_USO6);
	unsigned long flags = 0;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (guest_features >> table[i].feature & 1)
			flags |= table[i].flag;
	/* The kernel knows both or none, and nothing without checksums. */
	if ((guest_features & uso) == uso)
		flags |= TUN_F_USO4 | TUN_F_USO6;
	if (!(flags & TUN_F_CSUM))
		flags = 0;
	if (!(flags & (TUN_F_TSO4 | TUN_F_TSO6)))
		flags &= ~(unsigned long)TUN_F_TSO_ECN;
	return ioctl(t->fd[0], TUNSETOFFLOAD, flags) ? -errno : 0;
}

/* Attached ones cannot be attached, and the other way round: -EINVAL says so. */
static int attach_queue(int fd, bool on)
{
	struct ifreq r = { .ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	return ioctl(fd, TUNSETQUEUE, &r) && errno != EINVAL ? -errno : 0;
}

int tap_use_queues(struct tap *t, unsigned int count)
{
	if (t->queues == 1)
		return 0;
	for (unsigned int i = 0; i < t->queues; i++) {
		int err = attach_queue(t->fd[i], i < count);

		if (err)
			return err;
	}
	return 0;
}
