/* SPDX-License-Identifier: MIT */
#include "vmm/console.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/thread.h"

/* Powers of two. */
#define RING_BYTES   16384
#define INPUT_BYTES  64

#define CTRL_A	     0x01
/* How long the writer waits for more before it writes. */
#define GATHER_NS    1000000L
#define CLOSE_WAIT_S 2

struct console {
	struct console_setup setup;
	struct console_client client[CONSOLE_CLIENTS];
	unsigned int client_count;
	atomic_uint front; /* index in client */

	/* Output. The writer thread takes from the ring, anybody puts. */
	pthread_mutex_t lock;
	pthread_cond_t filled;
	pthread_cond_t emptied;
	uint32_t head, tail; /* free-running */
	uint64_t lost;
	bool starved; /* a client saw "no room" */
	struct thread writer; /* never joined: it may be stuck */
	bool broken;  /* nobody reads any more */
	bool closing;
	uint8_t ring[RING_BYTES];

	/* Input. */
	struct loop_source source;
	atomic_bool paused;
	atomic_bool eof;
	bool escape; /* device thread: Ctrl-A was the last byte */
	bool raw;
	struct termios saved;
};

/* --- output --- */

bool console_can_put(struct console *c)
{
	bool room;

	pthread_mutex_lock(&c->lock);
	room = c->broken || c->head - c->tail < RING_BYTES;
	if (!room)
		c->starved = true;
	pthread_mutex_unlock(&c->lock);
	return room;
}

bool console_put(struct console *c, uint8_t byte)
{
	bool room;

	pthread_mutex_lock(&c->lock);
	room = c->head - c->tail < RING_BYTES;
	if (c->broken) {
		room = true; /* thrown away, as without a terminal */
	} else if (room) {
		c->ring[c->head++ % RING_BYTES] = byte;
		if (c->head - c->tail == 1)
			pthread_cond_signal(&c->filled);
	} else {
		/* A guest that writes although the line says busy. */
		if (!c->lost++)
			log_warn("serial output lost (nobody reads it fast enough)");
		c->starved = true;
	}
	pthread_mutex_unlock(&c->lock);
	return room;
}

size_t console_write(struct console *c, const void *data, size_t len)
{
	const uint8_t *byte = data;
	size_t n;

	pthread_mutex_lock(&c->lock);
	n = c->broken ? len : MIN(len, RING_BYTES - (c->head - c->tail));
	if (n && !c->broken && c->head == c->tail)
		pthread_cond_signal(&c->filled);
	for (size_t i = 0; i < n && !c->broken; i++)
		c->ring[c->head++ % RING_BYTES] = byte[i];
	if (n < len)
		c->starved = true;
	pthread_mutex_unlock(&c->lock);
	return n;
}

static void tell_drained(struct console *c)
{
	for (unsigned int i = 0; i < c->client_count; i++) {
		if (c->client[i].drained)
			c->client[i].drained(c->client[i].arg);
	}
}

/* Write the oldest bytes that lie in one piece. Lock held, dropped meanwhile. */
static void write_piece(struct console *c)
{
	uint32_t from = c->tail % RING_BYTES;
	uint32_t len = MIN(c->head - c->tail, RING_BYTES - from);
	bool starved = false;
	ssize_t n;

	pthread_mutex_unlock(&c->lock);
	do {
		n = write(c->setup.out, c->ring + from, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN) {
		/* Somebody made the shared descriptor non-blocking. */
		nanosleep(&(struct timespec){ .tv_nsec = 10 * GATHER_NS }, NULL);
		n = 0;
	}
	pthread_mutex_lock(&c->lock);
	if (n < 0) {
		c->broken = true;
		c->tail = c->head;
	} else {
		c->tail += (uint32_t)n;
	}
	if (c->starved && c->head - c->tail <= RING_BYTES / 2) {
		c->starved = false;
		starved = true;
	}
	if (starved) {
		pthread_mutex_unlock(&c->lock);
		tell_drained(c);
		pthread_mutex_lock(&c->lock);
	}
}

static void *writer(void *arg)
{
	struct console *c = arg;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		while (c->head == c->tail && !c->closing) {
			pthread_cond_signal(&c->emptied);
			pthread_cond_wait(&c->filled, &c->lock);
		}
		if (c->head == c->tail)
			break;
		if (!c->closing) {
			/* A line comes byte by byte; write it as one. */
			pthread_mutex_unlock(&c->lock);
			nanosleep(&(struct timespec){ .tv_nsec = GATHER_NS }, NULL);
			pthread_mutex_lock(&c->lock);
		}
		write_piece(c);
	}
	pthread_cond_signal(&c->emptied);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* --- input --- */

/*
 * Bytes from a terminal: Ctrl-A x leaves, Ctrl-A Ctrl-A is one Ctrl-A, any
 * other pair goes to the guest as it is. @out holds twice @len.
 */
static size_t unescape(struct console *c, const uint8_t *in, size_t len, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (!c->escape && in[i] == CTRL_A) {
			c->escape = true;
			continue;
		}
		if (c->escape && (in[i] == 'x' || in[i] == 'X'))
			c->setup.leave(c->setup.arg);
		else if (c->escape && in[i] != CTRL_A)
			out[n++] = CTRL_A, out[n++] = in[i];
		else
			out[n++] = in[i];
		c->escape = false;
	}
	return n;
}

