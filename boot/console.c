/* SPDX-License-Identifier: MIT */
#include "boot/boot.h"

#include "lib/fmt.h"

#define LINE_SIZE 300

#define PAUSE_SECONDS	10
#define PAUSE_STEP_US	50000

static struct efi_text_output *out;

static const struct {
	efi_status_t status;
	const char *name;
} status_names[] = {
#define NAME(status) { status, #status }
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

void console_text(const uint16_t *text)
{
	if (out == NULL)
		return;
	out->output_string(out, text);
	out->output_string(out, u"\r\n");
}

static void put_line(const char *line)
{
	uint16_t wide[LINE_SIZE];
	size_t i;

	for (i = 0; line[i] != '\0'; i++)
		wide[i] = (uint8_t)line[i];
	wide[i] = 0;
	console_text(wide);
}

void console_line(const char *format, ...)
{
	char line[LINE_SIZE];
	va_list args;

	va_start(args, format);
	fmt_vprint(line, sizeof(line), format, args);
	va_end(args);
	put_line(line);
}

static const char *status_name(efi_status_t status)
{
	for (size_t i = 0; i < ARRAY_SIZE(status_names); i++) {
		if (status_names[i].status == status)
			return status_names[i].name;
	}
	return NULL;
}

efi_status_t boot_failed(efi_status_t status, const char *format, ...)
{
	const char *name = status_name(status);
	char what[LINE_SIZE];
	va_list args;

	va_start(args, format);
	fmt_vprint(what, sizeof(what), format, args);
	va_end(args);
	if (name != NULL)
		console_line("boot: %s: %s", what, name);
	else
		console_line("boot: %s: status 0x%llx", what,
			     (unsigned long long)status);
	return status;
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
