/* SPDX-License-Identifier: MIT */
/* Between control.c and access.c. */
#ifndef VMM_DEBUG_CONTROL_STATE_H
#define VMM_DEBUG_CONTROL_STATE_H

#include <pthread.h>

#include "vmm/debug/control.h"
#include "vmm/debug/points.h"
#include "vmm/insn/insn.h"

/* A processor. Its own thread's while it runs, the debugger's while it stands. */
struct held {
	pthread_t thread;
	bool begun, parked; /* lock */
	bool has_event;	    /* lock */
	struct gdb_stop event;
	/*
	 * A step is RFLAGS.TF and an intercepted #DB. An interrupt in between saves TF with
	 * the flags, where we cannot clear it: a #DB is owed, which nobody waits for.
	 */
	bool stepping, owed;
	bool had_tf;   /* the guest itself has set it */
	uint64_t dr6;  /* the guest's, while stepping */
	bool has_ours; /* our debug registers, in place of these */
	uint64_t dr[POINTS_HARDWARE], dr7;
};

struct control {
	struct machine *machine;
	struct mshv_partition *partition;
	struct vcpu *vcpu;
	unsigned int count;
	int notify;
	pthread_mutex_t lock;
	pthread_cond_t stood; /* one more stands */
	pthread_cond_t go;    /* look at v->stop again */
	unsigned int parked;
	bool attached, ending;
	struct points points;
	struct held held[];
};

/* What finding memory takes: all that is filled in of @cpu. */
bool control_paging(struct vcpu *v, struct insn_cpu *cpu);

/* The debug registers of a processor as the points want them. 0 or -errno. */
int control_load_points(struct control *c, unsigned int vp);

#endif
