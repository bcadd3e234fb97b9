/* SPDX-License-Identifier: MIT */
/* What a root virtual processor begins with: as launch_hv's caller, or after a SIPI. */
#include "hypervisor/svm/root.h"

#include "hypervisor/cpu.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/mem/rootmem.h"
#include "hypervisor/svm/svm.h"
#include "hypervisor/vcpu.h"
#include "hypervisor/x86.h"
#include "lib/mem.h"

#define INTERCEPTS1                                                                             \
	(SVM_INTERCEPT_INTR | SVM_INTERCEPT_INIT | SVM_INTERCEPT_CPUID | SVM_INTERCEPT_INVLPGA | \
	 SVM_INTERCEPT_MSR | SVM_INTERCEPT_SHUTDOWN)
#define INTERCEPTS2                                                           \
	(SVM_INTERCEPT_VMRUN | SVM_INTERCEPT_VMMCALL | SVM_INTERCEPT_VMLOAD | \
	 SVM_INTERCEPT_VMSAVE | SVM_INTERCEPT_STGI | SVM_INTERCEPT_CLGI | SVM_INTERCEPT_SKINIT)

bool root_create(struct cpu *cpu)
{
	struct root_vp *vp;

	_Static_assert(sizeof(*vp) <= PAGE_SIZE, "one page");
	vp = page_alloc();
	if (!vp)
		return false;
	vp->vmcb = page_alloc();
	vp->cpu = cpu;
	vp->state = ROOT_PARKED;
	cpu->root = vp;
	return vp->vmcb && root_msr_bitmap();
}

static void control_reset(struct vmcb *v)
{
	uint64_t tsc_offset = v->tsc_offset;

	memset(v, 0, sizeof(*v));
	v->tsc_offset = tsc_offset; /* INIT leaves the TSC alone */
	v->intercept1 = INTERCEPTS1;
	v->intercept2 = INTERCEPTS2;
	v->msrpm_base = root_msr_bitmap();
	v->asid = SVM_ASID_ROOT;
	v->tlb_control = SVM_TLB_FLUSH_ALL;
	v->nested_ctl = SVM_NESTED_PAGING;
	v->nested_cr3 = rootmem_table();
	v->g_pat = 0x0007040600070406ull; /* APM vol. 2: PAT after reset */
}

/* What launch_hv's caller had where this program goes on to use its own. */
static struct {
	struct launch_context ctx;
	uint64_t efer, pat, dr6, dr7;
	struct vmcb loaded __aligned(4096); /* FS, GS, TR, LDTR, syscall MSRs */
} caller;

void root_capture(const struct launch_context *ctx)
{
	caller.ctx = *ctx;
	caller.efer = rdmsr(MSR_EFER);
	caller.pat = rdmsr(MSR_PAT);
	__asm__ volatile("mov %%dr6, %0" : "=r"(caller.dr6));
	__asm__ volatile("mov %%dr7, %0" : "=r"(caller.dr7));
	/* VMSAVE needs SVME; nothing else of SVM is on yet. */
	wrmsr(MSR_EFER, caller.efer | EFER_SVME);
	__asm__ volatile("vmsave %%rax" : : "a"(virt_to_phys(&caller.loaded)) : "memory");
	wrmsr(MSR_EFER, caller.efer);
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* A segment register as the processor would load it from the caller's GDT. */
static struct vmcb_segment segment_of(uint16_t selector)
{
	struct vmcb_segment s = { .selector = selector };
	uint64_t base = load64(caller.ctx.gdt_base);
	uint64_t d;

	if (!(selector & ~7u) || (selector & ~7u) + 7 > caller.ctx.gdt_limit)
		return s;
	d = load64((const uint8_t *)phys_to_virt(base) + (selector & ~7u));
	s.attributes = (uint16_t)((d >> 40 & 0xff) | (d >> 44 & 0xf00));
	s.base = (d >> 16 & 0xffffff) | (d >> 32 & 0xff000000);
	s.limit = (uint32_t)((d & 0xffff) | (d >> 32 & 0xf0000));
	if (s.attributes & VMCB_SEG_G)
		s.limit = s.limit << 12 | 0xfff;
	return s;
}

void root_resume_state(struct root_vp *vp)
{
	const struct launch_context *ctx = &caller.ctx;
	struct vmcb *v = vp->vmcb;

	control_reset(v);
	v->es = segment_of(ctx->es);
	v->cs = segment_of(ctx->cs);
	v->ss = segment_of(ctx->ss);
	v->ds = segment_of(ctx->ds);
	v->fs = caller.loaded.fs;
	v->gs = caller.loaded.gs;
	v->ldtr = caller.loaded.ldtr;
	v->tr = caller.loaded.tr;
	v->gdtr.base = load64(ctx->gdt_base);
	v->gdtr.limit = ctx->gdt_limit;
	v->idtr.base = load64(ctx->idt_base);
	v->idtr.limit = ctx->idt_limit;
	memcpy(&v->star, &caller.loaded.star,
	       offsetof(struct vmcb, cr2) - offsetof(struct vmcb, star));
	v->cr0 = ctx->cr0;
	v->cr3 = ctx->cr3;
	v->cr4 = ctx->cr4;
	v->efer = caller.efer | EFER_SVME;
	v->g_pat = caller.pat;
	v->dr6 = caller.dr6;
	v->dr7 = caller.dr7;
	v->rflags = ctx->rflags;
	v->rip = ctx->rip;
	v->rsp = ctx->rsp;
	v->rax = 0;

	vp->gprs = (struct world_gprs){ 0 };
	vp->gprs.r[VCPU_RBX] = ctx->rbx;
	vp->gprs.r[VCPU_RBP] = ctx->rbp;
	vp->gprs.r[VCPU_RSI] = ctx->rsi;
	vp->gprs.r[VCPU_RDI] = ctx->rdi;
	vp->gprs.r[12] = ctx->r12;
	vp->gprs.r[13] = ctx->r13;
	vp->gprs.r[14] = ctx->r14;
	vp->gprs.r[15] = ctx->r15;
}

/* APM vol. 2, "Processor Initialization State", then CS from the SIPI. */
void root_start_state(struct root_vp *vp, uint8_t vector)
{
	struct vmcb_segment data = { .attributes = VMCB_SEG_P | VMCB_SEG_S | 3, .limit = 0xffff };
	struct vmcb *v = vp->vmcb;

	control_reset(v);
	v->es = v->ss = v->ds = v->fs = v->gs = data;
	v->cs = data;
	v->cs.attributes |= 8; /* code */
	v->cs.selector = (uint16_t)(vector << 8);
	v->cs.base = (uint64_t)vector << 12;
	v->gdtr.limit = v->idtr.limit = 0xffff;
	v->ldtr = (struct vmcb_segment){ .attributes = VMCB_SEG_P | 2, .limit = 0xffff };
	v->tr = (struct vmcb_segment){ .attributes = VMCB_SEG_P | 11, .limit = 0xffff };
	v->cr0 = 0x60000010;
	v->efer = EFER_SVME;
	v->dr6 = 0xffff0ff0;
	v->dr7 = 0x400;
	v->rflags = 2;
	vp->gprs = (struct world_gprs){ .r = { [VCPU_RDX] = cpuid(1, 0).eax } };
	vp->going_offline = false;
	vp->held_count = 0;
}
