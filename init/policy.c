/* SPDX-License-Identifier: MIT */
#include <stddef.h>

#include "init/policy.h"

const char *const restart_policy_names[RESTART_POLICY_COUNT + 1] = {
	[RESTART_NEVER] = "never",
	[RESTART_ON_FAILURE] = "on-failure",
	[RESTART_ALWAYS] = "always",
	[RESTART_POLICY_COUNT] = NULL,
};

const char *const end_policy_names[] = { "restart", "poweroff", "preserve", NULL };
const char *const watchdog_policy_names[] = { "restart", "poweroff", "preserve", "ignore", NULL };

const char *const idle_policy_names[IDLE_POLICY_COUNT + 1] = {
	[IDLE_STAY] = "stay",
	[IDLE_POWEROFF] = "poweroff",
	[IDLE_REBOOT] = "reboot",
	[IDLE_POLICY_COUNT] = NULL,
};
