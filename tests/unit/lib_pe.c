/* SPDX-License-Identifier: MIT */
/* lib/pe.c: a small image built here, then spoilt in every way it checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/pe.h"
#include "lib/pe_format.h"

/*
 * File:    0x000 headers   0x200 .text (0x200)   0x400 .reloc (0x200)
 * Memory:  0x0000 headers  0x1000 .text  0x2000 .bss  0x3000 .reloc
 */
#define FILE_SIZE	0x600
#define IMAGE_SIZE	0x4000
#define PE_AT		0x80
#define OPT_AT		(PE_AT + PE_COFF_END)
#define OPT_SIZE	240
#define TABLE_AT	(OPT_AT + OPT_SIZE)
#define RELOC_DIRECTORY (OPT_AT + PE_OPT_DIRECTORIES + PE_DIRECTORY_RELOCATIONS * 8)

#define PREFERRED	UINT64_C(0x180000000)
#define POINTER_AT	0x1010 /* holds PREFERRED + 0x1234 */

struct fixture {
	uint8_t *file; /* exactly FILE_SIZE, so that overruns are seen */
	struct pe_image pe;
};

static void put(uint8_t *at, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *at, int bytes)
{
	uint64_t value = 0;

	for (int i = 0; i < bytes; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

static void put_section(uint8_t *file, int i, const char *name, uint32_t address,
			uint32_t virtual_size, uint32_t offset, uint32_t size)
{
	uint8_t *h = file + TABLE_AT + i * PE_SECTION_SIZE;

	memset(h, 0, PE_SECTION_SIZE);
	memcpy(h, name, strlen(name));
	put(h + PE_SECTION_VIRTUAL_SIZE, virtual_size, 4);
	put(h + PE_SECTION_ADDRESS, address, 4);
	put(h + PE_SECTION_RAW_SIZE, size, 4);
	put(h + PE_SECTION_RAW_OFFSET, offset, 4);
}

static uint8_t *section(uint8_t *file, int i)
{
	return file + TABLE_AT + i * PE_SECTION_SIZE;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	uint8_t *p = calloc(1, FILE_SIZE);

	f->file = p;
	memcpy(p, "MZ", 2);
	put(p + PE_DOS_PE_OFFSET, PE_AT, 4);
	memcpy(p + PE_AT, "PE\0\0", 4);
	put(p + PE_AT + PE_COFF_MACHINE, PE_MACHINE_AMD64, 2);
	put(p + PE_AT + PE_COFF_SECTION_COUNT, 3, 2);
	put(p + PE_AT + PE_COFF_OPTIONAL_SIZE, OPT_SIZE, 2);
	put(p + PE_AT + PE_COFF_CHARACTERISTICS, PE_FLAG_EXECUTABLE, 2);
	put(p + OPT_AT + PE_OPT_MAGIC, PE_MAGIC_PE32_PLUS, 2);
	put(p + OPT_AT + PE_OPT_ENTRY, 0x1004, 4);
	put(p + OPT_AT + PE_OPT_IMAGE_BASE, PREFERRED, 8);
	put(p + OPT_AT + PE_OPT_IMAGE_SIZE, IMAGE_SIZE, 4);
	put(p + OPT_AT + PE_OPT_HEADER_SIZE, 0x200, 4);
	put(p + OPT_AT + PE_OPT_DIRECTORY_COUNT, 16, 4);
	put(p + RELOC_DIRECTORY, 0x3000, 4);
	put(p + RELOC_DIRECTORY + 4, 12, 4);
	put_section(p, 0, ".text", 0x1000, 0x120, 0x200, 0x200);
	put_section(p, 1, ".bss", 0x2000, 0x800, 0, 0);
	put_section(p, 2, ".reloc", 0x3000, 12, 0x400, 0x200);

	for (int i = 0; i < 0x200; i++)
		p[0x200 + i] = 0xcc;
	put(p + 0x210, PREFERRED + 0x1234, 8);
	put(p + 0x400, 0x1000, 4); /* page */
	put(p + 0x404, 12, 4);	   /* block */
	put(p + 0x408, PE_RELOC_DIR64 << 12 | 0x010, 2);
	put(p + 0x40a, PE_RELOC_ABSOLUTE, 2);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->file);
	free(f);
	return 0;
}

static void opens(void **state)
{
	struct fixture *f = *state;

	assert_null(pe_open(&f->pe, f->file, FILE_SIZE, PE_FILE));
	assert_int_equal(f->pe.image_size, IMAGE_SIZE);
	assert_int_equal(f->pe.entry, 0x1004);
	assert_int_equal(f->pe.section_count, 3);
	assert_false(f->pe.fixed);
}

static void finds_sections(void **state)
{
	struct fixture *f = *state;
	struct pe_section found;

	assert_null(pe_open(&f->pe, f->file, FILE_SIZE, PE_FILE));
	assert_true(pe_find_section(&f->pe, ".text", &found));
	assert_ptr_equal(found.data, f->file + 0x200);
	assert_int_equal(found.size, 0x120); /* not the padding */
	assert_false(pe_find_section(&f->pe, ".tex", &found));
	assert_false(pe_find_section(&f->pe, ".textual", &found));
	assert_false(pe_find_section(&f->pe, ".bss", &found)); /* empty */
}

static void finds_name_of_eight(void **state)
{
	struct fixture *f = *state;
	struct pe_section found;

	memcpy(section(f->file, 0), ".cmdline", 8);
	assert_null(pe_open(&f->pe, f->file, FILE_SIZE, PE_FILE));
	assert_true(pe_find_section(&f->pe, ".cmdline", &found));
	assert_false(pe_find_section(&f->pe, ".cmdlin", &found));
	assert_false(pe_find_section(&f->pe, ".cmdlines", &found));
}

static void loads_and_relocates(void **state)
{
	struct fixture *f = *state;
	uint8_t *image = malloc(IMAGE_SIZE);
	struct pe_image again;
	struct pe_section found;

	memset(image, 0xff, IMAGE_SIZE);
	assert_null(pe_open(&f->pe, f->file, FILE_SIZE, PE_FILE));
	pe_load(&f->pe, image);
	assert_memory_equal(image, f->file, 0x200);
	assert_int_equal(image[0x1000], 0xcc);
	assert_int_equal(image[0x111f], 0xcc);
	assert_int_equal(image[0x1120], 0); /* padding is not loaded */
	assert_int_equal(image[0x2000], 0);
	assert_int_equal(image[IMAGE_SIZE - 1], 0);

	assert_null(pe_relocate(&f->pe, image, 0x7000));
	assert_int_equal(get(image + POINTER_AT, 8), 0x7000 + 0x1234);

	/* What firmware does to the launcher: look into the loaded image. */
	assert_null(pe_open(&again, image, IMAGE_SIZE, PE_LOADED));
	assert_true(pe_find_section(&again, ".text", &found));
	assert_ptr_equal(found.data, image + 0x1000);
	free(image);
}

static void needs_no_relocation_at_preferred_base(void **state)
{
	struct fixture *f = *state;
	uint8_t *image = malloc(IMAGE_SIZE);

	put(f->file + PE_AT + PE_COFF_CHARACTERISTICS, PE_FLAG_EXECUTABLE | PE_FLAG_RELOCS_STRIPPED,
	    2);
	assert_null(pe_open(&f->pe, f->file, FILE_SIZE, PE_FILE));
	pe_load(&f->pe, image);
	assert_null(pe_relocate(&f->pe, image, PREFERRED));
	assert_int_equal(get(image + POINTER_AT, 8), PREFERRED + 0x1234);
	assert_string_equal(pe_relocate(&f->pe, image, PREFERRED + 0x1000),
			    "image cannot be moved");
	free(image);
}

/* Every prefix of the file is refused, and read within its bounds. */
static void refuses_every_truncation(void **state)
{
	struct fixture *f = *state;

	for (size_t size = 0; size < FILE_SIZE - (0x200 - 12); size++) {
		uint8_t *part = malloc(size + 1);
		struct pe_image pe;

		memcpy(part, f->file, size);
		part = realloc(part, size > 0 ? size : 1);
		if (pe_open(&pe, part, size, PE_FILE) == NULL)
			fail_msg("accepted with %zu bytes", size);
		free(part);
	}
}

static const struct spoilt {
	const char *reason;
	uint32_t at;
	uint64_t value;
	int bytes;
} spoilt[] = {
	{ "no MZ signature", 0, 'X', 1 },
	{ "PE header outside the file", PE_DOS_PE_OFFSET, FILE_SIZE - 23, 4 },
	{ "PE header outside the file", PE_DOS_PE_OFFSET, 0xffffffff, 4 },
	{ "no PE signature", PE_AT + 1, 'X', 1 },
	{ "not for x86-64", PE_AT + PE_COFF_MACHINE, 0x014c, 2 },
	{ "not an executable image", PE_AT + PE_COFF_CHARACTERISTICS, 0, 2 },
	{ "optional header outside the file", PE_AT + PE_COFF_OPTIONAL_SIZE, 0xffff, 2 },
	{ "optional header too short", PE_AT + PE_COFF_OPTIONAL_SIZE, 111, 2 },
	{ "optional header too short", PE_AT + PE_COFF_OPTIONAL_SIZE, 159, 2 },
	{ "not PE32+", OPT_AT + PE_OPT_MAGIC, 0x10b, 2 },
	{ "headers larger than the image", OPT_AT + PE_OPT_HEADER_SIZE, IMAGE_SIZE + 1, 4 },
	{ "headers larger than the image", OPT_AT + PE_OPT_HEADER_SIZE, FILE_SIZE + 1, 4 },
	{ "section table outside the headers", PE_AT + PE_COFF_SECTION_COUNT, 0xffff, 2 },
	{ "section table outside the headers", OPT_AT + PE_OPT_HEADER_SIZE, TABLE_AT + 119, 4 },
	{ "entry point outside the image", OPT_AT + PE_OPT_ENTRY, IMAGE_SIZE, 4 },
	{ "relocations outside the image", RELOC_DIRECTORY, IMAGE_SIZE - 11, 4 },
	{ "relocations outside the image", RELOC_DIRECTORY + 4, 0xffffffff, 4 },
	{ "section over the headers", TABLE_AT + PE_SECTION_ADDRESS, 0x100, 4 },
	{ "section outside the image", TABLE_AT + PE_SECTION_ADDRESS, IMAGE_SIZE - 0x11f, 4 },
	{ "section outside the image", TABLE_AT + PE_SECTION_ADDRESS, 0xfffffff0, 4 },
	{ "section outside the image", TABLE_AT + PE_SECTION_VIRTUAL_SIZE, 0xffffffff, 4 },
	{ "section outside the file", TABLE_AT + PE_SECTION_RAW_OFFSET, FILE_SIZE - 0x11f, 4 },
	{ "section outside the file", TABLE_AT + PE_SECTION_RAW_OFFSET, 0xffffffff, 4 },
};

static void refuses_spoilt_headers(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(spoilt); i++) {
		const struct spoilt *s = &spoilt[i];
		uint64_t before = get(f->file + s->at, s->bytes);
		const char *reason;

		put(f->file + s->at, s->value, s->bytes);
		reason = pe_open(&f->pe, f->file, FILE_SIZE, PE_FILE);
		if (reason == NULL || strcmp(reason, s->reason) != 0)
			fail_msg("field at 0x%x = 0x%llx: \"%s\" instead of \"%s\"", s->at,
				 (unsigned long long)s->value, reason ? reason : "accepted",
				 s->reason);
		put(f->file + s->at, before, s->bytes);
	}
	assert_null(pe_open(&f->pe, f->file, FILE_SIZE, PE_FILE));
}

