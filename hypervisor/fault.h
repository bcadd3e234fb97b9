/* SPDX-License-Identifier: MIT */
/*
 * Faults on demand (options.h), for testing everything above the hypervisor. Each
 * that happens is counted, traced, and said in the log when its number is a power
 * of two.
 */
#ifndef HYPERVISOR_FAULT_H
#define HYPERVISOR_FAULT_H

#include "base/base.h"
#include "abi/hv/hypercall.h"

enum fault { FAULT_DEPOSIT, FAULT_KICK, FAULT_REFUSE };

/* @kind has just been done to the root. Any CPU. */
void fault_done(enum fault kind);

/* The answer to a call of @code that is to be refused; SUCCESS: it is not. */
enum hv_status fault_refuse(uint16_t code);

#endif
