# SPDX-License-Identifier: MIT
# The hypervisor's guest side over a fake machine, all suites in one program:
# they share most of hypervisor/hv/.

hv_machine_src := tests/unit/hv_guest.c tests/unit/hv_guest_clock.c \
	$(addprefix hypervisor/hv/,pool.c partition.c property.c gpa.c vp.c vpregs.c regs.c regpage.c \
		dispatch.c intercept.c vlapic.c vlapicbus.c guestmsr.c guestcpuid.c fpu.c \
		signal.c vpstate.c stats.c port.c walk.c guestsynic.c guesttime.c guesttimer.c \
		guestcalls.c hypercall.c operand.c calltable.c rootcalls.c) \
	hypervisor/mem/nested.c hypervisor/svm/insn.c hypervisor/trace.c \
	hypervisor/fault.c hypervisor/efi/options.c

unit_tests += hv_guest
hv_guest_src := $(hv_machine_src) $(addprefix tests/unit/hv_guest_,main.c memory.c access.c lapic.c \
	run.c run_rig.c events.c state.c observe.c synic.c pages.c timer.c calls.c intercept.c)
hv_guest_ldflags := -Wl,--wrap=gpa_write
