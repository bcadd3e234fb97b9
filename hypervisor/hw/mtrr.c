/* SPDX-License-Identifier: MIT */
#include "hypervisor/hw/mtrr.h"

#include "hypervisor/x86.h"

#define CPUID1_EDX_MTRR	  BIT32(12)
#define MTRR_CAP_COUNT	  0xffu
#define MTRR_CAP_FIXED	  BIT32(8)
#define MTRR_DEF_ENABLE	  BIT64(11)
#define VARIABLE_MAX	  32u /* MSRs; 200h to 21Fh are set aside */
#define CR0_CD		  BIT64(30)

static const uint16_t fixed_msrs[] = { 0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
				       0x26b, 0x26c, 0x26d, 0x26e, 0x26f };

static struct {
	unsigned int variable_count, fixed_count; /* MSRs */
	uint64_t variable[VARIABLE_MAX];
	uint64_t fixed[ARRAY_SIZE(fixed_msrs)];
	uint64_t def_type, pat;
} saved;

void mtrr_save(void)
{
	uint64_t cap;

	if (!(cpuid(1, 0).edx & CPUID1_EDX_MTRR))
		return;
	cap = rdmsr(MSR_MTRR_CAP);
	saved.variable_count = MIN((unsigned int)(cap & MTRR_CAP_COUNT) * 2, VARIABLE_MAX);
	saved.fixed_count = cap & MTRR_CAP_FIXED ? ARRAY_SIZE(fixed_msrs) : 0;
	for (unsigned int i = 0; i < saved.variable_count; i++)
		saved.variable[i] = rdmsr(MSR_MTRR_PHYS_BASE0 + i);
	for (unsigned int i = 0; i < saved.fixed_count; i++)
		saved.fixed[i] = rdmsr(fixed_msrs[i]);
	saved.def_type = rdmsr(MSR_MTRR_DEF_TYPE);
	saved.pat = rdmsr(MSR_PAT);
}

static void caches_flush(void)
{
	__asm__ volatile("wbinvd" ::: "memory");
	/* Translations carry memory types; global ones are not used here. */
	write_cr3(read_cr3());
}

void mtrr_load(void)
{
	uint64_t cr0 = read_cr0();

	if (!saved.variable_count && !saved.fixed_count)
		return;
	/* APM vol. 2, "MTRRs in Multi-Processing Environments", steps 4 to 11. */
	write_cr0(cr0 | CR0_CD);
	caches_flush();
	wrmsr(MSR_MTRR_DEF_TYPE, saved.def_type & ~MTRR_DEF_ENABLE);
	for (unsigned int i = 0; i < saved.variable_count; i++)
		wrmsr(MSR_MTRR_PHYS_BASE0 + i, saved.variable[i]);
	for (unsigned int i = 0; i < saved.fixed_count; i++)
		wrmsr(fixed_msrs[i], saved.fixed[i]);
	wrmsr(MSR_PAT, saved.pat);
	wrmsr(MSR_MTRR_DEF_TYPE, saved.def_type);
	caches_flush();
	write_cr0(cr0);
}
