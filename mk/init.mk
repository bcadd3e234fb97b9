# SPDX-License-Identifier: MIT
# init (PID 1) and manifest-check, which shares init's parser.  Both are static
# musl programs; manifest-check runs on the build host.
#
#   $(O)/init/init            goes into the image as /init
#   $(O)/init/manifest-check  run by tools/mkimage.sh, or by hand

INIT           := $(O)/init/init
MANIFEST_CHECK := $(O)/init/manifest-check

manifest_parts := init/manifest.c init/manifest_machine.c init/manifest_net.c \
	init/manifest_devices.c init/schema.c init/policy.c init/files.c lib/conf.c lib/cpus.c lib/mac.c
manifest_check_parts := init/manifest-check.c $(manifest_parts)

init_parts := $(addprefix init/,main.c bootsteps.c mount.c cmdline.c mshv.c mshv_probe.c net.c unit.c \
	loop.c spawn.c cgroup.c console.c rescue.c shutdown.c log.c sys.c) $(manifest_parts)

# mk/thirdparty.mk, read after this file, defines how it is made.
init_yaml := $(O)/thirdparty/lib/libyaml.a

init_obj = $(patsubst %.c,$(O)/init/obj/%.o,$(1))

$(O)/init/obj/%.o: %.c mk/init.mk mk/common.mk | $(init_yaml)
	$(call say,CC,$<)mkdir -p $(@D) && \
	$(CC_MUSL) $(CFLAGS_MUSL) $(DEPFLAGS) -c $< -o $@

$(MANIFEST_CHECK): $(call init_obj,$(manifest_check_parts)) $(init_yaml)
	$(call say,LD,$@)$(CC_MUSL) $(LDFLAGS_MUSL) $(filter %.o,$^) -lyaml -o $@

$(INIT): $(call init_obj,$(init_parts)) $(init_yaml)
	$(call say,LD,$@)$(CC_MUSL) $(LDFLAGS_MUSL) $(filter %.o,$^) -lyaml -o $@

# <linux/mshv.h> comes from our kernel.
$(call init_obj,init/mshv_probe.c): | $(KERNEL_HEADERS_STAMP)

.PHONY: manifest-check
manifest-check: $(MANIFEST_CHECK)

-include $(patsubst %.o,%.d,$(call init_obj,$(init_parts) $(manifest_check_parts)))
