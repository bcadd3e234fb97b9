/* SPDX-License-Identifier: MIT */
#include "hv_svm_rig.h"

#include <asm/prctl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "hypervisor/hv/rootmsr.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/hw/lapic.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/svm/world.h"
#include "hypervisor/x86.h"

/* --- the processor --- */

struct hw hw;

static uint64_t msr_get(uint32_t msr)
{
	if (msr == MSR_TSC_ADJUST)
		return hw.tsc_adjust;
	return msr == MSR_MCG_STATUS ? hw.mcg_status : 0;
}

static void msr_set(uint32_t msr, uint64_t value)
{
	if (msr == MSR_PRED_CMD) {
		assert_int_equal(value, PRED_CMD_IBPB);
		hw.barriers++;
	}
	/* The hypervisor's own clock. */
	assert_int_not_equal(msr, MSR_TSC);
	assert_int_not_equal(msr, MSR_TSC_ADJUST);
}

static greg_t *reg_of(greg_t *g, unsigned int n)
{
	static const int order[] = {
		REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
		REG_R8,	 REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
	};

	return &g[order[n]];
}

/* 0f 20 … 0f 23: MOV from and to control (even) and debug (odd) registers. */
static bool mov_special(greg_t *g, const uint8_t *p, unsigned int rex)
{
	greg_t *r = reg_of(g, (p[2] & 7u) | (rex & 1) << 3);
	unsigned int n = p[2] >> 3 & 7;
	uint64_t *special = p[1] & 1 ? &hw.dr[n & 3] : &hw.cr4;
	uint64_t cr0 = 0;

	if (!(p[1] & 1) && n == 0)
		special = &cr0;
	if (p[1] & 2)
		*special = (uint64_t)*r;
	else
		*r = (greg_t)*special;
	return true;
}

static bool emulate(greg_t *g)
{
	const uint8_t *p = (const uint8_t *)g[REG_RIP];
	unsigned int rex = (p[0] & 0xf0) == 0x40 ? p[0] & 0xf : 0;
	uint64_t value;

	p += (p[0] & 0xf0) == 0x40;
	if (p[0] != 0x0f)
		return false;
	switch (p[1]) {
	case 0x20 ... 0x23:
		g[REG_RIP] = (greg_t)(p + 3);
		return mov_special(g, p, rex);
	case 0x30:
		msr_set((uint32_t)g[REG_RCX],
			(uint64_t)g[REG_RDX] << 32 | (uint32_t)g[REG_RAX]);
		g[REG_RIP] = (greg_t)(p + 2);
		return true;
	case 0x32:
		value = msr_get((uint32_t)g[REG_RCX]);
		g[REG_RAX] = (greg_t)(uint32_t)value;
		g[REG_RDX] = (greg_t)(value >> 32);
		g[REG_RIP] = (greg_t)(p + 2);
		return true;
	case 0x01: /* XSETBV */
		g[REG_RIP] = (greg_t)(p + 3);
		return p[2] == 0xd1;
	default:
		return false;
	}
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	(void)info;
	if (!emulate(u->uc_mcontext.gregs))
		signal(sig, SIG_DFL);
}

void power_on(void)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigaction(SIGSEGV, &action, NULL);
}

/* --- the rest of the hypervisor --- */

struct cpu *cpus[HV_CPUS_MAX];
unsigned int cpu_count = 1;
struct svm_features svm_features = { .asids = 16 };

struct cpu cpu;

void *pages_alloc(unsigned int count)
{
	void *p = aligned_alloc(PAGE_SIZE, count * PAGE_SIZE);

	memset(p, 0, count * PAGE_SIZE);
	return p;
}

void *page_alloc(void)
{
	return pages_alloc(1);
}

void log_line(const char *fmt, ...)
{
	(void)fmt;
}

bool x2apic;
uint32_t apic_reg, apic_value;

bool lapic_is_x2apic(void)
{
	return x2apic;
}

uint32_t lapic_read(unsigned int reg)
{
	return reg == LAPIC_SVR ? 0x11ff : 0;
}

void root_apic_write(struct root_vp *vp, unsigned int reg, uint32_t value)
{
	(void)vp;
	apic_reg = reg;
	apic_value = value;
}

void lapic_write(unsigned int reg, uint32_t val)
{
	(void)reg;
	(void)val;
}

void lapic_eoi(void)
{
}

uint64_t svm_efer_mask(void)
{
	return 0;
}

uint8_t svm_flush_one(void)
{
	return 0;
}

bool rootmsr_read(struct cpu *c, uint32_t msr, uint64_t *value)
{
	(void)c;
	(void)msr;
	(void)value;
	return false;
}

bool rootmsr_write(struct cpu *c, uint32_t msr, uint64_t value)
{
	(void)c;
	(void)msr;
	(void)value;
	return false;
}

unsigned int tsc_moved, faults;

void rootmsr_tsc_moved(void)
{
	tsc_moved++;
}

void root_icr_write(struct root_vp *vp, uint64_t icr)
{
	(void)vp;
	(void)icr;
}

void root_skip_opcode(struct root_vp *vp, unsigned int length)
{
	vp->vmcb->rip += length;
}

void root_inject_gp(struct root_vp *vp)
{
	(void)vp;
	faults++;
}

struct vmcb *vmcb;
void (*guest)(struct vmcb *b);

void world_run(uint64_t pa, struct world_gprs *gprs, bool host_if)
{
	(void)gprs;
	assert_true(host_if);
	assert_int_equal(pa, virt_to_phys(vmcb));
	vmcb->exit_code = SVM_EXIT_INTR;
	if (guest)
		guest(vmcb);
}

void rig_setup(void)
{
	memset(&hw, 0, sizeof(hw));
	memset(&cpu, 0, sizeof(cpu));
	cpus[0] = &cpu;
	cpu.self = &cpu;
	svm_features.ibpb = true;
	guest = NULL;
	assert_int_equal(syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu), 0);
	vmcb = page_alloc();
}

void rig_teardown(void)
{
	free(vmcb);
}

bool rig_begin(void)
{
	power_on();
	cpus[0] = &cpu;
	cpu.self = &cpu;
	return vcpu_init();
}
