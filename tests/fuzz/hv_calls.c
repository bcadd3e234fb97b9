/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls about one guest partition in any order with any parameters, and a
 * guest that leaves by any exit in between. The machine is the unit tests'
 * (tests/unit/hv_guest.c). At the end the partition must come apart without
 * losing a page.
 *
 * Input: records of one byte that chooses the call, one byte of element count,
 * and the call's parameters behind the partition id.
 */
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/hv_guest.h"

#define SIMPLE(name, input)    { hvcall_##name, sizeof(struct hv_input_##input), 0, false, false }
#define REP(name, input, size) { hvcall_##name, sizeof(struct hv_input_##input), size, true, false }
#define VAR(name, input)       { hvcall_##name, sizeof(struct hv_input_##input), 8, false, true }

static const struct {
	hvcall_fn *fn;
	uint16_t in, in_rep;	/* bytes: fixed part, each element */
	bool reps, varhead;
} calls[] = {
	SIMPLE(dispatch_vp, dispatch_vp),
	SIMPLE(get_partition_property, get_partition_property),
	SIMPLE(set_partition_property, set_partition_property),
	REP(map_gpa_pages, map_gpa_pages, 8),
	REP(unmap_gpa_pages, unmap_gpa_pages, 0),
	REP(get_gpa_pages_access_states, gpa_access_states, 0),
	SIMPLE(create_vp, create_vp),
	SIMPLE(delete_vp, delete_vp),
	REP(get_vp_registers, vp_registers, 4),
	REP(set_vp_registers, vp_registers, 32),
	SIMPLE(translate_virtual_address, translate_virtual_address),
	SIMPLE(clear_virtual_interrupt, partition),
	SIMPLE(assert_virtual_interrupt, assert_virtual_interrupt),
	SIMPLE(register_intercept_result, register_intercept_result),
	REP(get_vp_cpuid_values, vp_cpuid_values, 8),
	SIMPLE(map_vp_state_page, map_vp_state_page),
	SIMPLE(unmap_vp_state_page, unmap_vp_state_page),
	VAR(get_vp_state, vp_state),
	VAR(set_vp_state, vp_state),
	SIMPLE(connect_port, connect_port),
	SIMPLE(disconnect_port, port),
};

static const uint8_t *data;
static size_t left;

static void take(void *to, size_t size)
{
	size_t n = MIN(size, left);

	memset(to, 0, size);
	memcpy(to, data, n);
	data += n;
	left -= n;
}

static uint8_t take_byte(void)
{
	uint8_t b;

	take(&b, 1);
	return b;
}

static struct vp *vp_of(struct vcpu *v)
{
	return container_of(v, struct vp, cpu);
}

/* Each entry of the guest ends as the input says; at most 50 per dispatch. */
static void any_exit(struct vcpu *v, struct vcpu_exit *e)
{
	uint8_t what = take_byte();

	if (rig_entries > 50 || !left)
		return;
	memset(e, 0, sizeof(*e));
	e->reason = what % (VCPU_EXIT_INVALID + 1);
	e->insn_len = what >> 4;
	e->opcode_only = what & 1;
	switch (e->reason) {
	case VCPU_EXIT_MEMORY:
		take(&e->memory.gpa, 6);
		if (what & 0x10)
			e->memory.gpa = 0xfee00000 | (e->memory.gpa & 0xff0);
		e->memory.write = what & 0x20;
		e->memory.execute = what & 0x40;
		e->memory.table_walk = what & 0x80;
		break;
	case VCPU_EXIT_IO:
		take(&e->io.port, 2);
		e->io.size = 1u << (what >> 4) % 3;
		e->io.string = what & 0x80;
		break;
	case VCPU_EXIT_MSR:
		e->msr.write = what & 0x10;
		take(&v->gpr[VCPU_RCX], 2);
		v->gpr[VCPU_RCX] |= what & 0x20 ? 0xc0000000 : what & 0x40 ? 0x40000000 : 0;
		take(&v->gpr[VCPU_RAX], 8);
		take(&v->gpr[VCPU_RDX], 4);
		break;
	case VCPU_EXIT_HYPERCALL:
		/* Mostly calls that exist, with input in a page that may. */
		take(&v->gpr[VCPU_RCX], 8);
		v->gpr[VCPU_RCX] &= what & 0x10 ? ~0ULL : 0x0000000f0002001fULL;
		take(&v->gpr[VCPU_RDX], 2);
		take(&v->gpr[8], 8);
		v->cr0 |= CR0_PE;
		vp_of(v)->partition->hypercall_msr |= 1;
		break;
	case VCPU_EXIT_CPUID:
	case VCPU_EXIT_XSETBV:
		take(&v->gpr[VCPU_RAX], 4);
		take(&v->gpr[VCPU_RCX], 4);
		break;
	default:
		v->rflags ^= what & 0x10 ? RFLAGS_IF : 0;
		v->cr8 = what >> 4;
		break;
	}
}

static void one_call(uint64_t partition, uint64_t pfn)
{
	static _Alignas(8) uint8_t in[4096];
	unsigned int n = take_byte() % ARRAY_SIZE(calls);
	uint32_t count = take_byte() % 8 + 1;
	uint32_t size = calls[n].in + count * calls[n].in_rep;

	take(in + 8, size - 8);
	memcpy(in, &partition, 8);
	/* Frames a fuzzer does not guess: the root's own. */
	if (calls[n].fn == hvcall_map_gpa_pages || calls[n].varhead) {
		for (uint32_t i = 0; i < count; i++) {
			uint64_t f = pfn + i;

			if (!(in[calls[n].in + 8 * i] & 1))
				memcpy(in + calls[n].in + 8 * i, &f, 8);
		}
	}
	rig_entries = 0;
	if (calls[n].reps)
		rig_rep(calls[n].fn, in, size, NULL, 0, 0, count, NULL);
	else if (calls[n].varhead)
		rig_varhead(calls[n].fn, in, size, count, NULL, 200);
	else
		rig_call(calls[n].fn, in, size, NULL, 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static _Alignas(4096) uint8_t hvcall_in[4096];
	static struct cpu cpu;
	uint64_t partition, pfn;
	void *state = NULL;

	if (!cpu.self) {
		cpu.self = &cpu;
		cpu.hvcall_in = hvcall_in;
		syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
		partition_init();
	}
	data = input;
	left = size;
	rig_reset(&state);
	partition = rig_partition();
	rig_vp(partition, 0);
	pfn = rig_map(partition, 0, 8, HV_MAP_GPA_READABLE | HV_MAP_GPA_WRITABLE |
				       HV_MAP_GPA_KERNEL_EXECUTABLE);
	rig_guest = any_exit;
	while (left)
		one_call(partition, pfn);
	rig_partition_end(partition);
	rig_check(&state);
	return 0;
}
