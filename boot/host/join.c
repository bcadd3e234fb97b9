/* SPDX-License-Identifier: MIT */
/*
 * join: add files to a PE image as sections, and drop its debug sections.
 * Host tool of the image build (tools/mkimage.sh):
 *
 *     join -o OUT IMAGE [.NAME=FILE]...
 *
 * Why not objcopy: GNU objcopy 2.40 silently loses a section without bytes in
 * the file (the launcher's .data, which is all zeroes) and stamps the time of
 * day; llvm-objcopy gives an added section no address, so firmware would not
 * load it.  Output depends on the contents of the inputs only.
 *
 * The result: headers of IMAGE, its sections up to the first debug section,
 * then the files, each at the next free address and file offset, then their
 * checksums (include/abi/sums.h).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/sums.h"
#include "lib/pe.h"
#include "lib/pe_format.h"

/* The format has 32-bit sizes; firmware counts in signed ones here and there. */
#define IMAGE_SIZE_MAX INT32_MAX

struct file {
	uint8_t *data;
	size_t size;
};

struct part {
	char name[PE_SECTION_NAME_SIZE]; /* zeroes behind it */
	struct file file;
};

static void __noreturn __printf(1, 2) die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("join: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static struct file read_file(const char *path)
{
	FILE *stream = fopen(path, "rb");
	struct file file;
	long size;

	if (stream == NULL || fseek(stream, 0, SEEK_END) != 0 || (size = ftell(stream)) < 0 ||
	    fseek(stream, 0, SEEK_SET) != 0)
		die("%s: %s", path, strerror(errno));
	if (size > IMAGE_SIZE_MAX)
		die("%s: larger than 2 GiB", path);
	file.size = (size_t)size;
	file.data = malloc(file.size + 1);
	if (file.data == NULL)
		die("%s: no memory for %zu bytes", path, file.size);
	if (fread(file.data, 1, file.size, stream) != file.size)
		die("%s: cannot read all of it", path);
	fclose(stream);
	return file;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) | (uint32_t)get16(p + 2) << 16;
}

static void put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)value;
	p[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *p, uint64_t value)
{
	if (value > IMAGE_SIZE_MAX)
		die("the image would be larger than 2 GiB");
	put16(p, (uint32_t)value & 0xffff);
	put16(p + 2, (uint32_t)value >> 16);
}

/* Where the headers of the image are, and how it grows. */
struct image {
	struct file file;
	struct pe_image pe;
	uint8_t *coff, *opt, *table;
	uint32_t section_count;
	uint64_t file_align, memory_align;
	uint64_t file_end, memory_end; /* of what is kept */
};

/* A name that does not fit 8 bytes is "/offset" into the string table. */
static bool is_debug(const uint8_t *header)
{
	return header[0] == '/';
}

static void measure(struct image *image)
{
	image->file_end = image->pe.header_size;
	image->memory_end = image->pe.header_size;
	for (uint32_t i = 0; i < image->section_count; i++) {
		const uint8_t *h = image->table + i * PE_SECTION_SIZE;
		uint64_t raw = get32(h + PE_SECTION_RAW_SIZE);
		uint64_t end;

		if (raw > 0) {
			end = get32(h + PE_SECTION_RAW_OFFSET) + raw;
			image->file_end = MAX(image->file_end, end);
		}
		end = (uint64_t)get32(h + PE_SECTION_ADDRESS) + get32(h + PE_SECTION_VIRTUAL_SIZE);
		image->memory_end = MAX(image->memory_end, end);
	}
}

static struct image open_image(const char *path)
{
	struct image image = { .file = read_file(path) };
	const char *reason;

	reason = pe_open(&image.pe, image.file.data, image.file.size, PE_FILE);
	if (reason != NULL)
		die("%s: %s", path, reason);
	image.coff = image.file.data + get32(image.file.data + PE_DOS_PE_OFFSET);
	image.opt = image.coff + PE_COFF_END;
	image.table = image.file.data + image.pe.section_table;
	image.file_align = get32(image.opt + PE_OPT_FILE_ALIGN);
	image.memory_align = get32(image.opt + PE_OPT_SECTION_ALIGN);
	if (image.file_align == 0 || image.memory_align == 0 ||
	    !IS_ALIGNED(image.file_align, 512) || !IS_ALIGNED(image.memory_align, PAGE_SIZE))
		die("%s: unexpected alignment of sections", path);

	while (image.section_count < image.pe.section_count &&
	       !is_debug(image.table + image.section_count * PE_SECTION_SIZE))
		image.section_count++;
	for (uint32_t i = image.section_count; i < image.pe.section_count; i++) {
		if (!is_debug(image.table + i * PE_SECTION_SIZE))
			die("%s: a section lies behind the debug sections", path);
	}
	measure(&image);
	if (image.file_end > image.file.size)
		die("%s: truncated", path);

	/* Drop the debug sections and the symbols. */
	memset(image.table + image.section_count * PE_SECTION_SIZE, 0,
	       (image.pe.section_count - image.section_count) * PE_SECTION_SIZE);
	put32(image.coff + PE_COFF_SYMBOL_TABLE, 0);
	put32(image.coff + PE_COFF_SYMBOL_COUNT, 0);
	put32(image.opt + PE_OPT_CHECKSUM, 0);
	return image;
}

