# SPDX-License-Identifier: MIT
# Unit tests and fuzz target of the launcher, the hypervisor's firmware half and
# the part of lib/ that came with them.

unit_tests += lib_pe
lib_pe_src := tests/unit/lib_pe.c lib/pe.c

unit_tests += lib_fmt
lib_fmt_src := tests/unit/lib_fmt.c lib/fmt.c

unit_tests += boot_config
boot_config_src := tests/unit/boot_config.c boot/config.c boot/console.c lib/fmt.c

unit_tests += boot_sections
boot_sections_src := tests/unit/boot_sections.c boot/sections.c boot/console.c lib/pe.c lib/fmt.c

unit_tests += hv_efi
hv_efi_src := tests/unit/hv_efi.c hypervisor/efi/processor.c hypervisor/efi/acpi.c \
	hypervisor/efi/map.c hypervisor/efi/message.c lib/fmt.c

fuzz_targets += pe
pe_src := tests/fuzz/pe.c lib/pe.c
