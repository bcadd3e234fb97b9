/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/vp.h"

#include "hypervisor/cpu.h"
#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/fpu.h"
#include "hypervisor/hv/gpa.h"
#include "hypervisor/hv/guestcpuid.h"
#include "hypervisor/hv/guestsynic.h"
#include "hypervisor/hv/stats.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/hw/lapic.h"
#include "hypervisor/mem/pages.h"

struct vp *vp_get(struct partition *p, uint32_t index)
{
	struct vp *vp;

	if (index >= PARTITION_VPS_MAX)
		return NULL;
	lock_scope(&p->lock);
	vp = p->state != PARTITION_FINALIZED ? p->vp[index] : NULL;
	if (!vp || vp->dying)
		return NULL;
	vp->refs++;
	return vp;
}

void vp_put(struct vp *vp)
{
	lock_scope(&vp->partition->lock);
	vp->refs--;
}

/*
 * A VP in guest mode keeps its run lock until it has left; DISPATCH_VP gives it
 * up after every interrupt of the host, and a kick is one.
 */
void vp_acquire(struct vp *vp)
{
	while (__atomic_exchange_n(&vp->run_lock.held, 1, __ATOMIC_ACQUIRE)) {
		if (vp->cpu.in_guest)
			lapic_kick(vp->cpu.host);
		cpu_relax();
	}
}

void vp_drop(struct vp *vp)
{
	lock_drop(&vp->run_lock);
}

void vp_sync_timer(struct vp *vp)
{
	uint64_t deadline = vp->apic.deadline, other = vp->stimer_deadline;

	if (other && (!deadline || other < deadline))
		deadline = other;
	if (!deadline || deadline == vp->timer_armed)
		return;
	vp->timer_armed = deadline;
	timer_arm(&vp->timer, deadline);
}

static struct hv_segment_register segment(uint16_t selector, uint64_t base,
					  uint16_t attributes)
{
	return (struct hv_segment_register){
		.base = base, .limit = 0xffff, .selector = selector,
		.attributes = attributes,
	};
}

/* What power-up and INIT have in common (APM vol. 2, "Processor Initialization State"). */
static void reset_common(struct vp *vp)
{
	struct vcpu *v = &vp->cpu;
	uint32_t version[4];

	cpuid_native(1, 0, version);
	for (unsigned int i = 0; i < 16; i++)
		v->gpr[i] = 0;
	v->gpr[VCPU_RDX] = version[0];
	v->rip = 0xfff0;
	v->rflags = 2;
	v->cr2 = v->cr3 = v->cr4 = v->cr8 = 0;
	v->efer = 0;
	for (unsigned int i = 0; i < 4; i++)
		v->dr[i] = 0;
	v->dr6 = 0xffff0ff0;
	v->dr7 = 0x400;
	for (unsigned int i = VCPU_ES; i <= VCPU_GS; i++)
		v->seg[i] = segment(0, 0, 0x93);
	v->seg[VCPU_CS] = segment(0xf000, 0xffff0000, 0x9b);
	v->seg[VCPU_LDTR] = segment(0, 0, 0x82);
	v->seg[VCPU_TR] = segment(0, 0, 0x8b);
	v->gdtr = v->idtr = (struct hv_table_register){ .limit = 0xffff };
	v->event.valid = false;
	v->interrupt_shadow = false;
	vp->stepped = false;
	v->nmi_masked = v->nmi_iret = false;
	v->flush = 1;
}

/* Architectural reset ("after power-up") of a VP that is all zeros otherwise. */
static void power_up(struct vp *vp)
{
	struct vcpu *v = &vp->cpu;

	reset_common(vp);
	v->cr0 = 0x60000010;
	v->xcr0 = 1;
	v->pat = 0x0007040600070406;
	/* The guest's TSC starts at 0 with its partition, on all VPs alike. */
	v->tsc_offset = 0 - vp->partition->tsc_base;
	vp->misc_enable = 1;
	fpu_reset(v);
	vlapic_reset(vp);
	guestsynic_reset(vp);
	vp->wait_sipi = vp->index != 0;
}

void vp_init_signal(struct vp *vp)
{
	uint64_t cr0 = vp->cpu.cr0;

	reset_common(vp);
	vp->cpu.cr0 = (cr0 & 0x60000000) | 0x10;	/* CD and NW survive INIT */
	lock_scope(&vp->lock);
	vlapic_init(vp);
	vp->halted = false;
	vp->wait_sipi = !(vp->apic.base_msr & APIC_BASE_BSP);
}

void vp_start(struct vp *vp, uint8_t sipi_vector)
{
	struct vcpu *v = &vp->cpu;

	v->seg[VCPU_CS] = segment((uint16_t)(sipi_vector << 8),
				  (uint64_t)sipi_vector << 12, 0x9b);
	v->rip = 0;
}

void vp_skip(struct vp *vp, unsigned int len)
{
	struct vcpu *v = &vp->cpu;

	v->rip += len;
	v->rflags &= ~RFLAGS_RF;
	v->interrupt_shadow = false;
	vp->stepped = v->rflags & RFLAGS_TF;
}

/* --- life --- */

static void timer_fired(struct timer *t)
{
	struct vp *vp = container_of(t, struct vp, timer);
	bool came;

	lock_scope(&vp->lock);
	vp->timer_armed = 0;
	came = vlapic_timer_poll(vp, rdtsc());
	came |= guesttimer_poll(vp, rdtsc());
	if (came) {
		/* Its dispatch arms the next one. */
		vp->todo |= VP_TODO_TIMER;
		vp_wake(vp);
	}
}

