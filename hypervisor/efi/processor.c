/* SPDX-License-Identifier: MIT */
#include "hypervisor/efi/loader.h"

#include "lib/mem.h"

#define CPUID_EXT_FEATURES 0x80000001
#define CPUID_EXT_SVM	   0x8000000a

#define FEATURE_C_SVM	   BIT32(2)
#define SVM_NESTED_PAGING  BIT32(0)

#define MSR_VM_CR	   0xc0010114
#define VM_CR_SVMDIS	   BIT64(4)

#define CR4_LA57	   BIT64(12)

struct cpuid {
	uint32_t a, b, c, d;
};

static struct cpuid read_cpuid(uint32_t leaf)
{
	struct cpuid r;

	__asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(0));
	return r;
}

static uint64_t read_msr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static uint64_t read_cr4(void)
{
	uint64_t value;

	__asm__ volatile("mov %%cr4, %0" : "=r"(value));
	return value;
}

struct processor_facts processor_read(void)
{
	struct processor_facts facts = { 0 };
	struct cpuid r = read_cpuid(0);

	memcpy(facts.vendor, &r.b, 4);
	memcpy(facts.vendor + 4, &r.d, 4);
	memcpy(facts.vendor + 8, &r.c, 4);
	facts.cr4 = read_cr4();
	facts.max_extended = read_cpuid(0x80000000).a;
	if (facts.max_extended >= CPUID_EXT_FEATURES)
		facts.features_c = read_cpuid(CPUID_EXT_FEATURES).c;
	if ((facts.features_c & FEATURE_C_SVM) == 0)
		return facts;
	/* "Enabling SVM": VM_CR exists where the feature bit is set. */
	facts.vm_cr = read_msr(MSR_VM_CR);
	if (facts.max_extended >= CPUID_EXT_SVM)
		facts.svm_features = read_cpuid(CPUID_EXT_SVM).d;
	return facts;
}

efi_status_t processor_check(const struct processor_facts *facts)
{
	if (memcmp(facts->vendor, "GenuineIntel", 12) == 0) {
		launch_message(
			"rootstock: this is an Intel processor, the reference hypervisor needs AMD SVM: hypervisor not started");
		return EFI_UNSUPPORTED;
	}
	if ((facts->features_c & FEATURE_C_SVM) == 0) {
		launch_message(
			"rootstock: this processor has no AMD SVM (CPUID 0x80000001 ECX bit 2 clear): hypervisor not started");
		return EFI_UNSUPPORTED;
	}
	if ((facts->vm_cr & VM_CR_SVMDIS) != 0) {
		launch_message(
			"rootstock: AMD SVM is disabled by the firmware (VM_CR.SVMDIS set, look for \"SVM mode\" in its setup): hypervisor not started");
		return EFI_UNSUPPORTED;
	}
	if ((facts->svm_features & SVM_NESTED_PAGING) == 0) {
		launch_message(
			"rootstock: this processor has no nested paging (CPUID 0x8000000a EDX bit 0 clear): hypervisor not started");
		return EFI_UNSUPPORTED;
	}
	if ((facts->cr4 & CR4_LA57) != 0) {
		launch_message(
			"rootstock: the firmware runs with 5-level paging (CR4.LA57): hypervisor not started");
		return EFI_UNSUPPORTED;
	}
	return EFI_SUCCESS;
}
