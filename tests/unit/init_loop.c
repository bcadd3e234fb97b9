/* SPDX-License-Identifier: MIT */
/*
 * The life of a machine with scripted guests.  Time, signals and children are
 * made up here (a second lasts no time at all); pipes and the console are real.
 *
 * A script is a list of things that happen at a time; the fake sys_poll() makes
 * time jump to the next of them.  What init then does is read from its log and
 * from what it did to the children.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "include/abi/vmmctl.h"
#include "include/base/base.h"
#include "init/check.h"
#include "init/log.h"
#include "init/loop.h"

#define EXIT_CODE(code) ((code) << 8)

struct happening {
	int64_t at_ms;
	void (*what)(int child, const char *text, int number);
	int child; /* counted in the order of starts, from 0 */
	const char *text;
	int number;
};

struct child {
	pid_t pid;
	const char *name;
	int in, out, err; /* the vmm's ends */
	bool fired;
	bool is_alive;
};

static struct world {
	int64_t now_ms;
	unsigned int signals;
	const struct happening *script;
	size_t next, count;
	struct child children[64];
	int child_count;
	int fail_spawns;
	/* Ended, not reaped yet. */
	pid_t dead[64];
	int dead_status[64];
	int dead_count;
	/* "TERM tiny", "KILL tiny", ... */
	char kills[1024];
	int terminal;
	char screen[65536];
	size_t shown;
} world;

static struct console console;
static struct manifest manifest;
static struct loop loop;

_Noreturn void check_failed(const char *file, int line, const char *what)
{
	print_error("%s:%d: CHECK(%s)\n", file, line, what);
	_fail(file, line);
	__builtin_unreachable();
}

/* ---- the machine ---- */

int64_t sys_now_ms(void)
{
	return world.now_ms;
}

int64_t sys_now_us(void)
{
	return world.now_ms * 1000;
}

unsigned int sys_signals_take(void)
{
	unsigned int taken = world.signals;

	world.signals = 0;
	return taken;
}

pid_t sys_reap(int *wait_status)
{
	pid_t pid;

	if (!world.dead_count)
		return 0;
	pid = world.dead[0];
	*wait_status = world.dead_status[0];
	world.dead_count--;
	memmove(world.dead, world.dead + 1, sizeof(world.dead) - sizeof(world.dead[0]));
	memmove(world.dead_status, world.dead_status + 1,
		sizeof(world.dead_status) - sizeof(world.dead_status[0]));
	return pid;
}

static void look_at_screen(void)
{
	ssize_t n;

	while ((n = read(world.terminal, world.screen + world.shown,
			 sizeof(world.screen) - 1 - world.shown)) > 0)
		world.shown += (size_t)n;
	world.screen[world.shown] = '\0';
}

int sys_poll(struct pollfd *fds, nfds_t count, int64_t timeout_ms)
{
	const struct happening *next;
	int ready;

	look_at_screen();
	ready = poll(fds, count, 0);
	if (ready > 0 || world.signals)
		return ready;
	next = world.next < world.count ? &world.script[world.next] : NULL;
	if (timeout_ms >= 0 && (!next || world.now_ms + timeout_ms < next->at_ms)) {
		world.now_ms += timeout_ms;
		return 0;
	}
	/* Waiting for ever although nothing will ever happen. */
	assert_non_null(next);
	world.now_ms = MAX(world.now_ms, next->at_ms);
	world.next++;
	next->what(next->child, next->text, next->number);
	return poll(fds, count, 0);
}

static void bury(struct child *child, int status)
{
	assert_true(child->is_alive);
	child->is_alive = false;
	close(child->out);
	close(child->err);
	if (child->in >= 0)
		close(child->in);
	world.dead[world.dead_count] = child->pid;
	world.dead_status[world.dead_count++] = status;
	world.signals |= SYS_CHILD;
}

int sys_kill(pid_t pid, int signal)
{
	int i;

	for (i = 0; i < world.child_count; i++) {
		struct child *child = &world.children[i];

		if (child->pid != pid)
			continue;
		assert_true(child->is_alive);
		snprintf(world.kills + strlen(world.kills),
			 sizeof(world.kills) - strlen(world.kills), "%s %s\n",
			 signal == SIGTERM ? "TERM" : "KILL", child->name);
		if (signal == SIGKILL)
			bury(child, SIGKILL);
		return 0;
	}
	fail_msg("signal to %d, who is no child", (int)pid);
	return -ESRCH;
}

