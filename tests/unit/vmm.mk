# SPDX-License-Identifier: MIT
# Unit tests of vmm/ except vmm/virtio/, vmm/backend/ and vmm/dev/pci*.

vmm_insn_all := vmm/insn/insn.c vmm/insn/walk.c vmm/insn/access.c \
	vmm/insn/operand.c vmm/insn/alu.c vmm/insn/string.c vmm/insn/bits.c \
	vmm/insn/stack.c vmm/insn/vector.c vmm/insn/wide.c

unit_tests += vmm_insn
vmm_insn_src := tests/unit/vmm_insn.c tests/unit/vmm_insn_rig.c $(vmm_insn_all)
vmm_insn_lib := $(TP)/host/lib/libZydis.a $(TP)/host/lib/libZycore.a

unit_tests += vmm_insn_vector
vmm_insn_vector_src := tests/unit/vmm_insn_vector.c tests/unit/vmm_insn_rig.c vmm/xsave.c $(vmm_insn_all)
vmm_insn_vector_lib := $(TP)/host/lib/libZydis.a $(TP)/host/lib/libZycore.a

unit_tests += vmm_insn_native
vmm_insn_native_src := tests/unit/vmm_insn_native.c tests/insn/forms.c $(vmm_insn_all)
vmm_insn_native_lib := $(O)/test/insn/forms.o $(TP)/host/lib/libZydis.a $(TP)/host/lib/libZycore.a

# The conformance table; by GNU as, which knows every way to write an instruction.
$(O)/test/insn/forms.o: tests/insn/forms.S tests/insn/forms.h tests/insn/common.inc
	$(call say,AS,$@)mkdir -p $(@D) && gcc -c $(INC_ALL) -o $@ $<

unit_tests += vmm_bus
vmm_bus_src := tests/unit/vmm_bus.c vmm/bus.c vmm/log.c

unit_tests += vmm_serial
vmm_serial_src := tests/unit/vmm_serial.c vmm/dev/serial.c vmm/bus.c vmm/log.c

unit_tests += vmm_ioapic
vmm_ioapic_src := tests/unit/vmm_ioapic.c vmm/dev/ioapic.c vmm/bus.c vmm/log.c

# With a real device, which brings all that virtio needs.
unit_tests += vmm_config
vmm_config_src = tests/unit/vmm_config.c vmm/config.c vmm/options.c lib/conf.c lib/cpus.c lib/mac.c \
	$(filter-out tests/unit/virtio_blk_rig.c,$(virtio_blk_all))
vmm_config_inc := -Itests/unit

vmm_load_all := vmm/load/load.c vmm/load/bzimage.c vmm/load/pvh.c vmm/load/entry.c \
	vmm/memory.c vmm/config.c vmm/options.c vmm/log.c lib/conf.c lib/cpus.c lib/mac.c

unit_tests += vmm_load
vmm_load_src := tests/unit/vmm_load.c $(vmm_load_all) vmm/acpi/tables.c
vmm_load_inc := -I$(O)/vmm
$(O)/test/bin/vmm_load.d/vmm/acpi/tables.o: $(O)/vmm/dsdt.h

unit_tests += vmm_cpuid
vmm_cpuid_src := tests/unit/vmm_cpuid.c vmm/cpuid.c lib/cpus.c lib/conf.c

unit_tests += vmm_stats
vmm_stats_src := tests/unit/vmm_stats.c vmm/stats.c vmm/bus.c vmm/log.c

vmm_control_all := vmm/debug/control.c vmm/debug/access.c vmm/debug/points.c \
	vmm/debug/gdbregs.c vmm/debug/look.c

unit_tests += vmm_exit
vmm_exit_src := tests/unit/vmm_exit.c tests/unit/vmm_xsave_rig.c vmm/exit.c vmm/vcpu.c \
	vmm/xsave.c vmm/debug/trace.c $(vmm_control_all) $(vmm_thread_all) vmm/bus.c \
	vmm/memory.c vmm/log.c $(vmm_insn_all)
