/* SPDX-License-Identifier: MIT */
/*
 * What a processor was doing when its guest died: one report, of a bounded number of
 * lines that all begin with "crash:", into the log.
 */
#ifndef VMM_DEBUG_REPORT_H
#define VMM_DEBUG_REPORT_H

struct vcpu;

/* On the processor's thread, between two runs; or on any, when it has stopped. */
void report_crash(struct vcpu *v);

#endif
