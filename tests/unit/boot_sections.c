/* SPDX-License-Identifier: MIT */
/* boot/sections.c: an image as firmware has it in memory, whole and then damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "abi/sums.h"
#include "boot/boot.h"
#include "lib/pe_format.h"

#define PE_AT	   0x80
#define OPT_AT	   (PE_AT + PE_COFF_END)
#define OPT_SIZE   240
#define TABLE_AT   (OPT_AT + OPT_SIZE)
#define PART_AT(i) (PAGE_SIZE * (1u + (uint32_t)(i)))

/* Five parts of a page and what they must be. */
#define PARTS	   5
#define SUMS	   PARTS
#define IMAGE_SIZE PART_AT(PARTS + 1)

static const char *const names[PARTS + 1] = { ".version", ".cmdline", ".hv",
					      ".linux",	  ".initrd",  SUMS_SECTION };
static const uint32_t sizes[PARTS + 1] = {
	3, 8, 3000, 4096, 1, PARTS * sizeof(struct section_sum),
};

static _Alignas(PAGE_SIZE) uint8_t image[IMAGE_SIZE];
static char printed[4096]; /* all lines, '\n' between them */

static efi_status_t EFIAPI print(struct efi_text_output *this, const uint16_t *text)
{
	size_t at = strlen(printed);

	(void)this;
	for (; *text != 0 && at < sizeof(printed) - 1; text++) {
		if (*text != '\r')
			printed[at++] = (char)*text;
	}
	printed[at] = '\0';
	return EFI_SUCCESS;
}

/* "CalculateCrc32()", bit by bit. */
static efi_status_t EFIAPI crc32(const void *data, uint64_t size, uint32_t *crc)
{
	const uint8_t *p = data;

	assert_true(p >= image && size > 0 && size <= (uint64_t)(image + sizeof(image) - p));
	*crc = UINT32_MAX;
	for (uint64_t i = 0; i < size * 8; i++)
		*crc = *crc >> 1 ^ ((*crc ^ p[i / 8] >> i % 8) & 1 ? 0xedb88320 : 0);
	*crc = ~*crc;
	return EFI_SUCCESS;
}

static struct efi_text_output output = { .output_string = print };
static struct efi_boot_services services = { .calculate_crc32 = crc32 };
static struct efi_system_table table = { .con_out = &output, .boot = &services };
static struct efi_loaded_image loaded = { .image_base = image, .image_size = IMAGE_SIZE };
static struct boot boot;

static void put(uint32_t at, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		image[at + i] = (uint8_t)(value >> (8 * i));
}

static uint8_t *header(int i)
{
	return image + TABLE_AT + i * PE_SECTION_SIZE;
}

static void put_section(int i)
{
	uint32_t at = (uint32_t)(header(i) - image);

	memcpy(header(i), names[i], strlen(names[i]));
	put(at + PE_SECTION_VIRTUAL_SIZE, sizes[i], 4);
	put(at + PE_SECTION_ADDRESS, PART_AT(i), 4);
	put(at + PE_SECTION_RAW_SIZE, ALIGN_UP(sizes[i], 512), 4);
}

static int setup(void **state)
{
	struct section_sum *sum = (struct section_sum *)(image + PART_AT(SUMS));

	(void)state;
	memset(image, 0, sizeof(image));
	memcpy(image, "MZ", 2);
	put(PE_DOS_PE_OFFSET, PE_AT, 4);
	memcpy(image + PE_AT, "PE\0\0", 4);
	put(PE_AT + PE_COFF_MACHINE, PE_MACHINE_AMD64, 2);
	put(PE_AT + PE_COFF_SECTION_COUNT, PARTS + 1, 2);
	put(PE_AT + PE_COFF_OPTIONAL_SIZE, OPT_SIZE, 2);
	put(PE_AT + PE_COFF_CHARACTERISTICS, PE_FLAG_EXECUTABLE, 2);
	put(OPT_AT + PE_OPT_MAGIC, PE_MAGIC_PE32_PLUS, 2);
	put(OPT_AT + PE_OPT_IMAGE_SIZE, IMAGE_SIZE, 4);
	put(OPT_AT + PE_OPT_HEADER_SIZE, PAGE_SIZE, 4);
	for (int i = 0; i < PARTS; i++) {
		put_section(i);
		for (uint32_t byte = 0; byte < sizes[i]; byte++)
			image[PART_AT(i) + byte] = (uint8_t)('a' + (byte + i) % 26);
		memcpy(sum[i].name, names[i], strlen(names[i]));
		crc32(image + PART_AT(i), sizes[i], &sum[i].crc32);
	}
	put_section(SUMS);
	printed[0] = '\0';
	boot = (struct boot){ .system = &table, .services = &services, .loaded = &loaded };
	console_init(&table);
	return 0;
}

