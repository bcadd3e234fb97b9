/* SPDX-License-Identifier: MIT */
/*
 * Lines for the user, kept as the protocol hands them out: UCS-2, each ended
 * by a NUL, one behind the other.  A cursor is an index into the text.
 */
#include "hypervisor/launch.h"

#include "lib/fmt.h"

#define TEXT_SIZE 4096
#define LINE_SIZE 256

static uint16_t text[TEXT_SIZE];
static size_t used;

void launch_message(const char *format, ...)
{
	char line[LINE_SIZE];
	va_list args;
	size_t length = 0;

	va_start(args, format);
	fmt_vprint(line, sizeof(line), format, args);
	va_end(args);

	while (line[length] != '\0')
		length++;
	if (length + 1 > TEXT_SIZE - used)
		return; /* the first lines tell more than the last */
	for (size_t i = 0; i <= length; i++)
		text[used++] = (uint8_t)line[i];
}

void launch_refused(const char *why)
{
	launch_message("rootstock: %s: hypervisor not started", why);
}

const uint16_t *launch_message_next(uint64_t *cursor)
{
	const uint16_t *line;

	/* Only cursors that we gave out, or 0. */
	if (*cursor >= used || (*cursor > 0 && text[*cursor - 1] != 0))
		return NULL;
	line = &text[*cursor];
	while (text[*cursor] != 0)
		(*cursor)++;
	(*cursor)++;
	return line;
}
