/* SPDX-License-Identifier: MIT */
/*
 * What to do about each message RUN_VP returns. The table is in exit.c.
 */
#ifndef VMM_EXIT_H
#define VMM_EXIT_H

struct vcpu;

/* v->message is new. On the vcpu's thread. */
void exit_handle(struct vcpu *v);

#endif
