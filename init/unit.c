/* SPDX-License-Identifier: MIT */
#include "init/unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "include/abi/vmmctl.h"
#include "include/base/base.h"

#define NO_TIMER (-1)

void unit_init(struct unit *unit, enum restart_policy restart, struct end_policies on)
{
	*unit = (struct unit){ .state = UNIT_NEW, .restart = restart, .on = on };
}

enum end_policy unit_policy(const struct unit *unit, enum unit_outcome outcome)
{
	switch (outcome) {
	case UNIT_RESET:
		return unit->on.reset;
	case UNIT_CRASHED:
		return unit->on.crash;
	case UNIT_WATCHDOG:
		return unit->on.watchdog;
	default:
		return END_AS_RESTART;
	}
}

/*
 * What follows the end of a vmm.  AT_ONCE is what every hypervisor does with a
 * guest that reboots; only a guest that keeps doing it has to wait.
 */
enum sequel { NO_MORE, AT_ONCE, AFTER_A_WHILE };

static const enum sequel
sequels[RESTART_POLICY_COUNT][UNIT_OUTCOME_COUNT] = {
	[RESTART_NEVER] = {
		[UNIT_POWERED_OFF]	= NO_MORE,
		[UNIT_RESET]		= NO_MORE,
		[UNIT_CRASHED]		= NO_MORE,
		[UNIT_WATCHDOG]		= NO_MORE,
		[UNIT_KILLED]		= NO_MORE,
		[UNIT_BAD_HOST]		= NO_MORE,
		[UNIT_INTERNAL]		= NO_MORE,
		[UNIT_BAD_CONFIG]	= NO_MORE,
	},
	[RESTART_ON_FAILURE] = {
		[UNIT_POWERED_OFF]	= NO_MORE,
		[UNIT_RESET]		= AT_ONCE,
		[UNIT_CRASHED]		= AFTER_A_WHILE,
		[UNIT_WATCHDOG]		= AFTER_A_WHILE,
		[UNIT_KILLED]		= AFTER_A_WHILE,
		[UNIT_BAD_HOST]		= AFTER_A_WHILE,
		[UNIT_INTERNAL]		= AFTER_A_WHILE,
		/* Nothing changes by itself in an image: it would fail again. */
		[UNIT_BAD_CONFIG]	= NO_MORE,
	},
	[RESTART_ALWAYS] = {
		[UNIT_POWERED_OFF]	= AFTER_A_WHILE,
		[UNIT_RESET]		= AT_ONCE,
		[UNIT_CRASHED]		= AFTER_A_WHILE,
		[UNIT_WATCHDOG]		= AFTER_A_WHILE,
		[UNIT_KILLED]		= AFTER_A_WHILE,
		[UNIT_BAD_HOST]		= AFTER_A_WHILE,
		[UNIT_INTERNAL]		= AFTER_A_WHILE,
		[UNIT_BAD_CONFIG]	= NO_MORE,
	},
};

static enum sequel sequel_of(const struct unit *unit, enum unit_outcome outcome)
{
	switch (unit_policy(unit, outcome)) {
	case END_RESTART:
		return sequels[RESTART_ALWAYS][outcome];
	case END_POWEROFF:
		return NO_MORE;
	default:
		return sequels[unit->restart][outcome];
	}
}

/* The n-th wait in a row, n from 1: 1 s, 2 s, 4 s, ... 60 s; 0 is no wait. */
static int64_t backoff_ms(unsigned int n)
{
	int64_t wait = UNIT_BACKOFF_FIRST_MS;

	if (n == 0)
		return 0;
	while (--n && wait < UNIT_BACKOFF_LAST_MS)
		wait *= 2;
	return MIN(wait, UNIT_BACKOFF_LAST_MS);
}

static struct unit_decision go(struct unit *unit, enum unit_state state, enum unit_action action,
			       int64_t after_ms)
{
	unit->state = state;
	return (struct unit_decision){ .action = action, .after_ms = after_ms };
}

