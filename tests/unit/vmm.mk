# SPDX-License-Identifier: MIT
# Unit tests of vmm/ except vmm/virtio/, vmm/backend/ and vmm/dev/pci*.

vmm_insn_all := vmm/insn/insn.c vmm/insn/walk.c vmm/insn/access.c \
	vmm/insn/operand.c vmm/insn/alu.c vmm/insn/string.c

unit_tests += vmm_insn
vmm_insn_src := tests/unit/vmm_insn.c $(vmm_insn_all)
vmm_insn_lib := $(TP)/host/lib/libZydis.a $(TP)/host/lib/libZycore.a