pid_t spawn_vmm(const struct manifest *m, const struct manifest_guest *guest, bool types,
		bool fired, struct spawn_pipes *pipes)
{
	struct child *child = &world.children[world.child_count];
	int in[2] = { -1, -1 }, out[2], err[2];

	assert_ptr_equal(guest, &m->guests[guest - m->guests]);
	assert_true((size_t)(guest - m->guests) < m->guest_count);
	if (world.fail_spawns) {
		world.fail_spawns--;
		return -EAGAIN;
	}
	if (types)
		assert_int_equal(pipe2(in, O_NONBLOCK), 0);
	assert_int_equal(pipe2(out, O_NONBLOCK), 0);
	assert_int_equal(pipe2(err, O_NONBLOCK), 0);
	*child = (struct child){
		.pid = 100 + world.child_count,
		.name = guest->name,
		.in = in[0],
		.out = out[1],
		.err = err[1],
		.fired = fired,
		.is_alive = true,
	};
	*pipes = (struct spawn_pipes){ .in = in[1], .out = out[0], .err = err[0] };
	world.child_count++;
	return child->pid;
}

/* ---- things that happen ---- */

static void says(int child, const char *text, int number)
{
	(void)number;
	assert_int_equal(write(world.children[child].out, text, strlen(text)), strlen(text));
}

static void vmm_says(int child, const char *text, int number)
{
	(void)number;
	assert_int_equal(write(world.children[child].err, text, strlen(text)), strlen(text));
}

static void ends(int child, const char *text, int status)
{
	(void)text;
	assert_true(child < world.child_count);
	bury(&world.children[child], status);
}

static void signals(int child, const char *text, int number)
{
	(void)child;
	(void)text;
	world.signals |= (unsigned int)number;
}

static void types(int child, const char *text, int number)
{
	(void)child;
	(void)number;
	assert_int_equal(write(world.terminal, text, strlen(text)), strlen(text));
}

/* The child finds this on its standard input. */
static void reads(int child, const char *text, int number)
{
	char got[64] = "";
	ssize_t n = read(world.children[child].in, got, sizeof(got) - 1);

	(void)number;
	assert_int_equal(n, strlen(text));
	assert_string_equal(got, text);
}

static void orphan_ends(int child, const char *text, int number)
{
	(void)child;
	(void)text;
	(void)number;
	world.dead[world.dead_count] = 4711;
	world.dead_status[world.dead_count++] = 0;
	world.signals |= SYS_CHILD;
}

/* ---- running a script ---- */

static int setup(void **state)
{
	int fds[2];

	(void)state;
	memset(&world, 0, sizeof(world));
	memset(&manifest, 0, sizeof(manifest));
	manifest.console = MANIFEST_NOBODY;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds))
		return -1;
	world.terminal = fds[1];
	console_init(&console, fds[0]);
	log_to(&console);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(world.terminal);
	close(console.fd);
	return 0;
}

static void add_guest(const char *name, enum restart_policy restart)
{
	manifest.guests[manifest.guest_count++] =
		(struct manifest_guest){ .name = name, .restart = restart, .cpus.count = 1 };
}

static enum sys_ending run(const struct happening *script, size_t count)
{
	enum sys_ending ending;
	int i;

	world.script = script;
	world.count = count;
	loop_init(&loop, &manifest, &console);
	ending = loop_run(&loop);
	console_write(&console);
	look_at_screen();
	assert_int_equal(world.next, count);
	for (i = 0; i < world.child_count; i++)
		assert_false(world.children[i].is_alive);
	return ending;
}

#define RUN(...)                                       \
	run((const struct happening[]){ __VA_ARGS__ }, \
	    ARRAY_SIZE(((const struct happening[]){ __VA_ARGS__ })))

/* ---- tests ---- */

