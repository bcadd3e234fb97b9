/* SPDX-License-Identifier: MIT */
#include "init/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "include/base/base.h"
#include "init/check.h"
#include "init/log.h"

/* Enough for a burst, small enough that one guest cannot hold up the others. */
#define READ_SIZE 4096

void loop_init(struct loop *loop, const struct manifest *manifest, struct console *console)
{
	unsigned int i;

	loop->console = console;
	loop->manifest = manifest;
	loop->on_idle = manifest->on_idle;
	loop->typist = NULL;
	loop->guest_count = manifest->guest_count;
	loop->is_stopping = false;
	loop->is_idle_told = false;
	loop->is_deaf = false;
	loop->ending = SYS_END_POWEROFF;
	loop->turn = 0;
	for (i = 0; i < loop->guest_count; i++) {
		struct loop_guest *guest = &loop->guests[i];
		const char *name = manifest->guests[i].name;
		bool types = manifest->console == (int)i;

		guest->config = &manifest->guests[i];
		guest->pid = 0;
		guest->due_ms = -1;
		guest->fired = false;
		guest->pipes = (struct spawn_pipes){ -1, -1, -1 };
		unit_init(&guest->unit, guest->config->restart, guest->config->on);
		console_guest(&guest->out, name, types);
		console_vmm(&guest->err, name);
		if (types)
			loop->typist = guest;
	}
}

/* ---- guests ---- */

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* What to do about a decision; starting a guest may fail and lead to another. */
static void obey(struct loop *loop, struct loop_guest *guest, struct unit_decision decision);

static void start(struct loop *loop, struct loop_guest *guest)
{
	int64_t now_us = sys_now_us();
	pid_t pid = spawn_vmm(loop->manifest, guest->config, guest == loop->typist, guest->fired,
			      &guest->pipes);

	if (pid > 0) {
		guest->pid = pid;
		log_event("guest %s started (pid %d, at %" PRId64 ".%06d s)", guest->config->name,
			  (int)pid, now_us / 1000000, (int)(now_us % 1000000));
		return;
	}
	log_event("guest %s cannot be started (%s)", guest->config->name, strerror(-pid));
	obey(loop, guest, unit_step(&guest->unit, UNIT_EXIT, UNIT_BAD_HOST, sys_now_ms()));
}

static void obey(struct loop *loop, struct loop_guest *guest, struct unit_decision decision)
{
	guest->due_ms = decision.after_ms < 0 ? -1 : sys_now_ms() + decision.after_ms;
	switch (decision.action) {
	case UNIT_DO_NOTHING:
		return;
	case UNIT_DO_SPAWN:
		start(loop, guest);
		return;
	case UNIT_DO_TERMINATE:
		log_event("guest %s is asked to power off (at most %d s)", guest->config->name,
			  VMMCTL_GRACE_S);
		sys_kill(guest->pid, SIGTERM);
		return;
	case UNIT_DO_KILL:
		log_event("guest %s is ended by force (pid %d)", guest->config->name,
			  (int)guest->pid);
		sys_kill(guest->pid, SIGKILL);
		return;
	case UNIT_DO_PANIC:
		break;
	}
	CHECK(!"an event that cannot happen in this state");
}

