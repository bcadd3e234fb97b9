/* SPDX-License-Identifier: MIT */
/*
 * --gdb: where a debugger connects, one at a time. Its connection is carried by a thread
 * of its own. The guest stands while one is connected, except when it says go; when it
 * leaves, the guest goes on as if nothing had been.
 */
#ifndef VMM_DEBUG_SERVER_H
#define VMM_DEBUG_SERVER_H

#include "base/base.h"

struct machine;
struct mshv_partition;
struct server;
struct vcpu;

struct server_setup {
	struct machine *machine;
	struct mshv_partition *partition;
	struct vcpu *vcpu;
	unsigned int count;
	/*
	 * "tcp:PORT" of this host's loopback, "fd:NUMBER", a connection that was
	 * inherited, or the path of a socket, which is created.
	 */
	const char *where;
	bool wait; /* the guest begins to run when a debugger says so */
};

/*
 * Before any processor runs. The thread accepts connections (a descriptor more, in the
 * sandbox). NULL with *error set to -errno.
 */
struct server *server_open(const struct server_setup *setup, int *error);

/*
 * The machine ended, with this exit code of the VMM, which the debugger is told.
 * Processors that stand go on to their end; afterwards nobody holds them. Main thread.
 */
void server_close(struct server *s, unsigned int code);

#endif
