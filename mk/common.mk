# SPDX-License-Identifier: MIT
# Variables every other mk/*.mk may use.  No rule of a product part lives here.
#
#   O            where everything generated goes (default: out)
#   V=1          show every command; otherwise one "  WHAT  file" line each
#   DEBUG=1      programs with -Og and no size optimisation
#   CC_MUSL      compiler for static musl programs (init, vmm, guests, tests)
#   CC_HOST      compiler for host unit tests and fuzzers
#   CC_EFI       compiler for PE images (boot/, hypervisor/)
#   CFLAGS_*     matching base flags; parts append their own -I and -D
#   REPRO        flags that keep build paths out of every object
#   $(call say,WHAT,file)   prefix of a recipe line: prints unless V=1

SHELL := /bin/sh
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-builtin-variables

O     ?= out
V     ?= 0
DEBUG ?= 0
JOBS  ?= $(shell nproc)

# Q hides a command, say announces it.
Q   := $(if $(filter 1,$(V)),,@)
say  = $(if $(filter 1,$(V)),,@printf '  %-8s %s\n' '$(1)' '$(patsubst $(O)/%,%,$(2))';)

# Downloads and private apt lists; survives "make clean" and is shared by clones.
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rootstock

# One clock for every timestamp inside an image: fixed, so that two builds of
# one commit are byte-identical, wherever and whenever they run.
export SOURCE_DATE_EPOCH := 1767225600
export LC_ALL := C
export TZ := UTC

CC_MUSL ?= musl-gcc
CC_HOST ?= clang
CC_EFI  ?= clang --target=x86_64-unknown-windows
LD_EFI  ?= lld-link
AR      := ar
STRIP   := strip
OBJCOPY := objcopy
IASL    ?= iasl

REPRO := -ffile-prefix-map=$(CURDIR)=. -fno-record-gcc-switches \
	 -Wdate-time

WARN := -Wall -Wextra -Wshadow -Wvla -Wundef -Wstrict-prototypes \
	-Wmissing-prototypes -Wwrite-strings -Wcast-qual -Wformat=2 \
	-Wimplicit-fallthrough -Werror

# Depfiles: foo.o gets foo.d beside it; parts do "-include $(objs:.o=.d)".
DEPFLAGS = -MMD -MP

OPT_SMALL := $(if $(filter 1,$(DEBUG)),-Og,-Os)
OPT_FAST  := $(if $(filter 1,$(DEBUG)),-Og,-O2)

INC_ALL := -Iinclude -I.

# Static musl programs.  Debug information stays in the object and the linked
# program; what goes into the image is stripped by mk/image.mk.
# mk/kernel.mk installs the kernel's user headers and touches the stamp; objects
# that include <linux/...> depend on it order-only ("| $(KERNEL_HEADERS_STAMP)").
KERNEL_HEADERS := $(O)/kernel/headers
KERNEL_HEADERS_STAMP := $(KERNEL_HEADERS)/.done
CFLAGS_MUSL := -std=gnu17 $(OPT_SMALL) -g $(REPRO) $(WARN) $(INC_ALL) \
	-D_GNU_SOURCE -isystem $(O)/thirdparty/include \
	-isystem $(KERNEL_HEADERS)/include \
	-ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables \
	-fstack-protector-strong -U_FORTIFY_SOURCE
LDFLAGS_MUSL := -static -no-pie -Wl,--gc-sections -Wl,-z,relro,-z,now \
	-Wl,-z,noexecstack -Wl,--build-id=none -L$(O)/thirdparty/lib

# PE images: freestanding, no red zone (firmware interrupts use our stack), no
# SSE outside what the firmware ABI demands.
CFLAGS_EFI := -std=gnu17 -ffreestanding -fno-builtin -fshort-wchar \
	-mno-red-zone -mno-sse -mno-mmx -mno-avx -mno-implicit-float \
	-fno-stack-protector -fno-ident -gdwarf-4 $(OPT_FAST) \
	$(filter-out -fno-record-gcc-switches,$(REPRO)) $(WARN) $(INC_ALL)

# Host unit tests and fuzzers.
SANITIZE    := -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
CFLAGS_HOST := -std=gnu17 -O1 -g $(filter-out -fno-record-gcc-switches,$(REPRO)) \
	$(WARN) $(INC_ALL) -D_GNU_SOURCE

# Where parts meet.  Prerequisites are expanded while makefiles are being read,
# so names that several of them use are set here, before all of them.
TP             := $(O)/thirdparty
TP_LIBS        := $(TP)/lib/libyaml.a $(TP)/lib/libZydis.a $(TP)/lib/libZycore.a
TP_HOST_LIBS   := $(TP)/host/lib/libyaml.a $(TP)/host/lib/libZydis.a \
		  $(TP)/host/lib/libZycore.a
BUSYBOX        := $(O)/busybox/busybox
LAUNCHER       := $(O)/boot/launcher.efi
HYPERVISOR     := $(O)/hypervisor/hypervisor.efi
KERNEL         := $(O)/kernel/bzImage
GUEST_KERNEL   := $(O)/guest/bzImage
INIT           := $(O)/init/init
MANIFEST_CHECK := $(O)/init/manifest-check
VMM            := $(O)/vmm/vmm
# What tools/mkimage.sh needs, whatever the image is for.
IMAGE_PARTS := $(LAUNCHER) $(O)/boot/join $(HYPERVISOR) $(KERNEL) $(INIT) \
	       $(MANIFEST_CHECK) $(VMM) $(BUSYBOX)
IMAGE_DEPS  := $(IMAGE_PARTS) tools/mkimage.sh tools/mkcpio.sh initramfs/files.list

# FORCE makes a rule run every time; use with files that only change when
# their content does (see "if_changed" below).
.PHONY: FORCE
FORCE:

# $(call if_changed,command-that-writes-to-stdout): rewrite $@ only when the
# content differs, so that dependants are not rebuilt for nothing.
if_changed = mkdir -p $(@D); { $(1); } > $@.tmp; \
	if cmp -s $@.tmp $@; then rm -f $@.tmp; else mv $@.tmp $@; fi
