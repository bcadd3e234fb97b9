/* SPDX-License-Identifier: MIT */
/*
 * Packets between rings and tap, carried by this process. The kernel copies
 * straight between the guest's buffers and its own: a packet is one system
 * call, with the guest's header in front, and what is wrong with a packet the
 * kernel says.
 *
 * Receiving: how large the next packet is, nobody knows before it is read. So
 * the window holds buffers for what came lately (want), and behind them readv()
 * gets a piece of our own memory (spill) that any packet fits into. The rare
 * packet that reaches it is copied from there into further buffers, and stays
 * in it while the driver has none.
 *
 * Nobody turns in circles: a tap announces what comes (edge-triggered, so that
 * nothing has to be switched off while the driver has no buffers), a driver
 * announces what it adds, a full tap that it has room again, and a timer the
 * end of a pause that the rate asks for.
 */
#include "vmm/virtio/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "vmm/clock.h"

/* Packets after which the driver learns of them, if there are more. */
#define BATCH	       16u
/* What the driver must have room for at first: a frame of 1,500 bytes. */
#define WANT_FIRST     (1518u + sizeof(struct virtio_net_hdr))
/* Bytes that pass at once whatever the rate. */
#define RATE_BURST_MIN 65536u
#define FRAME_MIN      14u /* Ethernet's header */

/* True: nothing may pass that way now; the timer calls again. */
static bool must_wait(struct virtio_net *n, enum net_direction d)
{
	struct itimerspec after = { 0 };
	uint64_t now, wait;

	if (!n->rate[d].per_s)
		return false;
	now = clock_ns();
	wait = rate_wait(&n->rate[d], now);
	if (!wait)
		return false;
	/* The other direction may have set it to something earlier. */
	if (n->timer_ns > now && n->timer_ns <= now + wait)
		return true;
	n->timer_ns = now + wait;
	after.it_value = clock_timespec(wait);
	timerfd_settime(n->timer.fd, 0, &after, NULL);
	return true;
}

/* EBADFD: somebody deleted the interface. All else is this packet's fault. */
static bool is_gone(int error)
{
	return error == EBADFD || error == ENODEV;
}

/*
 * Receiving
 */

/* Room for a chain as long as the ring, behind what is there. */
static bool make_room(struct net_window *w)
{
	if (w->iov_count > NET_QUEUE_SIZE || w->count == ARRAY_SIZE(w->chain))
		return false;
	if (w->iov_first + w->iov_count > NET_QUEUE_SIZE) {
		memmove(w->iov, &w->iov[w->iov_first], w->iov_count * sizeof(w->iov[0]));
		w->iov_first = 0;
	}
	if (w->first + w->count == ARRAY_SIZE(w->chain)) {
		memmove(w->chain, &w->chain[w->first], w->count * sizeof(w->chain[0]));
		w->first = 0;
	}
	return true;
}

/* Take chains until there is room for @want bytes; false: there is not. */
static bool fill_window(struct net_pair *p, uint64_t want)
{
	struct virtio_device *v = &p->net->v;
	bool mergeable = virtio_has(v, VIRTIO_NET_F_MRG_RXBUF);
	unsigned int queue = net_rx(p->index);
	struct net_window *w = p->window;

	while (w->bytes < want && (mergeable || !w->count)) {
		struct virtq_chain c = { .iov_max = NET_QUEUE_SIZE };

		if (!make_room(w))
			return false;
		c.iov = &w->iov[w->iov_first + w->iov_count];
		if (!virtio_pop(v, queue, &c))
			return false;
		/* "MUST [...] at least the size of struct virtio_net_hdr" */
		if (c.read_count || c.write_bytes < sizeof(struct virtio_net_hdr)) {
			virtio_push(v, queue, c.head, 0);
			virtio_broken(v, queue, "receive buffer too short or not writable");
			return false;
		}
		w->chain[w->first + w->count++] = (struct net_chain){
			.head = c.head,
			.iovs = (uint16_t)c.write_count,
			.bytes = (uint32_t)MIN(c.write_bytes, UINT32_MAX),
		};
		w->iov_count += c.write_count;
		w->bytes += w->chain[w->first + w->count - 1].bytes;
	}
	return w->bytes >= want;
}

/* Copy [@src, @src + @len) to the window, @at bytes from its start; it fits. */
static void copy_in(struct net_window *w, uint64_t at, const void *src, uint64_t len)
{
	const uint8_t *from = src;

	for (const struct iovec *v = &w->iov[w->iov_first]; len; v++) {
		uint64_t n;

		if (at >= v->iov_len) {
			at -= v->iov_len;
			continue;
		}
		n = MIN(len, v->iov_len - at);
		memcpy((uint8_t *)v->iov_base + at, from, n);
		from += n;
		len -= n;
		at = 0;
	}
}

