/* SPDX-License-Identifier: MIT */
/*
 * CPUID of the root: the processor's own leaves, without SVM and with the
 * hypervisor bit, and the leaves of hv/rootmsr.c.
 */
#include "hypervisor/hv/rootmsr.h"
#include "hypervisor/svm/root.h"
#include "hypervisor/vcpu.h"
#include "hypervisor/x86.h"

#define LEAF1_ECX_TSC_DEADLINE BIT32(24) /* the timer is ours */
#define LEAF1_ECX_OSXSAVE      BIT32(27)
#define LEAF1_ECX_HYPERVISOR   BIT32(31)
#define LEAF7_ECX_OSPKE	       BIT32(4)
#define LEAF_AMD8_EBX_INVLPGB  BIT32(3)
#define LEAF_AMD_ECX_SVM       BIT32(2)
#define LEAF_AMD_ECX_SKINIT    BIT32(12)

/* Bits that repeat a bit of CR4: of the root's, not of ours. */
static uint32_t follow(uint32_t reg, uint32_t bit, bool on)
{
	return on ? reg | bit : reg & ~bit;
}

void root_exit_cpuid(struct root_vp *vp)
{
	struct vmcb *v = vp->vmcb;
	uint32_t leaf = (uint32_t)v->rax;
	uint32_t subleaf = (uint32_t)vp->gprs.r[VCPU_RCX];
	struct cpuid c = { 0 };

	if (leaf >= 0x40000000 && leaf <= 0x4fffffff) {
		uint32_t out[4];

		rootmsr_cpuid(leaf, out);
		c = (struct cpuid){ out[0], out[1], out[2], out[3] };
	} else if (leaf != 0x8000000a) {
		c = cpuid(leaf, subleaf);
	}
	switch (leaf) {
	case 1:
		c.ecx = follow(c.ecx, LEAF1_ECX_OSXSAVE, v->cr4 & CR4_OSXSAVE);
		c.ecx = (c.ecx | LEAF1_ECX_HYPERVISOR) & ~LEAF1_ECX_TSC_DEADLINE;
		break;
	case 7:
		if (subleaf == 0)
			c.ecx = follow(c.ecx, LEAF7_ECX_OSPKE, v->cr4 & CR4_PKE);
		break;
	case 0x80000001:
		c.ecx &= ~(LEAF_AMD_ECX_SVM | LEAF_AMD_ECX_SKINIT);
		break;
	case 0x80000008:
		/* Needs a VMCB bit that only processors which have it know. */
		c.ebx &= ~LEAF_AMD8_EBX_INVLPGB;
		break;
	default:
		break;
	}
	v->rax = c.eax;
	vp->gprs.r[VCPU_RBX] = c.ebx;
	vp->gprs.r[VCPU_RCX] = c.ecx;
	vp->gprs.r[VCPU_RDX] = c.edx;
	root_skip_opcode(vp, 2);
}
