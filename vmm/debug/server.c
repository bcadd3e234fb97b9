/* SPDX-License-Identifier: MIT */
#include "vmm/debug/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/conf.h"
#include "vmm/debug/control.h"
#include "vmm/device.h"
#include "vmm/log.h"
#include "vmm/thread.h"

/* A debugger that does not read for so long is gone. */
#define SEND_WAIT_MS 2000
#define CHUNK_BYTES  1024

struct server {
	struct machine *machine;
	struct control *control;
	int wake;		  /* eventfd: an event, or the end */
	int listener, connection; /* -1: none */
	bool broken;		  /* the connection is */
	atomic_bool ending;
	unsigned int code;
	struct thread thread;
	struct gdb_target target;
	struct gdb_session session;
};

/* --- what the session reaches --- */

static bool target_get(void *arg, unsigned int thread, uint8_t block[GDBREGS_BYTES])
{
	struct server *s = arg;

	return control_get(s->control, thread, block);
}

static bool target_set(void *arg, unsigned int thread, const uint8_t block[GDBREGS_BYTES])
{
	struct server *s = arg;

	return control_set(s->control, thread, block);
}

static size_t target_read(void *arg, unsigned int thread, uint64_t at, void *to, size_t len)
{
	struct server *s = arg;

	return control_read(s->control, thread, at, to, len);
}

static size_t target_write(void *arg, unsigned int thread, uint64_t at, const void *from,
			   size_t len)
{
	struct server *s = arg;

	return control_write(s->control, thread, at, from, len);
}

static int target_point(void *arg, unsigned int thread, enum gdb_point kind, uint64_t at,
			unsigned int len, bool on)
{
	struct server *s = arg;

	return control_point(s->control, thread, kind, at, len, on);
}

static void target_resume(void *arg, const enum gdb_action *action)
{
	struct server *s = arg;

	control_resume(s->control, action);
}

/* All stand: why? */
static void tell(struct server *s, const struct gdb_stop *stop)
{
	if (control_pause(s->control))
		gdb_stopped(&s->session, stop);
}

static void target_interrupt(void *arg)
{
	const struct gdb_stop asked = { .signal = GDB_SIGINT };
	struct server *s = arg;
	struct gdb_stop stop;

	/* Something else may have been the reason, in the meantime. */
	tell(s, control_event(s->control, &stop) ? &stop : &asked);
}

static void target_detach(void *arg)
{
	(void)arg; /* as everybody who hangs up */
}

static void target_kill(void *arg)
{
	struct server *s = arg;

	s->machine->end(s->machine, VM_END_KILLED);
}

static void target_send(void *arg, const char *bytes, size_t len)
{
	struct server *s = arg;

	while (len && !s->broken) {
		struct pollfd room = { .fd = s->connection, .events = POLLOUT };
		ssize_t n = write(s->connection, bytes, len);

		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			/* Nor does one that reads a little now and then hold the end up. */
			s->broken = atomic_load(&s->ending) || poll(&room, 1, SEND_WAIT_MS) == 0;
		} else if (n == 0 || errno != EINTR) {
			s->broken = true;
		}
	}
}

/* --- connections, on the thread --- */

static void greet(struct server *s)
{
	int ret;

	memset(&s->session, 0, sizeof(s->session));
	s->session.target = &s->target;
	s->session.stop.signal = GDB_SIGTRAP;
	s->broken = false;
	ret = control_attach(s->control);
	if (ret)
		log_warn("debugger: no breakpoints, no steps (%s)", strerror(-ret));
	if (control_pause(s->control))
		log_info("debugger connected");
}

static void hang_up(struct server *s)
{
	if (!control_pause(s->control))
		return; /* the machine ends */
	control_detach(s->control);
	control_resume(s->control, NULL);
	close(s->connection);
	s->connection = -1;
	log_info("debugger disconnected");
}

