/* SPDX-License-Identifier: MIT */
/*
 * Holding a machine's processors, looking into them, and letting them go: what a debugger
 * does with them, whoever it is (gdb.h has the words). One thread, the debugger's, gives
 * orders; processors stand still in control_hold(), where their thread comes because
 * v->stop says so. Without a debugger (v->control is NULL) nobody comes here.
 */
#ifndef VMM_DEBUG_CONTROL_H
#define VMM_DEBUG_CONTROL_H

#include "vmm/debug/gdb.h"

struct control;
struct machine;
struct mshv_partition;
struct vcpu;

/*
 * For these processors, before any runs; they get their v->control. @wait: they stand
 * until control_resume(). Eventfd @notify is signalled when there may be an event. NULL:
 * no memory.
 */
struct control *control_create(struct machine *m, struct mshv_partition *p, struct vcpu *vcpu,
			       unsigned int count, bool wait, int notify);

/* The machine ends: all that stand go on, to their end. Any thread. */
void control_end(struct control *c);

/* --- the debugger's thread --- */

/* Have the breakpoint and debug exceptions come to us, or no longer. 0 or -errno. */
int control_attach(struct control *c);
/* Take all points out, and whatever stands at one is forgotten. While all stand. */
void control_detach(struct control *c);

/* Have all stand, and wait until they do. False: the machine ends. */
bool control_pause(struct control *c);
/* NULL: all go on. */
void control_resume(struct control *c, const enum gdb_action *action);
/* Did something happen that was not told yet? */
bool control_event(struct control *c, struct gdb_stop *stop);

/* As in struct gdb_target, for a processor that stands. */
bool control_get(struct control *c, unsigned int vp, uint8_t block[GDBREGS_BYTES]);
bool control_set(struct control *c, unsigned int vp, const uint8_t block[GDBREGS_BYTES]);
size_t control_read(struct control *c, unsigned int vp, uint64_t at, void *to, size_t len);
size_t control_write(struct control *c, unsigned int vp, uint64_t at, const void *from, size_t len);
int control_point(struct control *c, unsigned int vp, enum gdb_point kind, uint64_t at,
		  unsigned int len, bool on);

/* --- a processor's thread --- */

/* Once, at its begin. */
void control_enter(struct vcpu *v);
/* v->stop asks for something. True: run on. */
bool control_hold(struct vcpu *v);
/* v->message is an exception that somebody asked to see. */
void control_exception(struct vcpu *v);
/*
 * An instruction that we carried out is single-stepped: is that the debugger's doing, so
 * that the guest hears nothing of it?
 */
bool control_trap(struct vcpu *v);
/* The guest cannot go on: what it died of can be looked at before the machine ends. */
void control_crash(struct vcpu *v);

#endif
