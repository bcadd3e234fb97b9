/* SPDX-License-Identifier: MIT */
#include "init/console.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "include/base/base.h"
#include "init/check.h"
#include "init/sys.h"

void console_init(struct console *console, int fd)
{
	console->fd = fd;
	console->open = NULL;
	console->dropped = 0;
	console->head = 0;
	console->used = 0;
	console->is_saved = fd >= 0 && tcgetattr(fd, &console->saved) == 0;
}

static void source_init(struct console_source *source, const char *guest)
{
	*source = (struct console_source){ .guest = guest };
}

void console_guest(struct console_source *source, const char *name, bool prompt)
{
	source_init(source, name);
	snprintf(source->prefix, sizeof(source->prefix), "[%s] ", name);
	source->prompt = prompt;
}

void console_vmm(struct console_source *source, const char *name)
{
	source_init(source, name);
	snprintf(source->prefix, sizeof(source->prefix), "vmm %s: ", name);
	source->skip = "vmm: ";
}

/* ---- the queue ---- */

static void put(struct console *console, const char *data, size_t size)
{
	size_t tail = (console->head + console->used) % CONSOLE_QUEUE;
	size_t first = MIN(size, CONSOLE_QUEUE - tail);

	CHECK(size <= CONSOLE_QUEUE - console->used);
	memcpy(console->queue + tail, data, first);
	memcpy(console->queue, data + first, size - first);
	console->used += size;
}

/* A whole line, if that much room stays free behind it. */
static bool put_line(struct console *console, const char *line, size_t keep_free)
{
	size_t length = strlen(line);

	if (CONSOLE_QUEUE - console->used < length + 2 + keep_free)
		return false;
	if (console->open)
		put(console, "\n", 1);
	put(console, line, length);
	put(console, "\n", 1);
	console->open = NULL;
	return true;
}

/* Once there is room again, say first what was lost. */
static bool confess(struct console *console, uint64_t *dropped, const char *whose, size_t keep_free)
{
	char line[128];

	if (!*dropped)
		return true;
	snprintf(line, sizeof(line), "init: console too slow (%" PRIu64 " bytes of %s dropped)",
		 *dropped, whose);
	if (!put_line(console, line, keep_free))
		return false;
	*dropped = 0;
	return true;
}

/* ---- sources ---- */

/* Move what source has collected to the queue, all of it or nothing. */
static void flush(struct console *console, struct console_source *source, bool finish)
{
	size_t skip = source->skip ? strlen(source->skip) : 0;
	const char *data = source->line;
	size_t length = source->length;
	char whose[VMMCTL_NAME_MAX + 8];
	bool begin;

	source->length = 0;
	snprintf(whose, sizeof(whose), "guest %s", source->guest);
	if (!confess(console, &source->dropped, whose, CONSOLE_RESUME) ||
	    CONSOLE_QUEUE - console->used <
		    1 + sizeof(source->prefix) + length + 1 + CONSOLE_RESERVE) {
		source->dropped += length + finish;
		return;
	}
	/* Only now: the confession may have moved the cursor to a new line. */
	begin = console->open != source;
	if (begin && console->open)
		put(console, "\n", 1);
	if (begin)
		put(console, source->prefix, strlen(source->prefix));
	if (begin && skip && length >= skip && !memcmp(data, source->skip, skip)) {
		data += skip;
		length -= skip;
	}
	put(console, data, length);
	if (finish)
		put(console, "\n", 1);
	console->open = finish ? NULL : source;
}

static void take(struct console *console, struct console_source *source, char byte, int64_t now_ms)
{
	if (source->length == sizeof(source->line))
		flush(console, source, false);
	if (source->length == 0)
		source->since_ms = now_ms;
	source->line[source->length++] = byte;
}

/*
 * Can a terminal do nothing with byte but show it where the cursor is?  Follows
 * escape sequences to their end: ESC, or ESC [ and up to a final letter; of other
 * strings only the beginning goes, and the rest is text.
 */
