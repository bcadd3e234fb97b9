# SPDX-License-Identifier: MIT
fuzz_targets += manifest
manifest_src := tests/fuzz/manifest.c init/manifest.c init/schema.c init/policy.c lib/conf.c
manifest_lib := $(O)/thirdparty/host/lib/libyaml.a