static void a_guest_runs_and_the_machine_ends(void **state)
{
	(void)state;
	add_guest("tiny", RESTART_NEVER);
	manifest.on_idle = IDLE_POWEROFF;
	assert_int_equal(RUN({ 10, vmm_says, 0, "vmm: ready\n", 0 },
			     { 20, says, 0, "Linux\r\n", 0 }, { 30, says, 0, "bye", 0 },
			     { 30, ends, 0, NULL, EXIT_CODE(VMMCTL_POWERED_OFF) }),
			 SYS_END_POWEROFF);
	assert_string_equal(world.screen, "init: guest tiny started (pid 100, at 0.000000 s)\n"
					  "vmm tiny: ready\n"
					  "[tiny] Linux\n"
					  "[tiny] bye\n"
					  "init: guest tiny ended: powered off\n"
					  "init: no guest runs or will run (on_idle: poweroff)\n");
}

static void guests_start_in_manifest_order(void **state)
{
	(void)state;
	add_guest("c", RESTART_NEVER);
	add_guest("a", RESTART_NEVER);
	add_guest("b", RESTART_NEVER);
	manifest.on_idle = IDLE_REBOOT;
	assert_int_equal(RUN({ 1, ends, 1, NULL, 0 }, { 2, ends, 0, NULL, 0 },
			     { 3, ends, 2, NULL, 0 }),
			 SYS_END_REBOOT);
	assert_string_equal(world.children[0].name, "c");
	assert_string_equal(world.children[1].name, "a");
	assert_string_equal(world.children[2].name, "b");
}

static void a_crash_is_followed_by_a_restart(void **state)
{
	(void)state;
	add_guest("web", RESTART_ON_FAILURE);
	manifest.on_idle = IDLE_POWEROFF;
	RUN({ 500, ends, 0, NULL, EXIT_CODE(VMMCTL_CRASHED) },
	    /* 500 + 1000: started again.  A reset needs no wait, but loops do. */
	    { 2000, ends, 1, NULL, SIGKILL }, { 5000, ends, 2, NULL, EXIT_CODE(VMMCTL_BAD_HOST) },
	    { 70000, ends, 3, NULL, EXIT_CODE(VMMCTL_RESET) },
	    { 70500, ends, 4, NULL, EXIT_CODE(VMMCTL_POWERED_OFF) });
	assert_string_equal(world.screen,
			    "init: guest web started (pid 100, at 0.000000 s)\n"
			    "init: guest web ended: crashed (triple fault), restart in 1 s\n"
			    "init: guest web started (pid 101, at 1.500000 s)\n"
			    "init: guest web ended: killed (signal 9), restart in 2 s\n"
			    "init: guest web started (pid 102, at 4.000000 s)\n"
			    "init: guest web ended: failed to start (host), restart in 4 s\n"
			    "init: guest web started (pid 103, at 9.000000 s)\n"
			    "init: guest web ended: reset requested, restart now\n"
			    "init: guest web started (pid 104, at 70.000000 s)\n"
			    "init: guest web ended: powered off\n"
			    "init: no guest runs or will run (on_idle: poweroff)\n");
}

/* The guest can ask why it was started; and what was said about ends is said. */
static void a_watchdog_fires(void **state)
{
	static const bool fired[] = { false, true, false, true };

	(void)state;
	add_guest("web", RESTART_NEVER);
	manifest.guests[0].on = (struct end_policies){ END_AS_RESTART, END_POWEROFF, END_RESTART };
	manifest.on_idle = IDLE_POWEROFF;
	manifest.guests[0].on.reset = END_RESTART;
	RUN({ 500, ends, 0, NULL, EXIT_CODE(VMMCTL_WATCHDOG) },
	    { 2000, ends, 1, NULL, EXIT_CODE(VMMCTL_RESET) },
	    { 70000, ends, 2, NULL, EXIT_CODE(VMMCTL_WATCHDOG) },
	    { 140000, ends, 3, NULL, EXIT_CODE(VMMCTL_CRASHED) });
	assert_int_equal(world.child_count, 4);
	for (int i = 0; i < world.child_count; i++)
		assert_int_equal(world.children[i].fired, fired[i]);
	assert_string_equal(
		world.screen,
		"init: guest web started (pid 100, at 0.000000 s)\n"
		"init: guest web ended: watchdog (no sign of life), restart in 1 s\n"
		"init: guest web started (pid 101, at 1.500000 s)\n"
		"init: guest web ended: reset requested, restart in 1 s\n"
		"init: guest web started (pid 102, at 3.000000 s)\n"
		"init: guest web ended: watchdog (no sign of life), restart in 1 s\n"
		"init: guest web started (pid 103, at 71.000000 s)\n"
		"init: guest web ended: crashed (triple fault), no restart (on_crash: poweroff)\n"
		"init: no guest runs or will run (on_idle: poweroff)\n");
}

