/* SPDX-License-Identifier: MIT */
/* The life of a guest: every event in every state, every outcome and policy. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "include/abi/vmmctl.h"
#include "include/base/base.h"
#include "init/unit.h"

#define EXIT_CODE(code)	  ((code) << 8)
#define BY_SIGNAL(signal) (signal)
#define PATIENCE_MS	  ((VMMCTL_GRACE_S + VMMCTL_KILL_MARGIN_S) * 1000)

static const struct end_policies as_restart = { END_AS_RESTART, END_AS_RESTART, END_AS_RESTART };

/* What each pair leads to, written down a second time and independently. */
static const struct {
	enum unit_state next;
	enum unit_action action;
	int64_t after_ms;
} expected[UNIT_STATE_COUNT][UNIT_EVENT_COUNT] = {
#define NEVER                           \
	{                               \
		.action = UNIT_DO_PANIC \
	}
	[UNIT_NEW] = {
		[UNIT_START] = { UNIT_RUNNING, UNIT_DO_SPAWN, -1 },
		[UNIT_TIMER] = NEVER,
		[UNIT_EXIT] = NEVER,
		[UNIT_STOP] = { UNIT_ENDED, UNIT_DO_NOTHING, -1 },
	},
	[UNIT_RUNNING] = {
		[UNIT_START] = NEVER,
		[UNIT_TIMER] = NEVER,
		[UNIT_EXIT] = { UNIT_WAITING, UNIT_DO_NOTHING, 1000 },
		[UNIT_STOP] = { UNIT_STOPPING, UNIT_DO_TERMINATE, PATIENCE_MS },
	},
	[UNIT_WAITING] = {
		[UNIT_START] = NEVER,
		[UNIT_TIMER] = { UNIT_RUNNING, UNIT_DO_SPAWN, -1 },
		[UNIT_EXIT] = NEVER,
		[UNIT_STOP] = { UNIT_ENDED, UNIT_DO_NOTHING, -1 },
	},
	[UNIT_STOPPING] = {
		[UNIT_START] = NEVER,
		[UNIT_TIMER] = { UNIT_KILLING, UNIT_DO_KILL, -1 },
		[UNIT_EXIT] = { UNIT_ENDED, UNIT_DO_NOTHING, -1 },
		[UNIT_STOP] = { UNIT_KILLING, UNIT_DO_KILL, -1 },
	},
	[UNIT_KILLING] = {
		[UNIT_START] = NEVER,
		[UNIT_TIMER] = NEVER,
		[UNIT_EXIT] = { UNIT_ENDED, UNIT_DO_NOTHING, -1 },
		[UNIT_STOP] = { UNIT_KILLING, UNIT_DO_NOTHING, -1 },
	},
	[UNIT_ENDED] = {
		[UNIT_START] = NEVER,
		[UNIT_TIMER] = NEVER,
		[UNIT_EXIT] = NEVER,
		[UNIT_STOP] = { UNIT_ENDED, UNIT_DO_NOTHING, -1 },
	},
#undef NEVER
};

static void every_pair(void **state)
{
	int s, e;

	(void)state;
	for (s = 0; s < UNIT_STATE_COUNT; s++) {
		for (e = 0; e < UNIT_EVENT_COUNT; e++) {
			struct unit unit;
			struct unit_decision got;

			unit_init(&unit, RESTART_ALWAYS, as_restart);
			unit.state = (enum unit_state)s;
			got = unit_step(&unit, (enum unit_event)e, UNIT_CRASHED, 5000);
			assert_int_equal(got.action, expected[s][e].action);
			if (got.action == UNIT_DO_PANIC) {
				assert_int_equal(unit.state, s);
				continue;
			}
			assert_int_equal(unit.state, expected[s][e].next);
			assert_int_equal(got.after_ms, expected[s][e].after_ms);
		}
	}
}

/* -1: never again; else the wait in ms after a first short run. */
static const int sequel[RESTART_POLICY_COUNT][UNIT_OUTCOME_COUNT] = {
	/*			   off  reset crash dog   kill  host  vmm   config */
	[RESTART_NEVER] = { -1, -1, -1, -1, -1, -1, -1, -1 },
	[RESTART_ON_FAILURE] = { -1, 0, 1000, 1000, 1000, 1000, 1000, -1 },
	[RESTART_ALWAYS] = { 1000, 0, 1000, 1000, 1000, 1000, 1000, -1 },
};