/* The other way: the first @len bytes. */
static void copy_out(const struct net_window *w, uint8_t *to, uint64_t len)
{
	for (const struct iovec *v = &w->iov[w->iov_first]; len; v++) {
		uint64_t n = MIN(len, v->iov_len);

		memcpy(to, v->iov_base, n);
		to += n;
		len -= n;
	}
}

static void take_first(struct net_window *w)
{
	const struct net_chain *c = &w->chain[w->first];

	w->bytes -= c->bytes;
	w->iov_first += c->iovs;
	w->iov_count -= c->iovs;
	w->first++;
	if (--w->count == 0)
		w->first = w->iov_first = 0;
}

/* The first @len bytes of the window are a packet. */
static void deliver(struct net_pair *p, uint64_t len)
{
	struct virtio_device *v = &p->net->v;
	unsigned int queue = net_rx(p->index);
	struct net_window *w = p->window;
	uint64_t left = len;
	uint16_t chains = 0;

	while (left) {
		left -= MIN(left, w->chain[w->first + chains].bytes);
		chains++;
	}
	copy_in(w, offsetof(struct virtio_net_hdr, num_buffers), &chains, sizeof(chains));
	for (left = len; left;) {
		uint64_t n = MIN(left, w->chain[w->first].bytes);

		virtio_fill(v, queue, w->chain[w->first].head, (uint32_t)n);
		take_first(w);
		left -= n;
	}
	virtio_publish(v, queue);
	rate_spend(&p->net->rate[NET_RX], len);
	/* What comes next is probably alike; but a few small ones mean little. */
	p->want = (uint32_t)(len > p->want ? len : p->want - (p->want - MAX(len, WANT_FIRST)) / 8);
}

/* Will the driver ever have room, for a packet that finds none now? */
static bool may_fit_later(const struct net_pair *p)
{
	const struct virtq *q = &p->net->v.queue[net_rx(p->index)];
	const struct net_window *w = p->window;

	return virtio_has(&p->net->v, VIRTIO_NET_F_MRG_RXBUF) && w->count < q->size &&
	       w->iov_count <= NET_QUEUE_SIZE;
}

enum result {
	PACKET,	 /* received or dropped: go on */
	NO_ROOM, /* wait for the driver */
	NOTHING, /* wait for the tap */
};

/* A packet is in spill, whole. */
static enum result deliver_kept(struct net_pair *p)
{
	if (fill_window(p, p->kept)) {
		copy_in(p->window, 0, p->spill, p->kept);
		deliver(p, p->kept);
	} else if (may_fit_later(p)) {
		return NO_ROOM;
	}
	p->kept = 0;
	return PACKET;
}

/* A packet of @len bytes lies in the window, and behind that in spill. */
static enum result deliver_spilled(struct net_pair *p, uint64_t len)
{
	uint64_t room = p->window->bytes;

	/* One that filled all there was may have been longer. */
	if (len == room + NET_PACKET_MAX || len > NET_PACKET_MAX)
		return PACKET;
	if (fill_window(p, len)) {
		copy_in(p->window, room, p->spill, len - room);
		deliver(p, len);
		return PACKET;
	}
	if (!may_fit_later(p))
		return PACKET;
	memmove(p->spill + room, p->spill, len - room);
	copy_out(p->window, p->spill, room);
	p->kept = (uint32_t)len;
	return NO_ROOM;
}

static enum result receive(struct net_pair *p)
{
	struct virtio_net *n = p->net;
	struct net_window *w = p->window;
	struct iovec *iov;
	ssize_t len;

	if (p->kept)
		return deliver_kept(p);
	if (!fill_window(p, p->want) && !w->count)
		return NO_ROOM;
	iov = &w->iov[w->iov_first];
	iov[w->iov_count] = (struct iovec){ p->spill, NET_PACKET_MAX };
	len = readv(p->tap.fd, iov, (int)w->iov_count + 1);
	if (len < 0) {
		if (is_gone(errno))
			net_tap_gone(n);
		return NOTHING;
	}
	if ((uint64_t)len < sizeof(struct virtio_net_hdr))
		return len ? PACKET : NOTHING;
	if ((uint64_t)len > w->bytes)
		return deliver_spilled(p, (uint64_t)len);
	deliver(p, (uint64_t)len);
	return PACKET;
}

static void receive_all(struct net_pair *p)
{
	struct virtio_net *n = p->net;
	unsigned int queue = net_rx(p->index);

	virtq_quiet(&n->v.queue[queue]);
	for (unsigned int i = 1; !n->gone && n->v.budget && !must_wait(n, NET_RX); i++) {
		enum result r = receive(p);

		if (r == NOTHING || (r == NO_ROOM && !virtio_listen(&n->v, queue)))
			break;
		if (i % BATCH == 0)
			virtio_end_batch(&n->v, queue);
	}
	virtio_end_batch(&n->v, queue);
}

/*
 * Transmitting
 */