static const struct spoilt spoilt_relocations[] = {
	{ "relocation block of impossible size", 0x404, 7, 4 },
	{ "relocation block of impossible size", 0x404, 13, 4 },
	{ "relocation block of impossible size", 0x404, 0xffffffff, 4 },
	{ "relocation outside the image", 0x400, IMAGE_SIZE - 0x10 - 7, 4 },
	{ "relocation outside the image", 0x400, 0xffffffff, 4 },
	{ "unknown kind of relocation", 0x408, 3 << 12, 2 },
};

static void refuses_spoilt_relocations(void **state)
{
	struct fixture *f = *state;
	uint8_t *image = malloc(IMAGE_SIZE);

	for (size_t i = 0; i < ARRAY_SIZE(spoilt_relocations); i++) {
		const struct spoilt *s = &spoilt_relocations[i];
		uint64_t before = get(f->file + s->at, s->bytes);

		put(f->file + s->at, s->value, s->bytes);
		assert_null(pe_open(&f->pe, f->file, FILE_SIZE, PE_FILE));
		pe_load(&f->pe, image);
		assert_string_equal(pe_relocate(&f->pe, image, 0x7000), s->reason);
		put(f->file + s->at, before, s->bytes);
	}
	free(image);
}

/* A loaded image's memory is all there is, whatever the headers say. */
static void refuses_image_larger_than_its_memory(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(pe_open(&f->pe, f->file, FILE_SIZE, PE_LOADED),
			    "image larger than its memory");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(opens),
		TEST(finds_sections),
		TEST(finds_name_of_eight),
		TEST(loads_and_relocates),
		TEST(needs_no_relocation_at_preferred_base),
		TEST(refuses_every_truncation),
		TEST(refuses_spoilt_headers),
		TEST(refuses_spoilt_relocations),
		TEST(refuses_image_larger_than_its_memory),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
