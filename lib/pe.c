/* SPDX-License-Identifier: MIT */
#include "lib/pe.h"

#include "lib/mem.h"
#include "lib/pe_format.h"

struct section {
	uint32_t address; /* offset in memory */
	uint32_t memory_size;
	uint32_t file_offset;
	uint32_t file_size; /* content; never more than memory_size */
};

/* Fields may be anywhere: no alignment is assumed. */
static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p)
{
	return (uint64_t)get32(p) | (uint64_t)get32(p + 4) << 32;
}

static void put64(uint8_t *p, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(value >> (8 * i));
}

static bool inside(uint64_t offset, uint64_t length, uint64_t size)
{
	return offset <= size && length <= size - offset;
}

static const uint8_t *section_header(const struct pe_image *pe, uint32_t i)
{
	return pe->data + pe->section_table + (size_t)i * PE_SECTION_SIZE;
}

static struct section read_section(const uint8_t *header)
{
	struct section section = {
		.address = get32(header + PE_SECTION_ADDRESS),
		.memory_size = get32(header + PE_SECTION_VIRTUAL_SIZE),
		.file_offset = get32(header + PE_SECTION_RAW_OFFSET),
		.file_size = get32(header + PE_SECTION_RAW_SIZE),
	};

	/* A virtual size of 0 means "as in the file" to every loader. */
	if (section.memory_size == 0)
		section.memory_size = section.file_size;
	/* The file's size is padded to the file alignment. */
	if (section.file_size > section.memory_size)
		section.file_size = section.memory_size;
	return section;
}

static const char *check_section(const struct pe_image *pe, uint32_t i)
{
	struct section section = read_section(section_header(pe, i));

	if (section.memory_size == 0)
		return NULL;
	if (section.address < pe->header_size)
		return "section over the headers";
	if (!inside(section.address, section.memory_size, pe->image_size))
		return "section outside the image";
	if (pe->layout == PE_FILE && !inside(section.file_offset, section.file_size, pe->size))
		return "section outside the file";
	return NULL;
}

static const char *read_optional_header(struct pe_image *pe, const uint8_t *opt, uint32_t size)
{
	const uint8_t *directory;

	if (size < PE_OPT_DIRECTORIES)
		return "optional header too short";
	if (get16(opt + PE_OPT_MAGIC) != PE_MAGIC_PE32_PLUS)
		return "not PE32+";

	pe->preferred_base = get64(opt + PE_OPT_IMAGE_BASE);
	pe->image_size = get32(opt + PE_OPT_IMAGE_SIZE);
	pe->header_size = get32(opt + PE_OPT_HEADER_SIZE);
	pe->entry = get32(opt + PE_OPT_ENTRY);

	if (get32(opt + PE_OPT_DIRECTORY_COUNT) <= PE_DIRECTORY_RELOCATIONS)
		return NULL;
	if (size < PE_OPT_DIRECTORIES + (PE_DIRECTORY_RELOCATIONS + 1) * 8)
		return "optional header too short";
	directory = opt + PE_OPT_DIRECTORIES + PE_DIRECTORY_RELOCATIONS * 8;
	pe->relocations = get32(directory);
	pe->relocations_size = get32(directory + 4);
	if (!inside(pe->relocations, pe->relocations_size, pe->image_size))
		return "relocations outside the image";
	return NULL;
}

