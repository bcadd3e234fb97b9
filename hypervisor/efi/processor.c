/* SPDX-License-Identifier: MIT */
#include "hypervisor/efi/loader.h"

#include "hypervisor/x86.h"
#include "lib/mem.h"

#define CPUID_EXT_FEATURES 0x80000001
#define CPUID_EXT_SVM	   0x8000000a

#define FEATURE_C_SVM	   BIT32(2)
#define SVM_NESTED_PAGING  BIT32(0)

#define CR4_LA57	   BIT64(12)

struct processor_facts processor_read(void)
{
	struct processor_facts facts = { 0 };
	struct cpuid r = cpuid(0, 0);

	memcpy(facts.vendor, &r.ebx, 4);
	memcpy(facts.vendor + 4, &r.edx, 4);
	memcpy(facts.vendor + 8, &r.ecx, 4);
	facts.cr4 = read_cr4();
	facts.max_extended = cpuid(0x80000000, 0).eax;
	if (facts.max_extended >= CPUID_EXT_FEATURES)
		facts.features_c = cpuid(CPUID_EXT_FEATURES, 0).ecx;
	if ((facts.features_c & FEATURE_C_SVM) == 0)
		return facts;
	/* "Enabling SVM": VM_CR exists where the feature bit is set. */
	facts.vm_cr = rdmsr(MSR_VM_CR);
	if (facts.max_extended >= CPUID_EXT_SVM)
		facts.svm_features = cpuid(CPUID_EXT_SVM, 0).edx;
	return facts;
}

/* Why the hypervisor cannot run; NULL: it can. */
static const char *obstacle(const struct processor_facts *facts)
{
	if (memcmp(facts->vendor, "GenuineIntel", 12) == 0)
		return "this is an Intel processor, the reference hypervisor needs AMD SVM";
	if ((facts->features_c & FEATURE_C_SVM) == 0)
		return "this processor has no AMD SVM (CPUID 0x80000001 ECX bit 2 clear)";
	if ((facts->vm_cr & VM_CR_SVMDIS) != 0)
		return "AMD SVM is disabled by the firmware (VM_CR.SVMDIS set, "
		       "look for \"SVM mode\" in its setup)";
	if ((facts->svm_features & SVM_NESTED_PAGING) == 0)
		return "this processor has no nested paging (CPUID 0x8000000a EDX bit 0 clear)";
	if ((facts->cr4 & CR4_LA57) != 0)
		return "the firmware runs with 5-level paging (CR4.LA57)";
	return NULL;
}

efi_status_t processor_check(const struct processor_facts *facts)
{
	const char *why = obstacle(facts);

	if (!why)
		return EFI_SUCCESS;
	launch_refused(why);
	return EFI_UNSUPPORTED;
}
