/* SPDX-License-Identifier: MIT */
/*
 * virtio-net: the device. Read net.h first. Section titles in quotes are those
 * of the virtio 1.2 specification.
 */
#include "vmm/virtio/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/conf.h"
#include "lib/mac.h"
#include "vmm/config.h"
#include "vmm/log.h"

static_assert(MAC_BYTES == VIRTIO_NET_MAC_BYTES, "one length");

#define FEATURE(n) BIT64(VIRTIO_NET_F_##n)

/* What the driver may send, and what it may take if it likes. */
#define OFFLOADS                                                                       \
	(FEATURE(CSUM) | FEATURE(HOST_TSO4) | FEATURE(HOST_TSO6) | FEATURE(HOST_ECN) | \
	 FEATURE(HOST_USO))
#define GUEST_OFFLOADS                                                                          \
	(FEATURE(GUEST_CSUM) | FEATURE(GUEST_TSO4) | FEATURE(GUEST_TSO6) | FEATURE(GUEST_ECN) | \
	 FEATURE(GUEST_USO4) | FEATURE(GUEST_USO6))
#define CONTROL                                                                              \
	(FEATURE(CTRL_VQ) | FEATURE(CTRL_RX) | FEATURE(CTRL_RX_EXTRA) | FEATURE(CTRL_VLAN) | \
	 FEATURE(CTRL_MAC_ADDR) | FEATURE(CTRL_GUEST_OFFLOADS) | FEATURE(GUEST_ANNOUNCE))

static struct virtio_net *net_of(struct virtio_device *v)
{
	return container_of(v, struct virtio_net, v);
}

int net_use_pairs(struct virtio_net *n, unsigned int count)
{
	int err = tap_use_queues(&n->tap, count);

	if (err)
		return err;
	n->used = count;
	if (n->by_vhost)
		net_vhost_apply(n, n->v.active);
	return 0;
}

int net_set_offloads(struct virtio_net *n, uint64_t guest_features)
{
	return tap_set_offloads(&n->tap, guest_features);
}

void net_tap_gone(struct virtio_net *n)
{
	if (n->gone)
		return;
	n->gone = true;
	log_warn("net: the tap is gone (%s)", n->tap.name);
	n->config.status = 0;
	virtio_config_changed(&n->v);
}

static void process(struct virtio_device *v, unsigned int queue)
{
	struct virtio_net *n = net_of(v);

	if (virtio_has(v, VIRTIO_NET_F_CTRL_VQ) && queue == net_control_queue(n))
		net_control_process(n, queue);
	else if (!n->by_vhost && queue < 2 * n->pairs)
		net_path_process(n, queue);
}

static void run(struct virtio_device *v, bool on)
{
	struct virtio_net *n = net_of(v);
	int err = on ? net_set_offloads(n, v->features & GUEST_OFFLOADS) : 0;

	if (err)
		log_warn("net: the tap refuses its settings (%s)", strerror(-err));
	if (n->by_vhost)
		net_vhost_apply(n, on);
}

static void interrupt_moved(struct virtio_device *v, unsigned int queue)
{
	if (net_of(v)->by_vhost)
		net_vhost_interrupt_moved(net_of(v), queue);
}

static void reset(struct virtio_device *v)
{
	struct virtio_net *n = net_of(v);

	if (!n->by_vhost)
		net_path_reset(n);
	memcpy(n->config.mac, n->mac, sizeof(n->config.mac));
	/* "multiqueue is disabled by default" */
	net_use_pairs(n, 1);
}

static const struct virtio_kind net_kind = {
	.name = "net",
	.type = VIRTIO_ID_NET,
	.pci_class = PCI_CLASS_ETHERNET,
	.queue_size = NET_QUEUE_SIZE,
	.process = process,
	.run = run,
	.interrupt_moved = interrupt_moved,
	.reset = reset,
};

static void *run_loop(void *arg)
{
	struct virtio_net *n = arg;

	loop_run(n->loop);
	return NULL;
}

/*
 * Putting it together
 */

/* "fd:3:4" */
static int adopt_tap(struct virtio_net *n, const char *list)
{
	int fd[NET_PAIRS_MAX];
	char number[8];

	for (unsigned int i = 0; i < n->pairs; i++) {
		size_t length = strcspn(list, ":");
		uint64_t val;

		if (length >= sizeof(number))
			return -EINVAL;
		memcpy(number, list, length);
		number[length] = '\0';
		if (!conf_parse_u64(number, &val) || (list[length] == ':') != (i + 1 < n->pairs))
			return -EINVAL;
		fd[i] = (int)val;
		list += length + 1;
	}
	return tap_adopt(&n->tap, fd, n->pairs);
}

static const char *tap_problem(int err)
{
	switch (err) {
	case -EBUSY:
		return "in use by another program";
	case -EINVAL:
		return "not a name, not a tap, or one for another number of queues";
	case -EBADF:
	case -EBADFD:
		return "not descriptors of one tap with IFF_NO_PI and IFF_VNET_HDR";
	case -EPERM:
		return "no permission, root or its owner is needed";
	case -ENOENT:
		return "no /dev/net/tun on this machine";
	default:
		return strerror(-err);
	}
}

static int open_tap(struct virtio_net *n, const char *tap)
{
	static const char by_fd[] = "fd:";
	int err;

	if (strncmp(tap, by_fd, strlen(by_fd)) == 0)
		err = adopt_tap(n, tap + strlen(by_fd));
	else
		err = tap_open(&n->tap, tap, n->pairs);
	if (!err)
		err = tap_use_queues(&n->tap, 1);
	if (err)
		log_error("net: cannot use the tap %s (%s)", tap, tap_problem(err));
	return err;
}

