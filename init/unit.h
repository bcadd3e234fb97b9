/* SPDX-License-Identifier: MIT */
/*
 * The life of one guest as a state machine without any input or output: what
 * happened goes in, what to do about it comes out.  loop.c feeds it and obeys.
 *
 *                START              EXIT, ended for good
 *       NEW ---------------> RUNNING ------------------> ENDED
 *        |                   |  ^  |                       ^
 *        |   EXIT, to be     |  |  | STOP                  |
 *        |   started again   v  |  v         TIMER         |
 *        |              WAITING |  STOPPING ------> KILLING
 *        |                |  |__|      |    (STOP)     |   |
 *        | STOP           |  TIMER     | EXIT          |   |
 *        +----------------+------------+---------------+---+
 *
 * All functions are pure apart from the unit they are given; PID 1 has one
 * thread.
 */
#ifndef INIT_UNIT_H
#define INIT_UNIT_H

#include <stdbool.h>
#include <stdint.h>

#include "init/policy.h"

enum unit_state {
	UNIT_NEW,      /* in the manifest, not started yet */
	UNIT_RUNNING,  /* its vmm lives */
	UNIT_WAITING,  /* ended, to be started again when the timer says */
	UNIT_STOPPING, /* power button pressed, grace time runs */
	UNIT_KILLING,  /* SIGKILL sent */
	UNIT_ENDED,    /* will not run again */
	UNIT_STATE_COUNT,
};

enum unit_event {
	UNIT_START, /* the machine is up: start for the first time */
	UNIT_TIMER, /* the time asked for in unit_decision.after_ms */
	UNIT_EXIT,  /* the vmm ended, or could not be started */
	UNIT_STOP,  /* the machine goes down; a second one: hurry */
	UNIT_EVENT_COUNT,
};

enum unit_action {
	UNIT_DO_NOTHING,
	UNIT_DO_SPAWN,	   /* start the vmm; failure is a UNIT_EXIT */
	UNIT_DO_TERMINATE, /* SIGTERM */
	UNIT_DO_KILL,	   /* SIGKILL */
	UNIT_DO_PANIC,	   /* this event cannot happen in this state */
};

/* Why a vmm ended, in the order of docs/manifest.md, "How a guest ends". */
enum unit_outcome {
	UNIT_POWERED_OFF,
	UNIT_RESET,
	UNIT_CRASHED,
	UNIT_WATCHDOG,
	UNIT_KILLED,
	UNIT_BAD_HOST,
	UNIT_INTERNAL,
	UNIT_BAD_CONFIG,
	UNIT_OUTCOME_COUNT,
};

#define UNIT_BACKOFF_FIRST_MS 1000
#define UNIT_BACKOFF_LAST_MS  60000
/* A guest that ran this long is well: the back-off begins anew. */
#define UNIT_HEALTHY_MS	      60000

struct unit {
	enum unit_state state;
	enum restart_policy restart;
	struct end_policies on;
	/* Runs in a row that ended before they were UNIT_HEALTHY_MS old. */
	unsigned int short_runs;
	int64_t started_ms;
};

struct unit_decision {
	enum unit_action action;
	/* Send UNIT_TIMER after this time; negative: no timer (any is off). */
	int64_t after_ms;
	/* Only after UNIT_EXIT: will it be started again? */
	bool again;
};

void unit_init(struct unit *unit, enum restart_policy restart, struct end_policies on);

/* What was said about ends like this one. */
enum end_policy unit_policy(const struct unit *unit, enum unit_outcome outcome);

/*
 * Tell the unit what happened at now_ms (monotonic).  outcome counts only with
 * UNIT_EXIT.  The unit is in its new state when this returns.
 */
struct unit_decision unit_step(struct unit *unit, enum unit_event event, enum unit_outcome outcome,
			       int64_t now_ms);

/* Sort what waitpid() says about a vmm (codes: include/abi/vmmctl.h). */
enum unit_outcome unit_outcome_of(int wait_status);

#define UNIT_TEXT 80

/* The same for people: "powered off", "killed (signal 9)".  Returns text. */
const char *unit_describe(int wait_status, char text[UNIT_TEXT]);

#endif
