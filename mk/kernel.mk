# SPDX-License-Identifier: MIT
# The two kernels and the headers that user space is compiled with, all from
# one patched source tree. tools/kernel.sh does the work and keeps the results
# in the cache, so these rules are cheap to run again.
#
#   $(O)/kernel/headers/.done    headers/include, for vmm, init, musl programs
#   $(O)/kernel/bzImage          the root partition's kernel (+ vmlinux, config)
#   $(O)/guest/bzImage           the sample guest's kernel (+ vmlinux, config)
#   make kconfig-check           both configurations, without compiling

# Topics of the root kernel. ROOT_EXTRA="sata debug" adds what the product does
# not have.
ROOT_TOPICS := base x86 mshv efi acpi-pci console virtio storage net security \
	$(ROOT_EXTRA)

root_fragments  := $(ROOT_TOPICS:%=kernel-config/%.config)
guest_fragments := kernel-config/guest.config
kernel_patches  := $(sort $(wildcard kernel-config/patches/*.patch))
kernel_deps     := $(SRC_KERNEL) $(kernel_patches) tools/kernel.sh
kconfig_deps    := tools/kconfig.sh kernel-config/required.list

kernel_sh = CACHE='$(CACHE)' V='$(V)' JOBS='$(JOBS)' tools/kernel.sh -t $(SRC_KERNEL)

$(O)/kernel/headers/.done: $(kernel_deps)
	$(Q)$(kernel_sh) -o $(@D) headers && touch $@

# Another ROOT_EXTRA is another kernel.
$(O)/kernel/topics: FORCE
	$(Q)$(call if_changed,echo '$(ROOT_TOPICS)')

$(O)/kernel/bzImage: $(kernel_deps) $(kconfig_deps) $(root_fragments) $(O)/kernel/topics
	$(Q)$(kernel_sh) -o $(@D) root $(root_fragments)

$(O)/guest/bzImage: $(kernel_deps) $(kconfig_deps) $(guest_fragments)
	$(Q)$(kernel_sh) -o $(@D) guest $(guest_fragments)

# Written by the same run.
$(O)/kernel/vmlinux: $(O)/kernel/bzImage
$(O)/guest/vmlinux: $(O)/guest/bzImage

.PHONY: kconfig-check
kconfig-check: $(kernel_deps)
	$(Q)$(kernel_sh) -o $(O)/kernel configure-root $(root_fragments)
	$(Q)$(kernel_sh) -o $(O)/guest configure-guest $(guest_fragments)

# --- tests of the launch patch (tests/tools/efi-launch.sh) --------------------

EFI_TEST := $(O)/test/efi

# One loader per way to fail: fakeloader-LAUNCH.efi and so on.
$(EFI_TEST)/fakeloader-%.efi: tests/efi/fakeloader.c include/abi/mshv_efi.h
	$(call say,LINK,$@)mkdir -p $(@D) && \
	$(CC_EFI) $(CFLAGS_EFI) -mno-stack-arg-probe -DFAKE_MODE=$* -c $< -o $@.o && \
	$(LD_EFI) -nologo -nodefaultlib -subsystem:efi_boot_service_driver \
		-entry:fake_main -dll -timestamp:0 -out:$@ $@.o

$(EFI_TEST)/probe.cpio.gz: tests/efi/probe.c tools/mkcpio.sh
	$(call say,CPIO,$@)mkdir -p $(@D) && \
	$(CC_MUSL) $(CFLAGS_MUSL) $(LDFLAGS_MUSL) -s -o $(@D)/probe $< && \
	echo 'file /init $(@D)/probe 755' >$(@D)/probe.list && \
	tools/mkcpio.sh -o $@ $(@D)/probe.list