/* Which of the two carries the packets. */
static int choose_path(struct virtio_net *n, const struct nic_config *c)
{
	int err;

	if (c->vhost == NET_VHOST_ON && c->rate) {
		log_error("net: a rate needs vhost=off (%s)", c->tap);
		return -EINVAL;
	}
	if (c->vhost == NET_VHOST_OFF || c->rate)
		return 0;
	err = net_vhost_create(n);
	n->by_vhost = !err;
	if (!err || c->vhost == NET_VHOST_AUTO)
		return 0;
	log_error("net: /dev/vhost-net cannot be used (%s)", strerror(-err));
	return err;
}

static uint64_t configure(struct virtio_net *n, const struct nic_config *c)
{
	static const uint8_t none[VIRTIO_NET_MAC_BYTES];
	uint64_t features = OFFLOADS | GUEST_OFFLOADS | CONTROL | FEATURE(MAC) |
			    FEATURE(MRG_RXBUF) | FEATURE(STATUS);
	unsigned int index = 0;

	for (unsigned int i = 0; i < n->machine->device_count; i++)
		index += n->machine->device[i].kind == &virtio_net_device;
	if (memcmp(c->mac, none, sizeof(none)))
		memcpy(n->mac, c->mac, sizeof(n->mac));
	else
		mac_of_name(n->machine->config->name, index, n->mac);
	memcpy(n->config.mac, n->mac, sizeof(n->mac));
	n->config.status = VIRTIO_NET_S_LINK_UP;
	n->config.max_virtqueue_pairs = (uint16_t)n->pairs;
	n->config.mtu = (uint16_t)MIN(tap_mtu(&n->tap), UINT16_MAX);
	if (n->config.mtu)
		features |= FEATURE(MTU);
	if (n->pairs > 1)
		features |= FEATURE(MQ);
	return features;
}

/* The device on the bus, and its thread. */
static int attach(struct virtio_net *n, const struct nic_config *c)
{
	const struct virtio_setup setup = {
		.kind = &net_kind,
		.memory = n->machine->memory,
		.queue_count = 2 * n->pairs + 1,
		.features = configure(n, c),
		.config = &n->config,
		.config_bytes = sizeof(n->config),
	};
	int err = virtio_pci_add(&n->pci, n->machine, n->loop, &n->v, &setup);

	if (err || n->by_vhost)
		return err;
	err = thread_start(&n->thread, FILTER_NIC, "nic", run_loop, n);
	if (err)
		virtio_pci_remove(&n->pci);
	return err;
}

/* All but the device itself. */
static void release(struct virtio_net *n)
{
	if (n->by_vhost)
		net_vhost_destroy(n);
	else
		net_path_destroy(n);
	loop_destroy(n->loop);
	tap_close(&n->tap);
	free(n);
}

struct virtio_net *virtio_net_create(struct machine *m, const struct nic_config *c)
{
	struct virtio_net *n = calloc(1, sizeof(*n));
	int err = -ENOMEM;

	if (!n)
		goto no_memory;
	n->machine = m;
	n->pairs = MAX(c->queues, 1);
	n->used = 1;
	n->timer.fd = -1;
	err = open_tap(n, c->tap);
	if (err)
		goto free_net;
	err = choose_path(n, c);
	if (err)
		goto close_tap;
	if (!n->by_vhost) {
		n->loop = loop_create();
		err = n->loop ? net_path_create(n, c->rate) : -ENOMEM;
	}
	if (!err)
		err = attach(n, c);
	if (!err)
		return n;
	log_error("net: cannot add %s (%s)", c->tap, strerror(-err));
	release(n);
	errno = -err;
	return NULL;

close_tap:
	tap_close(&n->tap);
free_net:
	free(n);
	errno = -err;
	return NULL;
no_memory:
	log_error("net: no memory (%s)", c->tap);
	errno = ENOMEM;
	return NULL;
}

void virtio_net_destroy(struct virtio_net *n)
{
	if (!n)
		return;
	if (n->loop) {
		loop_stop(n->loop);
		thread_join(&n->thread);
	}
	pthread_mutex_lock(&n->v.lock);
	if (n->by_vhost)
		net_vhost_apply(n, false);
	else
		net_path_reset(n);
	pthread_mutex_unlock(&n->v.lock);
	virtio_pci_remove(&n->pci);
	release(n);
}

static int create(struct machine *m, const void *config, void **device)
{
	*device = virtio_net_create(m, config);
	return *device ? 0 : -errno;
}

static void destroy(void *device)
{
	virtio_net_destroy(device);
}

static const char *const vhost_words[] = { "auto", "on", "off", NULL };

#define FIELD(name) offsetof(struct nic_config, name)

static const struct option_key keys[] = {
	{ "tap", OPTION_TEXT, FIELD(tap), .min = 1, .max = 63, .required = true },
	{ "mac", OPTION_MAC, .offset = FIELD(mac) },
	{ "queues", OPTION_COUNT, FIELD(queues), .min = 1, .max = NET_PAIRS_MAX },
	{ "vhost", OPTION_WORD, .offset = FIELD(vhost), .words = vhost_words },
	{ "rate", OPTION_SIZE, FIELD(rate), .min = 1024, .max = RATE_MAX },
	{ 0 },
};

const struct device_kind virtio_net_device = {
	.name = "nic",
	.option = "--nic",
	.usage = "tap=NAME|fd:N[:N]...[,mac=MAC][,queues=N][,vhost=auto|on|off][,rate=BYTES]",
	.purpose = "network card on a tap",
	.max = VMMCTL_NICS_MAX,
	.keys = keys,
	.config_bytes = sizeof(struct nic_config),
	.create = create,
	.destroy = destroy,
};
