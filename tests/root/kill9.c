/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/kill9": leaves a child behind and becomes
 * the real init.  The child waits until the vmm of guest "victim" has run for a
 * while, kills it with SIGKILL, and says so; init must cope.  Twice, because the
 * second vmm is one that init restarted.
 */
#include <signal.h>
#include <unistd.h>

#include "tests/root/lib/beside.h"

#define KILLS	     2
#define RUN_SECONDS  3
#define NOT_THE_SAME (-1)

static void killer(void)
{
	int pid = NOT_THE_SAME;

	for (int i = 0; i < KILLS; i++) {
		int next;

		while (!(next = vmm_of("victim", pid)))
			usleep(100 * 1000);
		pid = next;
		sleep(RUN_SECONDS);
		say("kill9: killing the vmm of guest victim (pid %d)", pid);
		kill(pid, SIGKILL);
	}
}

int main(int argc, char **argv)
{
	(void)argc;
	return beside_init(killer, argv);
}