/* Write zeroes up to the next multiple of @align; returns that. */
static uint64_t write_padding(FILE *out, uint64_t at, uint64_t align)
{
	for (; !IS_ALIGNED(at, align); at++)
		fputc(0, out);
	return at;
}

/* Fill in the header of one more section. */
static void add_header(struct image *image, const struct part *part)
{
	uint8_t *h = image->table + image->section_count * PE_SECTION_SIZE;
	size_t size = part->file.size;

	if (h + PE_SECTION_SIZE > image->file.data + image->pe.header_size)
		die("no room for the header of section %.8s", part->name);
	image->memory_end = ALIGN_UP(image->memory_end, image->memory_align);
	image->file_end = ALIGN_UP(image->file_end, image->file_align);
	memset(h, 0, PE_SECTION_SIZE);
	memcpy(h, part->name, sizeof(part->name));
	put32(h + PE_SECTION_VIRTUAL_SIZE, size);
	put32(h + PE_SECTION_ADDRESS, image->memory_end);
	put32(h + PE_SECTION_RAW_SIZE, ALIGN_UP(size, image->file_align));
	put32(h + PE_SECTION_RAW_OFFSET, image->file_end);
	put32(h + PE_SECTION_FLAGS, PE_SECTION_INITIALIZED | PE_SECTION_READ);
	image->memory_end += size;
	image->file_end += size;
	image->section_count++;
}

static uint32_t crc32(const uint8_t *data, size_t size)
{
	static uint32_t of_byte[256];
	uint32_t crc = UINT32_MAX;

	for (uint32_t byte = 0; of_byte[255] == 0 && byte < 256; byte++) {
		of_byte[byte] = byte;
		for (int bit = 0; bit < 8; bit++)
			of_byte[byte] = of_byte[byte] >> 1 ^ (of_byte[byte] & 1 ? 0xedb88320 : 0);
	}
	for (size_t i = 0; i < size; i++)
		crc = crc >> 8 ^ of_byte[(crc ^ data[i]) & 0xff];
	return ~crc;
}

/* The section that says what the others must be, but for those without content. */
static struct part make_sums(const struct part *parts, size_t count)
{
	struct part sums = { .name = SUMS_SECTION };
	struct section_sum *sum = calloc(count, sizeof(*sum));
	size_t used = 0;

	if (sum == NULL)
		die("no memory");
	for (size_t i = 0; i < count; i++) {
		if (parts[i].file.size == 0)
			continue;
		memcpy(sum[used].name, parts[i].name, sizeof(sum[used].name));
		sum[used++].crc32 = crc32(parts[i].file.data, parts[i].file.size);
	}
	sums.file = (struct file){ (uint8_t *)sum, used * sizeof(*sum) };
	return sums;
}

static void write_image(struct image *image, const struct part *parts, size_t count,
			const char *path)
{
	uint64_t at = image->file_end;
	FILE *out;

	for (size_t i = 0; i < count; i++)
		add_header(image, &parts[i]);
	put16(image->coff + PE_COFF_SECTION_COUNT, image->section_count);
	put32(image->opt + PE_OPT_IMAGE_SIZE, ALIGN_UP(image->memory_end, image->memory_align));

	out = fopen(path, "wb");
	if (out == NULL)
		die("%s: %s", path, strerror(errno));
	fwrite(image->file.data, 1, at, out);
	for (size_t i = 0; i < count; i++) {
		at = write_padding(out, at, image->file_align);
		fwrite(parts[i].file.data, 1, parts[i].file.size, out);
		at += parts[i].file.size;
	}
	write_padding(out, at, image->file_align);
	if (ferror(out) | fclose(out)) {
		remove(path);
		die("%s: cannot write", path);
	}
}

static struct part read_part(const char *argument)
{
	const char *equal = strchr(argument, '=');
	struct part part = { 0 };

	if (argument[0] != '.' || equal == NULL || equal[1] == '\0' ||
	    equal - argument > PE_SECTION_NAME_SIZE)
		die("\"%s\" is not .NAME=FILE (name: 8 characters at most, dot included)",
		    argument);
	memcpy(part.name, argument, (size_t)(equal - argument));
	part.file = read_file(equal + 1);
	return part;
}

int main(int argc, char **argv)
{
	struct image image;
	struct part *parts;
	size_t count;

	if (argc < 4 || strcmp(argv[1], "-o") != 0) {
		fputs("usage: join -o OUT IMAGE [.NAME=FILE]...\n", stderr);
		return 2;
	}
	image = open_image(argv[3]);
	count = (size_t)argc - 4;
	parts = calloc(count + 1, sizeof(*parts));
	if (parts == NULL)
		die("no memory");
	for (size_t i = 0; i < count; i++)
		parts[i] = read_part(argv[4 + i]);
	if (count > 0) {
		parts[count] = make_sums(parts, count);
		count++;
	}
	write_image(&image, parts, count, argv[2]);

	for (size_t i = 0; i < count; i++)
		free(parts[i].file.data);
	free(parts);
	free(image.file.data);
	return 0;
}
