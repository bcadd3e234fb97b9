# SPDX-License-Identifier: MIT
fuzz_targets += init_manifest_text
init_manifest_text_src := tests/fuzz/init_manifest_text.c init/manifest.c \
	init/manifest_machine.c init/manifest_net.c init/manifest_devices.c init/schema.c \
	init/policy.c lib/conf.c lib/cpus.c lib/mac.c
init_manifest_text_lib := $(O)/thirdparty/host/lib/libyaml.a