static void every_policy(void **state)
{
	int p, o;

	(void)state;
	for (p = 0; p < RESTART_POLICY_COUNT; p++) {
		for (o = 0; o < UNIT_OUTCOME_COUNT; o++) {
			struct unit unit;
			struct unit_decision got;

			unit_init(&unit, (enum restart_policy)p, as_restart);
			unit_step(&unit, UNIT_START, 0, 0);
			got = unit_step(&unit, UNIT_EXIT, (enum unit_outcome)o, 100);
			assert_int_equal(got.after_ms, sequel[p][o]);
			assert_int_equal(got.again, sequel[p][o] >= 0);
			assert_int_equal(unit.state, sequel[p][o] >= 0 ? UNIT_WAITING : UNIT_ENDED);
		}
	}
}

/* restart and poweroff win over the general policy; what the vmm does is not init's. */
static void policies_of_ends(void **state)
{
	static const struct {
		enum unit_outcome outcome;
		size_t field;
		int restarted_ms;
	} ends[] = {
		{ UNIT_RESET, offsetof(struct end_policies, reset), 0 },
		{ UNIT_CRASHED, offsetof(struct end_policies, crash), 1000 },
		{ UNIT_WATCHDOG, offsetof(struct end_policies, watchdog), 1000 },
	};

	(void)state;
	for (int p = 0; p < RESTART_POLICY_COUNT; p++) {
		for (int on = 0; on < END_POLICY_COUNT; on++) {
			for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
				struct end_policies policies = as_restart;
				int want = on == END_RESTART  ? ends[i].restarted_ms :
					   on == END_POWEROFF ? -1 :
								sequel[p][ends[i].outcome];
				struct unit unit;

				*(enum end_policy *)((char *)&policies + ends[i].field) =
					(enum end_policy)on;
				for (int o = 0; o < UNIT_OUTCOME_COUNT; o++) {
					bool meant = o == (int)ends[i].outcome;

					unit_init(&unit, (enum restart_policy)p, policies);
					assert_int_equal(unit_policy(&unit, (enum unit_outcome)o),
							 meant ? on : END_AS_RESTART);
					unit_step(&unit, UNIT_START, 0, 0);
					assert_int_equal(unit_step(&unit, UNIT_EXIT,
								   (enum unit_outcome)o, 100)
								 .after_ms,
							 meant ? want : sequel[p][o]);
				}
			}
		}
	}
}

/* Run once for run_ms, end with outcome; the wait that follows. */
static int64_t wait_after(struct unit *unit, int64_t *now_ms, int64_t run_ms,
			  enum unit_outcome outcome)
{
	struct unit_decision got;

	got = unit_step(unit, unit->state == UNIT_NEW ? UNIT_START : UNIT_TIMER, 0, *now_ms);
	assert_int_equal(got.action, UNIT_DO_SPAWN);
	*now_ms += run_ms;
	got = unit_step(unit, UNIT_EXIT, outcome, *now_ms);
	*now_ms += got.after_ms;
	return got.after_ms;
}

static void backoff_doubles_to_a_minute(void **state)
{
	static const int64_t waits[] = { 1000,	2000,  4000,  8000, 16000,
					 32000, 60000, 60000, 60000 };
	struct unit unit;
	int64_t now_ms = 12345;
	size_t i;

	(void)state;
	unit_init(&unit, RESTART_ON_FAILURE, as_restart);
	for (i = 0; i < ARRAY_SIZE(waits); i++)
		assert_int_equal(wait_after(&unit, &now_ms, 500, UNIT_CRASHED), waits[i]);
	/* Enough short runs to overflow anything that is not bounded. */
	for (i = 0; i < 100000; i++)
		assert_int_equal(wait_after(&unit, &now_ms, 0, UNIT_CRASHED), 60000);
}

static void health_ends_the_backoff(void **state)
{
	struct unit unit;
	int64_t now_ms = 0;

	(void)state;
	unit_init(&unit, RESTART_ON_FAILURE, as_restart);
	assert_int_equal(wait_after(&unit, &now_ms, 0, UNIT_CRASHED), 1000);
	assert_int_equal(wait_after(&unit, &now_ms, 0, UNIT_CRASHED), 2000);
	assert_int_equal(wait_after(&unit, &now_ms, UNIT_HEALTHY_MS - 1, UNIT_CRASHED), 4000);
	assert_int_equal(wait_after(&unit, &now_ms, UNIT_HEALTHY_MS, UNIT_CRASHED), 1000);
}

