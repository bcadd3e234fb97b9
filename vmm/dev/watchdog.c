/* SPDX-License-Identifier: MIT */
#include "vmm/dev/watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "abi/platform.h"
#include "vmm/clock.h"
#include "vmm/log.h"

#define NS_PER_UNIT (PLATFORM_WATCHDOG_UNIT_MS * 1000000ULL)

/* What a driver that starts it without a word about time gets: a minute. */
#define COUNT_FIRST (60000 / PLATFORM_WATCHDOG_UNIT_MS)

struct watchdog {
	struct machine *machine;
	int port; /* on the bus */
	pthread_mutex_t lock;
	bool running;
	bool fired; /* STATUS */
	uint16_t count;
	uint64_t due_ns; /* while it counts; 0: it does not. See due() */
	struct loop_source timer;
};

/* Look again then; 0: never. Lock held. */
static void set_timer(struct watchdog *w, uint64_t ns)
{
	const struct itimerspec at = { .it_value = clock_timespec(ns) };

	if (timerfd_settime(w->timer.fd, TFD_TIMER_ABSTIME, &at, NULL))
		log_error("watchdog cannot count (errno %d)", errno);
}

/* From the top, or not at all. Lock held. */
static void count_down(struct watchdog *w)
{
	w->due_ns = w->running ? clock_ns() + w->count * NS_PER_UNIT : 0;
	set_timer(w, w->due_ns);
}

/* When it bites: a guest that a debugger held has all of its time again. Lock held. */
static uint64_t due(const struct watchdog *w, uint64_t now)
{
	uint64_t released = atomic_load(&w->machine->released_ns);

	if (!released)
		return w->due_ns;
	return MAX(w->due_ns, MIN(released, now) + w->count * NS_PER_UNIT);
}

/* Units, a part of one as a whole: 0 is over. Lock held. */
static uint64_t left(const struct watchdog *w)
{
	uint64_t now = clock_ns(), at = due(w, now);

	if (!w->running)
		return w->count;
	return at > now ? (at - now + NS_PER_UNIT - 1) / NS_PER_UNIT : 0;
}

static uint64_t watchdog_read(void *dev, uint64_t off, unsigned int size)
{
	struct watchdog *w = dev;
	uint64_t val = 0;

	pthread_mutex_lock(&w->lock);
	if (off == PLATFORM_WATCHDOG_CONTROL && size == 1)
		val = w->running ? PLATFORM_WATCHDOG_RUN : 0;
	else if (off == PLATFORM_WATCHDOG_STATUS && size == 1)
		val = w->fired ? PLATFORM_WATCHDOG_FIRED : 0;
	else if (off == PLATFORM_WATCHDOG_COUNT && size == 2)
		val = w->count;
	else if (off == PLATFORM_WATCHDOG_LEFT && size == 2)
		val = left(w);
	pthread_mutex_unlock(&w->lock);
	return val;
}

static void watchdog_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct watchdog *w = dev;

	pthread_mutex_lock(&w->lock);
	if (off == PLATFORM_WATCHDOG_CONTROL && size == 1) {
		w->running = val & PLATFORM_WATCHDOG_RUN;
		count_down(w);
	} else if (off == PLATFORM_WATCHDOG_STATUS && size == 1) {
		w->fired = w->fired && (val & PLATFORM_WATCHDOG_FIRED);
	} else if (off == PLATFORM_WATCHDOG_RELOAD && size == 1) {
		count_down(w);
	} else if (off == PLATFORM_WATCHDOG_COUNT && size == 2) {
		w->count = (uint16_t)MAX(val, (uint64_t)PLATFORM_WATCHDOG_COUNT_MIN);
		count_down(w);
	}
	pthread_mutex_unlock(&w->lock);
}

static const struct bus_ops watchdog_ops = { watchdog_read, watchdog_write };

/* Main thread. */
static void timer_ready(struct loop_source *s, uint32_t events)
{
	struct watchdog *w = s->arg;
	uint64_t times, now;
	uint16_t count;
	bool over;

	(void)events;
	if (read(s->fd, &times, sizeof(times)) != sizeof(times))
		return; /* set again meanwhile */
	pthread_mutex_lock(&w->lock);
	/* A sign of life may have come between the two. Not again before the next. */
	now = clock_ns();
	over = w->due_ns && now >= due(w, now);
	if (over)
		w->due_ns = 0;
	else if (w->due_ns)
		set_timer(w, due(w, now));
	count = w->count;
	pthread_mutex_unlock(&w->lock);
	if (!over)
		return;
	log_warn("watchdog: no sign of life (for %u.%u s)", count / 10, count % 10);
	w->machine->end(w->machine, VM_END_WATCHDOG);
}

static int create(struct machine *m, const void *config, void **device)
{
	const struct watchdog_config *c = config;
	struct watchdog *w = calloc(1, sizeof(*w));
	struct bus_range range = {
		.name = "watchdog",
		.base = PLATFORM_PORT_WATCHDOG,
		.size = PLATFORM_WATCHDOG_PORTS,
		.ops = &watchdog_ops,
		.dev = w,
	};
	int ret;

	if (!w)
		return -ENOMEM;
	*w = (struct watchdog){ .machine = m, .fired = c->fired, .count = COUNT_FIRST };
	pthread_mutex_init(&w->lock, NULL);
	w->timer = (struct loop_source){
		.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
		.ready = timer_ready,
		.arg = w,
	};
	ret = w->timer.fd < 0 ? -errno : loop_add(m->loop, &w->timer, EPOLLIN);
	if (!ret) {
		ret = w->port = bus_add(m->ports, &range);
		if (ret < 0)
			loop_remove(m->loop, &w->timer);
	}
	if (ret < 0) {
		log_error("watchdog cannot be created (%s)", strerror(-ret));
		if (w->timer.fd >= 0)
			close(w->timer.fd);
		free(w);
		return ret;
	}
	*device = w;
	return 0;
}

static void destroy(void *device)
{
	struct watchdog *w = device;

	bus_move(w->machine->ports, w->port, PLATFORM_PORT_WATCHDOG, 0);
	loop_remove(w->machine->loop, &w->timer);
	close(w->timer.fd);
	free(w);
}

static const struct option_key keys[] = {
	{ "fired", OPTION_FLAG, .offset = offsetof(struct watchdog_config, fired) },
	{ 0 },
};

const struct device_kind watchdog_device = {
	.name = "watchdog",
	.option = "--watchdog",
	.usage = "[=fired=on]",
	.purpose = "ends a guest that started it and gives no sign of life in time (WDAT)",
	.max = 1,
	.keys = keys,
	.config_bytes = sizeof(struct watchdog_config),
	.create = create,
	.destroy = destroy,
};
