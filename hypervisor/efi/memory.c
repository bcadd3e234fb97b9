/* SPDX-License-Identifier: MIT */
/*
 * Memory of our own: EfiLoaderData pages, which Linux takes as RAM and leaves
 * alone because get_hv_ranges tells it to.
 */
#include "hypervisor/efi/loader.h"

/* Real mode's first 640 KiB, where a start-up IPI can point to. */
#define TRAMPOLINE_LAST_BYTE 0x9ffff
#define FOUR_GIB_LAST_BYTE   0xffffffff

/* The map grows by what we allocate to read it, and by a split or two. */
#define MAP_SLACK	     (8 * 48)

static uint64_t pages(uint64_t bytes)
{
	return ALIGN_UP(bytes, PAGE_SIZE) / PAGE_SIZE;
}

/* A deposited page cuts a large one of the root's: a table each (mem/rootmem.c). */
static uint64_t tables_size(const struct boot_info *info)
{
	uint64_t regions = 0;

	/* A range's ends may be parts of one. */
	for (unsigned int i = 0; i < info->ram_count; i++)
		regions += info->ram[i].size / LARGE_PAGE_SIZE + 2;
	return MIN(regions * PAGE_SIZE, HV_POOL_TABLES_MAX);
}

/*
 * Aligned to a large page, so that the pool costs the root's nested tables no
 * split entries: allocate with room around, then give that back.
 */
static efi_status_t take_pool(struct efi_boot_services *services, const struct boot_info *info,
			      struct boot_range *pool)
{
	/* The books about deposits (mem/pages.c): a bit for each page. */
	uint64_t books = boot_ram_end(info) / PAGE_SIZE / 8;
	uint64_t tables = tables_size(info);
	uint64_t size = ALIGN_UP(HV_POOL_SIZE + books + tables, LARGE_PAGE_SIZE);
	uint64_t room = pages(LARGE_PAGE_SIZE) - 1;
	uint64_t start = FOUR_GIB_LAST_BYTE, before, after;
	efi_status_t status;

	status = services->allocate_pages(EFI_ALLOCATE_MAX_ADDRESS, EFI_LOADER_DATA,
					  pages(size) + room, &start);
	if (efi_failed(status)) {
		launch_message(
			"rootstock: no %llu KiB of memory below 4 GiB: hypervisor not started",
			LLU(size) / 1024);
		return status;
	}
	pool->base = ALIGN_UP(start, LARGE_PAGE_SIZE);
	pool->size = size;
	before = pages(pool->base - start);
	after = room - before;
	if (before > 0)
		services->free_pages(start, before);
	if (after > 0)
		services->free_pages(pool->base + pool->size, after);
	return EFI_SUCCESS;
}

efi_status_t memory_take(struct efi_boot_services *services, struct boot_info *info)
{
	efi_status_t status = take_pool(services, info, &info->pool);

	if (efi_failed(status))
		return status;
	info->trampoline = TRAMPOLINE_LAST_BYTE;
	status = services->allocate_pages(EFI_ALLOCATE_MAX_ADDRESS, EFI_LOADER_DATA, 1,
					  &info->trampoline);
	if (efi_failed(status)) {
		info->trampoline = 0;
		launch_refused("no free page below 640 KiB to start processors");
		memory_give_back(services, info);
	}
	return status;
}

void memory_give_back(struct efi_boot_services *services, struct boot_info *info)
{
	if (info->trampoline != 0)
		services->free_pages(info->trampoline, 1);
	if (info->pool.size != 0)
		services->free_pages(info->pool.base, pages(info->pool.size));
	info->trampoline = 0;
	info->pool = (struct boot_range){ 0 };
}

efi_status_t memory_describe(struct efi_boot_services *services, struct boot_info *info)
{
	uint64_t size = 0, key, stride = 0;
	uint32_t version;
	efi_status_t status;
	void *map;

	status = services->get_memory_map(&size, NULL, &key, &stride, &version);
	if (status != EFI_BUFFER_TOO_SMALL)
		goto failed;
	size += MAP_SLACK;
	status = services->allocate_pool(EFI_LOADER_DATA, size, &map);
	if (efi_failed(status))
		goto failed;
	status = services->get_memory_map(&size, map, &key, &stride, &version);
	if (!efi_failed(status) && !map_read_ram(info, map, size, stride))
		status = EFI_BUFFER_TOO_SMALL;
	services->free_pool(map);
	if (!efi_failed(status))
		return EFI_SUCCESS;
failed:
	launch_message(
		"rootstock: cannot use the firmware's memory map (status 0x%llx): hypervisor not started",
		LLU(status));
	return EFI_LOAD_ERROR;
}
