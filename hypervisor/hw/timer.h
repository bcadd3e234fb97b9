/* SPDX-License-Identifier: MIT */
/*
 * Deadlines. Each CPU has a sorted list served by its LAPIC timer, which the
 * hypervisor owns (the root uses a synthetic timer instead). Callbacks run on
 * that CPU in the hypervisor, with no lock held but the caller's own: they may
 * re-arm, post messages, wake virtual processors.
 */
#ifndef HYPERVISOR_HW_TIMER_H
#define HYPERVISOR_HW_TIMER_H

#include "base/base.h"

struct cpu;

struct timer {
	uint64_t deadline;		/* TSC */
	void (*fire)(struct timer *t);
	struct timer *next;
	struct cpu *cpu;		/* armed there; NULL: not armed */
};

/*
 * Arm on the current CPU (moves it if armed elsewhere). A deadline in the past
 * fires at the next timer_run.
 */
void timer_arm(struct timer *t, uint64_t deadline_tsc);
/* After return the callback is not running and will not run. Not from the callback itself. */
void timer_cancel(struct timer *t);

/*
 * Fire what is due on this CPU and program the hardware for the next; called
 * after every exit that may have been our interrupt and before entering a guest.
 */
void timer_run(void);
/* The same after the hardware timer's interrupt, or when its programming was lost. */
void timer_interrupt(void);
/* Is something due now? Cheap. */
bool timer_due(void);

#endif
