/* SPDX-License-Identifier: MIT */
#include "boot/boot.h"

#include "lib/fmt.h"

#define LINE_SIZE     300

#define PAUSE_SECONDS 10
#define PAUSE_STEP_US 50000

static struct efi_text_output *out;

static const struct {
	efi_status_t status;
	const char *name;
} status_names[] = {
#define NAME(status)            \
	{                       \
		status, #status \
	}
	NAME(EFI_SUCCESS),
	NAME(EFI_LOAD_ERROR),
	NAME(EFI_INVALID_PARAMETER),
	NAME(EFI_UNSUPPORTED),
	NAME(EFI_BAD_BUFFER_SIZE),
	NAME(EFI_BUFFER_TOO_SMALL),
	NAME(EFI_NOT_READY),
	NAME(EFI_DEVICE_ERROR),
	NAME(EFI_WRITE_PROTECTED),
	NAME(EFI_OUT_OF_RESOURCES),
	NAME(EFI_VOLUME_CORRUPTED),
	NAME(EFI_NOT_FOUND),
	NAME(EFI_ACCESS_DENIED),
	NAME(EFI_TIMEOUT),
	NAME(EFI_NOT_STARTED),
	NAME(EFI_ALREADY_STARTED),
	NAME(EFI_ABORTED),
	NAME(EFI_INCOMPATIBLE_VERSION),
	NAME(EFI_SECURITY_VIOLATION),
	NAME(EFI_CRC_ERROR),
#undef NAME
};

void console_init(struct efi_system_table *system)
{
	out = system->con_out; /* NULL on a machine without a console */
}

static void put(const uint16_t *text)
{
	if (out != NULL)
		out->output_string(out, text);
}

void console_text(const uint16_t *text)
{
	put(text);
	put(u"\r\n");
}

/* At most LINE_SIZE characters, NUL included. */
static void put_ascii(const char *text)
{
	uint16_t wide[LINE_SIZE];
	size_t i;

	for (i = 0; text[i] != '\0'; i++)
		wide[i] = (uint8_t)text[i];
	wide[i] = 0;
	put(wide);
}

void console_line(const char *format, ...)
{
	char line[LINE_SIZE];
	va_list args;

	va_start(args, format);
	fmt_vprint(line, sizeof(line), format, args);
	va_end(args);
	put_ascii(line);
	put(u"\r\n");
}

/* ": NAME", or the number of a status that has no name here. */
static void put_status(efi_status_t status)
{
	char text[32];

	fmt_print(text, sizeof(text), "status 0x%llx", (unsigned long long)status);
	for (size_t i = 0; i < ARRAY_SIZE(status_names); i++) {
		if (status_names[i].status == status)
			fmt_print(text, sizeof(text), "%s", status_names[i].name);
	}
	put(u": ");
	put_ascii(text);
	put(u"\r\n");
}

efi_status_t boot_failed(efi_status_t status, const char *format, ...)
{
	char what[LINE_SIZE];
	va_list args;

	va_start(args, format);
	fmt_vprint(what, sizeof(what), format, args);
	va_end(args);
	put(u"boot: ");
	put_ascii(what);
	put_status(status);
	return status;
}

void boot_failed_text(efi_status_t status, const uint16_t *text)
{
	put(text);
	put_status(status);
}

void console_pause(const struct boot *boot)
{
	struct efi_text_input *in = boot->system->con_in;
	struct efi_input_key key;

	console_line("boot: stopped, back to the firmware (press a key or wait %d s)",
		     PAUSE_SECONDS);
	for (int i = 0; i < PAUSE_SECONDS * (1000000 / PAUSE_STEP_US); i++) {
		if (in != NULL && in->read_key_stroke(in, &key) == EFI_SUCCESS)
			return;
		boot->services->stall(PAUSE_STEP_US);
	}
}