static void free_pages(struct pool *pool, struct vp *vp)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(vp->state_page); i++)
		if (vp->state_page[i])
			pool_put_shared(pool, vp->state_page[i]);
	if (vp->cpu.vmcb)
		pool_put(pool, vp->cpu.vmcb);
	if (vp->cpu.xsave)
		pool_put(pool, vp->cpu.xsave);
	guestcpuid_free(vp);
	stats_free(vp->stats);
	pool_put(pool, vp);
}

static struct vp *create(struct partition *p, uint32_t index)
{
	struct vp *vp = pool_get(&p->pool);

	if (!vp)
		return NULL;
	vp->partition = p;
	vp->cpu.vmcb = pool_get(&p->pool);
	vp->cpu.xsave = pool_get(&p->pool);
	if (!vp->cpu.vmcb || !vp->cpu.xsave) {
		free_pages(&p->pool, vp);
		return NULL;
	}
	vp->index = index;
	vp->apic_id = index;
	vp->timer.fire = timer_fired;
	vp->signal.partition_id = p->id;
	vp->signal.vp_index = index;
	vp->cpu.host = cpu_this();
	vcpu_create(&vp->cpu, vp->cpu.vmcb, vp->cpu.xsave, gpa_table(p));
	power_up(vp);
	return vp;
}

static enum hv_status add(struct partition *p, uint32_t index, uint64_t flags)
{
	struct vp *vp;

	lock_scope(&p->lock);
	if (p->state != PARTITION_ACTIVE)
		return HV_STATUS_INVALID_PARTITION_STATE;
	if (index >= PARTITION_VPS_MAX || p->vp[index])
		return HV_STATUS_INVALID_VP_INDEX;
	if (flags)
		return HV_STATUS_INVALID_PARAMETER;
	vp = create(p, index);
	if (!vp)
		return HV_STATUS_INSUFFICIENT_MEMORY;
	p->vp[index] = vp;
	p->vp_limit = MAX(p->vp_limit, index + 1);
	stats_population(0, 1);
	return HV_STATUS_SUCCESS;
}

enum hv_status hvcall_create_vp(struct hvcall *c)
{
	const struct hv_input_create_vp *in = c->in;
	enum hv_status status = add(c->partition, in->vp_index, in->flags);

	stats_partition(c->partition);
	return status;
}

/* No one gets hold of it from now on. NULL: there is none, or another call is at it. */
static struct vp *condemn(struct partition *p, uint32_t index)
{
	struct vp *vp;

	lock_scope(&p->lock);
	vp = p->vp[index];
	if (!vp || vp->dying)
		return NULL;
	vp->dying = true;
	__atomic_fetch_add(&p->dying, 1, __ATOMIC_SEQ_CST);
	return vp;
}

static bool unlink_unused(struct vp *vp)
{
	lock_scope(&vp->partition->lock);
	if (vp->refs)
		return false;
	vp->partition->vp[vp->index] = NULL;
	return true;
}

/*
 * Wait until whoever still holds the VP, a DISPATCH_VP on another processor perhaps,
 * is done with it; until then it is in the table, for its translations to be flushed.
 */
static bool destroy(struct partition *p, uint32_t index)
{
	struct vp *vp = condemn(p, index);

	if (!vp)
		return false;
	while (!unlink_unused(vp)) {
		if (vp->cpu.in_guest)
			lapic_kick(vp->cpu.host);
		cpu_relax();
	}
	timer_cancel(&vp->timer);
	synic_cancel(&vp->signal);
	free_pages(&p->pool, vp);
	stats_population(0, -1);
	stats_partition(p);
	__atomic_fetch_sub(&p->dying, 1, __ATOMIC_SEQ_CST);
	return true;
}

bool vp_destroy_any(struct partition *p)
{
	for (unsigned int i = 0; i < p->vp_limit; i++)
		if (destroy(p, i))
			return true;
	return READ_ONCE(p->dying) != 0;
}

enum hv_status hvcall_delete_vp(struct hvcall *c)
{
	const struct hv_input_delete_vp *in = c->in;

	return in->vp_index < PARTITION_VPS_MAX && destroy(c->partition, in->vp_index) ?
		       HV_STATUS_SUCCESS : HV_STATUS_INVALID_VP_INDEX;
}

/* --- state pages: register page and intercept message page --- */

/* NULL: no such type. */
static void **state_page(struct vp *vp, uint16_t type)
{
	return type < ARRAY_SIZE(vp->state_page) ? &vp->state_page[type] : NULL;
}

enum hv_status hvcall_map_vp_state_page(struct hvcall *c)
{
	const struct hv_input_map_vp_state_page *in = c->in;
	void **page = state_page(c->vp, in->type);
	uint64_t *pfn = c->out;

	/* flags: a location of the caller's choice */
	if (!page || in->flags)
		return HV_STATUS_INVALID_PARAMETER;
	if (!*page)
		*page = pool_get_shared(&c->partition->pool);
	if (!*page)
		return HV_STATUS_INSUFFICIENT_MEMORY;
	*pfn = virt_to_phys(*page) >> PAGE_SHIFT;
	regpage_publish(c->vp);
	return HV_STATUS_SUCCESS;
}

enum hv_status hvcall_unmap_vp_state_page(struct hvcall *c)
{
	const struct hv_input_unmap_vp_state_page *in = c->in;
	void **page = state_page(c->vp, in->type);

	if (!page)
		return HV_STATUS_INVALID_PARAMETER;
	if (*page)
		pool_put_shared(&c->partition->pool, *page);
	*page = NULL;
	return HV_STATUS_SUCCESS;
}
