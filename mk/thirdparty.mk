# SPDX-License-Identifier: MIT
# Libraries (libyaml, Zycore, Zydis) and busybox.  The libraries are compiled
# straight from their sources: no configure run, no feature we do not use.
#
#   $(TP)/include, $(TP)/lib            for static musl programs (-lyaml -lZydis -lZycore)
#   $(TP)/host/lib                      the same for host tests, with AddressSanitizer
#   $(TP_LIBS), $(TP_HOST_LIBS)         what to depend on
#   $(O)/busybox/busybox                static, musl, initramfs/busybox.config

# Sources are unpacked once; the headers are copied where -isystem finds them.
$(TP)/src/%/.unpacked: $(O)/src/%.tar.gz
	$(call say,UNPACK,$*)rm -rf $(@D) && mkdir -p $(@D) $(TP)/include && \
	tar -xf $< -C $(@D) --strip-components=1 && \
	cp -r $(@D)/include/. $(TP)/include/ && touch $@

# Make must not take these for intermediate files and delete them.
.PRECIOUS: $(TP)/src/%/.unpacked

# libyaml: only what reading needs; the emitter and dumper stay out.
yaml_src := api loader parser reader scanner
yaml_def := -DYAML_VERSION_MAJOR=0 -DYAML_VERSION_MINOR=2 -DYAML_VERSION_PATCH=5 \
	-DYAML_VERSION_STRING='"0.2.5"'
yaml_dir := $(TP)/src/libyaml

# Zydis: the decoder with full operand information.  No formatter, encoder or
# disassembler; no AVX-512 and KNC tables, which no guest uses on device memory.
zydis_src := Decoder DecoderData SharedData Register Mnemonic String Utils Segment Zydis
zydis_def := -DZYDIS_DISABLE_FORMATTER -DZYDIS_DISABLE_ENCODER \
	-DZYDIS_DISABLE_AVX512 -DZYDIS_DISABLE_KNC
zydis_dir := $(TP)/src/zydis

zycore_src := Zycore
zycore_dir := $(TP)/src/zycore

# Third-party code is not ours to fix: no warnings, but the same reproducibility.
TP_CFLAGS := -std=gnu11 -w $(REPRO) -DNDEBUG

# $(1) variant directory, $(2) compiler, $(3) flags
# $(4) library, $(5) directory, $(6) sources, $(7) flags of the library
define tp_library
$(foreach s,$(6),$(1)/obj/$(4)/$(s).o): $(1)/obj/$(4)/%.o: $(TP)/src/libyaml/.unpacked $(TP)/src/zycore/.unpacked \
		$(TP)/src/zydis/.unpacked mk/thirdparty.mk
	$$(call say,CC,$(4)/$$*.c)mkdir -p $$(@D) && $(2) $(3) $(TP_CFLAGS) $(7) \
		-I$(TP)/include -I$(5)/src -c $(5)/src/$$*.c -o $$@
$(1)/lib/lib$(4).a: $(foreach s,$(6),$(1)/obj/$(4)/$(s).o)
	$$(call say,AR,$$@)mkdir -p $$(@D) && rm -f $$@ && $(AR) rcsD $$@ $$^
endef

tp_target := $(CC_MUSL) -Os -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fstack-protector-strong
tp_host   := $(CC_HOST) -O1 -g -fsanitize=address,fuzzer-no-link

$(eval $(call tp_library,$(TP),$(tp_target),,yaml,$(yaml_dir),$(yaml_src),$(yaml_def)))
$(eval $(call tp_library,$(TP),$(tp_target),,Zydis,$(zydis_dir),$(zydis_src),$(zydis_def)))
$(eval $(call tp_library,$(TP),$(tp_target),,Zycore,$(zycore_dir),$(zycore_src),))
$(eval $(call tp_library,$(TP)/host,$(tp_host),,yaml,$(yaml_dir),$(yaml_src),$(yaml_def)))
$(eval $(call tp_library,$(TP)/host,$(tp_host),,Zydis,$(zydis_dir),$(zydis_src),$(zydis_def)))
$(eval $(call tp_library,$(TP)/host,$(tp_host),,Zycore,$(zycore_dir),$(zycore_src),))

# --- busybox -----------------------------------------------------------------

BB := $(O)/busybox
bb_config := $(BB)/build/.config

# A make of its own: rules that call $(MAKE) by its name run, and write, even under
# make -n; and nothing of this make's flags is for busybox.
bb_make = env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS $(MAKE) --no-print-directory -j$(JOBS) \
	-C $(BB)/src O=$(abspath $(BB)/build) CC=$(CC_MUSL) HOSTCC=gcc SKIP_STRIP=y

$(BB)/src/.unpacked: $(SRC_BUSYBOX)
	$(call say,UNPACK,busybox)rm -rf $(@D) && mkdir -p $(@D) && \
	tar -xf $< -C $(@D) --strip-components=1 && touch $@

# Exactly our fragment: first with busybox's defaults for what it does not
# mention, then with every "y" it does not mention turned off.  An option that
# busybox drops (renamed, a missing dependency) stops the build.  busybox writes
# .config in place: another file says that it is whole.
$(BB)/build/.configured: $(BB)/src/.unpacked initramfs/busybox.config
	$(call say,CONFIG,busybox)mkdir -p $(@D) && \
	grep '^CONFIG_' initramfs/busybox.config | sort >$(BB)/wanted && cp $(BB)/wanted $(bb_config) && \
	{ yes '' | timeout 120 $(bb_make) oldconfig && \
	grep -vxFf $(BB)/wanted $(bb_config) | sed 's/^\(CONFIG_[A-Z0-9_]*\)=y$$/# \1 is not set/' >$@.off && \
	cat $(BB)/wanted $@.off >$(bb_config) && rm $@.off && \
	yes '' | timeout 120 $(bb_make) oldconfig; } >$(BB)/config.log 2>&1 || \
		{ tail -n 20 $(BB)/config.log; exit 1; }
	@! grep -vxFf $(bb_config) $(BB)/wanted || { echo 'busybox: its configuration dropped the lines above' >&2; exit 1; }
	@touch $@

# Busybox asks the compiler for its libraries by trial links; musl has them all
# in libc, so the quiet log only matters when something fails.
$(BUSYBOX): $(BB)/build/.configured $(KERNEL_HEADERS_STAMP)
	$(call say,BUILD,busybox)$(bb_make) \
		CONFIG_EXTRA_CFLAGS="-isystem $(abspath $(KERNEL_HEADERS))/include $(filter-out -Wdate-time,$(REPRO)) -ffile-prefix-map=$(abspath $(BB))=busybox" \
		busybox_unstripped >$(BB)/build.log 2>&1 || { tail -n 20 $(BB)/build.log; exit 1; } && \
	$(STRIP) -o $@ $(BB)/build/busybox_unstripped

.PHONY: thirdparty
thirdparty: $(TP_LIBS) $(TP_HOST_LIBS) $(BUSYBOX)
