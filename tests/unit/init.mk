# SPDX-License-Identifier: MIT
# Unit tests of init/ and of the part of lib/ that came with it.

unit_tests += lib_conf
lib_conf_src := tests/unit/lib_conf.c lib/conf.c

init_manifest_all := tests/unit/init_manifest_rig.c init/manifest.c init/manifest_machine.c \
	init/manifest_net.c init/manifest_devices.c init/schema.c init/policy.c lib/conf.c \
	lib/cpus.c lib/mac.c

unit_tests += lib_cpus
lib_cpus_src := tests/unit/lib_cpus.c lib/cpus.c lib/conf.c

unit_tests += init_manifest
init_manifest_src := tests/unit/init_manifest.c $(init_manifest_all)
init_manifest_lib := $(O)/thirdparty/host/lib/libyaml.a

unit_tests += init_manifest_bounds
init_manifest_bounds_src := tests/unit/init_manifest_bounds.c $(init_manifest_all)
init_manifest_bounds_lib := $(O)/thirdparty/host/lib/libyaml.a

unit_tests += init_files
init_files_src := tests/unit/init_files.c init/files.c

unit_tests += init_unit
init_unit_src := tests/unit/init_unit.c init/unit.c

unit_tests += init_console
init_console_src := tests/unit/init_console.c init/console.c

unit_tests += init_cmdline
init_cmdline_src := tests/unit/init_cmdline.c init/cmdline.c

unit_tests += init_mshv
init_mshv_src := tests/unit/init_mshv.c init/mshv.c

unit_tests += init_loop
init_loop_src := tests/unit/init_loop.c init/loop.c init/unit.c init/console.c \
	init/log.c init/policy.c

unit_tests += init_manifest_net
init_manifest_net_src := tests/unit/init_manifest_net.c $(init_manifest_all)
init_manifest_net_lib := $(O)/thirdparty/host/lib/libyaml.a

unit_tests += init_manifest_devices
init_manifest_devices_src := tests/unit/init_manifest_devices.c $(init_manifest_all)
init_manifest_devices_lib := $(O)/thirdparty/host/lib/libyaml.a
