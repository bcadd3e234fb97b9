/* SPDX-License-Identifier: MIT */
/*
 * From firmware to Linux's EFI stub, step by step.  The hypervisor is only
 * prepared here: Linux's stub launches it after it left boot services
 * (include/abi/mshv_efi.h), and from then on runs as the root partition.
 */
#include "boot/boot.h"

efi_status_t EFIAPI boot_main(efi_handle_t image, struct efi_system_table *system);

static efi_status_t find_self(struct boot *boot)
{
	efi_status_t status;

	status = boot->services->handle_protocol(boot->image, &EFI_LOADED_IMAGE_PROTOCOL_GUID,
						 (void **)&boot->loaded);
	if (efi_failed(status))
		return boot_failed(status, "firmware does not say where our image is");
	return EFI_SUCCESS;
}

/* The policy of docs/boot.md, "When something fails". */
static efi_status_t start_hypervisor(struct boot *boot)
{
	efi_status_t status;

	if (!boot->config.hypervisor) {
		console_line("boot: no hypervisor wanted (rootstock.hypervisor=off)");
		return EFI_SUCCESS;
	}
	status = hypervisor_prepare(boot);
	if (efi_failed(status) && boot->config.fallback_linux) {
		console_line("boot: starting Linux on the bare machine (rootstock.fallback=linux)");
		return EFI_SUCCESS;
	}
	return status;
}

static efi_status_t run(struct boot *boot)
{
	efi_status_t (*const steps[])(struct boot *) = {
		find_self, sections_find, config_read, start_hypervisor, linux_start,
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		efi_status_t status = steps[i](boot);

		if (efi_failed(status))
			return status;
	}
	return EFI_SUCCESS;
}

efi_status_t EFIAPI boot_main(efi_handle_t image, struct efi_system_table *system)
{
	static struct boot boot; /* too large for a firmware stack */
	efi_status_t status;

	boot.image = image;
	boot.system = system;
	boot.services = system->boot;

	console_init(system);
	status = run(&boot);
	console_pause(&boot);
	return status;
}
