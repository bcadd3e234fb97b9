/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/intercept.h"

#include "hypervisor/hv/gpa.h"
#include "hypervisor/hv/vp.h"
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

static struct hv_x64_intercept_header header(const struct vp *vp, enum hv_access access,
					     uint8_t insn_len)
{
	const struct vcpu *v = &vp->cpu;

	return (struct hv_x64_intercept_header){
		.vp_index = vp->index,
		.length_cr8 = (uint8_t)((insn_len & 0xf) | (vp->apic.tpr & 0xf0)),
		.access = (uint8_t)access,
		.execution_state = execution_state(v),
		.cs = message_segment(&v->seg[VCPU_CS]),
		.rip = v->rip,
		.rflags = v->rflags,
	};
}

/* The type last: the page may be watched. */
static void deliver(struct vp *vp, enum hv_message_type type, const void *payload,
		    unsigned int size)
{
	struct hv_message *m = vp->message;

	m->header = (struct hv_message_header){
		.payload_size = (uint8_t)size,
		.sender = vp->partition->id,
	};
	memcpy(m->payload, payload, size);
	WRITE_ONCE(m->header.type, type);
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
	struct hv_x64_io_port_intercept m = {
		.header = header(vp, exit->io.in ? HV_ACCESS_READ : HV_ACCESS_WRITE,
				 exit->insn_len),
		.port = exit->io.port,
		.access_info = (uint8_t)(exit->io.size |
					 (exit->io.string ? HV_IO_STRING : 0) |
					 (exit->io.rep ? HV_IO_REP : 0)),
		.rax = v->gpr[VCPU_RAX],
		.rcx = v->gpr[VCPU_RCX],
		.rsi = v->gpr[VCPU_RSI],
		.rdi = v->gpr[VCPU_RDI],
		.ds = message_segment(&v->seg[VCPU_DS]),
		.es = message_segment(&v->seg[VCPU_ES]),
		.insn_byte_count = (uint8_t)insn->count,
	};

	memcpy(m.insn_bytes, insn->byte, insn->count);
	deliver(vp, HV_MESSAGE_X64_IO_PORT_INTERCEPT, &m, sizeof(m));
}

void intercept_memory(struct vp *vp, enum hv_message_type type,
		      const struct vcpu_exit *exit, const struct insn_bytes *insn)
{
	enum hv_access access = exit->memory.execute ? HV_ACCESS_EXECUTE :
				exit->memory.write ? HV_ACCESS_WRITE : HV_ACCESS_READ;
	struct hv_x64_memory_intercept m = {
		.header = header(vp, access, 0),
		.cache_type = 6,	/* write-back */
		.tpr_priority = (uint8_t)(vp->apic.tpr >> 4),
		.gpa = exit->memory.gpa,
		.insn_byte_count = (uint8_t)insn->count,
	};

	/* SVM tells no guest virtual address: its validity bits stay clear. */
	memcpy(m.insn_bytes, insn->byte, insn->count);
	deliver(vp, type, &m, sizeof(m));
}

void intercept_unrecoverable(struct vp *vp)
{
	struct hv_x64_intercept_header m = header(vp, HV_ACCESS_EXECUTE, 0);

	/* Whatever was being delivered died with the guest. */
	vp->cpu.event.valid = false;
	deliver(vp, HV_MESSAGE_UNRECOVERABLE_EXCEPTION, &m, sizeof(m));
}

void intercept_apic_eoi(struct vp *vp, uint8_t vector)
{
	struct hv_x64_apic_eoi m = { .vp_index = vp->index, .vector = vector };

	deliver(vp, HV_MESSAGE_X64_APIC_EOI, &m, sizeof(m));
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
