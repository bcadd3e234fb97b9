/* SPDX-License-Identifier: MIT */
/*
 * The four functions that a freestanding compiler may call on its own, and
 * that our freestanding code calls by the same names.  Hosted programs (and
 * host tests) get them from their C library and do not link lib/mem.c.
 */
#ifndef LIB_MEM_H
#define LIB_MEM_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *x, const void *y, size_t size);

#endif