/* Read once; true if there may be more. */
static bool carry(struct loop *loop, struct console_source *source, int *fd)
{
	char data[READ_SIZE];
	ssize_t n;

	if (*fd < 0)
		return false;
	n = read(*fd, data, sizeof(data));
	if (n > 0) {
		console_feed(loop->console, source, data, (size_t)n, sys_now_ms());
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_end(fd);
	return false;
}

/* What it wrote before it ended belongs before the line that says so. */
static void read_rest(struct loop *loop, struct loop_guest *guest)
{
	/* A pipe holds 64 KiB; somebody else may keep writing to it. */
	int patience = 2 * 65536 / READ_SIZE;

	bool more = true;

	while (more && patience--) {
		more = carry(loop, &guest->out, &guest->pipes.out);
		more |= carry(loop, &guest->err, &guest->pipes.err);
	}
	console_close(loop->console, &guest->out);
	console_close(loop->console, &guest->err);
	close_end(&guest->pipes.in);
	close_end(&guest->pipes.out);
	close_end(&guest->pipes.err);
}

static void log_end(const struct loop_guest *guest, int status, enum unit_outcome outcome,
		    struct unit_decision decision, bool is_stopping)
{
	const char *name = guest->config->name;
	char text[UNIT_TEXT];

	unit_describe(status, text);
	if (decision.again && decision.after_ms)
		log_event("guest %s ended: %s, restart in %" PRId64 " s", name, text,
			  decision.after_ms / 1000);
	else if (decision.again)
		log_event("guest %s ended: %s, restart now", name, text);
	else if (outcome == UNIT_POWERED_OFF || is_stopping)
		log_event("guest %s ended: %s", name, text);
	else if (outcome == UNIT_BAD_CONFIG)
		log_event("guest %s ended: %s, no restart (it would fail again)", name, text);
	else if (unit_policy(&guest->unit, outcome) == END_POWEROFF)
		log_event("guest %s ended: %s, no restart (%s: poweroff)", name, text,
			  outcome == UNIT_RESET	  ? "on_reset" :
			  outcome == UNIT_CRASHED ? "on_crash" :
						    "on_watchdog");
	else
		log_event("guest %s ended: %s, no restart (restart: %s)", name, text,
			  restart_policy_names[guest->config->restart]);
}

static void reap(struct loop *loop)
{
	unsigned int i;
	int status;
	pid_t pid;

	while ((pid = sys_reap(&status))) {
		for (i = 0; i < loop->guest_count; i++) {
			struct loop_guest *guest = &loop->guests[i];
			struct unit_decision decision;
			enum unit_outcome outcome;

			/* Others are orphans that PID 1 inherited: nothing to do. */
			if (guest->pid != pid)
				continue;
			guest->pid = 0;
			read_rest(loop, guest);
			outcome = unit_outcome_of(status);
			guest->fired = outcome == UNIT_WATCHDOG;
			decision = unit_step(&guest->unit, UNIT_EXIT, outcome, sys_now_ms());
			log_end(guest, status, outcome, decision, loop->is_stopping);
			obey(loop, guest, decision);
			break;
		}
	}
}

/* ---- the end ---- */

static void stop_all(struct loop *loop)
{
	unsigned int i;

	for (i = 0; i < loop->guest_count; i++)
		obey(loop, &loop->guests[i],
		     unit_step(&loop->guests[i].unit, UNIT_STOP, 0, sys_now_ms()));
}

static void request(struct loop *loop, enum sys_ending ending, const char *what)
{
	log_event("%s requested%s", what,
		  loop->is_stopping ? " again (guests are ended by force)" : "");
	loop->is_stopping = true;
	loop->ending = ending;
	stop_all(loop);
}

static void obey_signals(struct loop *loop)
{
	unsigned int signals = sys_signals_take();

	if (signals & SYS_CHILD)
		reap(loop);
	if (signals & SYS_POWEROFF)
		request(loop, SYS_END_POWEROFF, "power off");
	else if (signals & SYS_REBOOT)
		request(loop, SYS_END_REBOOT, "restart");
	else if (signals & SYS_HALT)
		request(loop, SYS_END_HALT, "halt");
}

static bool is_idle(const struct loop *loop)
{
	unsigned int i;

	for (i = 0; i < loop->guest_count; i++) {
		if (loop->guests[i].unit.state != UNIT_ENDED)
			return false;
	}
	return true;
}

/* No guest runs or will run: is that the end? */
static bool is_over(struct loop *loop)
{
	if (!is_idle(loop))
		return false;
	if (loop->is_stopping)
		return true;
	if (!loop->is_idle_told)
		log_event("no guest runs or will run (on_idle: %s)",
			  idle_policy_names[loop->on_idle]);
	loop->is_idle_told = true;
	switch (loop->on_idle) {
	case IDLE_STAY:
		return false;
	case IDLE_POWEROFF:
		loop->ending = SYS_END_POWEROFF;
		return true;
	case IDLE_REBOOT:
		loop->ending = SYS_END_REBOOT;
		return true;
	case IDLE_POLICY_COUNT:
		break;
	}
	CHECK(!"on_idle is none of its values");
	return true;
}

/* ---- waiting ---- */

static void sooner(int64_t *due_ms, int64_t other_ms)
{
	if (other_ms >= 0 && (*due_ms < 0 || other_ms < *due_ms))
		*due_ms = other_ms;
}

/* How long nothing has to be done by the clock; negative: for ever. */
static int64_t time_left_ms(const struct loop *loop)
{
	int64_t due_ms = -1;
	unsigned int i;

	for (i = 0; i < loop->guest_count; i++) {
		sooner(&due_ms, loop->guests[i].due_ms);
		sooner(&due_ms, console_due(&loop->guests[i].out));
		sooner(&due_ms, console_due(&loop->guests[i].err));
	}
	return due_ms < 0 ? -1 : MAX(due_ms - sys_now_ms(), 0);
}

/* Keys go to one guest; while it does not run, or is too slow, they are lost. */
static void read_keys(struct loop *loop)
{
	char keys[256];
	ssize_t n = read(loop->console->fd, keys, sizeof(keys));

	if (n > 0) {
		int fd = loop->typist ? loop->typist->pipes.in : -1;

		if (fd >= 0 && write(fd, keys, (size_t)n) < 0 && errno != EAGAIN)
			close_end(&loop->typist->pipes.in);
		return;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		loop->is_deaf = true;
}

static void wait_for_news(struct loop *loop)
{
	/* The console, then two of each guest; negative ones are not looked at. */
	static struct pollfd fds[1 + 2 * MANIFEST_GUESTS_MAX];
	short events = loop->is_deaf ? 0 : POLLIN;
	unsigned int i;

	if (console_pending(loop->console))
		events |= POLLOUT;
	fds[0] = (struct pollfd){ .fd = events ? loop->console->fd : -1, .events = events };
	for (i = 0; i < loop->guest_count; i++) {
		struct spawn_pipes *pipes = &loop->guests[i].pipes;

		fds[1 + 2 * i] = (struct pollfd){ .fd = pipes->out, .events = POLLIN };
		fds[2 + 2 * i] = (struct pollfd){ .fd = pipes->err, .events = POLLIN };
	}
	if (sys_poll(fds, 1 + 2 * loop->guest_count, time_left_ms(loop)) == 0)
		return;
	if (fds[0].revents & (POLLIN | POLLHUP | POLLERR))
		read_keys(loop);
	for (i = 0; i < loop->guest_count; i++) {
		unsigned int n = (loop->turn + i) % loop->guest_count;
		struct loop_guest *guest = &loop->guests[n];

		if (fds[1 + 2 * n].revents)
			carry(loop, &guest->out, &guest->pipes.out);
		if (fds[2 + 2 * n].revents)
			carry(loop, &guest->err, &guest->pipes.err);
	}
	loop->turn++;
}

static void obey_clock(struct loop *loop)
{
	int64_t now_ms = sys_now_ms();
	unsigned int i;

	for (i = 0; i < loop->guest_count; i++) {
		struct loop_guest *guest = &loop->guests[i];

		console_tick(loop->console, &guest->out, now_ms);
		console_tick(loop->console, &guest->err, now_ms);
		if (guest->due_ms >= 0 && now_ms >= guest->due_ms)
			obey(loop, guest, unit_step(&guest->unit, UNIT_TIMER, 0, now_ms));
	}
}

enum sys_ending loop_run(struct loop *loop)
{
	unsigned int i;

	for (i = 0; i < loop->guest_count; i++)
		obey(loop, &loop->guests[i],
		     unit_step(&loop->guests[i].unit, UNIT_START, 0, sys_now_ms()));
	while (!is_over(loop)) {
		wait_for_news(loop);
		obey_signals(loop);
		obey_clock(loop);
		console_write(loop->console);
	}
	return loop->ending;
}
