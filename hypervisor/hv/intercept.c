/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/intercept.h"

#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/gpa.h"
#include "hypervisor/hv/vp.h"
#include "hypervisor/hv/walk.h"
#include "hypervisor/trace.h"
#include "lib/mem.h"

static struct hv_message_segment message_segment(const struct hv_segment_register *s)
{
	return (struct hv_message_segment){
		.base = s->base, .limit = s->limit, .selector = s->selector,
		.attributes = s->attributes,
	};
}

static uint16_t execution_state(const struct vcpu *v)
{
	return (uint16_t)(vcpu_cpl(v) |
			  (v->cr0 & CR0_PE ? HV_EXEC_CR0_PE : 0) |
			  (v->cr0 & CR0_AM ? HV_EXEC_CR0_AM : 0) |
			  (v->efer & EFER_LMA ? HV_EXEC_EFER_LMA : 0) |
			  (v->dr7 & 0xff ? HV_EXEC_DEBUG_ACTIVE : 0) |
			  (v->event.valid ? HV_EXEC_INTERRUPTION_PENDING : 0) |
			  (v->interrupt_shadow ? HV_EXEC_INTERRUPT_SHADOW : 0));
}

/* The message is written where it stands. Its payload, all zeros. */
static void *message(struct vp *vp)
{
	memset(vp->message, 0, sizeof(*vp->message));
	return vp->message->payload;
}

/* The same, with the header that nearly all begin with. */
static void *message_at(struct vp *vp, enum hv_access access, uint8_t insn_len)
{
	const struct vcpu *v = &vp->cpu;
	struct hv_x64_intercept_header *h = message(vp);

	h->vp_index = vp->index;
	h->length_cr8 = (uint8_t)((insn_len & 0xf) | (vp->apic.tpr & 0xf0));
	h->access = (uint8_t)access;
	h->execution_state = execution_state(v);
	h->cs = message_segment(&v->seg[VCPU_CS]);
	h->rip = v->rip;
	h->rflags = v->rflags;
	return h;
}

/* The type last: the page may be watched. */
static void send(struct vp *vp, enum hv_message_type type, unsigned int size)
{
	struct hv_message_header *h = &vp->message->header;

	h->payload_size = (uint8_t)size;
	h->sender = vp->partition->id;
	WRITE_ONCE(h->type, type);
	count(vp->stats, type == HV_MESSAGE_X64_IO_PORT_INTERCEPT ? VP_COUNTER_IO_MESSAGES :
			 type == HV_MESSAGE_UNMAPPED_GPA || type == HV_MESSAGE_GPA_INTERCEPT ?
			 VP_COUNTER_MEMORY_MESSAGES : VP_COUNTER_OTHER_MESSAGES);
	trace(HV_TRACE_INTERCEPT, vp->partition->id, vp->index, 0, type, vp->cpu.rip);
	vp->intercept_suspend = true;
	vp->nested_faults = 0;
	regpage_publish(vp);
}

void intercept_io(struct vp *vp, const struct vcpu_exit *exit,
		  const struct insn_bytes *insn)
{
	const struct vcpu *v = &vp->cpu;
	struct hv_x64_io_port_intercept *m =
		message_at(vp, exit->io.in ? HV_ACCESS_READ : HV_ACCESS_WRITE, exit->insn_len);

	m->port = exit->io.port;
	m->access_info = (uint8_t)(exit->io.size | (exit->io.string ? HV_IO_STRING : 0) |
				   (exit->io.rep ? HV_IO_REP : 0));
	m->rax = v->gpr[VCPU_RAX];
	m->rcx = v->gpr[VCPU_RCX];
	m->rsi = v->gpr[VCPU_RSI];
	m->rdi = v->gpr[VCPU_RDI];
	m->ds = message_segment(&v->seg[VCPU_DS]);
	m->es = message_segment(&v->seg[VCPU_ES]);
	m->insn_byte_count = (uint8_t)insn->count;
	memcpy(m->insn_bytes, insn->byte, insn->count);
	send(vp, HV_MESSAGE_X64_IO_PORT_INTERCEPT, sizeof(*m));
}

