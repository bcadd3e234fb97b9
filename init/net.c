/* SPDX-License-Identifier: MIT */
#include "init/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/sockios.h>

#include "include/base/base.h"

#define LOOK_AGAIN_MS 50

/* "uplink eth1: No such device" */
static bool failed(char why[NET_TEXT], const char *what, const char *name)
{
	snprintf(why, NET_TEXT, "%s %s: %s", what, name, strerror(errno));
	return false;
}

static struct ifreq about(const char *name)
{
	struct ifreq r = { 0 };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	return r;
}

/* Any socket will do for what is about interfaces. */
static int control_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static bool set_up(int s, const char *name)
{
	struct ifreq r = about(name);

	if (ioctl(s, SIOCGIFFLAGS, &r))
		return false;
	r.ifr_flags |= IFF_UP;
	return ioctl(s, SIOCSIFFLAGS, &r) == 0;
}

/* A port sees all that passes only once it is up and on the bridge. */
static bool add_port(int s, const char *bridge, const char *port)
{
	struct ifreq r = about(port);
	int index;

	if (ioctl(s, SIOCGIFINDEX, &r))
		return false;
	index = r.ifr_ifindex;
	r = about(bridge);
	r.ifr_ifindex = index;
	/* Busy: it is on a bridge already, from before the rescue shell. */
	if (ioctl(s, SIOCBRADDIF, &r) && errno != EBUSY)
		return false;
	return set_up(s, port);
}

/* Drivers may still be looking for their cards. */
static void wait_for(int s, const char *name, unsigned int *patience_ms)
{
	struct ifreq r = about(name);

	while (ioctl(s, SIOCGIFINDEX, &r) && *patience_ms) {
		unsigned int ms = MIN(*patience_ms, LOOK_AGAIN_MS);

		poll(NULL, 0, (int)ms);
		*patience_ms -= ms;
	}
}

static bool set_address(int s, const struct manifest_network *network)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(network->address),
	};
	struct sockaddr_in mask = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(UINT32_MAX << (32 - network->prefix)),
	};
	struct ifreq r = about(network->bridge);

	memcpy(&r.ifr_addr, &address, sizeof(address));
	if (ioctl(s, SIOCSIFADDR, &r))
		return false;
	memcpy(&r.ifr_netmask, &mask, sizeof(mask));
	return ioctl(s, SIOCSIFNETMASK, &r) == 0;
}

static bool create(int s, const struct manifest_network *n, unsigned int *patience_ms,
		   char why[NET_TEXT])
{
	/* It exists if init started over. */
	if (ioctl(s, SIOCBRADDBR, n->bridge) && errno != EEXIST)
		return failed(why, "bridge", n->bridge);
	if (!set_up(s, n->bridge))
		return failed(why, "bridge", n->bridge);
	if (n->address && !set_address(s, n))
		return failed(why, "address of", n->bridge);
	if (!n->uplink)
		return true;
	wait_for(s, n->uplink, patience_ms);
	return add_port(s, n->bridge, n->uplink) || failed(why, "uplink", n->uplink);
}

bool net_create(const struct manifest_network *network, unsigned int *patience_ms,
		char why[NET_TEXT])
{
	int s = control_socket();
	bool done;

	if (s < 0)
		return failed(why, "bridge", network->bridge);
	done = create(s, network, patience_ms, why);
	close(s);
	return done;
}

/* One queue of the tap @name, which the first of them makes. */
static int open_queue(const char *name, bool several)
{
	struct ifreq r = about(name);
	int fd = open("/dev/net/tun", O_RDWR);

	if (fd < 0)
		return -1;
	r.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (several)
		r.ifr_flags |= IFF_MULTI_QUEUE;
	if (ioctl(fd, TUNSETIFF, &r) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool open_tap(int s, const char *bridge, const char *name, uint32_t queues, int *fd,
		     char why[NET_TEXT])
{
	for (uint32_t i = 0; i < queues; i++) {
		fd[i] = open_queue(name, queues > 1);
		if (fd[i] < 0)
			return failed(why, "tap", name);
	}
	return add_port(s, bridge, name) || failed(why, "bridge", bridge);
}

bool net_open_taps(const struct manifest *manifest, const struct manifest_guest *guest,
		   struct net_taps *taps, char why[NET_TEXT])
{
	unsigned int number = (unsigned int)(guest - manifest->guests);
	int s;

	if (!guest->nic_count)
		return true;
	s = control_socket();
	if (s < 0)
		return failed(why, "tap of", guest->name);
	for (unsigned int i = 0; i < guest->nic_count; i++) {
		const struct manifest_nic *nic = &guest->nics[i];
		char name[IFNAMSIZ];

		/* Guests' names are longer than an interface's may be. */
		snprintf(name, sizeof(name), "tap%u.%u", number + 1, i);
		if (!open_tap(s, manifest->networks[nic->network].bridge, name, nic->queues,
			      taps->fd[i], why))
			return false;
	}
	close(s);
	return true;
}
