# SPDX-License-Identifier: MIT
# The reference hypervisor: out/hypervisor/hypervisor.efi, one PE image with its
# firmware-time half (hypervisor/efi/) inside.  DWARF stays in the image; gdb
# reads it from there (docs/HACKING.md).
#
# No floating point anywhere: the root's and guests' x87/SSE/AVX registers stay
# in the processor while the hypervisor runs.

HYPERVISOR := $(O)/hypervisor/hypervisor.efi

hypervisor_src := $(sort $(wildcard hypervisor/*.c hypervisor/*/*.c)) \
	lib/fmt.c lib/mem.c
hypervisor_asm := $(sort $(wildcard hypervisor/*.S))
hypervisor_obj := $(hypervisor_src:%.c=$(O)/hypervisor/obj/%.o) \
	$(hypervisor_asm:%.S=$(O)/hypervisor/obj/%.S.o)

# No stack probes: frames are small (-Wframe-larger-than) and there is no guard
# page handler that a probe could talk to. Signs: every enumeration of this target
# is an int, also one of message types with bit 31 set.
# Retpolines: indirect branches must not be predicted by what a guest has taught.
CFLAGS_HYPERVISOR := $(CFLAGS_EFI) -mno-80387 -mno-stack-arg-probe \
	-Wconversion -Wno-sign-conversion -Wno-sign-compare \
	-Wframe-larger-than=1024 -mretpoline
ASFLAGS_HYPERVISOR := -g $(filter-out -fno-record-gcc-switches,$(REPRO)) $(INC_ALL)

# Small, but for what runs in every exit or for every page. (hv/gpa.c gains nothing.)
hypervisor_fast := lib/mem.c hypervisor/svm/guest.c hypervisor/svm/root.c hypervisor/mem/nested.c \
	hypervisor/hv/dispatch.c hypervisor/hv/hypercall.c
hypervisor_opt = $(if $(filter $(hypervisor_fast),$<),$(OPT_FAST),$(OPT_SMALL:-Os=-Oz))

$(O)/hypervisor/obj/%.o: %.c
	$(Q)mkdir -p $(@D)
	$(call say,CC,$@)$(CC_EFI) $(CFLAGS_HYPERVISOR) $(hypervisor_opt) $(DEPFLAGS) -c $< -o $@

$(O)/hypervisor/obj/%.S.o: %.S
	$(Q)mkdir -p $(@D)
	$(call say,AS,$@)$(CC_EFI) $(ASFLAGS_HYPERVISOR) $(DEPFLAGS) -c $< -o $@

# A driver, so that firmware keeps it after its entry point returns.
$(HYPERVISOR): $(hypervisor_obj)
	$(call say,LD,$@)$(LD_EFI) -nologo -subsystem:efi_boot_service_driver \
		-entry:efi_main -nodefaultlib -dll -debug:dwarf \
		-timestamp:0 -ignore:longsections -out:$@ $(hypervisor_obj)

-include $(hypervisor_obj:.o=.d)

.PHONY: hypervisor
hypervisor: $(HYPERVISOR)
