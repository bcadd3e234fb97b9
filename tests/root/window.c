/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/window": guests get the vmm that has a device
 * more (tests/fake/window.c), from the real init, which this program becomes.
 */
#include <stdio.h>
#include <unistd.h>

#include "include/abi/vmmctl.h"

int main(int argc, char **argv)
{
	(void)argc;
	if (rename("/test/vmm-window", VMMCTL_PATH)) {
		perror("window: " VMMCTL_PATH);
		return 1;
	}
	execv("/init", argv);
	perror("window: /init");
	return 1;
}
