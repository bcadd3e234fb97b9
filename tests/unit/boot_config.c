/* SPDX-License-Identifier: MIT */
/* boot/config.c on a firmware made of two functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/boot.h"

static char printed[4096]; /* all lines, '\n' between them */
static uint8_t secure;	   /* the SecureBoot variable */

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

static efi_status_t EFIAPI get_variable(const uint16_t *name, const struct efi_guid *vendor,
					uint32_t *attributes, uint64_t *size, void *data)
{
	(void)attributes;
	assert_memory_equal(name, u"SecureBoot", 22);
	assert_true(efi_guid_equal(vendor, &EFI_GLOBAL_VARIABLE_GUID));
	assert_int_equal(*size, 1);
	memcpy(data, &secure, 1);
	return EFI_SUCCESS;
}

static struct efi_text_output output = { .output_string = print };
static struct efi_runtime_services runtime = { .get_variable = get_variable };
static struct efi_system_table table = {
	.con_out = &output,
	.runtime = &runtime,
};
static struct efi_loaded_image loaded;
static struct boot boot;

static int setup(void **state)
{
	(void)state;
	printed[0] = '\0';
	secure = 0;
	memset(&loaded, 0, sizeof(loaded));
	memset(&boot, 0, sizeof(boot));
	boot.system = &table;
	boot.loaded = &loaded;
	console_init(&table);
	return 0;
}

static efi_status_t configure(const char *built_in, const uint16_t *options, size_t bytes)
{
	void *copy = malloc(bytes + 1); /* no NUL behind it */
	efi_status_t status;

	memcpy(copy, options, bytes);
	boot.parts.cmdline.data = (const uint8_t *)built_in;
	boot.parts.cmdline.size = strlen(built_in);
	loaded.load_options = copy;
	loaded.load_options_size = (uint32_t)bytes;
	status = config_read(&boot);
	free(copy);
	return status;
}

/* Options with their final NUL, as boot entries have them. */
#define CONFIGURE(built_in, options) configure(built_in, options, sizeof(options))

static void defaults(void **state)
{
	(void)state;
	assert_int_equal(config_read(&boot), EFI_SUCCESS);
	assert_string_equal(boot.cmdline, "");
	assert_true(boot.config.hypervisor);
	assert_false(boot.config.fallback_linux);
}

static void joins_with_one_space(void **state)
{
	(void)state;
	assert_int_equal(CONFIGURE("  console=ttyS0\n", u" quiet "), EFI_SUCCESS);
	assert_string_equal(boot.cmdline, "console=ttyS0 quiet");
}

static void options_alone(void **state)
{
	(void)state;
	assert_int_equal(CONFIGURE("", u"quiet"), EFI_SUCCESS);
	assert_string_equal(boot.cmdline, "quiet");
}

static void drops_the_programs_name(void **state)
{
	(void)state;
	assert_int_equal(CONFIGURE("a", u"rootstock.efi b"), EFI_SUCCESS);
	assert_string_equal(boot.cmdline, "a b");
	assert_int_equal(CONFIGURE("a", u"FS0:\\ROOTSTOCK.EFI"), EFI_SUCCESS);
	assert_string_equal(boot.cmdline, "a");
}

static void ignores_binary_options(void **state)
{
	static const uint16_t binary[] = { 'a', 0x1b, 'b' };
	static const uint16_t high[] = { 'a', 0x0141 }; /* 'A' if cut to a byte */

	(void)state;
	assert_int_equal(configure("a", binary, sizeof(binary)), EFI_SUCCESS);
	assert_string_equal(boot.cmdline, "a");
	assert_int_equal(configure("a", high, sizeof(high)), EFI_SUCCESS);
	assert_string_equal(boot.cmdline, "a");
	assert_non_null(strstr(printed, "options ignored (not plain text)"));
}

static void ignores_options_with_secure_boot(void **state)
{
	(void)state;
	secure = 1;
	assert_int_equal(CONFIGURE("a", u"init=/bin/sh"), EFI_SUCCESS);
	assert_string_equal(boot.cmdline, "a");
	assert_non_null(strstr(printed, "options ignored (Secure Boot is on)"));
}