static bool is_text(struct console_source *source, unsigned char byte)
{
	unsigned char last = source->last;
	enum console_escape escape = source->escape;

	source->last = byte;
	source->escape = byte == '\x1b' ? CONSOLE_ESC : CONSOLE_TEXT;
	if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
		return false;
	if (escape == CONSOLE_ESC && byte == '[')
		source->escape = CONSOLE_CSI;
	/* Intermediate bytes, and parameters of a control sequence: more follows. */
	else if (escape != CONSOLE_TEXT && byte >= 0x20 &&
		 byte < (escape == CONSOLE_CSI ? 0x40 : 0x30))
		source->escape = escape;
	if (escape != CONSOLE_TEXT)
		return false;
	/* U+0080 to U+009F, in UTF-8 or bare, are control characters as well. */
	return byte < 0x80 || byte > 0x9f || (last >= 0x80 && last != 0xc2);
}

/*
 * Who does not have the terminal gets lines and nothing else: whatever could
 * move the cursor before the prefix is left out, and a carriage return that ends
 * no line begins a new one.
 */
static void feed_lines(struct console *console, struct console_source *source, const char *data,
		       size_t size, int64_t now_ms)
{
	size_t i;

	for (i = 0; i < size; i++) {
		bool is_shown = is_text(source, (unsigned char)data[i]);

		if (data[i] == '\n') {
			source->held_cr = false;
			flush(console, source, true);
		} else if (data[i] == '\r') {
			source->held_cr = true;
		} else if (is_shown) {
			if (source->held_cr && (source->length || console->open == source))
				flush(console, source, true);
			source->held_cr = false;
			take(console, source, data[i], now_ms);
		}
	}
}

void console_feed(struct console *console, struct console_source *source, const char *data,
		  size_t size, int64_t now_ms)
{
	size_t i;

	if (!source->prompt) {
		feed_lines(console, source, data, size, now_ms);
		return;
	}
	for (i = 0; i < size; i++) {
		if (data[i] == '\n') {
			source->held_cr = false;
			flush(console, source, true);
			continue;
		}
		if (source->held_cr)
			take(console, source, '\r', now_ms);
		source->held_cr = data[i] == '\r';
		if (!source->held_cr)
			take(console, source, data[i], now_ms);
	}
	if (source->length)
		flush(console, source, false);
}

int64_t console_due(const struct console_source *source)
{
	return source->length ? source->since_ms + CONSOLE_PATIENCE_MS : -1;
}

void console_tick(struct console *console, struct console_source *source, int64_t now_ms)
{
	if (source->length && now_ms >= console_due(source))
		flush(console, source, false);
}

void console_close(struct console *console, struct console_source *source)
{
	source->held_cr = false;
	if (source->length || console->open == source)
		flush(console, source, true);
}

/* ---- our own lines, and the way out ---- */

void console_print(struct console *console, const char *line)
{
	if (!confess(console, &console->dropped, "init", 0) || !put_line(console, line, 0))
		console->dropped += strlen(line) + 1;
	console_write(console);
}

bool console_pending(const struct console *console)
{
	return console->fd >= 0 && console->used > 0;
}

void console_write(struct console *console)
{
	while (console_pending(console)) {
		size_t size = MIN(console->used, CONSOLE_QUEUE - console->head);
		ssize_t n = write(console->fd, console->queue + console->head, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		/* A console that is gone takes everything. */
		if (n < 0)
			n = (ssize_t)size;
		console->head = (console->head + (size_t)n) % CONSOLE_QUEUE;
		console->used -= (size_t)n;
	}
	/* Begin at the front again: fewer pages of the queue are ever touched. */
	if (!console->used)
		console->head = 0;
}

void console_drain(struct console *console, int64_t timeout_ms)
{
	int64_t end_ms = sys_now_ms() + timeout_ms;

	console_write(console);
	while (console_pending(console)) {
		struct pollfd ready = { .fd = console->fd, .events = POLLOUT };
		int64_t left_ms = end_ms - sys_now_ms();

		if (left_ms <= 0)
			return;
		sys_poll(&ready, 1, left_ms);
		console_write(console);
	}
}

void console_raw(struct console *console)
{
	struct termios raw = console->saved;

	if (!console->is_saved)
		return;
	raw.c_iflag &= (tcflag_t) ~(BRKINT | ICRNL | IGNCR | INLCR | INPCK | ISTRIP | IXON);
	raw.c_lflag &= (tcflag_t) ~(ECHO | ECHONL | ICANON | IEXTEN | ISIG);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(console->fd, TCSANOW, &raw);
}

void console_cooked(struct console *console)
{
	if (console->is_saved)
		tcsetattr(console->fd, TCSANOW, &console->saved);
}
