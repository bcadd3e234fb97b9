# SPDX-License-Identifier: MIT
# Rootstock.  This file is the front door; what the commands do is in mk/*.mk.
#
## make run             build everything, start it in QEMU, two guests, console here
## make run MANIFEST=file ADD="src:dest ..."    the same with your own guests
## make check           every test; the last line counts them
## make check T=name    one test (make check T=list names them); LONG=1: the long ones too
## make check-peers     Debian's QEMU runs its guests above our hypervisor; T= as above
## make image           out/rootstock.efi and out/rootstock.img
## make debug           like run, but stopped, with gdb's port open
## make doctor          what this machine lacks, and why; changes nothing
## make size            sizes of the image's parts
## make bench           start-up times in virtual time
## make bench-hv        what guests cost, in instructions and virtual time
## make bench-boot      what their boot costs: instructions, exits by kind
## make bench-net       what packets between guests cost, in instructions
## make bench-peers     what guests cost in our vmm and in Debian's QEMU
## make fuzz F=name TIME=seconds    one fuzz target for longer
## make repro           build twice, in two places; the images must be equal
## make lint            shellcheck, layers, headers
## make format          clang-format over our C
## make clean           remove out/ (downloads stay in the cache)
##
## V=1 shows every command   O=dir builds elsewhere   ACCEL=kvm with nested SVM
## MEM=2G CPUS=2   the machine in QEMU      CMDLINE=string   the root kernel's
## KERNEL_TARBALL=, BUSYBOX_TARBALL=path   sources by hand (tools/sources.lock)

.DEFAULT_GOAL := help

include mk/common.mk
ifneq ($(words $(CURDIR) $(O)),2)
$(error make knows no names with spaces in them: "$(CURDIR)", O="$(O)")
endif
include $(sort $(filter-out mk/common.mk,$(wildcard mk/*.mk)))

.PHONY: help doctor clean
help:
	@sed -n 's/^## \{0,1\}//p' Makefile

doctor:
	@tools/deps.sh doctor

clean:
	$(Q)rm -rf $(O)

# Commands that need the machine's packages: those come first, then the work, in
# a make of its own because its rules look for tools while being read.
needs_image  := build
needs_size   := build
needs_run    := build run
needs_debug  := build run debug
needs_bench  := build run
needs_bench-hv := build run
needs_bench-boot := build run
needs_bench-net := build run
needs_bench-peers := build run check
needs_repro  := build
needs_check  := build run check
needs_check-peers := build run check
needs_fuzz   := build check
needs_lint   := build lint
needs_format := lint

front := image size run debug bench bench-hv bench-boot bench-net bench-peers repro check check-peers fuzz lint format
.PHONY: $(front)
$(front):
	$(Q)O=$(O) tools/check-args.sh $@
	$(Q)O=$(O) tools/deps.sh ensure $(needs_$@)
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) $(if $(filter run debug,$@),do-image,do-$@)
	$(if $(filter run debug,$@),$(Q)$(MAKE) --no-print-directory do-$@)
