# SPDX-License-Identifier: MIT
# Fuzz targets of the hypervisor's root side.

fuzz_targets += hv_insn_diff
hv_insn_diff_src := tests/fuzz/hv_insn_diff.c hypervisor/svm/insn.c
hv_insn_diff_lib := $(TP)/host/lib/libZydis.a $(TP)/host/lib/libZycore.a
