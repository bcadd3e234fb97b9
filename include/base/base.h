/* SPDX-License-Identifier: MIT */
/*
 * Vocabulary shared by every program of the tree, freestanding or hosted.
 * Nothing here calls anything; it compiles with only the compiler's headers.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BIT64(n)	(UINT64_C(1) << (n))
#define BIT32(n)	(UINT32_C(1) << (n))

#define PAGE_SHIFT	12
/* 64 bits wide also where long has 32 (the windows target of our PE images). */
#define PAGE_SIZE	UINT64_C(4096)
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#define LARGE_PAGE_SIZE	(UINT64_C(2) << 20)

/* Powers of two only. */
#define ALIGN_UP(x, a)		(((x) + ((a) - 1)) & ~((a) - 1))
#define ALIGN_DOWN(x, a)	((x) & ~((a) - 1))
#define IS_ALIGNED(x, a)	(((x) & ((a) - 1)) == 0)

#define MIN(a, b)	((a) < (b) ? (a) : (b))
#define MAX(a, b)	((a) > (b) ? (a) : (b))

#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#define __packed	__attribute__((packed))
#define __aligned(n)	__attribute__((aligned(n)))
/* Not "__unused": libc headers have structure members of that name. */
#define __maybe_unused	__attribute__((unused))
#define __noreturn	__attribute__((noreturn))
#define __printf(f, a)	__attribute__((format(printf, f, a)))

/* A uint64_t as %llu wants it: which type that is depends on the target. */
#define LLU(x)			((unsigned long long)(x))

/* Volatile access for words another processor or a guest may change. */
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))

#endif
