/* SPDX-License-Identifier: MIT */
/* What can be seen and changed of processors that stand. */
#include <errno.h>
#include <string.h>

#include "vmm/debug/control_state.h"
#include "vmm/debug/look.h"
#include "vmm/mshv.h"
#include "vmm/vcpu.h"

/* In one call of the hypervisor. */
#define REGISTERS 41

/* --- registers --- */

/* By name, not from the register page: that is as old as the last exit. */
static bool get_all(struct vcpu *v, struct hv_register_assoc r[GDBREGS_HV])
{
	gdbregs_names(r);
	return !mshv_vp_get(v->vp, r, REGISTERS) &&
	       !mshv_vp_get(v->vp, r + REGISTERS, GDBREGS_HV - REGISTERS);
}

bool control_get(struct control *c, unsigned int vp, uint8_t block[GDBREGS_BYTES])
{
	struct hv_register_assoc r[GDBREGS_HV];

	if (!get_all(&c->vcpu[vp], r))
		return false;
	gdbregs_pack(r, block);
	return true;
}

bool control_set(struct control *c, unsigned int vp, const uint8_t block[GDBREGS_BYTES])
{
	struct hv_register_assoc r[GDBREGS_HV];
	unsigned int n;

	if (!get_all(&c->vcpu[vp], r))
		return false;
	n = gdbregs_unpack(r, block);
	for (unsigned int done = 0, now; done < n; done += now) {
		now = MIN(n - done, REGISTERS);
		if (mshv_vp_set(c->vcpu[vp].vp, r + done, now))
			return false;
	}
	return true;
}

/* --- memory --- */

bool control_paging(struct vcpu *v, struct insn_cpu *cpu)
{
	struct hv_register_assoc r[] = {
		{ .name = HV_X64_REGISTER_CR0 },
		{ .name = HV_X64_REGISTER_CR3 },
		{ .name = HV_X64_REGISTER_CR4 },
		{ .name = HV_X64_REGISTER_EFER },
	};

	if (mshv_vp_get(v->vp, r, ARRAY_SIZE(r)))
		return false;
	*cpu = (struct insn_cpu){
		.cr0 = r[0].value.reg64,
		.cr3 = r[1].value.reg64,
		.cr4 = r[2].value.reg64,
		.efer = r[3].value.reg64,
	};
	return true;
}

size_t control_read(struct control *c, unsigned int vp, uint64_t at, void *to, size_t len)
{
	size_t done = 0, here;
	struct insn_cpu cpu;

	if (!control_paging(&c->vcpu[vp], &cpu))
		return 0;
	while (done < len) {
		const uint8_t *p = look_at(c->machine->memory, &cpu, at + done, len - done, &here);

		if (!p)
			break;
		memcpy((uint8_t *)to + done, p, here);
		points_hide(&c->points, p, (uint8_t *)to + done, here);
		done += here;
	}
	return done;
}

size_t control_write(struct control *c, unsigned int vp, uint64_t at, const void *from, size_t len)
{
	size_t done = 0, here;
	struct insn_cpu cpu;

	if (!control_paging(&c->vcpu[vp], &cpu))
		return 0;
	while (done < len) {
		uint8_t *p = look_at(c->machine->memory, &cpu, at + done, len - done, &here);

		if (!p)
			break;
		points_write(&c->points, p, (const uint8_t *)from + done, here);
		done += here;
	}
	return done;
}

/* --- points --- */

int control_load_points(struct control *c, unsigned int vp)
{
	struct hv_register_assoc r[POINTS_HARDWARE + 1];
	uint64_t dr7 = points_dr7(&c->points);
	struct held *h = &c->held[vp];
	int ret;

	for (unsigned int i = 0; i <= POINTS_HARDWARE; i++)
		r[i] = (struct hv_register_assoc){
			.name = i < POINTS_HARDWARE ? HV_X64_REGISTER_DR0 + i : HV_X64_REGISTER_DR7,
		};
	if (!h->has_ours && dr7) {
		ret = mshv_vp_get(c->vcpu[vp].vp, r, ARRAY_SIZE(r));
		if (ret)
			return ret;
		for (unsigned int i = 0; i < POINTS_HARDWARE; i++)
			h->dr[i] = r[i].value.reg64;
		h->dr7 = r[POINTS_HARDWARE].value.reg64;
	}
	if (!h->has_ours && !dr7)
		return 0;
	h->has_ours = dr7;
	for (unsigned int i = 0; i < POINTS_HARDWARE; i++)
		r[i].value.reg64 = dr7 ? c->points.hardware[i].address : h->dr[i];
	r[POINTS_HARDWARE].value.reg64 = dr7 ? dr7 : h->dr7;
	return mshv_vp_set(c->vcpu[vp].vp, r, ARRAY_SIZE(r));
}

static int software_point(struct control *c, unsigned int vp, uint64_t at, bool on)
{
	struct insn_cpu cpu;
	uint8_t *p;
	size_t here;

	if (!on)
		return points_remove(&c->points, at);
	if (!control_paging(&c->vcpu[vp], &cpu))
		return -EIO;
	p = look_at(c->machine->memory, &cpu, at, 1, &here);
	return p ? points_insert(&c->points, at, p) : -EFAULT;
}

int control_point(struct control *c, unsigned int vp, enum gdb_point kind, uint64_t at,
		  unsigned int len, bool on)
{
	int ret;

	if (kind == GDB_SOFTWARE)
		return software_point(c, vp, at, on);
	ret = points_hardware(&c->points, kind, at, len, on);
	for (unsigned int i = 0; i < c->count && !ret; i++)
		ret = control_load_points(c, i);
	return ret;
}
