/* SPDX-License-Identifier: MIT */
/*
 * The launch protocol's entries, except launch_hv itself (hypervisor/launch.S).
 * All but get_next_log_msg are called while boot services live.
 */
#include "hypervisor/efi/loader.h"

#include "abi/mshv_efi.h"

static struct efi_boot_services *boot_services;
static efi_status_t init_status;

/* Image, pool, trampoline. */
#define MARK_COUNT 3

static void get_marks(struct map_mark marks[MARK_COUNT])
{
	/* efi/ and the resident part are one image */
	marks[0] = (struct map_mark){ boot_info.image,
				      MSHV_MEMORY_HYPERVISOR | MSHV_MEMORY_LOADER };
	marks[1] = (struct map_mark){ boot_info.pool, MSHV_MEMORY_HYPERVISOR };
	marks[2] = (struct map_mark){ { boot_info.trampoline, PAGE_SIZE }, MSHV_MEMORY_HYPERVISOR };
}

/* UEFI runtime memory: the root's nested tables map all there is, it needs no note. */
static uint64_t EFIAPI register_range(uint64_t base_page, uint64_t page_count)
{
	if (page_count == 0 || base_page > UINT64_MAX / PAGE_SIZE ||
	    page_count > UINT64_MAX / PAGE_SIZE - base_page)
		return EFI_INVALID_PARAMETER;
	return EFI_SUCCESS;
}

static uint64_t EFIAPI get_memory_map(uint64_t *map_size, void *map, uint64_t *map_key,
				      uint64_t *descriptor_size, uint32_t *descriptor_version)
{
	struct map_mark marks[MARK_COUNT];
	uint64_t size, stride = 0, room, need;
	efi_status_t status;

	if (map_size == NULL || map_key == NULL || descriptor_size == NULL ||
	    descriptor_version == NULL)
		return EFI_INVALID_PARAMETER;
	room = map != NULL ? *map_size : 0;
	size = room;
	status = boot_services->get_memory_map(&size, map, map_key, &stride, descriptor_version);
	if (status != EFI_SUCCESS && status != EFI_BUFFER_TOO_SMALL)
		return status;

	*descriptor_size = map_extended_stride(stride);
	if (status == EFI_BUFFER_TOO_SMALL) {
		/* Every mark splits a descriptor into three at worst. */
		*map_size = (size / stride + 2 * MARK_COUNT) * *descriptor_size;
		return EFI_BUFFER_TOO_SMALL;
	}
	get_marks(marks);
	need = map_extend(map, room, size, stride, marks, MARK_COUNT);
	*map_size = need;
	return need > room ? EFI_BUFFER_TOO_SMALL : EFI_SUCCESS;
}

static uint64_t EFIAPI get_hv_ranges(void **ranges, uint64_t *size, uint64_t *descriptor_size)
{
	struct efi_memory_descriptor *descriptors;
	struct map_mark marks[MARK_COUNT];
	efi_status_t status;
	void *buffer;

	if (ranges == NULL || size == NULL || descriptor_size == NULL)
		return EFI_INVALID_PARAMETER;
	if (efi_failed(init_status))
		return EFI_NOT_READY;
	status = boot_services->allocate_pool(EFI_LOADER_DATA, MARK_COUNT * sizeof(*descriptors),
					      &buffer);
	if (efi_failed(status))
		return status;
	descriptors = buffer;
	get_marks(marks);
	for (size_t i = 0; i < MARK_COUNT; i++) {
		descriptors[i] = (struct efi_memory_descriptor){
			.type = i == 0 ? EFI_LOADER_CODE : EFI_LOADER_DATA,
			.physical_start = marks[i].range.base,
			.page_count = marks[i].range.size / PAGE_SIZE,
		};
	}
	*ranges = buffer;
	*size = MARK_COUNT * sizeof(*descriptors);
	*descriptor_size = sizeof(*descriptors);
	return EFI_SUCCESS;
}

static uint64_t EFIAPI get_loader_init_status(void)
{
	return init_status;
}

static const uint16_t *EFIAPI get_next_log_msg(uint64_t *cursor)
{
	return cursor != NULL ? launch_message_next(cursor) : NULL;
}

static struct mshv_loader_protocol protocol = {
	.launch_hv = hv_launch_enter,
	.register_range = register_range,
	.get_memory_map = get_memory_map,
	.get_hv_ranges = get_hv_ranges,
	.get_loader_init_status = get_loader_init_status,
	.get_next_log_msg = get_next_log_msg,
};

efi_status_t protocol_publish(struct efi_system_table *system, efi_status_t status)
{
	static const struct efi_guid guid = MSHV_LOADER_PROTOCOL_GUID;
	efi_handle_t handle = NULL;

	boot_services = system->boot;
	init_status = status;
	return boot_services->install_protocol_interface(&handle, &guid, EFI_NATIVE_INTERFACE,
							 &protocol);
}
