/* SPDX-License-Identifier: MIT */
/*
 * The choices a manifest offers, with the words it uses for them.  Written by
 * manifest.c, obeyed by unit.c (restart, the policies of ends) and loop.c (on_idle).
 * To preserve a guest, or to ignore what happens to it, is the vmm's business.
 */
#ifndef INIT_POLICY_H
#define INIT_POLICY_H

enum restart_policy {
	RESTART_NEVER,
	RESTART_ON_FAILURE,
	RESTART_ALWAYS,
	RESTART_POLICY_COUNT,
};

/* What becomes of a guest that resets, crashes or lets its watchdog fire. */
enum end_policy {
	END_AS_RESTART, /* nothing was said */
	END_RESTART,	/* started again, whatever restart says */
	END_POWEROFF,	/* not started again, whatever restart says */
	END_PRESERVE,	/* stands still; if it is ended, as restart says */
	END_IGNORE,	/* goes on */
	END_POLICY_COUNT,
};

struct end_policies {
	enum end_policy reset, crash, watchdog;
};

enum idle_policy {
	IDLE_STAY,
	IDLE_POWEROFF,
	IDLE_REBOOT,
	IDLE_POLICY_COUNT,
};

/* Indexed by the enums, ended by NULL (policy.c). */
extern const char *const restart_policy_names[];
extern const char *const idle_policy_names[];
/* From END_RESTART on; a watchdog can be ignored, nothing else. */
extern const char *const end_policy_names[];
extern const char *const watchdog_policy_names[];

#endif
