/* SPDX-License-Identifier: MIT */
#include "tests/unit/hv_guest_run.h"

uint64_t partition;
struct vp *vp;
uint64_t ram;
struct vcpu_exit next_exit;
unsigned int exits_left;

int run_setup(void **state)
{
	rig_reset(state);
	partition = rig_partition();
	vp = rig_vp(partition, 0);
	ram = rig_map(partition, 0, 16, RWX);
	vp->cpu.seg[VCPU_CS] = (struct hv_segment_register){ .limit = 0xffff, .attributes = 0x9b };
	vp->cpu.rip = 0x1000;
	return 0;
}

int run_teardown(void **state)
{
	rig_partition_end(partition);
	return rig_check(state);
}

void code(const void *bytes, size_t size)
{
	struct partition *p = partition_get(partition);

	assert_int_equal(gpa_write(p, 0x1000, bytes, (uint32_t)size), GPA_OK);
	partition_put(p);
}

void assert_irq(uint8_t vector)
{
	struct hv_input_assert_virtual_interrupt in = {
		.partition_id = partition,
		.vector = vector,
	};

	assert_int_equal(rig_call(hvcall_assert_virtual_interrupt, &in, sizeof(in), NULL, 0), 0);
}

enum hv_status set_reg(uint32_t name, uint64_t val)
{
	struct {
		struct hv_input_vp_registers h;
		struct hv_register_assoc reg;
	} in = { .h.partition_id = partition, .reg = { .name = name, .value.reg64 = val } };

	return rig_rep(hvcall_set_vp_registers, &in, sizeof(in), NULL, 0, 0, 1, NULL);
}

uint64_t get_reg(uint32_t name)
{
	struct {
		struct hv_input_vp_registers h;
		uint32_t name;
	} in = { .h.partition_id = partition, .name = name };
	union hv_register_value v;

	assert_int_equal(
		rig_rep(hvcall_get_vp_registers, &in, sizeof(in), &v, sizeof(v), 0, 1, NULL), 0);
	return v.reg64;
}

void scripted(struct vcpu *v, struct vcpu_exit *e)
{
	(void)v;
	if (exits_left) {
		exits_left--;
		*e = next_exit;
	}
}

void script(struct vcpu_exit e)
{
	next_exit = e;
	exits_left = 1;
	rig_guest = scripted;
}
