/* SPDX-License-Identifier: MIT */
/*
 * The world switch (world.S): enter a virtual machine control block and come
 * back at its next #VMEXIT. The same primitive runs the root and guests.
 */
#ifndef HYPERVISOR_SVM_WORLD_H
#define HYPERVISOR_SVM_WORLD_H

#include "base/base.h"

/*
 * General registers a VMCB does not hold, in hardware encoding order; the
 * slots of RAX (0) and RSP (4) are unused here (VMCB save area).
 */
struct world_gprs {
	uint64_t r[16];
};

/*
 * Run the VMCB at physical @vmcb until it exits. Saves and restores the
 * hypervisor's own VMLOAD/VMSAVE state (FS, GS, TR, LDTR, syscall MSRs).
 * GIF is 0 before and after; host RFLAGS.IF is 1 while inside when
 * @host_if is set (guests: V_INTR_MASKING gates on it).
 * Clobbers x87/SSE state: none (the hypervisor is built without it).
 */
void world_run(uint64_t vmcb, struct world_gprs *gprs, bool host_if);

#endif
