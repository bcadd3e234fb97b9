/* SPDX-License-Identifier: MIT */
/*
 * --trace: a line for each exit, in the order they were handled:
 *
 *     SECONDS vpN WHAT ADDRESS/SIZE [VALUE [xACCESSES]] at RIP
 *     0.001204 vp0 out 3f8/1 41 at 100020
 *     0.001230 vp1 write fee00300/4 4041 at ffffffff8100a012
 *
 * WHAT is in, out (ports), read, write, fetch (memory), eoi (its vector), end (the
 * guest crashed), debug (an exception, its vector) or other (a message's type). Numbers
 * are hexadecimal. An exit that accessed nothing has no value, one that accessed more
 * than once has its last value and how often.
 *
 * Processors put records into a ring; a thread makes text of them and writes it. What
 * its reader is too slow for is left out, and a line says how much: no processor waits.
 */
#ifndef VMM_DEBUG_TRACE_H
#define VMM_DEBUG_TRACE_H

struct trace;
struct vcpu;

/*
 * Write to the file @path, which is created or emptied; "-" is standard error. The file
 * is open when this returns. NULL with *error set to -errno.
 */
struct trace *trace_open(const char *path, int *error);

/* v->message was handled; v->access says what it accessed. On the processor's thread. */
void trace_exit(struct vcpu *v);

/* After all processors stopped: what is left, at most two seconds long. */
void trace_close(struct trace *t);

#endif
