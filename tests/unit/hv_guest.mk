# SPDX-License-Identifier: MIT
# The hypervisor's guest side over a fake machine, all suites in one program:
# they share most of hypervisor/hv/.

unit_tests += hv_guest
hv_guest_src := tests/unit/hv_guest.c tests/unit/hv_guest_clock.c tests/unit/hv_guest_memory.c \
	tests/unit/hv_guest_lapic.c tests/unit/hv_guest_run.c tests/unit/hv_guest_run_rig.c \
	tests/unit/hv_guest_events.c tests/unit/hv_guest_state.c tests/unit/hv_guest_observe.c \
	tests/unit/hv_guest_synic.c tests/unit/hv_guest_timer.c tests/unit/hv_guest_calls.c \
	tests/unit/hv_guest_intercept.c \
	$(addprefix hypervisor/hv/,pool.c partition.c property.c gpa.c vp.c vpregs.c regs.c regpage.c \
		dispatch.c intercept.c vlapic.c vlapicbus.c guestmsr.c guestcpuid.c fpu.c \
		signal.c vpstate.c stats.c port.c walk.c guestsynic.c guesttime.c guesttimer.c \
		guestcalls.c hypercall.c operand.c calltable.c rootcalls.c) \
	hypervisor/mem/nested.c hypervisor/svm/insn.c hypervisor/trace.c \
	hypervisor/fault.c hypervisor/efi/options.c
