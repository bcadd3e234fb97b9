/* SPDX-License-Identifier: MIT */
/*
 * Load the hypervisor as Microsoft's HvLoader.efi loads lxhvloader.dll: a PE
 * image in EfiLoaderCode pages (kept by firmware, RAM to Linux), relocated,
 * entered once with an information block.  It publishes the launch protocol
 * and returns.
 */
#include "boot/boot.h"

#include "abi/mshv_efi.h"

typedef efi_status_t(EFIAPI *hv_entry_fn)(efi_handle_t image, struct efi_system_table *system,
					  struct hvloader_info *info);

static const struct efi_guid protocol_guid = MSHV_LOADER_PROTOCOL_GUID;

static struct mshv_loader_protocol *find_protocol(struct boot *boot)
{
	void *protocol = NULL;

	if (efi_failed(boot->services->locate_protocol(&protocol_guid, NULL, &protocol)))
		return NULL;
	return protocol;
}

/*
 * What the hypervisor has to say.  After a failure its last line is the reason,
 * and becomes the one line of that failure.
 */
static void print_messages(const struct mshv_loader_protocol *protocol, efi_status_t status)
{
	const uint16_t *text, *last = NULL;
	uint64_t cursor = 0;

	while ((text = protocol->get_next_log_msg(&cursor)) != NULL) {
		if (last != NULL)
			console_text(last);
		last = text;
	}
	if (!efi_failed(status)) {
		if (last != NULL)
			console_text(last);
	} else if (last != NULL) {
		boot_failed_text(status, last);
	} else {
		boot_failed(status, "hypervisor did not get ready");
	}
}

/* Linux must not find the protocol of a hypervisor that did not come up. */
static void unpublish(struct boot *boot, struct mshv_loader_protocol *protocol)
{
	struct efi_boot_services *services = boot->services;
	efi_handle_t *handles;
	uint64_t count;

	if (efi_failed(services->locate_handle_buffer(EFI_LOCATE_BY_PROTOCOL, &protocol_guid, NULL,
						      &count, &handles)))
		return;
	for (uint64_t i = 0; i < count; i++)
		services->uninstall_protocol_interface(handles[i], &protocol_guid, protocol);
	services->free_pool(handles);
}

static efi_status_t enter(struct boot *boot, const struct pe_image *pe, uint64_t base)
{
	struct hvloader_info info = {
		.version = HVLOADER_INFO_VERSION,
		.size = sizeof(info),
		.flags = HVLOADER_FLAG_EFI,
		.image_base = base,
		.image_size = pe->image_size,
		.page_count = ALIGN_UP(pe->image_size, PAGE_SIZE) / PAGE_SIZE,
		.memory_type = EFI_LOADER_CODE,
		.entry_point = base + pe->entry,
		.command_line = boot->cmdline,
	};
	/* The image is loaded there: an address becomes code. */
	hv_entry_fn entry = (hv_entry_fn)(uintptr_t)info.entry_point;
	struct mshv_loader_protocol *protocol;
	efi_status_t status;

	status = entry(boot->image, boot->system, &info);
	if (efi_failed(status))
		return boot_failed(status, "hypervisor did not start its work");
	/* What it could not do is told by the protocol, not by the entry. */
	protocol = find_protocol(boot);
	if (protocol == NULL)
		return boot_failed(EFI_NOT_FOUND, "hypervisor published no launch protocol");
	status = protocol->get_loader_init_status();
	print_messages(protocol, status);
	if (efi_failed(status))
		unpublish(boot, protocol);
	return status;
}

efi_status_t hypervisor_prepare(struct boot *boot)
{
	const struct pe_section *part = &boot->parts.hypervisor;
	struct efi_boot_services *services = boot->services;
	uint64_t base, page_count;
	struct pe_image pe;
	efi_status_t status;
	const char *reason;

	/* An earlier program, or an earlier run of ours, has prepared one. */
	if (find_protocol(boot) != NULL) {
		console_line("boot: hypervisor already prepared by an earlier loader");
		return EFI_SUCCESS;
	}
	if (part->data == NULL)
		return boot_failed(EFI_NOT_FOUND, "no hypervisor in this image (section .hv)");

	reason = pe_open(&pe, part->data, part->size, PE_FILE);
	if (reason != NULL)
		return boot_failed(EFI_LOAD_ERROR, "hypervisor image: %s", reason);
	page_count = ALIGN_UP(pe.image_size, PAGE_SIZE) / PAGE_SIZE;
	status = services->allocate_pages(EFI_ALLOCATE_ANY_PAGES, EFI_LOADER_CODE, page_count,
					  &base);
	if (efi_failed(status))
		return boot_failed(status, "no memory for the hypervisor image (%llu KiB)",
				   (unsigned long long)page_count * 4);

	pe_load(&pe, (void *)(uintptr_t)base);
	reason = pe_relocate(&pe, (void *)(uintptr_t)base, base);
	if (reason != NULL) {
		status = boot_failed(EFI_LOAD_ERROR, "hypervisor image: %s", reason);
		goto free_image;
	}
	console_line("boot: hypervisor loaded (base 0x%llx, %llu KiB)", (unsigned long long)base,
		     (unsigned long long)page_count * 4);
	status = enter(boot, &pe, base);
	if (efi_failed(status))
		goto free_image;
	return EFI_SUCCESS;

free_image:
	services->free_pages(base, page_count);
	return status;
}
