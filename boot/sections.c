/* SPDX-License-Identifier: MIT */
#include "boot/boot.h"

#include "abi/sums.h"
#include "lib/mem.h"

static efi_status_t check_section(struct boot *boot, const struct pe_image *self,
				  const struct section_sum *sum)
{
	char name[sizeof(sum->name) + 1] = { 0 };
	struct pe_section part;
	efi_status_t status;
	uint32_t crc = 0;

	memcpy(name, sum->name, sizeof(sum->name));
	if (!pe_find_section(self, name, &part))
		return boot_failed(EFI_NOT_FOUND, "section %s of this image is missing", name);
	status = boot->services->calculate_crc32(part.data, part.size, &crc);
	if (!efi_failed(status) && crc != sum->crc32)
		status = EFI_CRC_ERROR;
	if (efi_failed(status))
		return boot_failed(status, "section %s of this image is damaged", name);
	return EFI_SUCCESS;
}

/*
 * Nothing below would notice: Linux unpacks what it can of a damaged initrd, and
 * starts guests from that.
 */
static efi_status_t check_sections(struct boot *boot, const struct pe_image *self)
{
	const struct section_sum *sums;
	struct pe_section part;

	if (!pe_find_section(self, SUMS_SECTION, &part))
		return boot_failed(EFI_NOT_FOUND, "section %s of this image is missing",
				   SUMS_SECTION);
	sums = (const struct section_sum *)part.data; /* begins a page */
	for (size_t i = 0; i < part.size / sizeof(*sums); i++) {
		efi_status_t status = check_section(boot, self, &sums[i]);

		if (efi_failed(status))
			return status;
	}
	return EFI_SUCCESS;
}

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
	return check_sections(boot, &self);
}
