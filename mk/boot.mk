# SPDX-License-Identifier: MIT
# The launcher: out/boot/launcher.efi, a PE image with DWARF for gdb.

boot_src := boot/main.c boot/console.c boot/sections.c boot/config.c \
	    boot/hvload.c boot/linux.c lib/pe.c lib/fmt.c lib/mem.c
boot_obj := $(boot_src:%.c=$(O)/boot/%.o)

CFLAGS_BOOT := $(CFLAGS_EFI) -mno-stack-arg-probe -Wframe-larger-than=3072

# /Brepro: no time of day in the headers.  No standard libraries, no PDB.
LDFLAGS_BOOT := -nologo -nodefaultlib -subsystem:efi_application \
	-entry:boot_main -dynamicbase -debug:dwarf -Brepro -opt:ref

$(O)/boot/%.o: %.c mk/boot.mk mk/common.mk
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC_EFI) $(CFLAGS_BOOT) $(DEPFLAGS) -c $< -o $@

$(O)/boot/launcher.efi: $(boot_obj)
	$(call say,LINK,$@)$(LD_EFI) $(LDFLAGS_BOOT) -out:$@ $(boot_obj)

-include $(boot_obj:.o=.d)

# Host tool of tools/mkimage.sh: puts the parts into the launcher's image.
$(O)/boot/join: boot/host/join.c lib/pe.c lib/pe.h lib/pe_format.h \
		include/abi/sums.h mk/boot.mk
	@mkdir -p $(@D)
	$(call say,HOSTCC,$@)$(CC_HOST) $(CFLAGS_HOST) boot/host/join.c \
		lib/pe.c -o $@
