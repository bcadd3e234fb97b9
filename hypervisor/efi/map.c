/* SPDX-License-Identifier: MIT */
#include "hypervisor/efi/loader.h"

#include "abi/mshv_efi.h"
#include "lib/mem.h"

static struct efi_memory_descriptor read_descriptor(const void *at)
{
	struct efi_memory_descriptor descriptor;

	memcpy(&descriptor, at, sizeof(descriptor));
	return descriptor;
}

static bool is_ram(uint32_t type)
{
	switch (type) {
	case EFI_LOADER_CODE:
	case EFI_LOADER_DATA:
	case EFI_BOOT_SERVICES_CODE:
	case EFI_BOOT_SERVICES_DATA:
	case EFI_RUNTIME_SERVICES_CODE:
	case EFI_RUNTIME_SERVICES_DATA:
	case EFI_CONVENTIONAL_MEMORY:
	case EFI_ACPI_RECLAIM_MEMORY:
	case EFI_ACPI_MEMORY_NVS:
	case EFI_PERSISTENT_MEMORY:
		return true;
	default: /* also types that a later UEFI, OEM or OS loader defines */
		return false;
	}
}

/* Insert in order, then join what touches.  The list stays sorted. */
static bool add_ram(struct boot_info *info, struct boot_range new)
{
	struct boot_range *ram = info->ram;
	unsigned int at = info->ram_count;
	unsigned int kept = 0;

	if (info->ram_count == HV_RAM_RANGES_MAX)
		return false;
	for (; at > 0 && ram[at - 1].base > new.base; at--)
		ram[at] = ram[at - 1];
	ram[at] = new;
	info->ram_count++;

	for (unsigned int i = 1; i < info->ram_count; i++) {
		uint64_t end = ram[kept].base + ram[kept].size;

		if (ram[i].base > end) {
			ram[++kept] = ram[i];
			continue;
		}
		end = MAX(end, ram[i].base + ram[i].size);
		ram[kept].size = end - ram[kept].base;
	}
	info->ram_count = kept + 1;
	return true;
}

bool map_read_ram(struct boot_info *info, const void *map, uint64_t size, uint64_t stride)
{
	const uint8_t *bytes = map;

	info->ram_count = 0;
	info->ram_top = 0;
	for (uint64_t at = 0; at + stride <= size; at += stride) {
		struct efi_memory_descriptor d = read_descriptor(bytes + at);
		struct boot_range range = {
			.base = d.physical_start,
			.size = d.page_count * PAGE_SIZE,
		};

		if (range.size == 0)
			continue;
		info->ram_top = MAX(info->ram_top, range.base + range.size);
		if (is_ram(d.type) && !add_ram(info, range))
			return false;
	}
	return true;
}

uint64_t map_extended_stride(uint64_t stride)
{
	return ALIGN_UP(stride, UINT64_C(16)) + sizeof(struct mshv_memory_extension);
}

/*
 * The part of descriptor @d that starts at @start and has the same mark all
 * over: its end, and the mark's attribute.
 */
static uint64_t next_piece(const struct efi_memory_descriptor *d, uint64_t start,
			   const struct map_mark *marks, size_t mark_count, uint64_t *attribute)
{
	uint64_t end = d->physical_start + d->page_count * PAGE_SIZE;

	*attribute = 0;
	for (size_t i = 0; i < mark_count; i++) {
		uint64_t mark_start = marks[i].range.base;
		uint64_t mark_end = mark_start + marks[i].range.size;

		if (start >= mark_start && start < mark_end) {
			*attribute = marks[i].attribute;
			end = MIN(end, mark_end);
		} else if (mark_start > start) {
			end = MIN(end, mark_start);
		}
	}
	return end;
}

/*
 * The pieces of one descriptor, written to @out unless that is NULL.  Returns
 * how many there are.
 */
static uint64_t extend_one(const struct efi_memory_descriptor *whole, const struct map_mark *marks,
			   size_t mark_count, uint8_t *out, uint64_t stride)
{
	uint64_t end = whole->physical_start + whole->page_count * PAGE_SIZE;
	uint64_t start = whole->physical_start;
	uint64_t count = 0;

	do {
		struct efi_memory_descriptor piece = *whole;
		struct mshv_memory_extension extension = { 0 };
		uint64_t piece_end =
			next_piece(whole, start, marks, mark_count, &extension.attribute);

		if (out != NULL) {
			piece.physical_start = start;
			piece.page_count = (piece_end - start) / PAGE_SIZE;
			memset(out, 0, stride);
			memcpy(out, &piece, sizeof(piece));
			memcpy(out + stride - sizeof(extension), &extension, sizeof(extension));
			out += stride;
		}
		count++;
		start = piece_end;
	} while (start < end);
	return count;
}

uint64_t map_extend(void *buffer, uint64_t room, uint64_t size, uint64_t stride,
		    const struct map_mark *marks, size_t mark_count)
{
	uint64_t new_stride = map_extended_stride(stride);
	uint8_t *bytes = buffer, *from, *to = buffer;
	uint64_t count = 0;

	for (uint64_t at = 0; at + stride <= size; at += stride) {
		struct efi_memory_descriptor d = read_descriptor(bytes + at);

		count += extend_one(&d, marks, mark_count, NULL, new_stride);
	}
	if (count * new_stride > room)
		return count * new_stride;

	/*
	 * From the end of the buffer towards its start: what is written never
	 * overtakes what is still to be read, for every descriptor read makes
	 * at least one larger one, and all of them fit.
	 */
	from = bytes + room - size;
	memmove(from, buffer, size);
	for (; from + stride <= bytes + room; from += stride) {
		struct efi_memory_descriptor d = read_descriptor(from);

		to += new_stride * extend_one(&d, marks, mark_count, to, new_stride);
	}
	return count * new_stride;
}