static const struct console_client *front(struct console *c)
{
	return &c->client[atomic_load(&c->front)];
}

/*
 * No room: wait for console_resume(). The client may make room between our
 * look and the pause, so look again after it.
 */
static void input_pause(struct console *c)
{
	/*
	 * In this order: a resume between the two would be undone and forgotten. That the
	 * other end hung up is told whatever is asked for; by edges only, once.
	 */
	loop_modify(c->setup.loop, &c->source, EPOLLET);
	atomic_store(&c->paused, true);
	if (front(c)->room(front(c)->arg))
		console_resume(c);
}

static void input_ready(struct loop_source *s, uint32_t events)
{
	struct console *c = s->arg;
	const struct console_client *client = front(c);
	uint8_t raw[INPUT_BYTES], data[2 * INPUT_BYTES];
	size_t room;
	ssize_t n;

	(void)events;
	if (atomic_load(&c->paused))
		return;
	/* On a terminal, a pair that is no escape becomes two bytes. */
	room = client->room(client->arg) / (c->raw ? 2 : 1);
	if (!room) {
		input_pause(c);
		return;
	}
	n = read(c->setup.in, raw, MIN(room, sizeof(raw)));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		atomic_store(&c->eof, true);
		loop_remove(c->setup.loop, &c->source);
		return;
	}
	if (c->raw)
		client->receive(client->arg, data, unescape(c, raw, (size_t)n, data));
	else
		client->receive(client->arg, raw, (size_t)n);
}

void console_resume(struct console *c)
{
	if (atomic_exchange(&c->paused, false) && !atomic_load(&c->eof))
		loop_modify(c->setup.loop, &c->source, EPOLLIN);
}

static void set_raw(struct console *c)
{
	struct termios t;

	if (!isatty(c->setup.in) || tcgetattr(c->setup.in, &c->saved))
		return;
	t = c->saved;
	cfmakeraw(&t);
	t.c_oflag |= OPOST | ONLCR; /* our log goes to the same terminal */
	if (tcsetattr(c->setup.in, TCSANOW, &t) == 0)
		c->raw = true;
}

void console_front(struct console *c, unsigned int number)
{
	atomic_store(&c->front, number);
	console_resume(c);
}

/* Standard input, for the first client. */
static void listen_to_input(struct console *c)
{
	int ret;

	c->source = (struct loop_source){ .fd = c->setup.in, .arg = c, .ready = input_ready };
	ret = loop_add(c->setup.loop, &c->source, EPOLLIN);
	if (ret == -EPERM) {
		/* A plain file is always ready; so is a counter above zero. */
		c->source.fd = eventfd(1, EFD_CLOEXEC);
		ret = loop_add(c->setup.loop, &c->source, EPOLLIN);
	}
	if (ret) {
		/* Standard input is closed: a guest without a keyboard. */
		log_debug("no console input (%d)", ret);
		atomic_store(&c->eof, true);
	}
}

unsigned int console_attach(struct console *c, const struct console_client *client)
{
	CHECK(c->client_count < CONSOLE_CLIENTS);
	c->client[c->client_count++] = *client;
	if (c->client_count == 1)
		listen_to_input(c);
	return c->client_count - 1;
}

struct console *console_open(const struct console_setup *setup, int *error)
{
	struct console *c = calloc(1, sizeof(*c));

	if (!c) {
		*error = -ENOMEM;
		return NULL;
	}
	c->setup = *setup;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->filled, NULL);
	pthread_cond_init(&c->emptied, NULL);
	*error = thread_start(&c->writer, FILTER_CONSOLE, "console", writer, c);
	if (*error) {
		free(c);
		return NULL;
	}
	set_raw(c);
	return c;
}

void console_close(struct console *c)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += CLOSE_WAIT_S;
	pthread_mutex_lock(&c->lock);
	c->closing = true;
	pthread_cond_signal(&c->filled);
	while (c->head != c->tail)
		if (pthread_cond_timedwait(&c->emptied, &c->lock, &until))
			break;
	if (c->head != c->tail)
		log_warn("serial output lost (%u bytes nobody read)", c->head - c->tail);
	pthread_mutex_unlock(&c->lock);
	if (c->raw)
		tcsetattr(c->setup.in, TCSADRAIN, &c->saved);
}
