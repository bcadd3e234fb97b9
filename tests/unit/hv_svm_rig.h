/* SPDX-License-Identifier: MIT */
/*
 * For tests of hypervisor/svm/ as a program: a processor of paper, on which a signal
 * handler carries out the instructions that only a hypervisor may execute, and the
 * rest of the hypervisor as far as it is called.
 */
#ifndef TESTS_UNIT_HV_SVM_RIG_H
#define TESTS_UNIT_HV_SVM_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hypervisor/cpu.h"
#include "hypervisor/svm/root.h"
#include "hypervisor/svm/svm.h"
#include "hypervisor/svm/vmcb.h"
#include "hypervisor/vcpu.h"

/* The processor. */
extern struct hw {
	uint64_t dr[4], cr4;
	uint64_t mcg_status, tsc_adjust;
	unsigned int barriers;
} hw;

/* First in each test: cmocka sets its own handlers just before. */
void power_on(void);

/* The rest of the hypervisor, and what it was told. */
extern struct cpu cpu;
extern bool x2apic;
extern uint32_t apic_reg, apic_value; /* the last write */
extern unsigned int tsc_moved, faults;

/* One turn of the guest: world_run() calls it. */
extern struct vmcb *vmcb;
extern void (*guest)(struct vmcb *b);

/* Around each test, with a new vmcb; once in main(), false: vcpu_init() failed. */
void rig_setup(void);
void rig_teardown(void);
bool rig_begin(void);

#endif
