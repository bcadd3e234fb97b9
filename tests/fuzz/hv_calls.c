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

#define NAME(fn)	hvcall_##fn

static const struct {
	hvcall_fn fn;
	uint16_t in, in_rep;	/* bytes; in_rep 0 and out_rep 0: a simple call */
	uint16_t out_rep;
	bool reps, varhead;
} calls[] = {
	{ NAME(dispatch_vp), sizeof(struct hv_input_dispatch_vp), 0, 0, false, false },
	{ NAME(get_partition_property), sizeof(struct hv_input_get_partition_property), 0, 0, false, false },
	{ NAME(set_partition_property), sizeof(struct hv_input_set_partition_property), 0, 0, false, false },
	{ NAME(map_gpa_pages), sizeof(struct hv_input_map_gpa_pages), 8, 0, true, false },
	{ NAME(unmap_gpa_pages), sizeof(struct hv_input_unmap_gpa_pages), 0, 0, true, false },
	{ NAME(get_gpa_pages_access_states), sizeof(struct hv_input_gpa_access_states), 0, 1, true, false },
	{ NAME(create_vp), sizeof(struct hv_input_create_vp), 0, 0, false, false },
	{ NAME(delete_vp), sizeof(struct hv_input_delete_vp), 0, 0, false, false },
	{ NAME(get_vp_registers), sizeof(struct hv_input_vp_registers), 4, 16, true, false },
	{ NAME(set_vp_registers), sizeof(struct hv_input_vp_registers), 32, 0, true, false },
	{ NAME(translate_virtual_address), sizeof(struct hv_input_translate_virtual_address), 0, 0, false, false },
	{ NAME(clear_virtual_interrupt), sizeof(struct hv_input_partition), 0, 0, false, false },
	{ NAME(assert_virtual_interrupt), sizeof(struct hv_input_assert_virtual_interrupt), 0, 0, false, false },
	{ NAME(register_intercept_result), sizeof(struct hv_input_register_intercept_result), 0, 0, false, false },
	{ NAME(get_vp_cpuid_values), sizeof(struct hv_input_vp_cpuid_values), 8, 16, true, false },
	{ NAME(map_vp_state_page), sizeof(struct hv_input_map_vp_state_page), 0, 0, false, false },
	{ NAME(unmap_vp_state_page), sizeof(struct hv_input_unmap_vp_state_page), 0, 0, false, false },
	{ NAME(get_vp_state), sizeof(struct hv_input_vp_state), 8, 0, false, true },
	{ NAME(set_vp_state), sizeof(struct hv_input_vp_state), 8, 0, false, true },
	{ NAME(connect_port), sizeof(struct hv_input_connect_port), 0, 0, false, false },
	{ NAME(disconnect_port), sizeof(struct hv_input_port), 0, 0, false, false },
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

/* Each entry of the guest ends as the input says; at most 50 per dispatch. */
static void any_exit(struct vcpu *v, struct vcpu_exit *e)
{
	uint8_t what = take_byte();

	if (rig_entries > 50 || !left)
		return;
	memset(e, 0, sizeof(*e));
	e->reason = what % (VCPU_EXIT_INVALID + 1);
	e->insn_len = what >> 4;
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
	static struct cpu cpu;
	uint64_t partition, pfn;
	void *state = NULL;

	if (!cpu.self) {
		cpu.self = &cpu;
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
