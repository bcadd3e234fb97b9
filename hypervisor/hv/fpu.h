/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing a guest's x87, SSE and AVX registers in its XSAVE area
 * (standard format, APM vol. 1 "Saving Media and x87 State"). A component whose
 * XSTATE_BV bit is clear is in its initial state and its bytes mean nothing.
 */
#ifndef HYPERVISOR_HV_FPU_H
#define HYPERVISOR_HV_FPU_H

#include "abi/hv/register.h"
#include "base/base.h"

struct vcpu;

void fpu_reset(struct vcpu *v);
/* @name: HV_X64_REGISTER_XMM0 … FP_MMX7. */
void fpu_get(const struct vcpu *v, uint32_t name, uint64_t val[2]);
void fpu_set(struct vcpu *v, uint32_t name, const uint64_t val[2]);
void fpu_get_control(const struct vcpu *v, struct hv_fp_control_status *s);
void fpu_set_control(struct vcpu *v, const struct hv_fp_control_status *s);
void fpu_get_xmm_control(const struct vcpu *v, struct hv_xmm_control_status *s);
/* False: a reserved MXCSR bit. */
bool fpu_set_xmm_control(struct vcpu *v, const struct hv_xmm_control_status *s);

/*
 * The compacted image of GET/SET_VP_STATE: legacy area, header with XCOMP_BV
 * bit 63, components of @mask in ascending order. @buf is one page.
 */
void fpu_get_compacted(const struct vcpu *v, uint64_t mask, uint8_t *buf);
/* False: not a valid image; nothing changed then. */
bool fpu_set_compacted(struct vcpu *v, const uint8_t *buf);

#endif
