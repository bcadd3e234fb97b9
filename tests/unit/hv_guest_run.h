/* SPDX-License-Identifier: MIT */
/* One guest with one processor, about to run code at 0x1000 in real mode. */
#ifndef TESTS_HV_GUEST_RUN_H
#define TESTS_HV_GUEST_RUN_H

#include "tests/unit/hv_guest.h"

#define RWX   (HV_MAP_GPA_READABLE | HV_MAP_GPA_WRITABLE | HV_MAP_GPA_KERNEL_EXECUTABLE)
#define CLEAR HV_DISPATCH_CLEAR_INTERCEPT_SUSPEND

extern uint64_t partition;
extern struct vp *vp;
extern uint64_t ram; /* root frame behind guest page 0 */

int run_setup(void **state);
int run_teardown(void **state);
#define RUN_TEST(fn) cmocka_unit_test_setup_teardown(fn, run_setup, run_teardown)

/* Put code at 0x1000. */
void code(const void *bytes, size_t size);
/* What the root's hypercalls of these names do. */
void assert_irq(uint8_t vector);
enum hv_status set_reg(uint32_t name, uint64_t val);
uint64_t get_reg(uint32_t name);

#define EXPECT_RESULT(r, state_, event_)                                            \
	do {                                                                        \
		struct hv_output_dispatch_vp r_ = (r);                              \
		assert_int_equal(r_.dispatch_state, HV_VP_DISPATCH_STATE_##state_); \
		assert_int_equal(r_.dispatch_event, HV_VP_DISPATCH_EVENT_##event_); \
	} while (0)

/* For rig_guest: next_exit, exits_left times; then an interrupt of the host. */
extern struct vcpu_exit next_exit;
extern unsigned int exits_left;
void scripted(struct vcpu *v, struct vcpu_exit *e);
/* That, with one exit. */
void script(struct vcpu_exit e);

#endif
