/* SPDX-License-Identifier: MIT */
/* Registers, CPUID, state blobs, address translation, properties. */
#include "tests/unit/hv_guest.h"

#include "hypervisor/hv/fpu.h"
#include "hypervisor/hv/guestcpuid.h"
#include "hypervisor/hv/walk.h"
#include "hypervisor/hw/clock.h"

static uint64_t partition;
static struct vp *vp;

static int setup(void **state)
{
	rig_reset(state);
	partition = rig_partition();
	vp = rig_vp(partition, 0);
	return 0;
}

static int teardown(void **state)
{
	rig_partition_end(partition);
	return rig_check(state);
}

static enum hv_status set_reg(uint32_t name, union hv_register_value v)
{
	struct {
		struct hv_input_vp_registers h;
		struct hv_register_assoc reg;
	} in = { .h.partition_id = partition, .reg = { .name = name, .value = v } };

	return rig_rep(hvcall_set_vp_registers, &in, sizeof(in), NULL, 0, 0, 1, NULL);
}

static enum hv_status get_reg(uint32_t name, union hv_register_value *v)
{
	struct {
		struct hv_input_vp_registers h;
		uint32_t name;
	} in = { .h.partition_id = partition, .name = name };

	return rig_rep(hvcall_get_vp_registers, &in, sizeof(in), v, sizeof(*v), 0, 1, NULL);
}

static enum hv_status set64(uint32_t name, uint64_t val)
{
	return set_reg(name, (union hv_register_value){ .reg64 = val });
}

