/* SPDX-License-Identifier: MIT */
#include "hypervisor/svm/xstate.h"

#include "hypervisor/cpu.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/svm/svm.h"
#include "hypervisor/vcpu.h"
#include "hypervisor/x86.h"

#define CPUID_XSAVE  BIT32(26) /* 1, ECX */
#define CPUID_XSAVES BIT32(3)  /* 0xd.1, EAX */
#define CPUID_RDTSCP BIT32(27) /* 0x80000001, EDX */
#define MSR_XSS	     0xda0u
#define MXCSR_MASK   28	 /* its place in the area */
#define XSAVE_BV     512 /* XSTATE_BV's place in the area */

/* x87, SSE, AVX: what guests get, if the processor has it. */
#define GUEST_XCR0   7ULL

static struct {
	uint64_t guest_mask; /* 0: FXSAVE only */
	uint32_t mxcsr_mask;
	bool xss, tsc_aux;
} features;

/* The root's state of each CPU while a guest is attached there. */
static struct root_state {
	uint8_t *area;
	uint64_t xcr0, xss, tsc_aux;
	uint64_t guest_tsc_aux; /* in the processor now */
} root[HV_CPUS_MAX];

static uint64_t xgetbv(void)
{
	uint32_t lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (uint64_t)hi << 32 | lo;
}

static void xsetbv(uint64_t val)
{
	__asm__ volatile("xsetbv"
			 :
			 : "c"(0), "a"((uint32_t)val), "d"((uint32_t)(val >> 32))
			 : "memory");
}

static void save(void *area)
{
	if (features.guest_mask) {
		__asm__ volatile("xsave64 %0"
				 : "+m"(*(uint8_t(*)[4096])area)
				 : "a"(0xffffffff), "d"(0xffffffff)
				 : "memory");
	} else {
		__asm__ volatile("fxsave64 %0" : "+m"(*(uint8_t(*)[512])area) : : "memory");
		*(uint64_t *)((uint8_t *)area + XSAVE_BV) = 3;
	}
}

static void restore(const void *area)
{
	if (features.guest_mask)
		__asm__ volatile("xrstor64 %0"
				 :
				 : "m"(*(const uint8_t(*)[4096])area), "a"(0xffffffff),
				   "d"(0xffffffff)
				 : "memory");
	else
		__asm__ volatile("fxrstor64 %0" : : "m"(*(const uint8_t(*)[512])area) : "memory");
}

bool xstate_init(void)
{
	if (cpuid(1, 0).ecx & CPUID_XSAVE) {
		struct cpuid d = cpuid(0xd, 0);

		/* All the root may ever enable has to fit its save area. */
		if (d.ecx > PAGE_SIZE) {
			log_line("guest: %u bytes of extended state", d.ecx);
			return false;
		}
		features.guest_mask = d.eax & GUEST_XCR0;
		features.xss = cpuid(0xd, 1).eax & CPUID_XSAVES;
	}
	features.tsc_aux = cpuid(0x80000001, 0).edx & CPUID_RDTSCP;
	for (unsigned int i = 0; i < cpu_count; i++) {
		root[i].area = page_alloc();
		if (!root[i].area)
			return false;
	}
	/* As it says by FXSAVE; all that have SVM do. */
	__asm__ volatile("fxsave64 %0" : "+m"(*(uint8_t(*)[512])root[0].area));
	features.mxcsr_mask = *(uint32_t *)(void *)(root[0].area + MXCSR_MASK);
	return true;
}

uint32_t vcpu_mxcsr_mask(void)
{
	return features.mxcsr_mask;
}

uint64_t vcpu_xcr0_mask(void)
{
	return features.guest_mask;
}

void vcpu_attach(struct vcpu *v)
{
	struct root_state *r = &root[cpu_this()->index];

	if (features.guest_mask)
		r->xcr0 = xgetbv();
	save(r->area);
	if (features.guest_mask) {
		/* All of the guest's state, also what its XCR0 hides now. */
		xsetbv(features.guest_mask);
		restore(v->xsave);
		xsetbv(v->xcr0);
	} else {
		restore(v->xsave);
	}
	if (features.xss) {
		r->xss = rdmsr(MSR_XSS);
		wrmsr(MSR_XSS, 0);
	}
	if (features.tsc_aux) {
		r->tsc_aux = rdmsr(MSR_TSC_AUX);
		r->guest_tsc_aux = r->tsc_aux;
	}
}

void vcpu_detach(struct vcpu *v)
{
	struct root_state *r = &root[cpu_this()->index];

	if (features.guest_mask)
		xsetbv(features.guest_mask);
	save(v->xsave);
	if (features.guest_mask)
		xsetbv(r->xcr0);
	restore(r->area);
	if (features.xss)
		wrmsr(MSR_XSS, r->xss);
	xstate_tsc_aux(r->tsc_aux);
	/*
	 * Branch predictors as well. Every way from one guest to another, or to
	 * any process of the root, leads through here.
	 */
	if (svm_features.ibpb)
		wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB);
}

/* QEMU's XSETBV ignores its intercept, so the processor knows best. */
void xstate_store(struct vcpu *v)
{
	if (features.guest_mask)
		v->xcr0 = xgetbv() & features.guest_mask;
}

void vcpu_xcr0_changed(struct vcpu *v)
{
	xsetbv(v->xcr0);
}

void xstate_tsc_aux(uint64_t val)
{
	struct root_state *r = &root[cpu_this()->index];

	val = (uint32_t)val; /* upper half reserved */
	if (!features.tsc_aux || r->guest_tsc_aux == val)
		return;
	wrmsr(MSR_TSC_AUX, val);
	r->guest_tsc_aux = val;
}
