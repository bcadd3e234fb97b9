/* SPDX-License-Identifier: MIT */
/*
 * Registers as the operands of an instruction that the hypervisor carries out for a
 * guest. The caller has the vcpu to itself.
 */
#ifndef HYPERVISOR_HV_OPERAND_H
#define HYPERVISOR_HV_OPERAND_H

#include "base/base.h"
#include "hypervisor/svm/insn.h"

struct vcpu;

/* How the bytes at RIP are to be read. */
enum insn_mode operand_mode(const struct vcpu *v);

/* What @insn writes: its immediate or its register, cut to its size. */
uint64_t operand_stored(const struct vcpu *v, const struct insn *insn);
/* What it has read goes to its register. */
void operand_load(struct vcpu *v, const struct insn *insn, uint64_t val);

#endif
