# SPDX-License-Identifier: MIT
# out/rootstock.efi and out/rootstock.img: everything in one file, through
# tools/mkimage.sh.
#
#   MANIFEST=file          your own manifest instead of the demo's
#   ADD="src:dest ..."     files it names
#   CMDLINE=string         kernel command line instead of mkimage's
#
# With MANIFEST= the image is out/custom/rootstock.*, so that the demo's and
# yours do not take turns being rebuilt.

DEMO_ADD := $(GUEST_KERNEL):/guests/tiny/bzImage \
	$(O)/guest/initramfs.cpio.gz:/guests/tiny/initramfs.cpio.gz \
	$(O)/guest/disk.img:/guests/tiny/disk.img \
	$(O)/guest/debian/vmlinuz:/guests/debian/vmlinuz \
	$(O)/guest/debian/initramfs.cpio.gz:/guests/debian/initramfs.cpio.gz \
	$(O)/guest/disk.img:/guests/debian/disk.img

ifdef MANIFEST
IMAGE_DIR      := $(O)/custom
image_manifest := $(MANIFEST)
image_add      := $(ADD)
else
IMAGE_DIR      := $(O)
image_manifest := guests/demo.yaml
image_add      := $(DEMO_ADD) $(ADD)
endif

# Any text: make does not expand it, and the shell sees it as a variable only.
override CMDLINE := $(value CMDLINE)
export CMDLINE

# "src:dest" -> "src".
add_sources = $(foreach a,$(1),$(firstword $(subst :, ,$(a))))
mkimage     = O=$(O) tools/mkimage.sh --manifest $(image_manifest) \
	$(image_add:%=--add %) $(if $(CMDLINE),--cmdline "$$CMDLINE")

# What the image is made of by word, so that another ADD= or CMDLINE= rebuilds,
# and what is in the directories of ADD=, down to the last change of each file.
image_dirs := $(patsubst %/.,%,$(wildcard $(addsuffix /.,$(call add_sources,$(ADD)))))
$(IMAGE_DIR)/image.args: FORCE
	$(Q)$(call if_changed,echo '$(image_manifest) $(image_add)'; printenv CMDLINE; \
		git describe --always --dirty --abbrev=12 2>/dev/null \
		$(if $(image_dirs),; find -H $(image_dirs) -printf '%p %y %m %s %T@ %l\n' | sort))

image_deps := $(IMAGE_DEPS) $(IMAGE_DIR)/image.args $(image_manifest) \
	$(filter-out $(image_dirs),$(call add_sources,$(image_add)))

$(IMAGE_DIR)/rootstock.efi: $(image_deps)
	$(call say,IMAGE,$@)$(mkimage) --format efi -o $@

$(IMAGE_DIR)/rootstock.img: $(image_deps)
	$(call say,IMAGE,$@)$(mkimage) --format disk -o $@

.PHONY: do-image do-size do-repro
do-image: $(IMAGE_DIR)/rootstock.efi $(IMAGE_DIR)/rootstock.img

do-size: $(IMAGE_DEPS)
	$(Q)O=$(O) tools/size.sh

# FULL=1: each of the two builds compiles its own kernels.
do-repro:
	$(Q)O=$(O) tools/repro.sh