static void others_do_not_notice(void **state)
{
	(void)state;
	add_guest("a", RESTART_NEVER);
	add_guest("b", RESTART_NEVER);
	manifest.on_idle = IDLE_POWEROFF;
	RUN({ 10, ends, 0, NULL, SIGKILL }, { 20, says, 1, "alive\n", 0 },
	    { 30, ends, 1, NULL, EXIT_CODE(VMMCTL_BAD_CONFIG) });
	assert_non_null(strstr(world.screen,
			       "init: guest a ended: killed (signal 9), no restart "
			       "(restart: never)\n[b] alive\n"
			       "init: guest b ended: failed to start (configuration), no restart "
			       "(it would fail again)\n"));
}

static void a_vmm_that_cannot_be_started(void **state)
{
	(void)state;
	add_guest("a", RESTART_NEVER);
	add_guest("b", RESTART_ALWAYS);
	manifest.on_idle = IDLE_POWEROFF;
	world.fail_spawns = 3;
	/* a never; b at 0 s, 1 s, and 3 s, which works. */
	RUN({ 4000, signals, 0, NULL, SYS_POWEROFF },
	    { 4100, ends, 0, NULL, EXIT_CODE(VMMCTL_POWERED_OFF) });
	assert_int_equal(world.child_count, 1);
	assert_non_null(strstr(world.screen, "init: guest a cannot be started"));
	assert_non_null(strstr(world.screen, "init: guest b started (pid 100, at 3.000000 s)\n"));
}

static void a_request_presses_every_power_button(void **state)
{
	(void)state;
	add_guest("good", RESTART_ALWAYS);
	add_guest("stubborn", RESTART_ALWAYS);
	add_guest("waiting", RESTART_ALWAYS);
	assert_int_equal(RUN({ 500, ends, 2, NULL, EXIT_CODE(VMMCTL_CRASHED) },
			     { 1000, signals, 0, NULL, SYS_REBOOT },
			     { 2000, ends, 0, NULL, EXIT_CODE(VMMCTL_POWERED_OFF) }),
			 SYS_END_REBOOT);
	assert_string_equal(world.kills, "TERM good\nTERM stubborn\nKILL stubborn\n");
	assert_int_equal(world.now_ms, 1000 + (VMMCTL_GRACE_S + VMMCTL_KILL_MARGIN_S) * 1000);
	assert_int_equal(world.child_count, 3);
	assert_non_null(strstr(world.screen, "init: restart requested\n"));
	assert_non_null(strstr(world.screen, "init: guest good ended: powered off\n"));
	assert_non_null(strstr(world.screen, "init: guest stubborn ended: killed (signal 9)\n"));
}

static void a_second_request_is_in_a_hurry(void **state)
{
	(void)state;
	add_guest("stubborn", RESTART_NEVER);
	/* The last one says how. */
	assert_int_equal(RUN({ 1000, signals, 0, NULL, SYS_POWEROFF },
			     { 2000, signals, 0, NULL, SYS_HALT }),
			 SYS_END_HALT);
	assert_string_equal(world.kills, "TERM stubborn\nKILL stubborn\n");
	assert_int_equal(world.now_ms, 2000);
}

static void an_idle_machine_may_stay(void **state)
{
	(void)state;
	add_guest("a", RESTART_NEVER);
	manifest.on_idle = IDLE_STAY;
	assert_int_equal(RUN({ 10, ends, 0, NULL, 0 }, { 5000, orphan_ends, 0, NULL, 0 },
			     { 86400000, signals, 0, NULL, SYS_POWEROFF }),
			 SYS_END_POWEROFF);
	assert_int_equal(world.now_ms, 86400000);
	/* Said once, not at every turn. */
	assert_string_equal(strstr(world.screen, "init: no guest"),
			    "init: no guest runs or will run (on_idle: stay)\n"
			    "init: power off requested\n");
}

static void no_guests_at_all(void **state)
{
	(void)state;
	manifest.on_idle = IDLE_POWEROFF;
	world.script = NULL;
	loop_init(&loop, &manifest, &console);
	assert_int_equal(loop_run(&loop), SYS_END_POWEROFF);
}

