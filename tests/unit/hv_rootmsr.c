/* SPDX-License-Identifier: MIT */
/* hypervisor/svm/root_msr.c as a program: what the root's accesses to MSRs do. */
#include "hv_svm_rig.h"

#include "hypervisor/hw/clock.h"
#include "hypervisor/hw/lapic.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/x86.h"

static int setup(void **state)
{
	(void)state;
	rig_setup();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_teardown();
	return 0;
}

/* --- the root's time stamp counter --- */

static struct root_vp root;

static bool root_msr(uint32_t msr, bool write, uint64_t *value)
{
	unsigned int before = faults;

	root = (struct root_vp){ .vmcb = vmcb, .cpu = &cpu };
	root.gprs.r[VCPU_RCX] = msr;
	root.gprs.r[VCPU_RDX] = *value >> 32;
	vmcb->rax = (uint32_t)*value;
	vmcb->exit_info_1 = write;
	root_exit_msr(&root);
	if (!write)
		*value = root.gprs.r[VCPU_RDX] << 32 | (uint32_t)vmcb->rax;
	return faults == before;
}

static bool root_exits(uint32_t msr, unsigned int write)
{
	const uint8_t *bitmap = phys_to_virt(root_msr_bitmap());
	uint32_t at = msr < 0x2000 ? msr : (msr & 0x1fff) + 0x2000;

	return bitmap[at / 4] & (1u << write) << at % 4 * 2;
}

static void test_root_tsc(void **state)
{
	uint64_t value = 1000, now;

	(void)state;
	power_on();
	tsc_moved = 0;
	assert_true(root_exits(MSR_TSC, 1));
	assert_true(root_msr(MSR_TSC, true, &value));
	now = rdtsc();
	assert_in_range(now + vmcb->tsc_offset, 1000, 1000 + (1ull << 36));
	assert_int_equal(tsc_moved, 1);
}

static void test_root_tsc_adjust(void **state)
{
	uint64_t value = 500;

	(void)state;
	power_on();
	tsc_moved = 0;
	hw.tsc_adjust = 100; /* the firmware's */
	assert_true(root_exits(MSR_TSC_ADJUST, 0));
	assert_true(root_exits(MSR_TSC_ADJUST, 1));
	svm_features.tsc_adjust = true;
	assert_true(root_msr(MSR_TSC_ADJUST, true, &value));
	assert_int_equal(vmcb->tsc_offset, 400);
	assert_int_equal(tsc_moved, 1);
	value = 0;
	assert_true(root_msr(MSR_TSC_ADJUST, false, &value));
	assert_int_equal(value, 500);
	/* A write to the counter shows here, as the SDM wants it. */
	value = rdtsc();
	assert_true(root_msr(MSR_TSC, true, &value));
	assert_true(root_msr(MSR_TSC_ADJUST, false, &value));
	assert_int_equal(value, 100 + vmcb->tsc_offset);
	svm_features.tsc_adjust = false;
	assert_false(root_msr(MSR_TSC_ADJUST, false, &value));
	assert_false(root_msr(MSR_TSC_ADJUST, true, &value));
	/* Scales what a processor in guest mode reads: the root is in guest mode. */
	assert_true(root_exits(MSR_TSC_RATIO, 1));
}

/* --- the root's x2APIC --- */

static void test_root_svr(void **state)
{
	const uint32_t svr = MSR_X2APIC + LAPIC_SVR / 16;
	uint64_t value = 0x10ff;

	(void)state;
	power_on();
	assert_true(root_exits(svr, 1));
	x2apic = false;
	assert_false(root_msr(svr, true, &value));
	x2apic = true;
	assert_true(root_msr(svr, true, &value));
	assert_int_equal(apic_reg, LAPIC_SVR);
	assert_int_equal(apic_value, 0x10ff);
	/* It would fault in the hypervisor. */
	value = 0x20ff;
	assert_false(root_msr(svr, true, &value));
	value = 1ull << 32 | 0xff;
	assert_false(root_msr(svr, true, &value));
	assert_int_equal(apic_value, 0x10ff);
}

int main(int argc, char **argv)
{
	/* clang-format off: a list */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_root_tsc, setup, teardown),
		cmocka_unit_test_setup_teardown(test_root_tsc_adjust, setup, teardown),
		cmocka_unit_test_setup_teardown(test_root_svr, setup, teardown),
	};
	/* clang-format on */

	(void)argc;
	(void)argv;
	if (!rig_begin())
		return 1;
	return cmocka_run_group_tests_name("hv_rootmsr", tests, NULL, NULL);
}
