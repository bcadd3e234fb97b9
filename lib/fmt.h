/* SPDX-License-Identifier: MIT */
/*
 * Formatted text into a caller's buffer, for code without a C library
 * (launcher, hypervisor).  No allocation, no state, any thread.
 */
#ifndef LIB_FMT_H
#define LIB_FMT_H

#include <stdarg.h>
#include <stddef.h>

#include "base/base.h"

/*
 * A subset of vsnprintf: %c %s %d %u %x %p %% with "l", "ll" and "z" sizes,
 * a width and the flags "0" and "#"; %s also takes "-" and a precision.  Always ends
 * with a NUL (if size > 0).  Returns the length the whole text has, as
 * vsnprintf does.  An unknown conversion prints itself.
 */
size_t fmt_vprint(char *buf, size_t size, const char *format, va_list list)
	__attribute__((format(printf, 3, 0)));

size_t fmt_print(char *buf, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
