/* SPDX-License-Identifier: MIT */
/*
 * Entry point of hypervisor.efi, called once by the launcher (boot/hvload.c)
 * or another loader of that kind.  Nothing of the processor is changed here;
 * that waits for launch_hv.
 *
 * Whatever goes wrong is said through the protocol, as lines and as a status,
 * so once it is published we return success: an error would tell the loader
 * that our image may be freed.
 */
#include "hypervisor/efi/loader.h"

#include "abi/mshv_efi.h"
#include "hypervisor/options.h"

struct boot_info boot_info;

efi_status_t EFIAPI efi_main(efi_handle_t handle, struct efi_system_table *system,
			     const struct hvloader_info *loader);

static const void *find_rsdp(const struct efi_system_table *system)
{
	for (uint64_t i = 0; i < system->table_count; i++) {
		if (efi_guid_equal(&system->tables[i].guid, &EFI_ACPI_20_TABLE_GUID))
			return system->tables[i].table;
	}
	return NULL;
}

static efi_status_t prepare(struct efi_system_table *system)
{
	struct processor_facts facts = processor_read();
	efi_status_t status = processor_check(&facts);

	if (!efi_failed(status))
		status = acpi_read(find_rsdp(system), &boot_info);
	if (!efi_failed(status))
		status = memory_describe(system->boot, &boot_info);
	if (!efi_failed(status))
		status = memory_take(system->boot, &boot_info);
	return status;
}

static efi_status_t read_options(const struct hvloader_info *loader)
{
	const char *bad;

	if (loader->size < sizeof(*loader) || options_read(loader->command_line, &bad))
		return EFI_SUCCESS;
	launch_message("rootstock: option \"%.40s\" not understood: hypervisor not started", bad);
	return EFI_INVALID_PARAMETER;
}

efi_status_t EFIAPI efi_main(efi_handle_t handle __maybe_unused, struct efi_system_table *system,
			     const struct hvloader_info *loader)
{
	efi_status_t status;

	if (loader->version != HVLOADER_INFO_VERSION || loader->size < HVLOADER_INFO_SIZE)
		return EFI_INCOMPATIBLE_VERSION;
	boot_info.image.base = loader->image_base;
	boot_info.image.size = loader->page_count * PAGE_SIZE;

	status = read_options(loader);
	if (!efi_failed(status))
		status = prepare(system);
	if (!efi_failed(status))
		launch_message("hypervisor: ready (%u processors, pool %llu KiB at 0x%llx, "
			       "trampoline 0x%llx)", boot_info.processor_count,
			       LLU(boot_info.pool.size) / 1024, LLU(boot_info.pool.base),
			       LLU(boot_info.trampoline));
	status = protocol_publish(system, status);
	if (efi_failed(status))
		memory_give_back(system->boot, &boot_info);
	return status;
}