static struct unit_decision spawn(struct unit *unit, int64_t now_ms)
{
	unit->started_ms = now_ms;
	return go(unit, UNIT_RUNNING, UNIT_DO_SPAWN, NO_TIMER);
}

static struct unit_decision ran_to_end(struct unit *unit, enum unit_outcome outcome, int64_t now_ms)
{
	enum sequel sequel = sequel_of(unit, outcome);
	struct unit_decision decision;
	int64_t wait = 0;

	if (now_ms - unit->started_ms >= UNIT_HEALTHY_MS)
		unit->short_runs = 0;
	unit->short_runs++;

	switch (sequel) {
	case NO_MORE:
		return go(unit, UNIT_ENDED, UNIT_DO_NOTHING, NO_TIMER);
	case AT_ONCE:
		wait = backoff_ms(unit->short_runs - 1);
		break;
	case AFTER_A_WHILE:
		wait = backoff_ms(unit->short_runs);
		break;
	}
	decision = go(unit, UNIT_WAITING, UNIT_DO_NOTHING, wait);
	decision.again = true;
	return decision;
}

static struct unit_decision cannot_happen(struct unit *unit)
{
	return go(unit, unit->state, UNIT_DO_PANIC, NO_TIMER);
}

/*
 * Every event in every state, written out, one function a state.  None has a
 * default: a forgotten event is a compiler warning, not a surprise at night.
 */

static struct unit_decision in_new(struct unit *unit, enum unit_event event, int64_t now_ms)
{
	switch (event) {
	case UNIT_START:
		return spawn(unit, now_ms);
	case UNIT_STOP:
		return go(unit, UNIT_ENDED, UNIT_DO_NOTHING, NO_TIMER);
	case UNIT_TIMER:
	case UNIT_EXIT:
	case UNIT_EVENT_COUNT:
		break;
	}
	return cannot_happen(unit);
}

static struct unit_decision in_running(struct unit *unit, enum unit_event event,
				       enum unit_outcome outcome, int64_t now_ms)
{
	const int64_t patience_ms = (VMMCTL_GRACE_S + VMMCTL_KILL_MARGIN_S) * INT64_C(1000);

	switch (event) {
	case UNIT_EXIT:
		return ran_to_end(unit, outcome, now_ms);
	case UNIT_STOP:
		return go(unit, UNIT_STOPPING, UNIT_DO_TERMINATE, patience_ms);
	case UNIT_START:
	case UNIT_TIMER:
	case UNIT_EVENT_COUNT:
		break;
	}
	return cannot_happen(unit);
}

static struct unit_decision in_waiting(struct unit *unit, enum unit_event event, int64_t now_ms)
{
	switch (event) {
	case UNIT_TIMER:
		return spawn(unit, now_ms);
	case UNIT_STOP:
		return go(unit, UNIT_ENDED, UNIT_DO_NOTHING, NO_TIMER);
	case UNIT_START:
	case UNIT_EXIT:
	case UNIT_EVENT_COUNT:
		break;
	}
	return cannot_happen(unit);
}

static struct unit_decision in_stopping(struct unit *unit, enum unit_event event)
{
	switch (event) {
	case UNIT_TIMER:
	case UNIT_STOP:
		return go(unit, UNIT_KILLING, UNIT_DO_KILL, NO_TIMER);
	case UNIT_EXIT:
		return go(unit, UNIT_ENDED, UNIT_DO_NOTHING, NO_TIMER);
	case UNIT_START:
	case UNIT_EVENT_COUNT:
		break;
	}
	return cannot_happen(unit);
}

static struct unit_decision in_killing(struct unit *unit, enum unit_event event)
{
	switch (event) {
	case UNIT_EXIT:
		return go(unit, UNIT_ENDED, UNIT_DO_NOTHING, NO_TIMER);
	case UNIT_STOP:
		return go(unit, UNIT_KILLING, UNIT_DO_NOTHING, NO_TIMER);
	case UNIT_START:
	case UNIT_TIMER:
	case UNIT_EVENT_COUNT:
		break;
	}
	return cannot_happen(unit);
}