static void a_reset_loop_is_slowed_down(void **state)
{
	struct unit unit;
	int64_t now_ms = 0;

	(void)state;
	unit_init(&unit, RESTART_ON_FAILURE, as_restart);
	assert_int_equal(wait_after(&unit, &now_ms, 100, UNIT_RESET), 0);
	assert_int_equal(wait_after(&unit, &now_ms, 100, UNIT_RESET), 1000);
	assert_int_equal(wait_after(&unit, &now_ms, 100, UNIT_RESET), 2000);
	assert_int_equal(wait_after(&unit, &now_ms, UNIT_HEALTHY_MS, UNIT_RESET), 0);
}

static void no_restart_while_stopping(void **state)
{
	struct unit unit;
	struct unit_decision got;

	(void)state;
	unit_init(&unit, RESTART_ALWAYS, as_restart);
	unit_step(&unit, UNIT_START, 0, 0);
	unit_step(&unit, UNIT_STOP, 0, 10);
	got = unit_step(&unit, UNIT_EXIT, UNIT_CRASHED, 20);
	assert_false(got.again);
	assert_int_equal(unit.state, UNIT_ENDED);
}

static void exit_codes(void **state)
{
	static const struct {
		int status;
		enum unit_outcome outcome;
		const char *text;
	} cases[] = {
		{ EXIT_CODE(VMMCTL_POWERED_OFF), UNIT_POWERED_OFF, "powered off" },
		{ EXIT_CODE(VMMCTL_INTERNAL), UNIT_INTERNAL, "vmm failed (exit code 1)" },
		{ EXIT_CODE(VMMCTL_USAGE), UNIT_BAD_CONFIG,
		  "failed to start (vmm does not know an option)" },
		{ EXIT_CODE(VMMCTL_BAD_CONFIG), UNIT_BAD_CONFIG,
		  "failed to start (configuration)" },
		{ EXIT_CODE(VMMCTL_BAD_HOST), UNIT_BAD_HOST, "failed to start (host)" },
		{ EXIT_CODE(VMMCTL_RESET), UNIT_RESET, "reset requested" },
		{ EXIT_CODE(VMMCTL_CRASHED), UNIT_CRASHED, "crashed (triple fault)" },
		{ EXIT_CODE(VMMCTL_WATCHDOG), UNIT_WATCHDOG, "watchdog (no sign of life)" },
		{ EXIT_CODE(VMMCTL_KILLED), UNIT_KILLED, "killed (did not power off in time)" },
		{ EXIT_CODE(VMMCTL_NO_EXEC), UNIT_BAD_CONFIG,
		  "failed to start (/sbin/vmm cannot be executed)" },
		{ EXIT_CODE(99), UNIT_INTERNAL, "vmm failed (exit code 99)" },
		{ EXIT_CODE(255), UNIT_INTERNAL, "vmm failed (exit code 255)" },
		{ BY_SIGNAL(SIGKILL), UNIT_KILLED, "killed (signal 9)" },
		{ BY_SIGNAL(SIGTERM), UNIT_KILLED, "killed (signal 15)" },
		{ BY_SIGNAL(SIGABRT), UNIT_INTERNAL, "vmm failed (signal 6)" },
		{ BY_SIGNAL(SIGSEGV), UNIT_INTERNAL, "vmm failed (signal 11)" },
		{ BY_SIGNAL(SIGSYS), UNIT_INTERNAL, "vmm failed (signal 31)" },
		/* With a core dump. */
		{ BY_SIGNAL(SIGSEGV) | 0x80, UNIT_INTERNAL, "vmm failed (signal 11)" },
	};
	char text[UNIT_TEXT];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(unit_outcome_of(cases[i].status), cases[i].outcome);
		assert_string_equal(unit_describe(cases[i].status, text), cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair),
		cmocka_unit_test(every_policy),
		cmocka_unit_test(policies_of_ends),
		cmocka_unit_test(backoff_doubles_to_a_minute),
		cmocka_unit_test(health_ends_the_backoff),
		cmocka_unit_test(a_reset_loop_is_slowed_down),
		cmocka_unit_test(no_restart_while_stopping),
		cmocka_unit_test(exit_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
