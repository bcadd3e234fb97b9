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
	struct vp *vp = NULL;

	if (index >= PARTITION_VPS_MAX)
		return NULL;
	lock_take(&p->lock);
	if (p->state != PARTITION_FINALIZED) {
		vp = p->vp[index];
		if (vp)
			vp->refs++;
	}
	lock_drop(&p->lock);
	return vp;
}

void vp_put(struct vp *vp)
{
	struct partition *p = vp->partition;

	lock_take(&p->lock);
	vp->refs--;
	lock_drop(&p->lock);
}

enum hv_status vp_lookup(uint64_t partition_id, uint32_t index, struct vp **vp)
{
	struct partition *p = partition_get_guest(partition_id);

	if (!p)
		return HV_STATUS_INVALID_PARTITION_ID;
	*vp = vp_get(p, index);
	if (!*vp) {
		partition_put(p);
		return HV_STATUS_INVALID_VP_INDEX;
	}
	return HV_STATUS_SUCCESS;
}

void vp_release(struct vp *vp)
{
	struct partition *p = vp->partition;

	vp_put(vp);
	partition_put(p);
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

enum hv_status vp_open(uint64_t partition_id, uint32_t index, struct vp **vp)
{
	enum hv_status status = vp_lookup(partition_id, index, vp);

	if (status == HV_STATUS_SUCCESS) {
		vp_acquire(*vp);
		regpage_load(*vp);
	}
	return status;
}

void vp_close(struct vp *vp, bool changed)
{
	if (changed) {
		regpage_publish(vp);
		vp_sync_timer(vp);
	}
	vp_drop(vp);
	if (changed) {
		/* It may be runnable now: a VMM resets a halted VP by writing its RIP. */
		lock_take(&vp->lock);
		vp_wake(vp);
		lock_drop(&vp->lock);
	}
	vp_release(vp);
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
	v->nmi_masked = false;
	v->flush = 1;
}

void vp_reset(struct vp *vp)
{
	struct vcpu *v = &vp->cpu;

	reset_common(vp);
	v->cr0 = 0x60000010;
	v->xcr0 = 1;
	v->kernel_gs_base = 0;
	v->star = v->lstar = v->cstar = v->sfmask = 0;
	v->sysenter_cs = v->sysenter_esp = v->sysenter_eip = 0;
	v->pat = 0x0007040600070406;
	v->tsc_aux = 0;
	v->debugctl = 0;
	/* The guest's TSC starts at 0 with its partition, on all VPs alike. */
	v->tsc_offset = 0 - vp->partition->tsc_base;
	vp->misc_enable = 1;
	fpu_reset(v);
	vlapic_reset(vp);
	guestsynic_reset(vp);
	vp->halted = false;
	vp->wait_sipi = vp->index != 0;
}

void vp_init_signal(struct vp *vp)
{
	uint64_t cr0 = vp->cpu.cr0;

	reset_common(vp);
	vp->cpu.cr0 = (cr0 & 0x60000000) | 0x10;	/* CD and NW survive INIT */
	lock_take(&vp->lock);
	vlapic_init(vp);
	vp->halted = false;
	vp->wait_sipi = !(vp->apic.base_msr & APIC_BASE_BSP);
	lock_drop(&vp->lock);
}

void vp_start(struct vp *vp, uint8_t sipi_vector)
{
	struct vcpu *v = &vp->cpu;

	v->seg[VCPU_CS] = segment((uint16_t)(sipi_vector << 8),
				  (uint64_t)sipi_vector << 12, 0x9b);
	v->rip = 0;
}

/* --- life --- */

static void timer_fired(struct timer *t)
{
	struct vp *vp = container_of(t, struct vp, timer);
	bool came;

	lock_take(&vp->lock);
	vp->timer_armed = 0;
	came = vlapic_timer_poll(vp, rdtsc());
	came |= guesttimer_poll(vp, rdtsc());
	if (came) {
		/* Its dispatch arms the next one. */
		vp->todo |= VP_TODO_TIMER;
		vp_wake(vp);
	}
	lock_drop(&vp->lock);
}

static void free_pages(struct pool *pool, struct vp *vp)
{
	if (vp->reg_page)
		pool_put_shared(pool, vp->reg_page);
	if (vp->message)
		pool_put_shared(pool, vp->message);
	if (vp->cpu.vmcb)
		pool_put(pool, vp->cpu.vmcb);
	if (vp->cpu.xsave)
		pool_put(pool, vp->cpu.xsave);
	guestcpuid_free(vp);
	stats_free(vp->stats);
	stats_population(0, -1);
	pool_put(pool, vp);
}

static struct vp *create(struct partition *p, uint32_t index)
{
	struct pool *pool = &p->pool;
	void *vmcb, *xsave;
	struct vp *vp;

	vp = pool_get(pool);
	if (!vp)
		return NULL;
	vmcb = pool_get(pool);
	if (!vmcb)
		goto put_vp;
	xsave = pool_get(pool);
	if (!xsave)
		goto put_vmcb;

	vp->partition = p;
	vp->index = index;
	vp->apic_id = index;
	vp->timer.fire = timer_fired;
	vp->signal.partition_id = p->id;
	vp->signal.vp_index = index;
	vp->cpu.host = cpu_this();
	vcpu_create(&vp->cpu, vmcb, xsave, gpa_table(p));
	vp_reset(vp);
	return vp;

put_vmcb:
	pool_put(pool, vmcb);
put_vp:
	pool_put(pool, vp);
	return NULL;
}

enum hv_status hvcall_create_vp(struct hvcall *c)
{
	const struct hv_input_create_vp *in = c->in;
	struct partition *p = partition_get_guest(in->partition_id);
	enum hv_status status = HV_STATUS_SUCCESS;

	if (!p)
		return HV_STATUS_INVALID_PARTITION_ID;

	lock_take(&p->lock);
	if (p->state != PARTITION_ACTIVE)
		status = HV_STATUS_INVALID_PARTITION_STATE;
	else if (in->vp_index >= PARTITION_VPS_MAX || p->vp[in->vp_index])
		status = HV_STATUS_INVALID_VP_INDEX;
	else if (in->flags)
		status = HV_STATUS_INVALID_PARAMETER;
	if (status == HV_STATUS_SUCCESS) {
		struct vp *vp = create(p, in->vp_index);

		if (vp) {
			p->vp[in->vp_index] = vp;
			p->vp_limit = MAX(p->vp_limit, in->vp_index + 1);
			stats_population(0, 1);
		} else {
			status = HV_STATUS_INSUFFICIENT_MEMORY;
		}
	}
	lock_drop(&p->lock);
	stats_partition(p);

	partition_put(p);
	return status;
}

/*
 * The VP is out of the table; wait until whoever still holds it, a DISPATCH_VP
 * on another processor perhaps, is done with it.
 */
static void destroy(struct partition *p, struct vp *vp)
{
	for (;;) {
		bool used;

		lock_take(&p->lock);
		used = vp->refs != 0;
		lock_drop(&p->lock);
		if (!used)
			break;
		if (vp->cpu.in_guest)
			lapic_kick(vp->cpu.host);
		cpu_relax();
	}
	timer_cancel(&vp->timer);
	synic_cancel(&vp->signal);
	free_pages(&p->pool, vp);
	stats_partition(p);
}

void vp_destroy_all(struct partition *p)
{
	for (unsigned int i = 0; i < p->vp_limit; i++) {
		struct vp *vp;

		lock_take(&p->lock);
		vp = p->vp[i];
		p->vp[i] = NULL;
		lock_drop(&p->lock);
		if (vp)
			destroy(p, vp);
	}
}

enum hv_status hvcall_delete_vp(struct hvcall *c)
{
	const struct hv_input_delete_vp *in = c->in;
	struct partition *p = partition_get_guest(in->partition_id);
	struct vp *vp = NULL;

	if (!p)
		return HV_STATUS_INVALID_PARTITION_ID;
	lock_take(&p->lock);
	if (in->vp_index < PARTITION_VPS_MAX) {
		vp = p->vp[in->vp_index];
		p->vp[in->vp_index] = NULL;
	}
	lock_drop(&p->lock);
	if (vp)
		destroy(p, vp);
	partition_put(p);
	return vp ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_VP_INDEX;
}

/* --- state pages: register page and intercept message page --- */

/* False: no such type. */
static bool state_page(struct vp *vp, uint16_t type, void **page)
{
	switch (type) {
	case HV_VP_STATE_PAGE_REGISTERS:
		*page = vp->reg_page;
		return true;
	case HV_VP_STATE_PAGE_INTERCEPT_MESSAGE:
		*page = vp->message;
		return true;
	default:
		return false;
	}
}

static void set_state_page(struct vp *vp, uint16_t type, void *page)
{
	if (type == HV_VP_STATE_PAGE_REGISTERS)
		vp->reg_page = page;
	else
		vp->message = page;
}

enum hv_status hvcall_map_vp_state_page(struct hvcall *c)
{
	const struct hv_input_map_vp_state_page *in = c->in;
	enum hv_status status;
	uint64_t *pfn = c->out;
	struct vp *vp;
	void *page;

	status = vp_lookup(in->partition_id, in->vp_index, &vp);
	if (status != HV_STATUS_SUCCESS)
		return status;

	vp_acquire(vp);
	if (!state_page(vp, in->type, &page) || in->flags) {
		/* flags: a location of the caller's choice */
		status = HV_STATUS_INVALID_PARAMETER;
	} else {
		if (!page)
			page = pool_get_shared(&vp->partition->pool);
		if (!page)
			status = HV_STATUS_INSUFFICIENT_MEMORY;
		else
			*pfn = virt_to_phys(page) >> PAGE_SHIFT;
		set_state_page(vp, in->type, page);
	}
	if (status == HV_STATUS_SUCCESS && in->type == HV_VP_STATE_PAGE_REGISTERS)
		regpage_publish(vp);
	vp_drop(vp);

	vp_release(vp);
	return status;
}

enum hv_status hvcall_unmap_vp_state_page(struct hvcall *c)
{
	const struct hv_input_unmap_vp_state_page *in = c->in;
	enum hv_status status;
	struct vp *vp;
	void *page;

	status = vp_lookup(in->partition_id, in->vp_index, &vp);
	if (status != HV_STATUS_SUCCESS)
		return status;

	vp_acquire(vp);
	if (!state_page(vp, in->type, &page)) {
		status = HV_STATUS_INVALID_PARAMETER;
	} else if (page) {
		pool_put_shared(&vp->partition->pool, page);
		set_state_page(vp, in->type, NULL);
	}
	vp_drop(vp);

	vp_release(vp);
	return status;
}
