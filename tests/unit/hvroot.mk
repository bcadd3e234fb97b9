# SPDX-License-Identifier: MIT
# Host tests of the hypervisor's root side.  Its text functions use Microsoft's
# "unsigned long" nowhere, so the sources compile for the host as they are.

# It includes the source it tests: the processor acts between its steps.
unit_tests += hv_nested
hv_nested_src := tests/unit/hv_nested.c

unit_tests += hv_pages
hv_pages_src := tests/unit/hv_pages.c hypervisor/mem/pages.c lib/mem.c

unit_tests += hv_rootmem
hv_rootmem_src := tests/unit/hv_rootmem.c hypervisor/mem/rootmem.c hypervisor/mem/nested.c \
	hypervisor/mem/pages.c lib/mem.c

unit_tests += hv_hypercall
hv_hypercall_src := tests/unit/hv_hypercall.c hypervisor/hv/hypercall.c \
	hypervisor/fault.c hypervisor/efi/options.c

unit_tests += hv_insn
hv_insn_src := tests/unit/hv_insn.c hypervisor/svm/insn.c

unit_tests += hv_synic
hv_synic_src := tests/unit/hv_synic.c hypervisor/hv/synic.c \
	hypervisor/fault.c hypervisor/efi/options.c

unit_tests += hv_options
hv_options_src := tests/unit/hv_options.c hypervisor/fault.c hypervisor/efi/options.c

unit_tests += hv_timer
hv_timer_src := tests/unit/hv_timer.c hypervisor/hw/timer.c hypervisor/hv/stimer.c

hv_svm_rig := tests/unit/hv_svm_rig.c hypervisor/svm/guest.c hypervisor/svm/xstate.c \
	hypervisor/svm/root_msr.c

unit_tests += hv_svm
hv_svm_src := tests/unit/hv_svm.c $(hv_svm_rig)

unit_tests += hv_rootmsr
hv_rootmsr_src := tests/unit/hv_rootmsr.c $(hv_svm_rig)

unit_tests += hv_root
hv_root_src := tests/unit/hv_root.c hypervisor/svm/root.c hypervisor/svm/root_state.c

unit_tests += hv_rootwalk
hv_rootwalk_src := tests/unit/hv_rootwalk.c hypervisor/svm/root_walk.c hypervisor/svm/insn.c

# It includes the sources it tests, over a CPUID of its own.
unit_tests += hv_features
hv_features_src := tests/unit/hv_features.c hypervisor/svm/insn.c