/* Every name a VMM reads and writes back must survive the round trip. */
static void test_round_trip(void **state)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x00000, 0x00004 }, { 0x10002, 0x10007 }, { 0x20000, 0x20011 },
		{ 0x30000, 0x30019 }, { 0x40000, 0x40005 }, { 0x41000, 0x41000 },
		{ 0x41002, 0x41004 }, { 0x00210, 0x00215 },
		{ 0x50000, 0x50005 }, { 0x60000, 0x60007 }, { 0x70000, 0x70001 },
		{ 0x80000, 0x8000c }, { 0x8000e, 0x8000e }, { 0x80010, 0x8001f },
		{ 0x80040, 0x8004f }, { 0x80070, 0x8007d }, { 0x80084, 0x80086 },
		{ 0x8008b, 0x80093 }, { 0x80096, 0x80096 }, { 0x800a0, 0x800a0 },
		{ 0x84802, 0x84802 }, { 0x90001, 0x90002 }, { 0x90013, 0x90013 },
		{ 0x90017, 0x90017 }, { 0xa0000, 0xa0010 }, { 0xa0012, 0xa0013 },
		{ 0xb0000, 0xb0007 },
	};
	static const uint32_t read_only[] = {
		0x100, 0x200, 0x201, 0x202, 0x203,
		0x240, 0x241, 0x8000d, 0x84803, 0x90000, 0x90003, 0x90004,
		0x90014, 0xa0011,
	};
	union hv_register_value v, back;

	(void)state;
	for (unsigned int r = 0; r < ARRAY_SIZE(ranges); r++) {
		for (uint32_t name = ranges[r].first; name <= ranges[r].last; name++) {
			if (get_reg(name, &v) != HV_STATUS_SUCCESS)
				fail_msg("get %#x", name);
			if (set_reg(name, v) != HV_STATUS_SUCCESS)
				fail_msg("set %#x", name);
			assert_int_equal(get_reg(name, &back), HV_STATUS_SUCCESS);
			if (name != HV_X64_REGISTER_TSC)
				assert_memory_equal(&v, &back, sizeof(v));
		}
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(read_only); i++)
		assert_int_equal(get_reg(read_only[i], &v), HV_STATUS_SUCCESS);
	/* CPUID of the hypervisor's leaves. */
	assert_int_equal(get_reg(0x202, &v), HV_STATUS_SUCCESS);
	assert_int_equal((uint32_t)v.reg64, PARTITION_VPS_MAX);
	assert_int_equal(get_reg(0xd0002, &v), HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(get_reg(0x99999, &v), HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(set64(0x99999, 0), HV_STATUS_INVALID_PARAMETER);
}

static void test_plain_values(void **state)
{
	static const uint32_t names[] = {
		HV_X64_REGISTER_RAX, HV_X64_REGISTER_R15, HV_X64_REGISTER_RSP,
		HV_X64_REGISTER_RIP, HV_X64_REGISTER_DR3, HV_X64_REGISTER_LSTAR,
		HV_X64_REGISTER_MTRR_PHYS_MASK0 + 7, HV_X64_REGISTER_MTRR_FIX4K_F8000,
		HV_X64_REGISTER_TSC_AUX, HV_X64_REGISTER_SYSENTER_EIP, HV_REGISTER_SINT15,
	};
	union hv_register_value v;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(set64(names[i], 0x1111111111 * (i + 1)), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(get_reg(names[i], &v), 0);
		assert_int_equal(v.reg64, 0x1111111111 * (i + 1));
	}
	v.reg128[0] = 0x1122334455667788;
	v.reg128[1] = 0x99aabbccddeeff00;
	assert_int_equal(set_reg(HV_X64_REGISTER_XMM0 + 9, v), 0);
	memset(&v, 0, sizeof(v));
	assert_int_equal(get_reg(HV_X64_REGISTER_XMM0 + 9, &v), 0);
	assert_int_equal(v.reg128[1], 0x99aabbccddeeff00);
}

static void test_refused_values(void **state)
{
	union hv_register_value v;

	(void)state;
	assert_int_equal(set64(HV_X64_REGISTER_CR0, BIT64(32)), HV_STATUS_INVALID_REGISTER_VALUE);
	assert_int_equal(set64(HV_X64_REGISTER_CR4, BIT64(13)), HV_STATUS_INVALID_REGISTER_VALUE);
	assert_int_equal(set64(HV_X64_REGISTER_EFER, EFER_SVME), HV_STATUS_INVALID_REGISTER_VALUE);
	assert_int_equal(set64(HV_X64_REGISTER_XFEM, 2), HV_STATUS_INVALID_REGISTER_VALUE);
	assert_int_equal(set64(HV_X64_REGISTER_XFEM, 5), HV_STATUS_INVALID_REGISTER_VALUE);
	assert_int_equal(set64(HV_X64_REGISTER_XFEM, 1 | 512), HV_STATUS_INVALID_REGISTER_VALUE);
	assert_int_equal(set64(HV_X64_REGISTER_DR7, BIT64(40)), HV_STATUS_INVALID_REGISTER_VALUE);
	assert_int_equal(set64(HV_X64_REGISTER_CR8, 16), HV_STATUS_INVALID_REGISTER_VALUE);
	assert_int_equal(set64(HV_X64_REGISTER_SPEC_CTRL, 1), HV_STATUS_INVALID_REGISTER_VALUE);
	/* Without a trace: x2APIC stays, although a VMM may end it. */
	assert_int_equal(set64(HV_X64_REGISTER_APIC_BASE, 0xfee00d00), 0);
	assert_int_equal(set64(HV_X64_REGISTER_APIC_BASE, 0xfee00400),
			 HV_STATUS_INVALID_REGISTER_VALUE);
	assert_int_equal(set64(HV_X64_REGISTER_APIC_BASE, 0xfee00901),
			 HV_STATUS_INVALID_REGISTER_VALUE);
	assert_int_equal(get_reg(HV_X64_REGISTER_APIC_BASE, &v), 0);
	assert_int_equal(v.reg64, 0xfee00d00);
	/* A saved x2APIC can be brought back over one that is off, at once. */
	assert_int_equal(set64(HV_X64_REGISTER_APIC_BASE, 0xfee00100), 0);
	assert_int_equal(set64(HV_X64_REGISTER_APIC_BASE, 0xfee00d00), 0);
	assert_int_equal(vp->apic.id, vp->apic_id);
	/* An exception vector the processor would refuse to inject. */
	assert_int_equal(set64(HV_REGISTER_PENDING_INTERRUPTION, 1 | 3 << 1 | 40 << 16),
			 HV_STATUS_INVALID_REGISTER_VALUE);
	assert_int_equal(set64(HV_REGISTER_PENDING_INTERRUPTION, 1 | 7 << 1),
			 HV_STATUS_INVALID_REGISTER_VALUE);
}

/* Unchanged control registers must not cost a flush. */
static void test_no_needless_flush(void **state)
{
	(void)state;
	vp->cpu.flush = 0;
	assert_int_equal(set64(HV_X64_REGISTER_CR3, vp->cpu.cr3), 0);
	assert_int_equal(set64(HV_X64_REGISTER_CR0, vp->cpu.cr0), 0);
	assert_int_equal(vp->cpu.flush, 0);
	assert_int_equal(set64(HV_X64_REGISTER_CR3, 0x5000), 0);
	assert_int_equal(vp->cpu.flush, 1);
}

static void test_reps_stop_at_the_bad_one(void **state)
{
	struct {
		struct hv_input_vp_registers h;
		uint32_t name[3];
	} in = { .h.partition_id = partition,
		 .name = { HV_X64_REGISTER_RAX, 0x12345678, HV_X64_REGISTER_RBX } };
	union hv_register_value out[3];
	uint32_t done;

	(void)state;
	assert_int_equal(rig_rep(hvcall_get_vp_registers, &in, sizeof(in), out, sizeof(out), 0, 3,
				 &done), HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(done, 1);
	in.h.vp_index = 5;
	assert_int_equal(rig_rep(hvcall_get_vp_registers, &in, sizeof(in), out, sizeof(out), 0, 3,
				 &done), HV_STATUS_INVALID_VP_INDEX);
}

static void test_cpuid(void **state)
{
	uint32_t r[4], leaf1[4];

	(void)state;
	guestcpuid_get(vp, 1, 0, leaf1);
	assert_true(leaf1[2] & BIT32(31));
	assert_true(leaf1[2] & BIT32(21));
	assert_false(leaf1[2] & BIT32(5));		/* VMX */
	assert_false(leaf1[2] & BIT32(3));		/* MONITOR */
	assert_false(leaf1[2] & BIT32(27));		/* OSXSAVE follows CR4 */
	vp->cpu.cr4 |= CR4_OSXSAVE;
	guestcpuid_get(vp, 1, 0, leaf1);
	assert_true(leaf1[2] & BIT32(27));
	guestcpuid_get(vp, 0x80000001, 0, r);
	assert_false(r[2] & BIT32(2));			/* SVM */
	assert_true(r[3] & BIT32(11));			/* SYSCALL */
	guestcpuid_get(vp, 0x8000000a, 0, r);
	assert_int_equal(r[0] | r[1] | r[2] | r[3], 0);

	guestcpuid_get(vp, 0xd, 0, r);
	assert_int_equal(r[0], 7);
	assert_int_equal(r[1], 576);			/* XCR0 is 1 */
	assert_int_equal(r[2], 576 + 256);
	vp->cpu.xcr0 = 7;
	guestcpuid_get(vp, 0xd, 0, r);
	assert_int_equal(r[1], 576 + 256);

	guestcpuid_get(vp, 0x40000000, 0, r);
	assert_int_equal(r[0], 0x40000006);
	guestcpuid_get(vp, 0x40000003, 0, r);
	assert_int_equal(r[0], 0x8e7e);
	assert_int_equal(r[1], 0);
	assert_int_equal(r[3], 0x80100);
	guestcpuid_get(vp, 0x40000004, 0, r);
	assert_int_equal(r[0], 0xe2c);
	assert_int_equal(r[1], 4095);
	/* The TLFS's "no nested features": the maximum leaf is below it. */
	guestcpuid_get(vp, 0x4000000a, 0, r);
	assert_int_equal(r[0] | r[1] | r[2] | r[3], 0);
}

static void test_cpuid_override(void **state)
{
	struct hv_input_register_intercept_result in = {
		.partition_id = partition, .intercept_type = 2, .eax = 1,
		.always_override = 1,
		.result = { { 0x12345, ~0u }, { 0x05000000, 0xff000000 }, { 0, BIT32(27) } },
	};
	uint32_t r[4];

	(void)state;
	assert_int_equal(rig_call(hvcall_register_intercept_result, &in, sizeof(in), NULL, 0), 0);
	vp->cpu.cr4 |= CR4_OSXSAVE;
	guestcpuid_get(vp, 1, 0, r);
	assert_int_equal(r[0], 0x12345);
	assert_int_equal(r[1] >> 24, 5);
	assert_true(r[2] & BIT32(27));		/* always CR4's, whatever was registered */

	/* A leaf's second registration replaces the first; subleaves differ. */
	in.eax = 4;
	in.subleaf_specific = 1;
	for (uint32_t sub = 0; sub < 3; sub++) {
		in.ecx = sub;
		in.result[0].value = 100 + sub;
		assert_int_equal(rig_call(hvcall_register_intercept_result, &in, sizeof(in), NULL,
					  0), 0);
	}
	guestcpuid_get(vp, 4, 2, r);
	assert_int_equal(r[0], 102);
	guestcpuid_get(vp, 4, 9, r);
	assert_int_equal(r[0], 0);
	/* Many of them: more than a page holds. */
	in.subleaf_specific = 0;
	for (uint32_t leaf = 0; leaf < 200; leaf++) {
		in.eax = 0x50000000 + leaf;
		in.result[0].value = leaf;
		while (rig_call(hvcall_register_intercept_result, &in, sizeof(in), NULL, 0) ==
		       HV_STATUS_INSUFFICIENT_MEMORY)
			assert_int_equal(rig_deposit(partition, 1), 0);
	}
	guestcpuid_get(vp, 0x50000000 + 199, 0, r);
	assert_int_equal(r[0], 199);
}

/* --- state blobs --- */

static enum hv_status vp_state(hvcall_fn fn, uint32_t type, uint64_t pfn)
{
	struct {
		struct hv_input_vp_state h;
		uint64_t pfn;
	} in = { .h = { .partition_id = partition, .type = type, .xsave_states = 7 },
		 .pfn = pfn };

	return rig_varhead(fn, &in, sizeof(in), 1, NULL, HV_STIMER_STATE_BYTES);
}

static void test_xsave_blob(void **state)
{
	uint64_t pfn = rig_pfn(), xmm[2] = { 1, 2 };
	uint8_t *page = rig_page(pfn);

	(void)state;
	fpu_set(&vp->cpu, HV_X64_REGISTER_XMM0 + 3, xmm);
	memset((uint8_t *)vp->cpu.xsave + 576, 0x5a, 256);	/* AVX */
	*(uint64_t *)((uint8_t *)vp->cpu.xsave + 512) |= 4;
	assert_int_equal(vp_state(hvcall_get_vp_state, HV_VP_STATE_XSAVE, pfn), 0);
	assert_int_equal(*(uint64_t *)(page + 512), 6);			/* XSTATE_BV */
	assert_int_equal(*(uint64_t *)(page + 520), BIT64(63) | 7);	/* XCOMP_BV */
	assert_int_equal(page[576], 0x5a);
	assert_int_equal(*(uint64_t *)(page + 160 + 3 * 16), 1);

	fpu_reset(&vp->cpu);
	fpu_get(&vp->cpu, HV_X64_REGISTER_XMM0 + 3, xmm);
	assert_int_equal(xmm[0], 0);
	assert_int_equal(vp_state(hvcall_set_vp_state, HV_VP_STATE_XSAVE, pfn), 0);
	fpu_get(&vp->cpu, HV_X64_REGISTER_XMM0 + 3, xmm);
	assert_int_equal(xmm[1], 2);
	assert_int_equal(((uint8_t *)vp->cpu.xsave)[576 + 255], 0x5a);
	/* Standard format to the processor. */
	assert_int_equal(*(uint64_t *)((uint8_t *)vp->cpu.xsave + 520), 0);

	/* MXCSR that is not the default is SSE in use, zeros in XMM or not. */
	fpu_reset(&vp->cpu);
	assert_int_equal(vp_state(hvcall_get_vp_state, HV_VP_STATE_XSAVE, pfn), 0);
	assert_int_equal(*(uint64_t *)(page + 512), 0);
	((uint32_t *)vp->cpu.xsave)[6] = 0x1fa0;
	assert_int_equal(vp_state(hvcall_get_vp_state, HV_VP_STATE_XSAVE, pfn), 0);
	assert_int_equal(*(uint64_t *)(page + 512), 2);

	/* The processor's MXCSR and no other: what XRSTOR would fault on is refused. */
	assert_int_equal(*(uint32_t *)(page + 28), 0x2ffff);
	*(uint32_t *)(page + 24) = 0x2ffff;
	assert_int_equal(vp_state(hvcall_set_vp_state, HV_VP_STATE_XSAVE, pfn), 0);
	assert_int_equal(((uint32_t *)vp->cpu.xsave)[6], 0x2ffff);
	*(uint32_t *)(page + 28) = 0xffffffff;
	*(uint32_t *)(page + 24) = BIT32(16);
	assert_int_equal(vp_state(hvcall_set_vp_state, HV_VP_STATE_XSAVE, pfn),
			 HV_STATUS_INVALID_PARAMETER);
	*(uint32_t *)(page + 24) = BIT32(31);
	assert_int_equal(vp_state(hvcall_set_vp_state, HV_VP_STATE_XSAVE, pfn),
			 HV_STATUS_INVALID_PARAMETER);
	*(uint32_t *)(page + 24) = 0x1f80;
	*(uint64_t *)(page + 520) = 7;
	assert_int_equal(vp_state(hvcall_set_vp_state, HV_VP_STATE_XSAVE, pfn),
			 HV_STATUS_INVALID_PARAMETER);
	*(uint64_t *)(page + 520) = BIT64(63) | 7 | BIT64(11);
	assert_int_equal(vp_state(hvcall_set_vp_state, HV_VP_STATE_XSAVE, pfn),
			 HV_STATUS_INVALID_PARAMETER);
	/* A page that is not the root's. */
	assert_int_equal(vp_state(hvcall_get_vp_state, HV_VP_STATE_XSAVE, 0x1234),
			 HV_STATUS_INVALID_PARAMETER);
	rig_pfn_free(pfn);
}

static void test_lapic_blob(void **state)
{
	uint64_t pfn = rig_pfn();
	struct hv_local_apic_state *s = rig_page(pfn);

	(void)state;
	assert_int_equal(vp_state(hvcall_get_vp_state, HV_VP_STATE_LAPIC, pfn), 0);
	assert_int_equal(s->version, 0x50014);
	s->lvt[VLAPIC_LVT_LINT0] = 0x700;		/* ExtINT, as QEMU sets it */
	s->lvt[VLAPIC_LVT_LINT1] = 0x400;
	assert_int_equal(vp_state(hvcall_set_vp_state, HV_VP_STATE_LAPIC, pfn), 0);
	assert_int_equal(vp->apic.lvt[VLAPIC_LVT_LINT0], 0x700);
	assert_int_equal(vp_state(hvcall_get_vp_state, 0x80000099, pfn),
			 HV_STATUS_INVALID_PARAMETER);
	rig_pfn_free(pfn);
}

static void halt(struct vcpu *v, struct vcpu_exit *e)
{
	(void)v;
	*e = (struct vcpu_exit){ .reason = VCPU_EXIT_HLT, .insn_len = 1 };
}

/* The VMM gives a VP that sleeps another deadline: it counts without a dispatch. */
static void test_timer_of_a_sleeper(void **state)
{
	uint64_t pfn = rig_pfn();
	struct hv_local_apic_state *s = rig_page(pfn);
	union hv_register_value tsc;

	(void)state;
	vlapic_write(vp, 0xf0, 0x1ff);
	vp->cpu.rflags = 0x202;
	rig_guest = halt;
	assert_int_equal(rig_dispatch(vp, 0).dispatch_state, HV_VP_DISPATCH_STATE_BLOCKED);
	assert_null(rig_timer);

	assert_int_equal(vp_state(hvcall_get_vp_state, HV_VP_STATE_LAPIC, pfn), 0);
	s->lvt[VLAPIC_LVT_TIMER] = 0x40042;	/* TSC deadline */
	assert_int_equal(vp_state(hvcall_set_vp_state, HV_VP_STATE_LAPIC, pfn), 0);
	vlapic_tsc_deadline_write(vp, rdtsc() + vp->cpu.tsc_offset + BIT64(50));

	/* The guest's clock moves towards it; then beyond. */
	assert_int_equal(get_reg(HV_X64_REGISTER_TSC, &tsc), 0);
	assert_int_equal(set64(HV_X64_REGISTER_TSC, tsc.reg64 + BIT64(49)), 0);
	assert_ptr_equal(rig_timer, &vp->timer);
	assert_int_equal(rig_timer->deadline, vp->apic.deadline);
	assert_in_range(vp->apic.deadline - rdtsc(), BIT64(48), BIT64(49));
	assert_int_equal(rig_signals, 0);
	assert_int_equal(set64(HV_X64_REGISTER_TSC, tsc.reg64 + BIT64(51)), 0);
	assert_true(rig_timer->deadline <= rdtsc());
	rig_timer->fire(rig_timer);
	assert_int_equal(rig_signals, 1);

	assert_int_equal(rig_dispatch(vp, 0).dispatch_state, HV_VP_DISPATCH_STATE_BLOCKED);
	rig_timer = NULL;
	s->lvt[VLAPIC_LVT_TIMER] = 0x43; /* one shot */
	s->initial_count = s->counter = 0x40000000;
	assert_int_equal(vp_state(hvcall_set_vp_state, HV_VP_STATE_LAPIC, pfn), 0);
	assert_ptr_equal(rig_timer, &vp->timer);
	assert_int_equal(rig_timer->deadline, vp->apic.deadline);
	rig_pfn_free(pfn);
}

/* --- the guest's page tables --- */

#define RW	(HV_MAP_GPA_READABLE | HV_MAP_GPA_WRITABLE)

static void poke(uint64_t gpa, uint64_t val)
{
	assert_int_equal(gpa_write(vp->partition, gpa, &val, 8), GPA_OK);
}

/* 0x1000 PML4 → 0x2000 → 0x3000 → 0x4000; 0x400000 is a 2 MiB page. */
static void long_mode(void)
{
	rig_map(partition, 0, 16, RW);
	poke(0x1000, 0x2007);
	poke(0x2000, 0x3007);
	poke(0x3000, 0x4007);
	poke(0x3000 + 2 * 8, 0x40000087);		/* large, supervisor+user */
	poke(0x3000 + 3 * 8, 0xfff0007);		/* table outside of RAM */
	poke(0x4000 + 5 * 8, 0x9000 | 7);
	poke(0x4000 + 6 * 8, 0xa000 | 3);		/* supervisor */
	poke(0x4000 + 7 * 8, 0xb000 | 5 | BIT64(63));	/* user, read-only, NX */
	vp->cpu.cr0 = CR0_PG | CR0_PE | CR0_WP;
	vp->cpu.cr4 = CR4_PAE;
	vp->cpu.efer = EFER_LME | EFER_LMA | EFER_NXE;
	vp->cpu.cr3 = 0x1000;
}

static void test_walk_long(void **state)
{
	uint64_t gpa, entry;

	(void)state;
	long_mode();
	assert_int_equal(walk(vp, 0x5123, WALK_READ, &gpa), HV_TRANSLATE_SUCCESS);
	assert_int_equal(gpa, 0x9123);
	assert_int_equal(walk(vp, 0x412345, WALK_READ, &gpa), HV_TRANSLATE_SUCCESS);
	assert_int_equal(gpa, 0x40012345);
	assert_int_equal(walk(vp, 0x8000, WALK_READ, &gpa), HV_TRANSLATE_PAGE_NOT_PRESENT);
	assert_int_equal(walk(vp, 0x600000, WALK_READ, &gpa), HV_TRANSLATE_GPA_UNMAPPED);
	assert_int_equal(walk(vp, BIT64(50), WALK_READ, &gpa), HV_TRANSLATE_PAGE_NOT_PRESENT);
	/* rights */
	assert_int_equal(walk(vp, 0x6000, WALK_READ | WALK_USER, &gpa),
			 HV_TRANSLATE_PRIVILEGE_VIOLATION);
	assert_int_equal(walk(vp, 0x6000, WALK_READ | WALK_USER | WALK_EXEMPT, &gpa), 0);
	assert_int_equal(walk(vp, 0x7000, WALK_WRITE, &gpa), HV_TRANSLATE_PRIVILEGE_VIOLATION);
	vp->cpu.cr0 &= ~CR0_WP;
	assert_int_equal(walk(vp, 0x7000, WALK_WRITE, &gpa), HV_TRANSLATE_SUCCESS);
	assert_int_equal(walk(vp, 0x7000, WALK_EXECUTE, &gpa), HV_TRANSLATE_PRIVILEGE_VIOLATION);
	vp->cpu.cr4 |= CR4_SMEP;
	assert_int_equal(walk(vp, 0x5000, WALK_EXECUTE, &gpa), HV_TRANSLATE_PRIVILEGE_VIOLATION);
	/* accessed and dirty */
	assert_int_equal(walk(vp, 0x5000, WALK_WRITE | WALK_SET_AD, &gpa), HV_TRANSLATE_SUCCESS);
	assert_int_equal(gpa_read(vp->partition, 0x4000 + 5 * 8, &entry, 8), GPA_OK);
	assert_int_equal(entry & 0x60, 0x60);
	assert_int_equal(gpa_read(vp->partition, 0x2000, &entry, 8), GPA_OK);
	assert_int_equal(entry & 0x60, 0x20);
}

static void test_walk_legacy(void **state)
{
	uint64_t gpa;

	(void)state;
	/* No paging: linear is physical. */
	vp->cpu.cr0 = CR0_PE;
	assert_int_equal(walk(vp, 0x12345678, WALK_READ, &gpa), 0);
	assert_int_equal(gpa, 0x12345678);
	/* 32-bit tables: 4-byte entries, 4 MiB pages with PSE. */
	rig_map(partition, 0, 16, RW);
	vp->cpu.cr0 = CR0_PE | CR0_PG;
	vp->cpu.cr3 = 0x1000;
	poke(0x1000, 0x2007 | (uint64_t)0x00c00087 << 32);
	poke(0x2000, (uint64_t)0x9007 << 32);
	assert_int_equal(walk(vp, 0x1abc, WALK_READ, &gpa), 0);
	assert_int_equal(gpa, 0x9abc);
	vp->cpu.cr4 = CR4_PSE;
	assert_int_equal(walk(vp, 0x412345, WALK_READ, &gpa), 0);
	assert_int_equal(gpa, 0xc12345);
	/* PAE: three levels, pointers without rights. */
	vp->cpu.cr4 = CR4_PAE;
	poke(0x1000, 0x2001);
	poke(0x2000, 0x3007);
	poke(0x3000 + 8, 0xa007);
	assert_int_equal(walk(vp, 0x1abc, WALK_READ | WALK_WRITE | WALK_USER, &gpa), 0);
	assert_int_equal(gpa, 0xaabc);
}

static void test_translate_call(void **state)
{
	struct hv_input_translate_virtual_address in = {
		.partition_id = partition, .gva_page = 5,
		.control_flags = HV_TRANSLATE_VALIDATE_WRITE,
	};
	struct hv_output_translate_virtual_address out;

	(void)state;
	long_mode();
	assert_int_equal(rig_call(hvcall_translate_virtual_address, &in, sizeof(in), &out,
				  sizeof(out)), 0);
	assert_int_equal(out.result_code, HV_TRANSLATE_SUCCESS);
	assert_int_equal(out.gpa_page, 9);
	/* A device's page, and a ROM: emulating the access is why a VMM asks. */
	in.gva_page = 0x400;
	assert_int_equal(rig_call(hvcall_translate_virtual_address, &in, sizeof(in), &out,
				  sizeof(out)), 0);
	assert_int_equal(out.result_code, HV_TRANSLATE_SUCCESS);
	assert_int_equal(out.gpa_page, 0x40000);
	in.gva_page = 5;
	rig_map(partition, 9, 1, HV_MAP_GPA_READABLE);
	assert_int_equal(rig_call(hvcall_translate_virtual_address, &in, sizeof(in), &out,
				  sizeof(out)), 0);
	assert_int_equal(out.result_code, HV_TRANSLATE_SUCCESS);
	/* Not populated yet: fine. */
	rig_map(partition, 9, 1, HV_MAP_GPA_NO_ACCESS);
	assert_int_equal(rig_call(hvcall_translate_virtual_address, &in, sizeof(in), &out,
				  sizeof(out)), 0);
	assert_int_equal(out.result_code, HV_TRANSLATE_SUCCESS);
	/* Its table gone: say so. */
	rig_map(partition, 4, 1, HV_MAP_GPA_NO_ACCESS);
	assert_int_equal(rig_call(hvcall_translate_virtual_address, &in, sizeof(in), &out,
				  sizeof(out)), 0);
	assert_int_equal(out.result_code, HV_TRANSLATE_INTERCEPT);
}

/* --- properties, statistics --- */

static void test_properties(void **state)
{
	struct hv_input_set_partition_property set = { .partition_id = partition };
	struct hv_input_get_partition_property get = { .partition_id = partition };
	static const uint32_t readable[] = {
		0x10000, 0x10001, 0x20000, 0x30003, 0x30005, 0x50003, 0x50005, 0x50017,
		0x60000, 0x60002, 0x60005, 0x60006, 0x60007, 0x60008, 0x60009, 0x6000a,
		0x6000b, 0x70000,
	};
	uint64_t val, later;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(readable); i++) {
		get.property_code = readable[i];
		assert_int_equal(rig_call(hvcall_get_partition_property, &get, sizeof(get), &val,
					  8), 0);
	}
	get.property_code = 0x60008;
	rig_call(hvcall_get_partition_property, &get, sizeof(get), &val, 8);
	assert_true(val <= 4096);
	get.property_code = 0x99999;
	assert_int_equal(rig_call(hvcall_get_partition_property, &get, sizeof(get), &val, 8),
			 HV_STATUS_UNKNOWN_PROPERTY);
	set.property_code = HV_PROPERTY_SYNTHETIC_PROC_FEATURES;
	assert_int_equal(rig_call(hvcall_set_partition_property, &set, sizeof(set), NULL, 0),
			 HV_STATUS_INVALID_PARTITION_STATE);

	/* Frozen time stands still and goes on from there. */
	set.property_code = HV_PROPERTY_TIME_FREEZE;
	set.value = 1;
	assert_int_equal(rig_call(hvcall_set_partition_property, &set, sizeof(set), NULL, 0), 0);
	get.property_code = HV_PROPERTY_REFERENCE_TIME;
	rig_call(hvcall_get_partition_property, &get, sizeof(get), &val, 8);
	for (volatile int i = 0; i < 1000000; i++)
		;
	rig_call(hvcall_get_partition_property, &get, sizeof(get), &later, 8);
	assert_int_equal(val, later);
	set.property_code = HV_PROPERTY_REFERENCE_TIME;
	set.value = 123456789012;
	assert_int_equal(rig_call(hvcall_set_partition_property, &set, sizeof(set), NULL, 0), 0);
	set.property_code = HV_PROPERTY_TIME_FREEZE;
	set.value = 0;
	assert_int_equal(rig_call(hvcall_set_partition_property, &set, sizeof(set), NULL, 0), 0);
	rig_call(hvcall_get_partition_property, &get, sizeof(get), &later, 8);
	assert_in_range(later, 123456789012, 123456789012 + 10000000);
}

#define STATE_TEST(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

const struct CMUnitTest state_tests[] = {
	STATE_TEST(test_round_trip),
	STATE_TEST(test_plain_values),
	STATE_TEST(test_refused_values),
	STATE_TEST(test_no_needless_flush),
	STATE_TEST(test_reps_stop_at_the_bad_one),
	STATE_TEST(test_cpuid),
	STATE_TEST(test_cpuid_override),
	STATE_TEST(test_xsave_blob),
	STATE_TEST(test_lapic_blob),
	STATE_TEST(test_timer_of_a_sleeper),
	STATE_TEST(test_walk_long),
	STATE_TEST(test_walk_legacy),
	STATE_TEST(test_translate_call),
	STATE_TEST(test_properties),
};
const size_t state_test_count = ARRAY_SIZE(state_tests);
