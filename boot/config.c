/* SPDX-License-Identifier: MIT */
/*
 * The command line: what the image was built with (.cmdline), then, unless
 * Secure Boot is on, what the boot entry adds.  Linux gets all of it.
 */
#include "boot/boot.h"

#include "lib/mem.h"

/* A boot entry may add this much; longer ones are no command lines. */
#define LOAD_OPTIONS_MAX 1024

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_printable(uint32_t c)
{
	return c >= 0x20 && c < 0x7f;
}

/* Append text, spaces at its ends removed, behind one space. */
static bool append(char *line, const char *text, size_t length)
{
	size_t at = 0;

	while (length > 0 && (is_space(text[length - 1]) || text[length - 1] == '\0'))
		length--;
	while (length > 0 && is_space(*text)) {
		text++;
		length--;
	}
	if (length == 0)
		return true;
	while (line[at] != '\0')
		at++;
	if (at > 0)
		line[at++] = ' ';
	if (length >= BOOT_CMDLINE_SIZE - at)
		return false;
	for (size_t i = 0; i < length; i++)
		line[at++] = is_space(text[i]) ? ' ' : text[i];
	line[at] = '\0';
	return true;
}

static bool secure_boot(const struct boot *boot)
{
	uint8_t value = 0;
	uint64_t size = sizeof(value);
	efi_status_t status;

	status = boot->system->runtime->get_variable(u"SecureBoot", &EFI_GLOBAL_VARIABLE_GUID, NULL,
						     &size, &value);
	return status == EFI_SUCCESS && value == 1;
}

/*
 * The EFI shell and some firmware put the program's name first.  Its length
 * with that ending, or 0.
 */
static size_t program_name_length(const char *text, size_t length)
{
	size_t end = 0;

	while (end < length && !is_space(text[end]))
		end++;
	if (end < 4 || text[end - 4] != '.' || (text[end - 3] | 0x20) != 'e' ||
	    (text[end - 2] | 0x20) != 'f' || (text[end - 1] | 0x20) != 'i')
		return 0;
	return end;
}

/*
 * Boot entries made by firmware often carry binary data as their options, so
 * only text is taken.  It is the same right as editing a boot entry in a boot
 * manager, hence nobody's with Secure Boot, where the image decides alone.
 */
static efi_status_t append_load_options(struct boot *boot)
{
	const uint16_t *options = boot->loaded->load_options;
	size_t length = boot->loaded->load_options_size / 2;
	char text[LOAD_OPTIONS_MAX];
	size_t skip;

	if (options == NULL)
		return EFI_SUCCESS;
	while (length > 0 && options[length - 1] == 0)
		length--;
	if (length == 0)
		return EFI_SUCCESS;
	if (length > LOAD_OPTIONS_MAX) {
		console_line("boot: the boot entry's options ignored (more than %d characters)",
			     LOAD_OPTIONS_MAX);
		return EFI_SUCCESS;
	}
	for (size_t i = 0; i < length; i++) {
		if (!is_printable(options[i])) {
			console_line("boot: the boot entry's options ignored (not plain text)");
			return EFI_SUCCESS;
		}
		text[i] = (char)options[i];
	}
	skip = program_name_length(text, length);
	if (skip == length)
		return EFI_SUCCESS;
	if (secure_boot(boot)) {
		console_line("boot: the boot entry's options ignored (Secure Boot is on)");
		return EFI_SUCCESS;
	}
	if (!append(boot->cmdline, text + skip, length - skip))
		return boot_failed(
			EFI_BAD_BUFFER_SIZE,
			"command line with the boot entry's options is longer than %d characters",
			BOOT_CMDLINE_SIZE - 1);
	return EFI_SUCCESS;
}

/*
 * Value of the last word "name=value" outside quotes, as Linux would find it.
 * NULL if there is none; else *length is that of the value.
 */
static const char *find_option(const char *line, const char *name, size_t *length)
{
	const char *found = NULL;

	while (*line != '\0') {
		const char *word, *n = name;
		bool quoted = false;

		while (is_space(*line))
			line++;
		word = line;
		while (*line != '\0' && (quoted || !is_space(*line))) {
			if (*line == '"')
				quoted = !quoted;
			line++;
		}
		while (*n != '\0' && *word == *n) {
			word++;
			n++;
		}
		if (*n == '\0' && *word == '=') {
			found = word + 1;
			*length = (size_t)(line - found);
		}
	}
	return found;
}

/* One of two words, the first being the default. */
static efi_status_t read_choice(const struct boot *boot, const char *name, const char *first,
				const char *second, bool *is_second)
{
	const char *const choice[] = { first, second };
	size_t length = 0;
	const char *value = find_option(boot->cmdline, name, &length);

	*is_second = false;
	if (value == NULL)
		return EFI_SUCCESS;
	for (size_t i = 0; i < ARRAY_SIZE(choice); i++) {
		size_t n = 0;

		while (n < length && choice[i][n] == value[n])
			n++;
		if (n == length && choice[i][n] == '\0') {
			*is_second = i == 1;
			return EFI_SUCCESS;
		}
	}
	return boot_failed(EFI_INVALID_PARAMETER,
			   "command line: %s=%.*s is neither \"%s\" nor \"%s\"", name, (int)length,
			   value, first, second);
}

efi_status_t config_read(struct boot *boot)
{
	const struct pe_section *built_in = &boot->parts.cmdline;
	efi_status_t status;
	bool off = false;

	boot->cmdline[0] = '\0';
	if (!append(boot->cmdline, (const char *)built_in->data, built_in->size))
		return boot_failed(EFI_BAD_BUFFER_SIZE,
				   "command line of the image is longer than %d characters",
				   BOOT_CMDLINE_SIZE - 1);
	status = append_load_options(boot);
	if (efi_failed(status))
		return status;

	status = read_choice(boot, "rootstock.hypervisor", "reference", "off", &off);
	if (efi_failed(status))
		return status;
	boot->config.hypervisor = !off;
	return read_choice(boot, "rootstock.fallback", "stop", "linux",
			   &boot->config.fallback_linux);
}
