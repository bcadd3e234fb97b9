/* SPDX-License-Identifier: MIT */
/*
 * One console for init, all guests and their vmms.
 *
 *   guest "web"  -- pipe -->  source "[web] "    \
 *   its vmm      -- pipe -->  source "vmm web: "  > queue --> /dev/console
 *   init         ----------------------------->  /
 *
 * Sources collect bytes until a line is complete; whole lines go to the queue,
 * each with its prefix.  An unfinished line (a prompt) is shown after a short
 * while; if another source speaks before it is finished, that one gets a line
 * of its own, and the rest of the prompt follows in a new line with the prefix
 * again.
 *
 * No source but one can write over a prefix or over another's line: of its bytes
 * only text and tabs are passed on, and every carriage return begins a new line.
 * The guest with the console (prompt) has the terminal: its bytes are passed on as
 * they are, but for the carriage return of a line end.
 *
 * Nothing here waits: a console that is too slow fills the queue, then guests
 * lose text (and a line says how much) while init's own lines still find room.
 * Memory is fixed; one thread.
 */
#ifndef INIT_CONSOLE_H
#define INIT_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <termios.h>

#include "include/abi/vmmctl.h"

#define CONSOLE_LINE_MAX    512
#define CONSOLE_QUEUE	    131072
/* Part of the queue that only init's own lines may use. */
#define CONSOLE_RESERVE	    8192
/* Who lost text goes on when that much is free: one gap, not a hundred. */
#define CONSOLE_RESUME	    (CONSOLE_QUEUE / 2)
/* An unfinished line is shown after this time. */
#define CONSOLE_PATIENCE_MS 100

/* Where in a terminal's escape sequence a source is. */
enum console_escape { CONSOLE_TEXT, CONSOLE_ESC, CONSOLE_CSI };

struct console_source {
	const char *guest;
	char prefix[VMMCTL_NAME_MAX + 8];
	/* Left out at the beginning of a line if it is there; or NULL. */
	const char *skip;
	/* It has the terminal: unfinished lines are shown at once, bytes as they are. */
	bool prompt;
	/* A carriage return came; only what follows says what it meant. */
	bool held_cr;
	enum console_escape escape;
	/* The byte before. */
	unsigned char last;
	size_t length;
	/* When the oldest byte of line[] came. */
	int64_t since_ms;
	uint64_t dropped;
	char line[CONSOLE_LINE_MAX];
};

struct console {
	int fd;
	/* Whose unfinished line the cursor is on; NULL: at a line's beginning. */
	const struct console_source *open;
	uint64_t dropped;
	size_t head;
	size_t used;
	struct termios saved;
	bool is_saved;
	char queue[CONSOLE_QUEUE];
};

/* fd: the console, not blocking; -1 keeps everything in the queue (tests). */
void console_init(struct console *console, int fd);

/* What a guest's serial port writes. */
void console_guest(struct console_source *source, const char *name, bool prompt);

/* What its vmm has to say. */
void console_vmm(struct console_source *source, const char *name);

/* size bytes came from source. */
void console_feed(struct console *console, struct console_source *source, const char *data,
		  size_t size, int64_t now_ms);

/* When console_tick() has something to do for source; negative: never. */
int64_t console_due(const struct console_source *source);

/* Show the unfinished line if it waited long enough. */
void console_tick(struct console *console, struct console_source *source, int64_t now_ms);

/* The source ended: its unfinished line is finished. */
void console_close(struct console *console, struct console_source *source);

/* A line of init's own, without line end; written at once as far as possible. */
void console_print(struct console *console, const char *line);

/* Is there something to write? */
bool console_pending(const struct console *console);

/* Write what the console takes without waiting. */
void console_write(struct console *console);

/* Write everything, waiting at most that long altogether. */
void console_drain(struct console *console, int64_t timeout_ms);

/*
 * Typed keys come byte by byte, unechoed and without meaning to us (raw), or
 * as they were before (for the shell, and at the end).
 */
void console_raw(struct console *console);
void console_cooked(struct console *console);

#endif
