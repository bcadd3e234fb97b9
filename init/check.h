/* SPDX-License-Identifier: MIT */
/*
 * CHECK() is for our own mistakes only, never for anything that comes from
 * outside, and it is never compiled out.  PID 1 must not die, so a failed
 * CHECK() ends in the rescue shell (rescue.c); unit tests bring their own
 * check_failed().
 */
#ifndef INIT_CHECK_H
#define INIT_CHECK_H

#define CHECK(condition)                                              \
	do {                                                          \
		if (!(condition))                                     \
			check_failed(__FILE__, __LINE__, #condition); \
	} while (0)

_Noreturn void check_failed(const char *file, int line, const char *what);

#endif
