# SPDX-License-Identifier: MIT
# Third-party sources: each SRC_* is a file verified against tools/sources.lock.
# <NAME>_TARBALL=path on the command line takes a file given by hand instead.

SRC_KERNEL        := $(O)/src/kernel.tar.xz
SRC_BUSYBOX       := $(O)/src/busybox.tar.bz2
SRC_LIBYAML       := $(O)/src/libyaml.tar.gz
SRC_ZYDIS         := $(O)/src/zydis.tar.gz
SRC_ZYCORE        := $(O)/src/zycore.tar.gz
SRC_DEBIAN_KERNEL := $(O)/src/debian-kernel.deb

export KERNEL_TARBALL BUSYBOX_TARBALL LIBYAML_TARBALL ZYDIS_TARBALL \
	ZYCORE_TARBALL DEBIAN_KERNEL_TARBALL UNVERIFIED

# $(1) name in the lock, $(2) file, $(3) file given by hand.  The .pin file
# holds one lock line, so that moving one pin refetches and rebuilds one thing.
define fetch_rule
$(O)/src/$(1).pin: FORCE
	$$(Q)$$(call if_changed,awk '$$$$1 == "$(1)"' tools/sources.lock; echo '$(3)')

$(2): $(O)/src/$(1).pin
	$$(Q)tools/fetch.sh $(1) -o $$@
endef

$(eval $(call fetch_rule,kernel,$(SRC_KERNEL),$(KERNEL_TARBALL)))
$(eval $(call fetch_rule,busybox,$(SRC_BUSYBOX),$(BUSYBOX_TARBALL)))
$(eval $(call fetch_rule,libyaml,$(SRC_LIBYAML),$(LIBYAML_TARBALL)))
$(eval $(call fetch_rule,zydis,$(SRC_ZYDIS),$(ZYDIS_TARBALL)))
$(eval $(call fetch_rule,zycore,$(SRC_ZYCORE),$(ZYCORE_TARBALL)))
$(eval $(call fetch_rule,debian-kernel,$(SRC_DEBIAN_KERNEL),$(DEBIAN_KERNEL_TARBALL)))