void intercept_memory(struct vp *vp, enum hv_message_type type,
		      const struct vcpu_exit *exit, const struct insn_bytes *insn)
{
	enum hv_access access = exit->memory.execute ? HV_ACCESS_EXECUTE :
				exit->memory.write ? HV_ACCESS_WRITE : HV_ACCESS_READ;
	struct hv_x64_memory_intercept *m = message_at(vp, access, 0);

	m->cache_type = 6;	/* write-back */
	m->tpr_priority = (uint8_t)(vp->apic.tpr >> 4);
	m->gpa = exit->memory.gpa;
	m->insn_byte_count = (uint8_t)insn->count;
	/* SVM tells no guest virtual address: its validity bits stay clear. */
	memcpy(m->insn_bytes, insn->byte, insn->count);
	send(vp, type, sizeof(*m));
}

void intercept_unrecoverable(struct vp *vp)
{
	message_at(vp, HV_ACCESS_EXECUTE, 0);
	/* Whatever was being delivered died with the guest. */
	vp->cpu.event.valid = false;
	send(vp, HV_MESSAGE_UNRECOVERABLE_EXCEPTION, sizeof(struct hv_x64_intercept_header));
}

void intercept_apic_eoi(struct vp *vp, uint8_t vector)
{
	struct hv_x64_apic_eoi *m = message(vp);

	m->vp_index = vp->index;
	m->vector = vector;
	send(vp, HV_MESSAGE_X64_APIC_EOI, sizeof(*m));
}

void intercept_cpuid(struct vp *vp, const struct vcpu_exit *exit, const uint32_t out[4])
{
	const uint64_t *gpr = vp->cpu.gpr;
	struct hv_x64_cpuid_intercept *m = message_at(vp, HV_ACCESS_EXECUTE, exit->insn_len);

	m->rax = gpr[VCPU_RAX];
	m->rcx = gpr[VCPU_RCX];
	m->rdx = gpr[VCPU_RDX];
	m->rbx = gpr[VCPU_RBX];
	m->default_rax = out[0];
	m->default_rbx = out[1];
	m->default_rcx = out[2];
	m->default_rdx = out[3];
	send(vp, HV_MESSAGE_X64_CPUID_INTERCEPT, sizeof(*m));
}

void intercept_msr(struct vp *vp, const struct vcpu_exit *exit)
{
	const uint64_t *gpr = vp->cpu.gpr;
	struct hv_x64_msr_intercept *m =
		message_at(vp, exit->msr.write ? HV_ACCESS_WRITE : HV_ACCESS_READ, exit->insn_len);

	m->msr = (uint32_t)gpr[VCPU_RCX];
	m->rdx = gpr[VCPU_RDX];
	m->rax = gpr[VCPU_RAX];
	send(vp, HV_MESSAGE_X64_MSR_INTERCEPT, sizeof(*m));
}

/*
 * QEMU exits for INT3, INTn and INTO alike, before it looks at the gate: the last two go
 * on, as does what cannot be fetched just now.
 */
static bool is_int3(struct vp *vp)
{
	struct vcpu *v = &vp->cpu;
	struct insn_bytes insn = { 0 };
	bool intn, into;

	if (walk_fetch(vp, insn.byte, &insn.count) == WALK_RETRY) {
		v->flush = 1;
		return false;
	}
	intn = insn.byte[0] == 0xcd && insn.count > 1;
	into = insn.byte[0] == 0xce;
	if (!intn && !into)
		return true;
	v->rip += intn ? 2 : 1;
	v->event = (struct vcpu_event){
		.valid = true, .type = VCPU_EVENT_SOFTWARE,
		.vector = intn ? insn.byte[1] : VECTOR_OF,
	};
	return false;
}

/* The VMM may put the exception into PENDING_INTERRUPTION, and the address into CR2. */
bool intercept_exception(struct vp *vp, const struct vcpu_exit *exit)
{
	const struct vcpu *v = &vp->cpu;
	struct hv_x64_exception_intercept *m;

	if (exit->exception.by_int && !is_int3(vp))
		return false;
	m = message_at(vp, HV_ACCESS_EXECUTE, 0);
	m->vector = exit->exception.vector;
	m->info = exit->exception.has_error ? HV_EXCEPTION_ERROR_CODE_VALID : 0;
	m->error_code = exit->exception.error;
	m->parameter = m->vector == VECTOR_PF ? exit->exception.address :
		       m->vector == VECTOR_DB ? v->dr6 : 0;
	m->ds = message_segment(&v->seg[VCPU_DS]);
	m->ss = message_segment(&v->seg[VCPU_SS]);
	memcpy(m->gpr, v->gpr, sizeof(m->gpr));
	send(vp, HV_MESSAGE_X64_EXCEPTION_INTERCEPT, sizeof(*m));
	return true;
}

