/* SPDX-License-Identifier: MIT */
/*
 * init's own lines on the console: "init: event (detail)".  Before the console
 * is up, and after it is given away to the rescue shell, they go straight to
 * descriptor 2; in between they queue with the guests' lines, so that none is
 * ever torn apart.
 */
#ifndef INIT_LOG_H
#define INIT_LOG_H

#include "include/base/base.h"

struct console;

/* Longest line, with its end; the rest of a longer one is cut off. */
#define LOG_LINE_MAX 600

/* Where lines go from now on; NULL: descriptor 2. */
void log_to(struct console *console);

/* "init: " and the text. */
void log_event(const char *format, ...) __printf(1, 2);

/* A whole line that has its own grammar (a manifest's mistake). */
void log_line(const char *line);

#endif