static struct unit_decision in_ended(struct unit *unit, enum unit_event event)
{
	switch (event) {
	case UNIT_STOP:
		return go(unit, UNIT_ENDED, UNIT_DO_NOTHING, NO_TIMER);
	case UNIT_START:
	case UNIT_TIMER:
	case UNIT_EXIT:
	case UNIT_EVENT_COUNT:
		break;
	}
	return cannot_happen(unit);
}

struct unit_decision unit_step(struct unit *unit, enum unit_event event, enum unit_outcome outcome,
			       int64_t now_ms)
{
	switch (unit->state) {
	case UNIT_NEW:
		return in_new(unit, event, now_ms);
	case UNIT_RUNNING:
		return in_running(unit, event, outcome, now_ms);
	case UNIT_WAITING:
		return in_waiting(unit, event, now_ms);
	case UNIT_STOPPING:
		return in_stopping(unit, event);
	case UNIT_KILLING:
		return in_killing(unit, event);
	case UNIT_ENDED:
		return in_ended(unit, event);
	case UNIT_STATE_COUNT:
		break;
	}
	return cannot_happen(unit);
}

/* Signals by which a program ends itself when it is broken. */
static bool is_fault(int signal)
{
	switch (signal) {
	case SIGABRT:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGSEGV:
	case SIGSYS:
	case SIGTRAP:
		return true;
	default:
		return false;
	}
}

enum unit_outcome unit_outcome_of(int wait_status)
{
	if (WIFSIGNALED(wait_status))
		return is_fault(WTERMSIG(wait_status)) ? UNIT_INTERNAL : UNIT_KILLED;
	switch (WEXITSTATUS(wait_status)) {
	case VMMCTL_POWERED_OFF:
		return UNIT_POWERED_OFF;
	case VMMCTL_RESET:
		return UNIT_RESET;
	case VMMCTL_CRASHED:
		return UNIT_CRASHED;
	case VMMCTL_WATCHDOG:
		return UNIT_WATCHDOG;
	case VMMCTL_KILLED:
		return UNIT_KILLED;
	case VMMCTL_BAD_HOST:
		return UNIT_BAD_HOST;
	case VMMCTL_USAGE:
	case VMMCTL_BAD_CONFIG:
	case VMMCTL_NO_EXEC:
		return UNIT_BAD_CONFIG;
	case VMMCTL_INTERNAL:
	default:
		return UNIT_INTERNAL;
	}
}

/* The codes whose name says it all; the others are shown by number. */
static const char *exit_text(int code)
{
	switch (code) {
	case VMMCTL_POWERED_OFF:
		return "powered off";
	case VMMCTL_RESET:
		return "reset requested";
	case VMMCTL_CRASHED:
		return "crashed (triple fault)";
	case VMMCTL_WATCHDOG:
		return "watchdog (no sign of life)";
	case VMMCTL_KILLED:
		return "killed (did not power off in time)";
	case VMMCTL_BAD_HOST:
		return "failed to start (host)";
	case VMMCTL_USAGE:
		return "failed to start (vmm does not know an option)";
	case VMMCTL_BAD_CONFIG:
		return "failed to start (configuration)";
	case VMMCTL_NO_EXEC:
		return "failed to start (" VMMCTL_PATH " cannot be executed)";
	default:
		return NULL;
	}
}

const char *unit_describe(int wait_status, char text[UNIT_TEXT])
{
	const char *known;

	if (WIFSIGNALED(wait_status)) {
		int signal = WTERMSIG(wait_status);

		snprintf(text, UNIT_TEXT, "%s (signal %d)",
			 is_fault(signal) ? "vmm failed" : "killed", signal);
		return text;
	}
	known = exit_text(WEXITSTATUS(wait_status));
	if (known)
		snprintf(text, UNIT_TEXT, "%s", known);
	else
		snprintf(text, UNIT_TEXT, "vmm failed (exit code %d)", WEXITSTATUS(wait_status));
	return text;
}