bool intercept_step(struct vp *vp)
{
	struct vcpu_exit e = { 0 };

	vp->stepped = false;
	vp->cpu.dr6 |= DR6_BS;
	e.exception.vector = VECTOR_DB;
	if (vp->cpu.exceptions & BIT32(VECTOR_DB)) {
		intercept_exception(vp, &e);
		return true;
	}
	vcpu_inject(&vp->cpu, VECTOR_DB, false, 0);
	return false;
}

bool intercept_missing(struct vp *vp)
{
	const struct insn_bytes none = { 0 };
	const struct vcpu_exit e = {
		.memory.gpa = vp->missing & PAGE_MASK,
		.memory.write = vp->missing & VP_MISSING_WRITE,
	};
	enum gpa_result r = gpa_probe(vp->partition, e.memory.gpa, e.memory.write, false);

	vp->missing = 0;
	if (r == GPA_OK)
		return false;
	intercept_memory(vp, r == GPA_UNMAPPED ? HV_MESSAGE_UNMAPPED_GPA :
						 HV_MESSAGE_GPA_INTERCEPT, &e, &none);
	return true;
}

/* --- INSTALL_INTERCEPT --- */

/* partition.intercept[]: access in 63:56, type in 39:32, parameter in 31:0. */
#define ACCESS_SHIFT 56

static uint64_t key_of(enum hv_intercept_type type, uint32_t parameter)
{
	return (uint64_t)type << 32 | parameter;
}

bool intercept_installed(const struct partition *p, enum hv_intercept_type type,
			 uint32_t parameter, uint32_t access)
{
	for (uint32_t i = 0; i < p->intercepts; i++) {
		uint64_t e = READ_ONCE(p->intercept[i]);

		if ((e ^ key_of(type, parameter)) << 8 == 0)
			return e >> ACCESS_SHIFT & access;
	}
	return false;
}

/* Which accesses a type has; 0: no such intercept. */
static uint32_t accesses(uint32_t type, uint64_t parameter)
{
	switch (type) {
	case HV_INTERCEPT_MSR_INDEX:
		if (!vcpu_msr_exits((uint32_t)parameter))
			return 0;
		__attribute__((fallthrough));
	case HV_INTERCEPT_IO_PORT:
	case HV_INTERCEPT_MSR:
		return HV_INTERCEPT_READ | HV_INTERCEPT_WRITE;
	case HV_INTERCEPT_CPUID:
		return HV_INTERCEPT_EXECUTE;
	case HV_INTERCEPT_EXCEPTION:
		/* Machine checks are the root's. */
		return parameter < 32 && parameter != VECTOR_NMI && parameter != VECTOR_MC ?
			       HV_INTERCEPT_EXECUTE : 0;
	default:
		return 0;
	}
}

enum hv_status hvcall_install_intercept(struct hvcall *c)
{
	const struct hv_input_install_intercept *in = c->in;
	uint32_t parameter = in->type == HV_INTERCEPT_MSR ? 0 : (uint32_t)in->parameter;
	uint64_t key = key_of(in->type, parameter);
	uint32_t known = accesses(in->type, in->parameter), at;
	struct partition *p = c->partition;

	if (!known || (in->access & ~known))
		return HV_STATUS_INVALID_PARAMETER;
	/* All of them go to the VMM anyway. */
	if (in->type == HV_INTERCEPT_IO_PORT)
		return HV_STATUS_SUCCESS;
	lock_scope(&p->lock);
	if (in->type == HV_INTERCEPT_EXCEPTION) {
		p->exceptions &= ~BIT32(parameter);
		p->exceptions |= in->access ? BIT32(parameter) : 0;
		return HV_STATUS_SUCCESS;
	}
	/* Its entry, or one whose intercept was removed, or a new one. */
	for (at = 0; at < p->intercepts && (p->intercept[at] ^ key) << 8; at++)
		;
	if (at == p->intercepts)
		for (at = 0; at < p->intercepts && p->intercept[at] >> ACCESS_SHIFT; at++)
			;
	if (at == PARTITION_INTERCEPTS)
		return HV_STATUS_NO_RESOURCES;
	WRITE_ONCE(p->intercept[at], key | (uint64_t)in->access << ACCESS_SHIFT);
	p->intercepts = MAX(p->intercepts, at + 1);
	return HV_STATUS_SUCCESS;
}
