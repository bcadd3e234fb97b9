/* SPDX-License-Identifier: MIT */
/* vmm/backend/tap.h over socket pairs: packets as the kernel would hand them over. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virtio_net_rig.h"

struct fake_tap fake_tap;

int tap_open(struct tap *t, const char *name, unsigned int queues)
{
	*t = (struct tap){ .queues = queues };
	strncpy(t->name, name, sizeof(t->name) - 1);
	fake_tap.name = t->name;
	for (unsigned int i = 0; i < queues; i++) {
		int fd[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd))
			return -errno;
		fcntl(fd[0], F_SETFL, O_NONBLOCK);
		t->fd[i] = fd[0];
		fake_tap.wire[i] = fd[1];
	}
	return fake_tap.open_error;
}

int tap_adopt(struct tap *t, const int *fd, unsigned int queues)
{
	memcpy(fake_tap.adopted, fd, queues * sizeof(fd[0]));
	fake_tap.adopted_count = queues;
	return tap_open(t, "adopted", queues);
}

void tap_close(struct tap *t)
{
	while (t->queues) {
		close(t->fd[--t->queues]);
		close(fake_tap.wire[t->queues]);
	}
}

unsigned int tap_mtu(const struct tap *t)
{
	(void)t;
	return 1500;
}

int tap_set_offloads(struct tap *t, uint64_t guest_features)
{
	(void)t;
	fake_tap.offloads = guest_features;
	return fake_tap.offload_error;
}

int tap_use_queues(struct tap *t, unsigned int count)
{
	(void)t;
	fake_tap.used = count;
	return 0;
}
