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

#include "abi/platform.h"
#include "virtio_stubs.h"
#include "vmm/config.h"
#include "vmm/dev/pci.h"
#include "vmm/log.h"
#include "vmm/virtio/net.h"

#define PAIRS	   2u
#define QUEUES	   (2 * PAIRS + 1)
#define SIZE	   16u
#define REG(field) offsetof(struct virtio_pci_common_cfg, field)
#define F(name)	   BIT64(VIRTIO_NET_F_##name)

/* Of each queue: descriptors, available, used. */
#define DESC(q)	   (0x1000u + 0x400u * (q))
#define AVAIL(q)   (DESC(q) + 0x100u)
#define USED(q)	   (DESC(q) + 0x200u)

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* ---- a tap, and a thread that is this one ---- */

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

int thread_start(struct thread *t, enum filter_kind kind, const char *name, void *(*run)(void *),
		 void *arg)
{
	(void)t;
	(void)kind;
	(void)name;
	(void)run;
	(void)arg;
	return 0;
}

void thread_join(struct thread *t)
{
	(void)t;
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

static uint64_t bar(struct machine *m)
{
	uint64_t val;

	bus_read(m->mmio, PLATFORM_ECAM_BASE + (1 << 15) + PCI_BAR0, 8, &val);
	return val & ~UINT64_C(0xf);
}

static void reg(struct machine *m, unsigned int off, unsigned int size, uint64_t val)
{
	bus_write(m->mmio, bar(m) + off, size, val);
}

static void setup(struct machine *m, uint8_t flags)
{
	uint64_t features = BIT64(VIRTIO_F_VERSION_1) | F(CTRL_VQ) | F(CTRL_RX) | F(CTRL_MAC_ADDR) |
			    F(CTRL_VLAN) | F(CTRL_GUEST_OFFLOADS) | F(GUEST_CSUM);

	features |= flags & 1 ? BIT64(VIRTIO_F_EVENT_IDX) : 0;
	features |= flags & 2 ? BIT64(VIRTIO_F_INDIRECT_DESC) : 0;
	features |= flags & 4 ? F(MRG_RXBUF) : 0;
	features |= flags & 8 ? F(MQ) : 0;
	reg(m, REG(device_status), 1, 3);
	for (unsigned int i = 0; i < 2; i++) {
		reg(m, REG(driver_feature_select), 4, i);
		reg(m, REG(driver_feature), 4, (uint32_t)(features >> (32 * i)));
	}
	reg(m, REG(device_status), 1, 11);
	for (unsigned int q = 0; q < QUEUES; q++) {
		reg(m, REG(queue_select), 2, q);
		reg(m, REG(queue_size), 2, SIZE);
		reg(m, REG(queue_desc), 8, DESC(q));
		reg(m, REG(queue_driver), 8, AVAIL(q));
		reg(m, REG(queue_device), 8, USED(q));
		reg(m, REG(queue_enable), 2, 1);
	}
	reg(m, REG(device_status), 1, 15);
}

static void put(struct machine *m, uint64_t at, const void *src, size_t n)
{
	memory_write(m->memory, gpa(at), src, n);
}

static struct virtq_avail *avail(struct machine *m, unsigned int q)
{
	return memory_at(m->memory, gpa(AVAIL(q)), 64);
}

/* A descriptor, and its index into the available ring. */
static void ring(struct machine *m, struct input *in)
{
	unsigned int q = input_u8(in) % QUEUES;
	uint8_t n = input_u8(in) % SIZE;
	struct virtq_desc d = {
		.addr = input_u16(in),
		.len = input_u16(in),
		.flags = input_u8(in) & 7,
		.next = input_u8(in) % (SIZE + 1),
	};

	put(m, DESC(q) + 16u * n, &d, sizeof(d));
	avail(m, q)->ring[input_u8(in) % SIZE] = n;
}

static void buffers(struct machine *m, unsigned int q, uint16_t bytes)
{
	for (uint16_t i = 0; i < SIZE; i++) {
		struct virtq_desc d = {
			.addr = 0x4000u + i * 0x800u,
			.len = bytes % 0x800u + 1,
			.flags = VIRTQ_DESC_F_WRITE,
		};

		put(m, DESC(q) + 16u * i, &d, sizeof(d));
		avail(m, q)->ring[i] = i;
	}
	avail(m, q)->idx = (uint16_t)(avail(m, q)->idx + SIZE);
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
	uint16_t off;
	uint64_t val;
	uint8_t n;

	switch ((enum op)(input_u8(in) % OPS)) {
	case REGISTER:
		off = input_u8(in) % 64;
		n = (uint8_t)(1u << (input_u8(in) & 3));
		reg(m, off, n, input_bytes(in, n));
		break;
	case MEMORY:
		off = input_u16(in);
		val = input_bytes(in, 8);
		put(m, off, &val, 8);
		break;
	case RING:
		ring(m, in);
		break;
	case OFFER:
		q = input_u8(in) % QUEUES;
		avail(m, q)->idx = (uint16_t)(avail(m, q)->idx + input_u8(in) % (SIZE + 2));
		break;
	case NOTIFY:
		reg(m, 0x3000 + 4 * (input_u8(in) % QUEUES), 2, 0);
		stub_loop_turn();
		break;
	case COME:
		come(in);
		break;
	case GO:
		take_packets(input_u8(in) % PAIRS);
		break;
	case RESET:
		reg(m, REG(device_status), 1, 0);
		break;
	case SETUP:
		setup(m, input_u8(in));
		break;
	case COMMAND:
		bus_write(m->mmio, PLATFORM_ECAM_BASE + (1 << 15) + PCI_COMMAND, 2,
			  input_u8(in) & 6);
		break;
	case ANYWHERE:
		off = input_u16(in) % 0x4000;
		n = (uint8_t)(1u << (input_u8(in) & 3));
		bus_read(m->mmio, bar(m) + off, n, &val);
		bus_write(m->mmio, bar(m) + off, n, input_bytes(in, n));
		break;
	case BUFFERS:
		q = input_u8(in) % QUEUES;
		buffers(m, q, input_u16(in));
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
	uint64_t status;
	uint8_t flags;

	log_set_level(LOG_ERROR);
	stub_machine_create(&m, &memory);
	m.config = &vm;
	the_loop = m.loop;
	net = virtio_net_create(&m, &config);
	check(net != NULL);

	flags = input_u8(&in);
	if (!(flags & 0x40)) {
		bus_write(m.mmio, PLATFORM_ECAM_BASE + (1 << 15) + PCI_COMMAND, 2, 6);
		setup(&m, flags);
	}
	while (in.left)
		step(&m, &in);

	bus_write(m.mmio, PLATFORM_ECAM_BASE + (1 << 15) + PCI_BAR0, 8, PLATFORM_PCI64_BASE);
	bus_write(m.mmio, PLATFORM_ECAM_BASE + (1 << 15) + PCI_COMMAND, 2, 6);
	reg(&m, REG(device_status), 1, 0);
	check(bus_read(m.mmio, bar(&m) + REG(device_status), 1, &status));
	check(status == 0);

	/* The rest of its sources it takes along, but for those of the taps. */
	for (unsigned int i = 0; i < PAIRS; i++)
		loop_remove(the_loop, &net->pair[i].tap);
	loop_remove(the_loop, &net->timer);
	virtio_net_destroy(net);
	stub_machine_destroy(&m);
	return 0;
}
