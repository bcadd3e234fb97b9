/* SPDX-License-Identifier: MIT */
/*
 * For programs that count checks and go on after one that fails, unlike those of
 * cases.h. CHECKS_PROGRAM names the program and is defined before this is included.
 */
#ifndef TESTS_ROOT_LIB_CHECKS_H
#define TESTS_ROOT_LIB_CHECKS_H

#include <stdio.h>

static unsigned int checks, failures;

#define EXPECT(cond, ...) \
	do { \
		checks++; \
		if (!(cond)) { \
			failures++; \
			printf(CHECKS_PROGRAM ": FAIL line %d: %s: ", __LINE__, #cond); \
			printf(__VA_ARGS__); \
			printf("\n"); \
		} \
	} while (0)

#endif