/* False: the tap takes no more now. */
static bool transmit(struct net_pair *p, const struct virtq_chain *c)
{
	struct virtio_net *n = p->net;

	/* Without a packet, or longer than any: nothing for the kernel to see. */
	if (c->read_bytes < sizeof(struct virtio_net_hdr) + FRAME_MIN ||
	    c->read_bytes > NET_PACKET_MAX)
		return true;
	if (writev(p->tap.fd, c->iov, (int)c->read_count) < 0) {
		if (errno == EAGAIN)
			return false;
		if (is_gone(errno))
			net_tap_gone(n);
		return true; /* dropped, as networks may */
	}
	rate_spend(&n->rate[NET_TX], c->read_bytes);
	return true;
}

static void transmit_all(struct net_pair *p)
{
	struct virtio_net *n = p->net;
	struct virtio_device *v = &n->v;
	unsigned int queue = net_tx(p->index);
	struct iovec iov[NET_QUEUE_SIZE];
	struct virtq_chain c = { .iov = iov, .iov_max = NET_QUEUE_SIZE };
	unsigned int count = 0;

	do {
		virtq_quiet(&v->queue[queue]);
		while (!p->full && !must_wait(n, NET_TX) && virtio_pop(v, queue, &c)) {
			if (!transmit(p, &c)) {
				virtio_unpop(v, queue, 1);
				p->full = true;
				break;
			}
			virtio_push(v, queue, c.head, 0);
			if (++count % BATCH == 0)
				virtio_end_batch(v, queue);
		}
	} while (!p->full && !must_wait(n, NET_TX) && virtio_listen(v, queue));
	virtio_end_batch(v, queue);
}

void net_path_process(struct virtio_net *n, unsigned int queue)
{
	struct net_pair *p = &n->pair[queue / 2];

	if (queue % 2)
		transmit_all(p);
	else
		receive_all(p);
}

/*
 * Events: the card's thread, lock not held.
 */

static void tap_ready(struct loop_source *s, uint32_t events)
{
	struct net_pair *p = s->arg;
	struct virtio_net *n = p->net;

	if (events & (EPOLLERR | EPOLLHUP)) {
		pthread_mutex_lock(&n->v.lock);
		net_tap_gone(n);
		pthread_mutex_unlock(&n->v.lock);
		loop_remove(n->loop, s);
		return;
	}
	if (events & EPOLLOUT && p->full) {
		p->full = false;
		virtio_notified(&n->v, net_tx(p->index));
	}
	if (events & EPOLLIN)
		virtio_notified(&n->v, net_rx(p->index));
}

static void pause_over(struct loop_source *s, uint32_t events)
{
	struct virtio_net *n = s->arg;
	uint64_t count;

	(void)events;
	if (read(s->fd, &count, sizeof(count)) != sizeof(count))
		return;
	n->timer_ns = 0;
	for (unsigned int i = 0; i < 2 * n->pairs; i++)
		virtio_notified(&n->v, i);
}

void net_path_reset(struct virtio_net *n)
{
	for (unsigned int i = 0; i < n->pairs; i++) {
		struct net_pair *p = &n->pair[i];
		struct net_window *w = p->window;

		virtio_unpop(&n->v, net_rx(i), (uint16_t)w->count);
		w->first = w->count = w->iov_first = w->iov_count = 0;
		w->bytes = 0;
		p->kept = 0;
		p->want = WANT_FIRST;
	}
}

static int create_pair(struct virtio_net *n, unsigned int i)
{
	struct net_pair *p = &n->pair[i];

	*p = (struct net_pair){
		.net = n,
		.index = i,
		.want = WANT_FIRST,
		.tap = { .fd = n->tap.fd[i], .ready = tap_ready, .arg = p },
		.spill = malloc(NET_PACKET_MAX),
		.window = calloc(1, sizeof(*p->window)),
	};
	if (!p->spill || !p->window)
		return -ENOMEM;
	return loop_add(n->loop, &p->tap, EPOLLIN | EPOLLOUT | EPOLLET);
}

int net_path_create(struct virtio_net *n, uint64_t rate)
{
	int err = 0;

	n->timer = (struct loop_source){
		.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
		.ready = pause_over,
		.arg = n,
	};
	if (n->timer.fd < 0)
		return -errno;
	for (unsigned int i = 0; i < NET_DIRECTIONS; i++)
		rate_init(&n->rate[i], rate, RATE_BURST_MIN, clock_ns());
	err = loop_add(n->loop, &n->timer, EPOLLIN);
	for (unsigned int i = 0; i < n->pairs && !err; i++)
		err = create_pair(n, i);
	return err;
}

void net_path_destroy(struct virtio_net *n)
{
	for (unsigned int i = 0; i < n->pairs; i++) {
		free(n->pair[i].spill);
		free(n->pair[i].window);
	}
	if (n->timer.fd >= 0)
		close(n->timer.fd);
	n->timer.fd = -1;
}
