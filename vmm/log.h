/* SPDX-License-Identifier: MIT */
/*
 * The VMM's own messages: "vmm: event (detail)" lines on standard error, one
 * write each, so that lines of several threads never mix. Any thread. Guest
 * output goes elsewhere (console.h).
 *
 * Levels say whose fault it is: ERROR ours or the host's, WARN the guest's,
 * INFO a step of the machine's life, DEBUG what an exit did.
 */
#ifndef VMM_LOG_H
#define VMM_LOG_H

#include "base/base.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Before any thread starts. */
void log_set_level(enum log_level level);

void log_print(enum log_level level, const char *fmt, ...) __printf(2, 3);

#define log_error(...) log_print(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_print(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_print(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_print(LOG_DEBUG, __VA_ARGS__)

/*
 * Our own invariants, never anything a guest, a file or the host decides.
 * Never compiled out; prints and aborts.
 */
#define CHECK(cond)    ((cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__))

void check_failed(const char *what, const char *file, int line) __noreturn;

#endif
