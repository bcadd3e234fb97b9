/* SPDX-License-Identifier: MIT */
#include "vmm/debug/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "abi/hv/message.h"
#include "vmm/thread.h"
#include "vmm/vcpu.h"

#define RECORDS	     2048u /* power of two */
/* How long the writer waits for more before it writes. */
#define GATHER_NS    1000000L
#define CLOSE_WAIT_S 2
#define LINE_BYTES   128
#define CHUNK_BYTES  4096

enum kind { IN, OUT, READ, WRITE, FETCH, EOI, END, DEBUG, OTHER, LOST };

static const char names[][8] = {
	"in", "out", "read", "write", "fetch", "eoi", "end", "debug", "other", "lost",
};

struct record {
	uint64_t ns;
	uint64_t rip, at, value;
	uint32_t vp;
	uint32_t accesses;
	uint8_t kind, size;
};

struct trace {
	int fd;
	struct timespec start;
	struct thread writer; /* never joined: it may be stuck */
	pthread_mutex_t lock;
	pthread_cond_t filled, emptied;
	uint32_t head, tail; /* free-running */
	uint64_t lost;	     /* since the last record */
	bool closing, broken;
	struct record ring[RECORDS];
};

/* --- processors --- */

static struct record describe(const struct vcpu *v)
{
	const struct hv_x64_intercept_header *h = (const void *)v->message.payload;
	const struct hv_x64_io_port_intercept *io = (const void *)h;
	const struct hv_x64_memory_intercept *m = (const void *)h;
	const struct hv_x64_exception_intercept *x = (const void *)h;
	const struct hv_x64_apic_eoi *eoi = (const void *)h;
	struct record r = {
		.vp = v->index,
		.rip = h->rip,
		.value = v->access.value,
		.size = v->access.size,
		.accesses = v->access.count,
	};

	switch (v->message.header.type) {
	case HV_MESSAGE_X64_IO_PORT_INTERCEPT:
		r.kind = h->access == HV_ACCESS_WRITE ? OUT : IN;
		r.at = io->port;
		break;
	case HV_MESSAGE_UNMAPPED_GPA:
	case HV_MESSAGE_GPA_INTERCEPT:
		r.kind = h->access == HV_ACCESS_WRITE ? WRITE :
			 h->access == HV_ACCESS_READ  ? READ :
							FETCH;
		r.at = m->gpa;
		break;
	case HV_MESSAGE_X64_APIC_EOI:
		r.kind = EOI;
		r.at = eoi->vector;
		r.rip = 0; /* not in this message */
		break;
	case HV_MESSAGE_X64_EXCEPTION_INTERCEPT:
		r.kind = DEBUG;
		r.at = x->vector;
		break;
	case HV_MESSAGE_UNRECOVERABLE_EXCEPTION:
	case HV_MESSAGE_INVALID_VP_REGISTER_VALUE:
		r.kind = END;
		break;
	default:
		r.kind = OTHER;
		r.at = v->message.header.type;
		r.rip = 0;
		break;
	}
	return r;
}

static uint64_t ns_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)((now.tv_sec - start->tv_sec) * 1000000000L + now.tv_nsec -
			  start->tv_nsec);
}

/* Lock held, and there is room. */
static void put(struct trace *t, const struct record *r)
{
	t->ring[t->head++ % RECORDS] = *r;
	if (t->head - t->tail == 1)
		pthread_cond_signal(&t->filled);
}

void trace_exit(struct vcpu *v)
{
	struct record r = describe(v), lost = { .kind = LOST };
	struct trace *t = v->trace;

	v->access.count = 0;
	pthread_mutex_lock(&t->lock);
	r.ns = ns_since(&t->start);
	/* Room for it, for what was lost before it, and for what is lost at the end. */
	if (t->broken) {
		t->lost = 0;
	} else if (t->head - t->tail > RECORDS - 3) {
		t->lost++;
	} else {
		if (t->lost) {
			lost.ns = r.ns;
			lost.value = t->lost;
			t->lost = 0;
			put(t, &lost);
		}
		put(t, &r);
	}
	pthread_mutex_unlock(&t->lock);
}

/* --- the writer --- */

