# SPDX-License-Identifier: MIT
# Debian guests with a userland of their own, for tests (tests/debian/README.md).
#
#   $(O)/debian/13/  disk.img, vmlinuz, initramfs.cpio.gz; the same for 12

DEBIAN := $(O)/debian

define debian_rules
$(O)/src/debian$(1).pin: FORCE
	$$(Q)$$(call if_changed,grep '^debian$(1)-' tools/sources.lock)

$(O)/src/debian$(1)/.fetched: $(O)/src/debian$(1).pin
	$$(Q)tools/fetch-set.sh debian$(1) -o $$(@D) && touch $$@

$(DEBIAN)/$(1)/disk.img: $(O)/src/debian$(1)/.fetched $(2) tests/debian/mkdisk.sh tests/debian/report
	$$(call say,DISK,$$@)tests/debian/mkdisk.sh -o $$(@D) debian$(1) $(O)/src/debian$(1)/*.deb $(2)

$(DEBIAN)/$(1)/initramfs.cpio.gz: $(DEBIAN)/$(1)/disk.img $(TEST)/root/diskinit tools/mkcpio.sh
	$$(call say,CPIO,$$@)printf 'dir /dev 755\ndir /disk 755\nfile /init %s 755\n' \
		$(TEST)/root/diskinit >$$@.list && \
	tools/mkcpio.sh -o $$@ $$@.list $$(@D)/modules.list
endef

$(eval $(call debian_rules,13,$(SRC_DEBIAN_KERNEL)))
$(eval $(call debian_rules,12,))

$(foreach r,12 13,$(foreach t,$(filter debian$(r)%,$(machine_tests)),$(eval \
	$(TEST)/$(t)/image: $(DEBIAN)/$(r)/disk.img $(DEBIAN)/$(r)/initramfs.cpio.gz)))

# The installer's own kernel and initrd.
define installer_rules
$(eval $(call fetch_rule,installer$(1),$(O)/src/installer$(1).deb,))

$(DEBIAN)/installer$(1)/initrd.gz: $(O)/src/installer$(1).deb
	$$(call say,UNPACK,$$@)mkdir -p $$(@D) && dpkg-deb --fsys-tarfile $$< | \
	tar -x -C $$(@D) --wildcards --transform 's|.*/||' \
		'*/text/debian-installer/amd64/linux' '*/text/debian-installer/amd64/initrd.gz' && \
	touch $$@
endef

$(eval $(call installer_rules,13))
$(eval $(call installer_rules,12))

$(foreach r,12 13,$(foreach t,$(filter installer$(r)%,$(machine_tests)),$(eval \
	$(TEST)/$(t)/image: $(DEBIAN)/installer$(r)/initrd.gz)))