static void ignores_endless_options(void **state)
{
	static uint16_t many[1025];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = 'x';
	assert_int_equal(configure("a", many, sizeof(many)), EFI_SUCCESS);
	assert_string_equal(boot.cmdline, "a");
	assert_int_equal(configure("a", many, sizeof(many) - 2), EFI_SUCCESS);
	assert_int_equal(strlen(boot.cmdline), 2 + 1024);
}

static void refuses_too_long_a_line(void **state)
{
	static char line[BOOT_CMDLINE_SIZE + 1];

	(void)state;
	memset(line, 'x', BOOT_CMDLINE_SIZE - 1);
	assert_int_equal(CONFIGURE(line, u""), EFI_SUCCESS);
	assert_int_equal(strlen(boot.cmdline), BOOT_CMDLINE_SIZE - 1);
	assert_int_equal(CONFIGURE(line, u"y"), EFI_BAD_BUFFER_SIZE);
	line[BOOT_CMDLINE_SIZE - 1] = 'x';
	assert_int_equal(CONFIGURE(line, u""), EFI_BAD_BUFFER_SIZE);
	assert_non_null(strstr(printed, "longer than 2047 characters: EFI_BAD_BUFFER_SIZE"));
}

static void reads_choices(void **state)
{
	(void)state;
	assert_int_equal(CONFIGURE("rootstock.hypervisor=off x", u""), EFI_SUCCESS);
	assert_false(boot.config.hypervisor);
	assert_int_equal(CONFIGURE("rootstock.hypervisor=reference", u""), EFI_SUCCESS);
	assert_true(boot.config.hypervisor);
	assert_int_equal(CONFIGURE("rootstock.fallback=linux", u""), EFI_SUCCESS);
	assert_true(boot.config.fallback_linux);
}

static void last_choice_wins(void **state)
{
	(void)state;
	assert_int_equal(CONFIGURE("rootstock.hypervisor=off", u"rootstock.hypervisor=reference"),
			 EFI_SUCCESS);
	assert_true(boot.config.hypervisor);
}

static void only_whole_words_count(void **state)
{
	(void)state;
	assert_int_equal(CONFIGURE("x=\"a rootstock.hypervisor=off\" xrootstock.hypervisor=off "
				   "rootstock.hypervisors=off rootstock.hypervisor",
				   u""),
			 EFI_SUCCESS);
	assert_true(boot.config.hypervisor);
}

static void refuses_unknown_choice(void **state)
{
	(void)state;
	assert_int_equal(CONFIGURE("rootstock.fallback=bare", u""), EFI_INVALID_PARAMETER);
	assert_non_null(strstr(printed, "boot: command line: rootstock.fallback=bare is neither "
					"\"stop\" nor \"linux\": EFI_INVALID_PARAMETER\n"));
	assert_int_equal(CONFIGURE("rootstock.fallback=", u""), EFI_INVALID_PARAMETER);
	assert_int_equal(CONFIGURE("rootstock.fallback=linu", u""), EFI_INVALID_PARAMETER);
	assert_int_equal(CONFIGURE("rootstock.fallback=linuxx", u""), EFI_INVALID_PARAMETER);
}

static void names_status_codes(void **state)
{
	(void)state;
	assert_int_equal(boot_failed(EFI_DEVICE_ERROR, "a %d", 1), EFI_DEVICE_ERROR);
	assert_int_equal(boot_failed(EFI_ERROR_BIT | 99, "b"), EFI_ERROR_BIT | 99);
	assert_string_equal(printed, "boot: a 1: EFI_DEVICE_ERROR\n"
				     "boot: b: status 0x8000000000000063\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, setup)
		TEST(defaults),
		TEST(joins_with_one_space),
		TEST(options_alone),
		TEST(drops_the_programs_name),
		TEST(ignores_binary_options),
		TEST(ignores_options_with_secure_boot),
		TEST(ignores_endless_options),
		TEST(refuses_too_long_a_line),
		TEST(reads_choices),
		TEST(last_choice_wins),
		TEST(only_whole_words_count),
		TEST(refuses_unknown_choice),
		TEST(names_status_codes),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