static size_t format(char *text, const struct record *r)
{
	typedef unsigned long long ull;
	int n = snprintf(text, LINE_BYTES, "%llu.%06llu ", (ull)(r->ns / 1000000000),
			 (ull)(r->ns / 1000 % 1000000));

	if (r->kind == LOST)
		return (size_t)(n + snprintf(text + n, (size_t)(LINE_BYTES - n), "lost %llu\n",
					     (ull)r->value));
	n += snprintf(text + n, (size_t)(LINE_BYTES - n), "vp%u %s", r->vp, names[r->kind]);
	if (r->kind != END)
		n += snprintf(text + n, (size_t)(LINE_BYTES - n), " %llx", (ull)r->at);
	if (r->kind <= FETCH && r->accesses)
		n += snprintf(text + n, (size_t)(LINE_BYTES - n), "/%u %llx", r->size,
			      (ull)r->value);
	if (r->kind <= FETCH && r->accesses > 1)
		n += snprintf(text + n, (size_t)(LINE_BYTES - n), " x%u", r->accesses);
	if (r->kind != EOI && r->kind != OTHER)
		n += snprintf(text + n, (size_t)(LINE_BYTES - n), " at %llx", (ull)r->rip);
	text[n++] = '\n';
	return (size_t)n;
}

_Static_assert(LINE_BYTES > 20 + 7 + 13 + 6 + 17 + 4 + 17 + 12 + 20, "the longest line");

static bool write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EAGAIN) {
			/* Somebody made the shared descriptor non-blocking. */
			nanosleep(&(struct timespec){ .tv_nsec = GATHER_NS }, NULL);
			continue;
		}
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return true;
}

/* Some of what is there. Lock held, dropped meanwhile. */
static void write_some(struct trace *t)
{
	char text[CHUNK_BYTES];
	uint32_t from = t->tail, to = t->head;
	size_t len = 0;
	bool ok;

	/* Nobody writes into records between tail and head. */
	pthread_mutex_unlock(&t->lock);
	while (from != to && sizeof(text) - len >= LINE_BYTES)
		len += format(text + len, &t->ring[from++ % RECORDS]);
	ok = write_all(t->fd, text, len);
	pthread_mutex_lock(&t->lock);
	t->tail = from;
	if (!ok) {
		t->broken = true;
		t->tail = t->head;
	}
}

static void *writer(void *arg)
{
	struct trace *t = arg;

	pthread_mutex_lock(&t->lock);
	for (;;) {
		while (t->head == t->tail && !t->closing)
			pthread_cond_wait(&t->filled, &t->lock);
		if (t->head == t->tail)
			break;
		if (!t->closing && t->head - t->tail < RECORDS / 4) {
			pthread_mutex_unlock(&t->lock);
			nanosleep(&(struct timespec){ .tv_nsec = GATHER_NS }, NULL);
			pthread_mutex_lock(&t->lock);
		}
		write_some(t);
	}
	pthread_cond_signal(&t->emptied);
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* --- from opening to closing --- */

struct trace *trace_open(const char *path, int *error)
{
	struct trace *t = calloc(1, sizeof(*t));

	if (!t) {
		*error = -ENOMEM;
		return NULL;
	}
	clock_gettime(CLOCK_MONOTONIC, &t->start);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->filled, NULL);
	pthread_cond_init(&t->emptied, NULL);
	t->fd = strcmp(path, "-") == 0 ?
			STDERR_FILENO :
			open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
	*error = t->fd < 0 ? -errno : thread_start(&t->writer, FILTER_TRACE, "trace", writer, t);
	if (*error) {
		if (t->fd > STDERR_FILENO)
			close(t->fd);
		free(t);
		return NULL;
	}
	return t;
}

void trace_close(struct trace *t)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += CLOSE_WAIT_S;
	pthread_mutex_lock(&t->lock);
	if (t->lost && !t->broken) {
		struct record lost = { .kind = LOST, .ns = ns_since(&t->start), .value = t->lost };

		put(t, &lost);
	}
	t->closing = true;
	pthread_cond_signal(&t->filled);
	while (t->head != t->tail)
		if (pthread_cond_timedwait(&t->emptied, &t->lock, &until))
			break;
	pthread_mutex_unlock(&t->lock);
}
