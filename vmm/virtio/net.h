/* SPDX-License-Identifier: MIT */
/*
 * virtio-net: a network card as a PCI function, on a tap of the host.
 *
 *   net.c          the device: configuration, features, its life
 *   net_path.c     packets, when we carry them ourselves: readv and writev
 *   net_vhost.c    packets, when the kernel carries them: vhost-net
 *   net_control.c  the control queue
 *
 * Queues: 2 * i receives, 2 * i + 1 transmits (pair i); the control queue comes
 * after those that the driver knows of: 2, or with VIRTIO_NET_F_MQ behind all.
 *
 * Threads: a card that we serve has a thread of its own, which holds the
 * device's lock while it works; VP threads take it for register accesses only.
 * One that vhost serves has none, its control queue is the main thread's.
 */
#ifndef VMM_VIRTIO_NET_H
#define VMM_VIRTIO_NET_H

#include "abi/virtio/net.h"
#include "vmm/backend/tap.h"
#include "vmm/device.h"
#include "vmm/rate.h"
#include "vmm/thread.h"
#include "vmm/virtio/device.h"
#include "vmm/virtio/pci.h"
#include "vmm/virtio/vhost.h"

#define NET_PAIRS_MAX  TAP_QUEUES_MAX
#define NET_QUEUE_SIZE 256u
/* The largest packet a tap hands over: 64 KiB of IP behind the two headers. */
#define NET_PACKET_MAX (65536u + 18u + sizeof(struct virtio_net_hdr))

enum net_vhost { NET_VHOST_AUTO, NET_VHOST_ON, NET_VHOST_OFF };

/* --nic */
struct nic_config {
	const char *tap;		   /* its name, or "fd:3:4": a descriptor for each pair */
	uint8_t mac[VIRTIO_NET_MAC_BYTES]; /* zeros: from the guest's name */
	uint32_t queues;		   /* pairs; 0: one */
	uint32_t vhost;			   /* enum net_vhost */
	uint64_t rate;			   /* bytes a second, each way; 0: no limit */
};

extern const struct device_kind virtio_net_device;

struct virtio_net;

/* NULL after an error, which has been logged; errno tells its kind. */
struct virtio_net *virtio_net_create(struct machine *m, const struct nic_config *c);
/* After the last VP has ended. */
void virtio_net_destroy(struct virtio_net *n);

/*
 * ---- between the files above; lock held unless it says otherwise ----
 */

/* One chain for receiving, taken from the ring and not used yet. */
struct net_chain {
	uint16_t head;
	uint16_t iovs; /* its part of the window's */
	uint32_t bytes;
};

/*
 * What we hold of a receive ring: chains taken in advance, in order. Theirs are
 * the buffers that readv() fills next, in one piece.
 */
struct net_window {
	unsigned int first, count;	   /* of chain */
	unsigned int iov_first, iov_count; /* of iov */
	uint64_t bytes;			   /* in all of them */
	struct net_chain chain[NET_QUEUE_SIZE];
	/* A whole chain more than used, and one for what does not fit. */
	struct iovec iov[2 * NET_QUEUE_SIZE + 1];
};

struct net_pair {
	struct virtio_net *net;
	unsigned int index;
	struct loop_source tap;
	bool full;	/* the tap takes no more until it says so */
	uint32_t want;	/* bytes the window should have for a packet */
	uint32_t kept;	/* bytes of a packet in spill that found no room yet */
	uint8_t *spill; /* NET_PACKET_MAX bytes: what did not fit into the window */
	struct net_window *window;
};

enum net_direction { NET_RX, NET_TX, NET_DIRECTIONS };

struct virtio_net {
	struct virtio_device v;
	struct virtio_pci pci;
	struct machine *machine;
	struct tap tap;
	unsigned int pairs; /* that there are */
	unsigned int used;  /* that the driver uses */
	bool gone;	    /* the tap is no more */
	bool by_vhost;
	uint8_t mac[VIRTIO_NET_MAC_BYTES]; /* as given; config has the driver's */
	struct virtio_net_config config;

	/* ours to carry */
	struct loop *loop;
	struct thread thread;
	struct net_pair pair[NET_PAIRS_MAX];
	struct rate rate[NET_DIRECTIONS];
	struct loop_source timer; /* for rates */
	uint64_t timer_ns;	  /* when it ends; 0: it is off */

	/* vhost's */
	struct vhost vhost[NET_PAIRS_MAX];
	unsigned int served;	    /* a bit for each pair that it works on */
	struct loop_source control; /* kick of the control queue */
	struct loop_source failed;  /* what vhost says of rings without sense */
};

static inline unsigned int net_rx(unsigned int pair)
{
	return 2 * pair;
}

static inline unsigned int net_tx(unsigned int pair)
{
	return 2 * pair + 1;
}

static inline unsigned int net_control_queue(const struct virtio_net *n)
{
	return virtio_has(&n->v, VIRTIO_NET_F_MQ) ? 2 * n->pairs : 2;
}

/* net.c: the driver wants that many pairs, or has other offloads. 0 or -errno. */
int net_use_pairs(struct virtio_net *n, unsigned int count);
int net_set_offloads(struct virtio_net *n, uint64_t guest_features);
/* The tap is gone: the cable is out, for good. */
void net_tap_gone(struct virtio_net *n);

/*
 * net_path.c: create before the device is attached, with its loop; destroy when
 * the loop has ended. 0 or -errno, then destroy is due all the same.
 */
int net_path_create(struct virtio_net *n, uint64_t rate);
void net_path_destroy(struct virtio_net *n);
void net_path_process(struct virtio_net *n, unsigned int queue);
/* What was taken and kept is dropped. */
void net_path_reset(struct virtio_net *n);

/*
 * net_vhost.c: create opens what it needs: 0, or -errno with nothing left.
 * apply has the kernel serve what it should now and nothing else.
 */
int net_vhost_create(struct virtio_net *n);
void net_vhost_destroy(struct virtio_net *n);
void net_vhost_apply(struct virtio_net *n, bool on);
void net_vhost_interrupt_moved(struct virtio_net *n, unsigned int queue);

/* net_control.c */
void net_control_process(struct virtio_net *n, unsigned int queue);

#endif
