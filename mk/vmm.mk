# SPDX-License-Identifier: MIT
# The virtual machine monitor: out/vmm/vmm, static musl.

vmm_src := $(sort $(wildcard vmm/*.c vmm/*/*.c))
vmm_dir := $(O)/vmm
vmm_obj := $(vmm_src:vmm/%.c=$(vmm_dir)/obj/%.o) $(patsubst %,$(vmm_dir)/obj/lib/%.o,conf cpus mac)

# Threads have little stack; see THREAD_STACK_BYTES.
vmm_cflags := $(CFLAGS_MUSL) -fPIE -Wframe-larger-than=8192

# Position-independent though static: where it lies, a guest that wants to take it over
# has to guess. musl's wrapper of gcc does not know -static-pie, so the start files are
# named here, from where it has its own.
vmm_hash := \#
vmm_musl = $(dir $(shell $(CC_MUSL) -static '-$(vmm_hash)$(vmm_hash)$(vmm_hash)' -x c /dev/null 2>&1 | \
	tr ' "' '\n\n' | grep '/S*crt1\.o$$'))
vmm_gcc = $(dir $(shell $(CC_MUSL) -print-file-name=crtbeginS.o))
# $(call vmm_link,OBJECTS AND FLAGS)
vmm_link = $(CC_MUSL) $(filter-out -no-pie,$(LDFLAGS_MUSL)) -nostartfiles \
	-Wl,-pie,--no-dynamic-linker,-z,text -o $@ \
	$(vmm_musl)rcrt1.o $(vmm_musl)crti.o $(vmm_gcc)crtbeginS.o \
	$(1) -lZydis -lZycore $(vmm_gcc)crtendS.o $(vmm_musl)crtn.o

$(vmm_dir)/vmm: $(vmm_obj) $(TP_LIBS) mk/vmm.mk
	$(call say,LD,$@)$(call vmm_link,$(vmm_obj))

$(vmm_dir)/obj/%.o: vmm/%.c | $(TP_LIBS) $(KERNEL_HEADERS_STAMP)
	$(call say,CC,$@)mkdir -p $(@D) && $(CC_MUSL) $(vmm_cflags) $(DEPFLAGS) -c $< -o $@

$(vmm_dir)/obj/lib/%.o: lib/%.c
	$(call say,CC,$@)mkdir -p $(@D) && $(CC_MUSL) $(vmm_cflags) $(DEPFLAGS) -c $< -o $@

# ACPI: the address map comes from include/abi/platform.h, so that devices and
# tables cannot disagree; ASL knows no integer suffixes.
vmm_dsdt := $(vmm_dir)/dsdt.h

$(vmm_dsdt): vmm/acpi/dsdt.asl include/abi/platform.h
	$(call say,IASL,$@)mkdir -p $(@D) && \
	$(CC_MUSL) -E -P -x assembler-with-cpp $(INC_ALL) $< | \
		sed 's/\(0x[0-9a-fA-F]*\)ULL/\1/g' >$(vmm_dir)/dsdt.dsl && \
	$(IASL) -ve -p $(vmm_dir)/dsdt $(vmm_dir)/dsdt.dsl >$(vmm_dir)/iasl.log 2>&1 || \
		{ cat $(vmm_dir)/iasl.log; exit 1; }; \
	{ echo 'static const unsigned char dsdt_aml[] = {'; \
	  od -An -v -tx1 $(vmm_dir)/dsdt.aml | sed 's/ \(..\)/0x\1,/g'; \
	  echo '};'; } >$@

$(vmm_dir)/obj/acpi/tables.o: $(vmm_dsdt)
$(vmm_dir)/obj/acpi/tables.o: vmm_cflags += -I$(vmm_dir)

-include $(vmm_obj:.o=.d)

.PHONY: vmm
vmm: $(vmm_dir)/vmm

# The same program over KVM, for a second opinion: tests/fake/mshv_kvm.c.
vmm_fake_obj := $(patsubst %,$(vmm_dir)/obj/%.o,mshv_kvm mshv_kvm_regs)
vmm_kvm_obj := $(filter-out $(vmm_dir)/obj/mshv.o,$(vmm_obj)) $(vmm_fake_obj)

$(vmm_fake_obj): $(vmm_dir)/obj/%.o: tests/fake/%.c | $(TP_LIBS) $(KERNEL_HEADERS_STAMP)
	$(call say,CC,$@)mkdir -p $(@D) && $(CC_MUSL) $(vmm_cflags) $(DEPFLAGS) -c $< -o $@

$(vmm_dir)/vmm-kvm: $(vmm_kvm_obj) $(TP_LIBS)
	$(call say,LD,$@)$(call vmm_link,$(vmm_kvm_obj))

-include $(vmm_fake_obj:.o=.d)

# And with a device that is memory, for one machine test: tests/fake/window.c.
$(vmm_dir)/obj/window.o: tests/fake/window.c | $(TP_LIBS) $(KERNEL_HEADERS_STAMP)
	$(call say,CC,$@)mkdir -p $(@D) && $(CC_MUSL) $(vmm_cflags) $(DEPFLAGS) -c $< -o $@

vmm_window := -Wl,--wrap=pvpanic_create $(vmm_obj) $(vmm_dir)/obj/window.o

$(O)/test/vmm-window: $(vmm_obj) $(vmm_dir)/obj/window.o $(TP_LIBS)
	$(call say,LD,$@)mkdir -p $(@D) && $(call vmm_link,$(vmm_window))

-include $(vmm_dir)/obj/window.d
