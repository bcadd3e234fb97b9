/* SPDX-License-Identifier: MIT */
#include "boot/boot.h"

efi_status_t sections_find(struct boot *boot)
{
	struct boot_parts *parts = &boot->parts;
	struct pe_image self;
	const char *reason;

	/*
	 * The firmware has laid us out in memory, whatever we came from: disk,
	 * network or another loader.  Nothing is read from a device.
	 */
	reason = pe_open(&self, boot->loaded->image_base, boot->loaded->image_size, PE_LOADED);
	if (reason != NULL)
		return boot_failed(EFI_LOAD_ERROR, "our own image in memory: %s", reason);

	if (!pe_find_section(&self, ".linux", &parts->kernel))
		return boot_failed(EFI_NOT_FOUND, "no Linux in this image (section .linux)");
	pe_find_section(&self, ".hv", &parts->hypervisor);
	pe_find_section(&self, ".initrd", &parts->initrd);
	pe_find_section(&self, ".cmdline", &parts->cmdline);
	pe_find_section(&self, ".version", &parts->version);

	console_line("boot: rootstock %.*s (launcher at 0x%llx, Linux %llu KiB, initrd %llu KiB)",
		     (int)parts->version.size, (const char *)parts->version.data,
		     (unsigned long long)(uintptr_t)boot->loaded->image_base,
		     (unsigned long long)parts->kernel.size / 1024,
		     (unsigned long long)parts->initrd.size / 1024);
	return EFI_SUCCESS;
}
