/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/rootmsr.h"

#include "hypervisor/cpu.h"
#include "hypervisor/hv/guestcpuid.h"
#include "hypervisor/hv/stimer.h"
#include "hypervisor/hv/synic.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/mem/rootmem.h"
#include "hypervisor/options.h"
#include "lib/mem.h"

/* --- CPUID --- */

/*
 * The highest leaf Linux may read. 0Ah (nested features) and 0Ch (isolation)
 * exist and are empty: not nested, not isolated.
 */
#define MAX_LEAF 0x4000000cu

/*
 * CREATE_PARTITIONS with CPU_MANAGEMENT is what makes Linux a root partition
 * (the first alone would make it an "L1 virtual host").
 */
#define PRIVILEGES_LOW                                                         \
	(HV_FEATURE_TIME_REF_COUNT | HV_FEATURE_SYNIC | HV_FEATURE_STIMER |    \
	 HV_FEATURE_APIC_ACCESS | HV_FEATURE_HYPERCALL | HV_FEATURE_VP_INDEX | \
	 HV_FEATURE_FREQUENCY_MSRS)
#define PRIVILEGES_HIGH                                                      \
	(HV_PRIVILEGE_CREATE_PARTITIONS | HV_PRIVILEGE_ACCESS_PARTITION_ID | \
	 HV_PRIVILEGE_ACCESS_STATS | HV_PRIVILEGE_CPU_MANAGEMENT)
#define FEATURES	   (HV_FEATURE_FREQUENCY_REGS | HV_FEATURE_STIMER_DIRECT)
/*
 * APIC_ACCESS: in xAPIC mode the root's EOIs and IPIs are then MSR writes, not
 * stores to be decoded. DEPRECATE_AEOI: the root ends SINT interrupts itself.
 */
#define HINTS		   (HV_HINT_APIC_ACCESS | HV_HINT_RELAXED_TIMING | HV_HINT_DEPRECATE_AEOI)
#define SPIN_RETRIES_NEVER 0xffffffffu

void rootmsr_cpuid(uint32_t leaf, uint32_t out[4])
{
	out[0] = out[1] = out[2] = out[3] = 0;
	guestcpuid_identity(leaf, MAX_LEAF, options.build ? (uint32_t)options.build : CPUID_BUILD,
			    out);
	switch (leaf) {
	case HV_CPUID_FEATURES:
		out[0] = PRIVILEGES_LOW & ~(uint32_t)options.deny;
		out[1] = PRIVILEGES_HIGH & ~(uint32_t)(options.deny >> 32);
		out[3] = FEATURES;
		break;
	case HV_CPUID_HINTS:
		out[0] = HINTS;
		out[1] = SPIN_RETRIES_NEVER;
		break;
	case HV_CPUID_LIMITS:
		out[0] = HV_CPUS_MAX;
		out[1] = HV_CPUS_MAX;
		break;
	default:
		/*
		 * Among them PROPERTIES, which Linux reads without asking
		 * whether it exists: 0 means ordinary IOAPIC entries.
		 */
		break;
	}
}

/* --- MSRs of the partition --- */

static const uint8_t hypercall_code[] = HV_HYPERCALL_CODE;

static volatile uint64_t guest_os_id;
static volatile uint64_t hypercall, reference_tsc;
static struct hv_tsc_page *tsc_page;

bool rootmsr_create(void)
{
	uint8_t *code = page_alloc();

	tsc_page = page_alloc();
	if (!code || !tsc_page)
		return false;
	/* Linux copies the page at the moment it enables it: complete from the start. */
	memset(code, 0xcc, PAGE_SIZE);
	memcpy(code, hypercall_code, sizeof(hypercall_code));
	hypercall = virt_to_phys(code);
	clock_tsc_page(&tsc_page->scale, &tsc_page->offset);
	tsc_page->sequence = 1;
	reference_tsc = virt_to_phys(tsc_page);
	return rootmem_share(code, false) && rootmem_share(tsc_page, false);
}

void rootmsr_tsc_moved(void)
{
	/* "Invalid": the root reads HV_MSR_TIME_REF_COUNT instead. */
	tsc_page->sequence = 0;
}

bool rootmsr_hypercall_enabled(void)
{
	return guest_os_id && (hypercall & HV_MSR_PAGE_ENABLE);
}

static bool hypercall_write(uint64_t value)
{
	/* "The enable bit cannot be set while the guest OS id is zero." */
	if (!guest_os_id)
		value &= ~HV_MSR_PAGE_ENABLE;
	/* Without the privileges of a root it is a guest to itself, and brings a page. */
	if (options.deny && (value & HV_MSR_PAGE_ENABLE) &&
	    phys_is_root_ram(value & PAGE_MASK, PAGE_SIZE)) {
		memcpy(phys_to_virt(value & PAGE_MASK), hypercall_code, sizeof(hypercall_code));
		hypercall = value;
		return true;
	}
	return rootmsr_page_write(&hypercall, value);
}

static void guest_os_id_write(uint64_t value)
{
	guest_os_id = value;
	if (!value)
		hypercall &= ~HV_MSR_PAGE_ENABLE;
}

bool rootmsr_read(struct cpu *cpu, uint32_t msr, uint64_t *value)
{
	switch (msr) {
	case HV_MSR_GUEST_OS_ID:
		*value = guest_os_id;
		return true;
	case HV_MSR_HYPERCALL:
		*value = hypercall;
		return true;
	case HV_MSR_VP_INDEX:
		*value = cpu->index;
		return true;
	case HV_MSR_TIME_REF_COUNT:
		*value = clock_reference();
		return true;
	case HV_MSR_REFERENCE_TSC:
		*value = reference_tsc;
		return true;
	case HV_MSR_TSC_FREQUENCY:
		*value = clock_tsc_hz();
		return true;
	case HV_MSR_APIC_FREQUENCY:
		*value = clock_apic_hz();
		return true;
	default:
		return synic_msr_read(cpu, msr, value) || stimer_msr_read(cpu, msr, value);
	}
}

bool rootmsr_write(struct cpu *cpu, uint32_t msr, uint64_t value)
{
	switch (msr) {
	case HV_MSR_GUEST_OS_ID:
		guest_os_id_write(value);
		return true;
	case HV_MSR_HYPERCALL:
		return hypercall_write(value);
	case HV_MSR_REFERENCE_TSC:
		return rootmsr_page_write(&reference_tsc, value);
	default:
		return synic_msr_write(cpu, msr, value) || stimer_msr_write(cpu, msr, value);
	}
}
