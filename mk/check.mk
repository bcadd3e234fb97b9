# SPDX-License-Identifier: MIT
# Tests.  "make check" runs everything; "make check T=name" one of them.
#
# Unit tests    tests/unit/<area>.mk:  unit_tests += NAME
#               NAME_src := sources, the real ones among them
#               NAME_inc := -I..   NAME_cflags := ..   NAME_lib := libraries (files)
#               NAME_ldflags := ..
# Fuzz targets  tests/fuzz/<area>.mk (or tests/unit/<area>.mk):
#               fuzz_targets += NAME, the same variables; corpus in
#               tests/fuzz/corpus/NAME/, of which the run keeps its own copy
# Tool tests    tests/tools/NAME.sh: exit 0, or 77 for a skip with its reason
# Machine tests tests/matrix.cfg, run by tests/machine.sh
#
# Time limits (seconds of wall time): about five times what the slowest of the
# kind needs on two quiet cores.  Machine tests: as in the matrix, and 30 more for
# what is around the machine.  FUZZ_TIME is what make check gives each fuzz target.

UNIT_LIMIT := 30
TOOL_LIMIT := 240
FUZZ_TIME  ?= 10

unit_tests   :=
fuzz_targets :=
-include $(sort $(wildcard tests/unit/*.mk tests/fuzz/*.mk))

TEST := $(O)/test

# $(1) name, $(2) unit or fuzz, $(3) extra flags.  Each test compiles its own
# objects: flags differ, and nothing is shared that could leak between tests.
define host_test
$(1)_obj := $$($(1)_src:%.c=$(TEST)/bin/$(1).d/%.o)

$$($(1)_obj): $(TEST)/bin/$(1).d/%.o: %.c $(wildcard tests/unit/*.mk tests/fuzz/*.mk) \
		| $(TP_HOST_LIBS) $(KERNEL_HEADERS_STAMP)
	$$(call say,CC,$$@)mkdir -p $$(@D) && $(CC_HOST) $(CFLAGS_HOST) $(SANITIZE) $(3) \
		-isystem $(TP)/include -idirafter $(KERNEL_HEADERS)/include \
		$$($(1)_inc) $$($(1)_cflags) $(DEPFLAGS) -c $$< -o $$@

$(TEST)/bin/$(1): $$($(1)_obj) $$($(1)_lib)
	$$(call say,LINK,$$@)$(CC_HOST) $(SANITIZE) $(3) $$($(1)_ldflags) -o $$@ $$^ $(4)

-include $$($(1)_obj:.o=.d)
endef

$(foreach t,$(unit_tests),$(eval $(call host_test,$(t),unit,,-lcmocka)))
$(foreach t,$(fuzz_targets),$(eval $(call host_test,$(t),fuzz,-fsanitize=fuzzer,)))

tool_tests    := $(sort $(patsubst tests/tools/%.sh,%,$(wildcard tests/tools/*.sh)))
machine_tests := $(shell tests/machine.sh names)
# Minutes each: with LONG=1, or by name.
ifneq ($(LONG)$(T),)
machine_tests += $(shell tests/machine.sh names-long)
endif
# Only the debug kernel has what they look at.
ifneq ($(filter debug,$(ROOT_EXTRA)),)
machine_tests += $(shell tests/machine.sh names-debug)
endif
peer_tests    := $(shell tests/machine.sh names-peers)
machine_tests += $(if $(T),$(peer_tests))

# Guest kernels and root programs that only tests use.
STUB := $(TEST)/guest/stub
GUEST_PROGRAMS := $(patsubst tests/guest/%.c,$(TEST)/guest/%,$(wildcard tests/guest/*.c))
ROOT_PROGRAMS := $(patsubst tests/root/%.c,$(TEST)/root/%,$(wildcard tests/root/*.c))
# Named by pattern rules only, which would make them intermediate: built, then removed.
.SECONDARY: $(ROOT_PROGRAMS) $(GUEST_PROGRAMS)

# 32-bit code in a 64-bit ELF file, which is what a PVH kernel is.
$(STUB): tests/guest/stub.S tests/guest/stub.lds include/abi/platform.h
	$(call say,AS,$@)mkdir -p $(@D) && gcc -c $(INC_ALL) -o $@.o tests/guest/stub.S && \
	ld -m elf_x86_64 -nostdlib -static -T tests/guest/stub.lds -z noexecstack \
		--no-warn-rwx-segments --build-id=none -o $@ $@.o

# Flat guests in C: 64-bit mode, up to 16 processors (tests/guest/lib/guest.h).
guest_lib := $(wildcard tests/guest/lib/*.[cS]) lib/fmt.c lib/mem.c
CFLAGS_GUEST := -std=gnu17 -Os -ffreestanding -mgeneral-regs-only -mno-red-zone -fno-pic -no-pie \
	-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables $(WARN) $(INC_ALL)

$(TEST)/guest/%: tests/guest/%.c $(guest_lib) $(wildcard tests/guest/lib/*.h) tests/guest/stub.lds
	$(call say,CC,$@)mkdir -p $(@D) && \
	gcc $(CFLAGS_GUEST) -nostdlib -static -T tests/guest/stub.lds -Wl,-z,noexecstack \
		-Wl,--no-warn-rwx-segments -Wl,--build-id=none -o $@ $(filter %.c %.S,$^)

# The emulator's conformance table.
$(TEST)/guest/insn: tests/insn/forms.S tests/insn/forms.c tests/insn/run.c tests/insn/legacy.S $(wildcard tests/insn/*.h tests/insn/*.inc)

# Bare programs for QEMU itself, 32-bit, started by -kernel.
HV_PROGRAMS := $(patsubst tests/hv/%.c,$(TEST)/hv/%,$(wildcard tests/hv/*.c))

$(TEST)/hv/%: tests/hv/%.c tests/hv/lib/bare.h tests/guest/stub.lds hypervisor/svm/vmcb.h
	$(call say,CC,$@)mkdir -p $(@D) && gcc -m32 -march=i686 -mgeneral-regs-only -ffreestanding \
		-fno-pic -fno-stack-protector -fcf-protection=none -Os $(WARN) $(INC_ALL) \
		-c -o $@.o $< && \
	ld -m elf_i386 -nostdlib -static -T tests/guest/stub.lds -z noexecstack \
		--no-warn-rwx-segments --build-id=none -o $@ $@.o

# All of it into each: the linker drops what a program does not use.
root_lib := $(wildcard tests/root/lib/*.[chS])

$(TEST)/root/%: tests/root/%.c $(root_lib) | $(KERNEL_HEADERS_STAMP) $(TP_LIBS)
	$(call say,CC,$@)mkdir -p $(@D) && \
	$(CC_MUSL) $(CFLAGS_MUSL) $(LDFLAGS_MUSL) -o $@ $(filter %.c %.S,$^)

# From inside the vmm's sandbox.
$(TEST)/root/walls: $(wildcard vmm/sandbox/*.[ch]) vmm/log.c

# kill-disk: a guest with ext4, its disk, and e2fsck with what it needs, for the root.
KILL_DISK := $(addprefix $(TEST)/,fsload.cpio.gz ext4.img fsck/e2fsck)

$(TEST)/fsload.cpio.gz: $(TEST)/root/fsload
	$(call say,CPIO,$@)printf 'dir /dev 755\ndir /mnt 755\nfile /init %s 755\n' $< \
		>$(TEST)/fsload.list && tools/mkcpio.sh -o $@ $(TEST)/fsload.list

# Not on an ordinary user's PATH.
$(TEST)/ext4.img:
	$(call say,MKE2FS,$@)mkdir -p $(@D) && rm -f $@ && truncate -s 16M $@ && \
	PATH=$$PATH:/usr/sbin:/sbin mke2fs -q -F -t ext4 -b 4096 $@

$(TEST)/fsck/e2fsck:
	$(call say,COPY,$@)mkdir -p $(@D) && tool=$$(PATH=$$PATH:/usr/sbin:/sbin command -v e2fsck) && \
	cp -L $$(ldd $$tool | sed -n 's/.*[[:space:]]\(\/[^ ]*\) (0x.*/\1/p') $(@D) && cp -L $$tool $@

# One image per machine test.
machine_payload := $(O)/guest/bzImage $(O)/guest/initramfs.cpio.gz $(O)/guest/disk.img \
	$(O)/guest/debian/vmlinuz $(O)/guest/debian/initramfs.cpio.gz $(STUB) $(GUEST_PROGRAMS) \
	$(ROOT_PROGRAMS) $(KILL_DISK) $(O)/tools/hvtrace $(TEST)/netpeer.cpio.gz $(TEST)/dog.cpio.gz \
	$(TEST)/panics.cpio.gz $(TEST)/vsockpeer.cpio.gz $(TEST)/vmm-window

$(TEST)/%/image: $(IMAGE_DEPS) $(machine_payload) tests/matrix.cfg tests/machine.sh \
		$(wildcard tests/machine/*.yaml tests/peers/*)
	$(call say,IMAGE,$@)mkdir -p $(@D) && O=$(O) tests/machine.sh image $* $@

# --- what to run --------------------------------------------------------------

all_tests := $(unit_tests) $(fuzz_targets) $(tool_tests) $(machine_tests)
chosen    := $(if $(T),$(filter $(T),$(all_tests)),$(all_tests))
chosen_unit    := $(filter $(chosen),$(unit_tests))
chosen_fuzz    := $(filter $(chosen),$(fuzz_targets))
chosen_tool    := $(filter $(chosen),$(tool_tests))
chosen_machine := $(filter $(chosen),$(machine_tests))

# Tool tests work on the programs and images of a normal build.
chosen_deps := $(chosen_unit:%=$(TEST)/bin/%) $(chosen_fuzz:%=$(TEST)/bin/%) \
	$(if $(chosen_tool),$(IMAGE_DEPS) $(machine_payload) $(HV_PROGRAMS)) \
	$(chosen_machine:%=$(TEST)/%/image) \
	$(if $(filter $(peer_tests),$(chosen)),$(O)/peers/qemu.img)

define test_lines
$(foreach t,$(chosen_unit),echo '$(t) $(UNIT_LIMIT) $(TEST)/bin/$(t)';)
$(foreach t,$(chosen_fuzz),echo '$(t) $(shell echo $$(($(FUZZ_TIME) + 30))) tests/fuzz.sh $(t) $(FUZZ_TIME)';)
$(foreach t,$(chosen_tool),echo '$(t) $(TOOL_LIMIT) tests/tools/$(t).sh';)
$(foreach t,$(chosen_machine),echo "$(t) $$(($$(tests/machine.sh limit $(t)) + 30)) tests/machine.sh run $(t) $(TEST)/$(t)/image $(TEST)/$(t)";)
endef

.PHONY: do-check do-check-peers check-names do-fuzz
ifeq ($(T),list)
do-check:
	@printf '%s\n' $(sort $(all_tests))
else
unknown := $(filter-out $(all_tests),$(T))
do-check: $(if $(unknown),,$(chosen_deps))
	@$(if $(unknown),echo 'check: no test "$(unknown)" (make check T=list)' >&2; exit 1)
	@mkdir -p $(TEST) && { $(strip $(test_lines)) } >$(TEST)/list
	@O=$(O) tests/run.sh -j $(JOBS) -d $(TEST) $(TEST)/list
endif

# One after the other: each is a machine in a machine in a machine.
do-check-peers:
ifeq ($(T),list)
	@printf '%s\n' $(sort $(peer_tests))
else
	@$(if $(filter-out $(peer_tests),$(T)),echo 'check-peers: no such test "$(T)" (make check-peers T=list)' >&2; exit 1)
	$(Q)$(MAKE) --no-print-directory do-check T='$(or $(T),$(peer_tests))' JOBS=1
endif

# make fuzz F=name TIME=seconds
# The same for the fuzzers that run in a machine; SEED= brings one back.
machine_fuzz := $(filter fuzz-%,$(machine_tests))

do-fuzz: $(patsubst %,$(TEST)/bin/%,$(filter $(F),$(fuzz_targets))) \
		$(if $(filter $(F),$(machine_fuzz)),$(IMAGE_DEPS) $(machine_payload))
	@$(if $(filter $(fuzz_targets) $(machine_fuzz),$(F)),,echo 'fuzz: F= is one of: $(fuzz_targets) $(machine_fuzz)' >&2; exit 1)
ifneq ($(filter $(F),$(machine_fuzz)),)
	@mkdir -p $(TEST)/$(F)-long
	@export O=$(O) FUZZ_SECONDS=$(or $(TIME),60) FUZZ_SEED=$(or $(SEED),0); \
	tests/machine.sh image $(F) $(TEST)/$(F)-long/image && \
	tests/machine.sh run $(F) $(TEST)/$(F)-long/image $(TEST)/$(F)-long && \
	grep -E 'failures|exits:' $(TEST)/$(F)-long/serial.txt
else
	@O=$(O) TEST_DIR=$(TEST)/$(F) tests/fuzz.sh $(F) $(or $(TIME),60)
endif
