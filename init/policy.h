/* SPDX-License-Identifier: MIT */
/*
 * The two choices a manifest offers, with the words it uses for them.  Written
 * by manifest.c, obeyed by unit.c (restart) and loop.c (on_idle).
 */
#ifndef INIT_POLICY_H
#define INIT_POLICY_H

enum restart_policy {
	RESTART_NEVER,
	RESTART_ON_FAILURE,
	RESTART_ALWAYS,
	RESTART_POLICY_COUNT,
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

#endif