static void keys_reach_the_console_guest_only(void **state)
{
	(void)state;
	add_guest("a", RESTART_NEVER);
	add_guest("b", RESTART_ALWAYS);
	manifest.console = 1;
	assert_int_equal(RUN({ 10, types, 0, "ls\r", 0 }, { 20, reads, 1, "ls\r", 0 },
			     { 30, says, 1, "# ", 0 },
			     { 40, ends, 1, NULL, EXIT_CODE(VMMCTL_RESET) },
			     /* The next run of the same guest. */
			     { 50, types, 0, "\003", 0 }, { 60, reads, 2, "\003", 0 },
			     { 70, signals, 0, NULL, SYS_POWEROFF }, { 80, ends, 0, NULL, 0 },
			     { 80, ends, 2, NULL, 0 }),
			 SYS_END_POWEROFF);
	assert_int_equal(world.children[0].in, -1);
	assert_non_null(strstr(world.screen, "[b] # \ninit: guest b ended: reset requested"));
}

static void keys_for_nobody_are_lost(void **state)
{
	(void)state;
	add_guest("a", RESTART_NEVER);
	RUN({ 10, types, 0, "hello\r", 0 }, { 20, signals, 0, NULL, SYS_POWEROFF },
	    { 30, ends, 0, NULL, 0 });
	assert_null(strstr(world.screen, "hello"));
}

static void a_guest_that_does_not_read_stops_nobody(void **state)
{
	static char much[4000];
	static struct happening script[100];
	size_t i;

	(void)state;
	memset(much, 'x', sizeof(much) - 1);
	add_guest("deaf", RESTART_NEVER);
	manifest.console = 0;
	for (i = 0; i < ARRAY_SIZE(script) - 2; i++)
		script[i] = (struct happening){ (int64_t)i, types, 0, much, 0 };
	script[i++] = (struct happening){ 1000, signals, 0, NULL, SYS_POWEROFF };
	script[i++] = (struct happening){ 1001, ends, 0, NULL, 0 };
	assert_int_equal(run(script, i), SYS_END_POWEROFF);
}

static void a_terminal_that_hangs_up(void **state)
{
	(void)state;
	add_guest("a", RESTART_NEVER);
	manifest.on_idle = IDLE_POWEROFF;
	shutdown(world.terminal, SHUT_WR);
	assert_int_equal(RUN({ 10, says, 0, "x\n", 0 }, { 20, ends, 0, NULL, 0 }),
			 SYS_END_POWEROFF);
	assert_true(loop.is_deaf);
	assert_non_null(strstr(world.screen, "[a] x\n"));
}

static void orphans_are_reaped(void **state)
{
	(void)state;
	add_guest("a", RESTART_NEVER);
	manifest.on_idle = IDLE_POWEROFF;
	RUN({ 10, orphan_ends, 0, NULL, 0 }, { 20, ends, 0, NULL, 0 });
	assert_int_equal(world.dead_count, 0);
}

static void a_prompt_is_shown_in_time(void **state)
{
	(void)state;
	add_guest("a", RESTART_NEVER);
	manifest.on_idle = IDLE_POWEROFF;
	RUN({ 10, says, 0, "login: ", 0 }, { 10 + 2 * CONSOLE_PATIENCE_MS, says, 0, "root\n", 0 },
	    { 10 + 2 * CONSOLE_PATIENCE_MS, ends, 0, NULL, 0 });
	assert_non_null(strstr(world.screen, "[a] login: root\n"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_guest_runs_and_the_machine_ends),
		TEST(guests_start_in_manifest_order),
		TEST(a_crash_is_followed_by_a_restart),
		TEST(a_watchdog_fires),
		TEST(others_do_not_notice),
		TEST(a_vmm_that_cannot_be_started),
		TEST(a_request_presses_every_power_button),
		TEST(a_second_request_is_in_a_hurry),
		TEST(an_idle_machine_may_stay),
		TEST(no_guests_at_all),
		TEST(keys_reach_the_console_guest_only),
		TEST(keys_for_nobody_are_lost),
		TEST(a_guest_that_does_not_read_stops_nobody),
		TEST(a_terminal_that_hangs_up),
		TEST(orphans_are_reaped),
		TEST(a_prompt_is_shown_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
