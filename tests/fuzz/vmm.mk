# SPDX-License-Identifier: MIT
# Fuzz targets of vmm/ except vmm/virtio/, vmm/backend/ and vmm/dev/pci*.

fuzz_targets += vmm_emulate
vmm_emulate_src := tests/fuzz/vmm_emulate.c vmm/insn/insn.c vmm/insn/walk.c \
	vmm/insn/access.c vmm/insn/operand.c vmm/insn/alu.c vmm/insn/string.c vmm/insn/bits.c \
	vmm/insn/stack.c vmm/insn/vector.c vmm/insn/wide.c
vmm_emulate_lib := $(TP)/host/lib/libZydis.a $(TP)/host/lib/libZycore.a

fuzz_targets += vmm_image
vmm_image_src := tests/fuzz/vmm_image.c vmm/load/load.c vmm/load/bzimage.c \
	vmm/load/pvh.c vmm/load/entry.c vmm/memory.c

fuzz_targets += vmm_ports
vmm_ports_src := tests/fuzz/vmm_ports.c vmm/dev/pm.c vmm/dev/rtc.c vmm/dev/reset.c \
	vmm/dev/debugport.c vmm/dev/pvpanic.c vmm/dev/watchdog.c vmm/bus.c
vmm_ports_ldflags := -Wl,--wrap=clock_gettime,--wrap=timerfd_create,--wrap=timerfd_settime

fuzz_targets += vmm_gdb_bytes
vmm_gdb_bytes_src := tests/fuzz/vmm_gdb_bytes.c tests/unit/vmm_gdb_rig.c vmm/debug/gdb.c \
	vmm/debug/gdbregs.c vmm/debug/packet.c vmm/log.c
vmm_gdb_bytes_inc := -Itests/unit