static void receive(struct server *s)
{
	uint8_t bytes[CHUNK_BYTES];
	ssize_t n = read(s->connection, bytes, sizeof(bytes));

	if (n > 0)
		gdb_feed(&s->session, bytes, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		s->broken = true;
}

/* Wait for somebody, or for what they say. */
static void wait(struct server *s)
{
	int fd = s->connection >= 0 ? s->connection : s->listener;
	struct pollfd p[2] = {
		{ .fd = s->wake, .events = POLLIN },
		{ .fd = fd, .events = POLLIN }, /* -1 is passed over */
	};
	struct gdb_stop stop;
	uint64_t count;
	ssize_t n;

	if (poll(p, ARRAY_SIZE(p), -1) < 0)
		return;
	if (p[0].revents) {
		n = read(s->wake, &count, sizeof(count));
		(void)n;
	}
	if (atomic_load(&s->ending))
		return;
	if (s->session.running && control_event(s->control, &stop))
		tell(s, &stop);
	if (!p[1].revents)
		return;
	if (s->connection >= 0) {
		receive(s);
	} else {
		s->connection = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (s->connection >= 0)
			greet(s);
	}
}

static void *serve(void *arg)
{
	struct server *s = arg;

	if (s->connection >= 0)
		greet(s);
	while (!atomic_load(&s->ending)) {
		wait(s);
		if (s->connection >= 0 && (s->session.over || s->broken))
			hang_up(s);
	}
	if (s->connection >= 0 && !s->session.over && !s->broken)
		gdb_exited(&s->session, s->code);
	return NULL;
}

/* --- from opening to closing --- */

static int number_behind(const char *prefix, const char *where, uint64_t max, uint64_t *number)
{
	size_t len = strlen(prefix);

	if (strncmp(where, prefix, len) != 0)
		return -ENOENT;
	return conf_parse_u64(where + len, number) && *number <= max ? 0 : -EINVAL;
}

static int listen_at(const struct sockaddr *address, socklen_t len)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1, error;
	mode_t mask;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	mask = umask(0077); /* the user's alone */
	error = bind(fd, address, len) || listen(fd, 1) ? errno : 0;
	umask(mask);
	if (!error)
		return fd;
	close(fd);
	return -error;
}

static int listen_at_path(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct stat st;

	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	memcpy(a.sun_path, path, strlen(path));
	/* That of a VMM that is no more; of one that runs, the next debugger comes here. */
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	return listen_at((const struct sockaddr *)&a, sizeof(a));
}

static int open_where(struct server *s, const char *where)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	uint64_t number;
	int flags, ret;

	ret = number_behind("fd:", where, INT32_MAX, &number);
	if (ret == 0) {
		flags = fcntl((int)number, F_GETFL);
		if (flags < 0 || fcntl((int)number, F_SETFL, flags | O_NONBLOCK) ||
		    fcntl((int)number, F_SETFD, FD_CLOEXEC))
			return -errno;
		s->connection = (int)number;
		return 0;
	}
	if (ret == -ENOENT)
		ret = number_behind("tcp:", where, UINT16_MAX, &number);
	if (ret == -EINVAL)
		return ret;
	if (ret == 0) {
		a.sin_port = htons((uint16_t)number);
		a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		s->listener = listen_at((const struct sockaddr *)&a, sizeof(a));
	} else {
		s->listener = listen_at_path(where);
	}
	return MIN(s->listener, 0);
}

static int open_all(struct server *s, const struct server_setup *setup)
{
	int ret = open_where(s, setup->where);

	if (ret)
		return ret;
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake < 0)
		return -errno;
	s->control = control_create(setup->machine, setup->partition, setup->vcpu, setup->count,
				    setup->wait, s->wake);
	if (!s->control)
		return -ENOMEM;
	return thread_start(&s->thread, FILTER_DEBUGGER, "debugger", serve, s);
}

struct server *server_open(const struct server_setup *setup, int *error)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s) {
		*error = -ENOMEM;
		return NULL;
	}
	s->machine = setup->machine;
	s->listener = s->connection = s->wake = -1;
	s->target = (struct gdb_target){
		.arg = s,
		.threads = setup->count,
		.get = target_get,
		.set = target_set,
		.read = target_read,
		.write = target_write,
		.point = target_point,
		.resume = target_resume,
		.interrupt = target_interrupt,
		.detach = target_detach,
		.kill = target_kill,
		.send = target_send,
	};
	*error = open_all(s, setup);
	return *error ? NULL : s; /* the process ends then */
}

void server_close(struct server *s, unsigned int code)
{
	uint64_t one = 1;
	ssize_t n;

	s->code = code;
	atomic_store(&s->ending, true);
	control_end(s->control);
	n = write(s->wake, &one, sizeof(one));
	(void)n;
	thread_join(&s->thread);
}