/* The last line of @status. */
static void fails(efi_status_t status, const char *line)
{
	size_t length = strlen(line);

	printed[0] = '\0';
	assert_int_equal(sections_find(&boot), status);
	assert_true(strlen(printed) > length);
	assert_string_equal(printed + strlen(printed) - length, line);
	assert_int_equal(printed[strlen(printed) - length - 1], '\n');
}

static void finds_its_parts(void **state)
{
	(void)state;
	assert_int_equal(sections_find(&boot), EFI_SUCCESS);
	assert_ptr_equal(boot.parts.version.data, image + PART_AT(0));
	assert_ptr_equal(boot.parts.cmdline.data, image + PART_AT(1));
	assert_ptr_equal(boot.parts.hypervisor.data, image + PART_AT(2));
	assert_ptr_equal(boot.parts.kernel.data, image + PART_AT(3));
	assert_ptr_equal(boot.parts.initrd.data, image + PART_AT(4));
	assert_int_equal(boot.parts.initrd.size, 1);
	assert_non_null(strstr(printed, "boot: rootstock abc (launcher at "));
}

/* The CRC of the standard, so that this firmware counts as others do. */
static void counts_as_others_do(void **state)
{
	uint32_t crc;

	(void)state;
	memcpy(image, "123456789", 9);
	crc32(image, 9, &crc);
	assert_int_equal(crc, 0xcbf43926);
}

static void names_a_damaged_part(void **state)
{
	char line[100];

	(void)state;
	for (int i = 0; i < PARTS; i++) {
		for (uint32_t byte = 0; byte < sizes[i]; byte += MAX(1u, sizes[i] - 1)) {
			image[PART_AT(i) + byte] ^= 0x10;
			snprintf(line, sizeof(line),
				 "boot: section %s of this image is damaged: EFI_CRC_ERROR\n",
				 names[i]);
			fails(EFI_CRC_ERROR, line);
			image[PART_AT(i) + byte] ^= 0x10;
		}
	}
	assert_int_equal(sections_find(&boot), EFI_SUCCESS);
}

/* Where the fault is in what describes a part. */
static void misses_a_part(void **state)
{
	(void)state;
	header(4)[3] ^= 0x10;
	fails(EFI_NOT_FOUND, "boot: section .initrd of this image is missing: EFI_NOT_FOUND\n");
	header(4)[3] ^= 0x10;
	header(2)[PE_SECTION_VIRTUAL_SIZE] ^= 1;
	fails(EFI_CRC_ERROR, "boot: section .hv of this image is damaged: EFI_CRC_ERROR\n");
	header(2)[PE_SECTION_VIRTUAL_SIZE] ^= 1;
	header(SUMS)[1] ^= 0x10;
	fails(EFI_NOT_FOUND, "boot: section .crc of this image is missing: EFI_NOT_FOUND\n");
}

static void distrusts_the_sums(void **state)
{
	struct section_sum *sum = (struct section_sum *)(image + PART_AT(SUMS));

	(void)state;
	sum[3].crc32 ^= 1;
	fails(EFI_CRC_ERROR, "boot: section .linux of this image is damaged: EFI_CRC_ERROR\n");
	sum[3].crc32 ^= 1;
	memset(sum[1].name, 'x', sizeof(sum[1].name));
	fails(EFI_NOT_FOUND, "boot: section xxxxxxxx of this image is missing: EFI_NOT_FOUND\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, setup)
		TEST(finds_its_parts), TEST(counts_as_others_do), TEST(names_a_damaged_part),
		TEST(misses_a_part),   TEST(distrusts_the_sums),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
