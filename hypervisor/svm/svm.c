/* SPDX-License-Identifier: MIT */
#include "hypervisor/svm/svm.h"

#include "hypervisor/cpu.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/svm/vmcb.h"
#include "hypervisor/vcpu.h"
#include "hypervisor/x86.h"

#define CPUID_7_EBX_TSC_ADJUST	    BIT32(1)
#define CPUID_AMD_FEATURES	    0x80000001u
#define CPUID_AMD_FEATURES_ECX_SVM  BIT32(2)
#define CPUID_SIZES		    0x80000008u
#define CPUID_SIZES_EBX_IBPB	    BIT32(12)
#define CPUID_SVM		    0x8000000au
#define CPUID_SVM_EDX_NP	    BIT32(0)
#define CPUID_SVM_EDX_NRIPS	    BIT32(3)
#define CPUID_SVM_EDX_FLUSH_BY_ASID BIT32(6)
#define CPUID_SVM_EDX_DECODE	    BIT32(7)

#define EFER_LMSLE		    BIT64(13)
#define EFER_FFXSR		    BIT64(14)
#define EFER_TCE		    BIT64(15)
#define EFER_MCOMMIT		    BIT64(17)
#define EFER_INTWB		    BIT64(18)
#define EFER_UAIE		    BIT64(20)
#define EFER_AIBRSE		    BIT64(21)

struct svm_features svm_features;

bool svm_present(void)
{
	struct cpuid c;

	if (cpuid(0x80000000, 0).eax < CPUID_SVM)
		return false;
	if (!(cpuid(CPUID_AMD_FEATURES, 0).ecx & CPUID_AMD_FEATURES_ECX_SVM))
		return false;
	c = cpuid(CPUID_SVM, 0);
	if (!(c.edx & CPUID_SVM_EDX_NP) || c.ebx <= SVM_ASID_GUESTS)
		return false;
	return !(rdmsr(MSR_VM_CR) & VM_CR_SVMDIS);
}

static void svm_discover(void)
{
	struct cpuid c = cpuid(CPUID_SVM, 0);

	svm_features = (struct svm_features){
		.revision = c.eax & 0xff,
		.word = c.edx,
		.asids = c.ebx,
		.nrips = c.edx & CPUID_SVM_EDX_NRIPS,
		.flush_by_asid = c.edx & CPUID_SVM_EDX_FLUSH_BY_ASID,
		.decode_assists = c.edx & CPUID_SVM_EDX_DECODE,
		.tsc_adjust = cpuid(7, 0).ebx & CPUID_7_EBX_TSC_ADJUST,
		.ibpb = cpuid(CPUID_SIZES, 0).ebx & CPUID_SIZES_EBX_IBPB,
	};
}

bool svm_enable(struct cpu *cpu)
{
	void *save, *own;

	if (!svm_present())
		return false;
	if (cpu->index == 0)
		svm_discover();
	save = page_alloc();
	own = page_alloc();
	if (!save || !own)
		return false;
	cpu->host_save = virt_to_phys(save);
	cpu->host_vmcb = virt_to_phys(own);

	/*
	 * NXE: nested tables are read with our EFER. Automatic IBRS: our indirect
	 * branches ignore what a guest has taught.
	 */
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME |
			(svm_efer_mask() & (EFER_NXE | EFER_AIBRSE)));
	wrmsr(MSR_VM_HSAVE_PA, cpu->host_save);
	__asm__ volatile("clgi" ::: "memory");
	/* FS, GS, TR and so on never change from here; world_run loads them. */
	__asm__ volatile("vmsave %%rax" : : "a"(cpu->host_vmcb) : "memory");
	return true;
}

void svm_disable(void)
{
	uint64_t efer = rdmsr(MSR_EFER);

	if (!(efer & EFER_SVME))
		return;
	__asm__ volatile("stgi" ::: "memory");
	wrmsr(MSR_VM_HSAVE_PA, 0);
	wrmsr(MSR_EFER, efer & ~EFER_SVME);
}

/* APM vol. 2, "Extended Feature Enable Register (EFER)": which CPUID bit allows which. */
uint64_t svm_efer_mask(void)
{
	struct cpuid amd = cpuid(CPUID_AMD_FEATURES, 0);
	struct cpuid sizes = cpuid(0x80000008, 0);
	struct cpuid more = { 0 };
	uint64_t mask = EFER_SCE | EFER_LME | EFER_LMA;

	if (cpuid(0x80000000, 0).eax >= 0x80000021)
		more = cpuid(0x80000021, 0);
	mask |= amd.edx & BIT32(20) ? EFER_NXE : 0;
	mask |= sizes.ebx & BIT32(20) ? 0 : EFER_LMSLE;
	mask |= amd.edx & BIT32(25) ? EFER_FFXSR : 0;
	mask |= amd.ecx & BIT32(17) ? EFER_TCE : 0;
	mask |= sizes.ebx & BIT32(8) ? EFER_MCOMMIT : 0;
	mask |= sizes.ebx & BIT32(13) ? EFER_INTWB : 0;
	mask |= more.eax & BIT32(7) ? EFER_UAIE : 0;
	mask |= more.eax & BIT32(8) ? EFER_AIBRSE : 0;
	return mask;
}

uint8_t svm_flush_one(void)
{
	return svm_features.flush_by_asid ? SVM_TLB_FLUSH_ASID : SVM_TLB_FLUSH_ALL;
}