const char *pe_open(struct pe_image *pe, const void *data, size_t size, enum pe_layout layout)
{
	const char *reason;
	const uint8_t *coff;
	uint32_t start, optional_size, characteristics;

	*pe = (struct pe_image){ .data = data, .size = size, .layout = layout };

	/* Every offset below then fits 32 bits without overflow. */
	if (size > INT32_MAX)
		return "larger than 2 GiB";
	if (size < PE_DOS_HEADER_SIZE || pe->data[0] != 'M' || pe->data[1] != 'Z')
		return "no MZ signature";
	start = get32(pe->data + PE_DOS_PE_OFFSET);
	if (!inside(start, PE_COFF_END, size))
		return "PE header outside the file";
	coff = pe->data + start;
	if (memcmp(coff, "PE\0\0", 4) != 0)
		return "no PE signature";
	if (get16(coff + PE_COFF_MACHINE) != PE_MACHINE_AMD64)
		return "not for x86-64";
	characteristics = get16(coff + PE_COFF_CHARACTERISTICS);
	if ((characteristics & PE_FLAG_EXECUTABLE) == 0)
		return "not an executable image";
	pe->fixed = (characteristics & PE_FLAG_RELOCS_STRIPPED) != 0;

	optional_size = get16(coff + PE_COFF_OPTIONAL_SIZE);
	if (!inside((uint64_t)start + PE_COFF_END, optional_size, size))
		return "optional header outside the file";
	reason = read_optional_header(pe, coff + PE_COFF_END, optional_size);
	if (reason != NULL)
		return reason;

	pe->section_table = start + PE_COFF_END + optional_size;
	pe->section_count = get16(coff + PE_COFF_SECTION_COUNT);
	if (pe->header_size > size || pe->header_size > pe->image_size)
		return "headers larger than the image";
	if (!inside(pe->section_table, (uint64_t)pe->section_count * PE_SECTION_SIZE,
		    pe->header_size))
		return "section table outside the headers";
	if (pe->entry >= pe->image_size)
		return "entry point outside the image";
	if (layout == PE_LOADED && pe->image_size > size)
		return "image larger than its memory";

	for (uint32_t i = 0; i < pe->section_count; i++) {
		reason = check_section(pe, i);
		if (reason != NULL)
			return reason;
	}
	return NULL;
}

static bool name_is(const uint8_t *field, const char *name)
{
	size_t i;

	for (i = 0; i < PE_SECTION_NAME_SIZE && name[i] != '\0'; i++) {
		if (field[i] != (uint8_t)name[i])
			return false;
	}
	return i == PE_SECTION_NAME_SIZE ? name[i] == '\0' : field[i] == 0;
}

bool pe_find_section(const struct pe_image *pe, const char *name, struct pe_section *found)
{
	for (uint32_t i = 0; i < pe->section_count; i++) {
		const uint8_t *header = section_header(pe, i);
		struct section section = read_section(header);

		if (!name_is(header, name))
			continue;
		found->data =
			pe->data + (pe->layout == PE_FILE ? section.file_offset : section.address);
		found->size = section.file_size;
		return found->size > 0;
	}
	return false;
}

void pe_load(const struct pe_image *pe, void *to)
{
	uint8_t *image = to;

	memset(image, 0, pe->image_size);
	memcpy(image, pe->data, pe->header_size);
	for (uint32_t i = 0; i < pe->section_count; i++) {
		struct section section = read_section(section_header(pe, i));

		if (section.file_size == 0)
			continue;
		memcpy(image + section.address, pe->data + section.file_offset, section.file_size);
	}
}

static const char *relocate_block(const struct pe_image *pe, uint8_t *image, const uint8_t *block,
				  uint32_t size, uint64_t delta)
{
	uint32_t page = get32(block);

	for (uint32_t i = PE_RELOC_BLOCK_HEADER; i + 2 <= size; i += 2) {
		uint16_t entry = get16(block + i);
		uint64_t at = (uint64_t)page + (entry & 0xfff);

		switch (entry >> 12) {
		case PE_RELOC_ABSOLUTE: /* padding */
			break;
		case PE_RELOC_DIR64:
			if (!inside(at, 8, pe->image_size))
				return "relocation outside the image";
			put64(image + at, get64(image + at) + delta);
			break;
		default:
			return "unknown kind of relocation";
		}
	}
	return NULL;
}

const char *pe_relocate(const struct pe_image *pe, void *to, uint64_t base)
{
	uint8_t *image = to;
	uint64_t delta = base - pe->preferred_base;
	uint32_t at = 0;

	if (delta == 0)
		return NULL;
	if (pe->fixed)
		return "image cannot be moved";

	/*
	 * A hostile image can relocate its own relocations: every block is
	 * measured and checked when it is reached, and at only grows.
	 */
	while (pe->relocations_size - at >= PE_RELOC_BLOCK_HEADER) {
		const uint8_t *block = image + pe->relocations + at;
		uint32_t size = get32(block + 4);
		const char *reason;

		if (size < PE_RELOC_BLOCK_HEADER || size > pe->relocations_size - at)
			return "relocation block of impossible size";
		reason = relocate_block(pe, image, block, size, delta);
		if (reason != NULL)
			return reason;
		at += size;
	}
	return NULL;
}
