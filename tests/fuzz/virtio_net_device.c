/* SPDX-License-Identifier: MIT */
/*
 * The network card under a driver gone mad: register writes in any order, rings
 * of any shape, control requests, packets that come, a wire that is full, resets
 * in between. The input begins with a flag byte, then comes a list of
 *
 *   byte   what to do (enum op), modulo their number
 *   ...    its operands
 *
 * A set-up with two pairs and the control queue running comes first unless the
 * flag says not to. The tap is a socket pair. Checked: only packets go out, what
 * a full ring of buffers gets is right, and a reset ends.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virtio_driver.h"
#include "vmm/config.h"
#include "vmm/log.h"
#include "vmm/virtio/net.h"

#define PAIRS	2u
#define QUEUES	(2 * PAIRS + 1)
#define F(name) BIT64(VIRTIO_NET_F_##name)

#define RINGS(q)                                                                 \
	{                                                                        \
		0x1000 + 0x400 * (q), 0x1100 + 0x400 * (q), 0x1200 + 0x400 * (q) \
	}

static const struct rings rings[QUEUES] = { RINGS(0), RINGS(1), RINGS(2), RINGS(3), RINGS(4) };

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

/* ---- a tap, and a loop that is the machine's ---- */

static int wire[PAIRS];
static struct loop *the_loop;

int tap_open(struct tap *t, const char *name, unsigned int queues)
{
	int room = 16384;

	*t = (struct tap){ .queues = queues };
	strncpy(t->name, name, sizeof(t->name) - 1);
	for (unsigned int i = 0; i < queues; i++) {
		int fd[2];

		check(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fd));
		setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
		t->fd[i] = fd[0];
		wire[i] = fd[1];
	}
	return 0;
}

int tap_adopt(struct tap *t, const int *fd, unsigned int queues)
{
	(void)fd;
	return tap_open(t, "adopted", queues);
}

void tap_close(struct tap *t)
{
	while (t->queues) {
		close(t->fd[--t->queues]);
		close(wire[t->queues]);
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
	(void)guest_features;
	return 0;
}

int tap_use_queues(struct tap *t, unsigned int count)
{
	check(count >= 1 && count <= t->queues);
	return 0;
}

struct loop *loop_create(void)
{
	return the_loop;
}

void loop_destroy(struct loop *l)
{
	(void)l;
}

int loop_run(struct loop *l)
{
	(void)l;
	return 0;
}

void loop_stop(struct loop *l)
{
	(void)l;
}

/* ---- the driver ---- */

enum op {
	REGISTER, /* write a register of the common configuration */
	MEMORY,	  /* write guest memory */
	RING,	  /* make a descriptor and put it into the available ring */
	OFFER,	  /* advance avail.idx */
	NOTIFY,
	COME, /* a packet comes over the wire */
	GO,   /* take what went out */
	RESET,
	SETUP,
	COMMAND,  /* PCI command register */
	ANYWHERE, /* access the BAR anywhere */
	BUFFERS,  /* a good driver's receive buffers, all of the ring */
	CUT,	  /* the tap goes */
	OPS,
};

static void setup(struct machine *m, uint8_t flags)
{
	uint64_t features = BIT64(VIRTIO_F_VERSION_1) | F(CTRL_VQ) | F(CTRL_RX) | F(CTRL_MAC_ADDR) |
			    F(CTRL_VLAN) | F(CTRL_GUEST_OFFLOADS) | F(GUEST_CSUM);

	features |= flags & 1 ? BIT64(VIRTIO_F_EVENT_IDX) : 0;
	features |= flags & 2 ? BIT64(VIRTIO_F_INDIRECT_DESC) : 0;
	features |= flags & 4 ? F(MRG_RXBUF) : 0;
	features |= flags & 8 ? F(MQ) : 0;
	driver_begin(m, features);
	for (unsigned int q = 0; q < QUEUES; q++)
		driver_queue(m, q, &rings[q]);
	driver_run(m);
}

static void buffers(struct machine *m, const struct rings *r, uint16_t bytes)
{
	struct virtq_avail *avail = driver_avail(m, r);

	for (uint16_t i = 0; i < QUEUE_SIZE; i++) {
		struct virtq_desc d = {
			.addr = 0x4000u + i * 0x800u,
			.len = bytes % 0x800u + 1,
			.flags = VIRTQ_DESC_F_WRITE,
		};

		driver_put(m, r->desc + 16u * i, &d, sizeof(d));
		avail->ring[i] = i;
	}
	avail->idx = (uint16_t)(avail->idx + QUEUE_SIZE);
}

static void take_packets(unsigned int pair)
{
	static uint8_t packet[NET_PACKET_MAX + 1];
	ssize_t n;

	while ((n = recv(wire[pair], packet, sizeof(packet), 0)) > 0)
		check((size_t)n >= sizeof(struct virtio_net_hdr) + 14 &&
		      (size_t)n <= NET_PACKET_MAX);
}

static void come(struct input *in)
{
	static uint8_t packet[NET_PACKET_MAX];
	unsigned int pair = input_u8(in) % PAIRS;

	if (send(wire[pair], packet, input_u16(in), MSG_NOSIGNAL) < 0)
		return;
}

static void step(struct machine *m, struct input *in)
{
	unsigned int q;

	switch ((enum op)(input_u8(in) % OPS)) {
	case REGISTER:
		step_register(m, in);
		break;
	case MEMORY:
		step_memory(m, in);
		break;
	case RING:
		q = input_u8(in) % QUEUES;
		step_ring(m, in, &rings[q]);
		break;
	case OFFER:
		q = input_u8(in) % QUEUES;
		step_offer(m, in, &rings[q]);
		break;
	case NOTIFY:
		driver_notify(m, input_u8(in) % QUEUES);
		stub_loop_turn();
		break;
	case COME:
		come(in);
		break;
	case GO:
		take_packets(input_u8(in) % PAIRS);
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
	case BUFFERS:
		q = input_u8(in) % QUEUES;
		buffers(m, &rings[q], input_u16(in));
		break;
	case CUT:
		shutdown(wire[input_u8(in) % PAIRS], SHUT_RDWR);
		break;
	case OPS:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const struct nic_config config = { .tap = "fuzz", .queues = PAIRS, .vhost = NET_VHOST_OFF };
	struct input in = { bytes, len };
	struct vm_config vm = { .name = "fuzz" };
	struct virtio_net *net;
	struct memory memory;
	struct machine m;
	uint8_t flags;

	log_set_level(LOG_ERROR);
	stub_machine_create(&m, &memory);
	m.config = &vm;
	the_loop = m.loop;
	net = virtio_net_create(&m, &config);
	check(net != NULL);

	flags = input_u8(&in);
	if (!(flags & 0x40)) {
		driver_recover(&m);
		setup(&m, flags);
	}
	while (in.left)
		step(&m, &in);

	driver_recover(&m);
	driver_reg(&m, REG(device_status), 1, 0);
	driver_reset_done(&m);

	/* The rest of its sources it takes along, but for those of the taps. */
	for (unsigned int i = 0; i < PAIRS; i++)
		loop_remove(the_loop, &net->pair[i].tap);
	loop_remove(the_loop, &net->timer);
	virtio_net_destroy(net);
	stub_machine_destroy(&m);
	return 0;
}