vmm_exit_lib := $(TP)/host/lib/libZydis.a $(TP)/host/lib/libZycore.a

vmm_look_all := vmm/debug/look.c vmm/memory.c $(vmm_insn_all)

unit_tests += vmm_report
vmm_report_src := tests/unit/vmm_report.c vmm/debug/report.c $(vmm_look_all) vmm/log.c
vmm_report_lib := $(TP)/host/lib/libZydis.a $(TP)/host/lib/libZycore.a

unit_tests += vmm_trace
vmm_trace_src := tests/unit/vmm_trace.c vmm/debug/trace.c vmm/exit.c vmm/bus.c vmm/memory.c \
	$(vmm_thread_all) vmm/log.c $(vmm_insn_all)
vmm_trace_lib := $(TP)/host/lib/libZydis.a $(TP)/host/lib/libZycore.a

vmm_gdb_all := vmm/debug/gdb.c vmm/debug/gdbregs.c vmm/debug/packet.c

unit_tests += vmm_gdb
vmm_gdb_src := tests/unit/vmm_gdb.c tests/unit/vmm_gdb_rig.c $(vmm_gdb_all) vmm/log.c

unit_tests += vmm_server
vmm_server_src := tests/unit/vmm_server.c vmm/debug/server.c $(vmm_gdb_all) $(vmm_thread_all) \
	lib/conf.c vmm/log.c

unit_tests += vmm_control
vmm_control_src := tests/unit/vmm_control.c tests/unit/vmm_xsave_rig.c $(vmm_control_all) \
	vmm/vcpu.c vmm/xsave.c vmm/exit.c vmm/debug/trace.c $(vmm_thread_all) vmm/bus.c \
	vmm/memory.c vmm/log.c $(vmm_insn_all)
vmm_control_lib := $(TP)/host/lib/libZydis.a $(TP)/host/lib/libZycore.a

unit_tests += vmm_console
vmm_console_src := tests/unit/vmm_console.c vmm/console.c vmm/loop.c $(vmm_thread_all) vmm/log.c
# The test stands between the console and the loop.
vmm_console_ldflags := -Wl,--wrap=loop_modify

# Whole threads, with what they call in their work.
unit_tests += vmm_filter
vmm_filter_src := tests/unit/vmm_filter.c vmm/console.c vmm/dev/serial.c vmm/dev/ioapic.c \
	vmm/irq.c vmm/bus.c vmm/loop.c $(vmm_thread_all) vmm/log.c

unit_tests += vmm_irq
vmm_irq_src := tests/unit/vmm_irq.c vmm/irq.c vmm/log.c

unit_tests += vmm_legacy
vmm_legacy_src := tests/unit/vmm_legacy.c vmm/dev/pm.c vmm/dev/rtc.c vmm/dev/reset.c \
	vmm/dev/debugport.c vmm/dev/pvpanic.c vmm/dev/vmgenid.c vmm/memory.c vmm/bus.c

unit_tests += vmm_rate
vmm_rate_src := tests/unit/vmm_rate.c vmm/rate.c

# The table and the device, as one driver sees them.
unit_tests += vmm_watchdog
vmm_watchdog_src := tests/unit/vmm_watchdog.c vmm/dev/watchdog.c vmm/acpi/tables.c \
	vmm/memory.c vmm/bus.c
vmm_watchdog_inc := -I$(O)/vmm
vmm_watchdog_ldflags := -Wl,--wrap=clock_gettime,--wrap=timerfd_create,--wrap=timerfd_settime
$(O)/test/bin/vmm_watchdog.d/vmm/acpi/tables.o: $(O)/vmm/dsdt.h

unit_tests += vmm_loop
vmm_loop_src := tests/unit/vmm_loop.c vmm/loop.c
