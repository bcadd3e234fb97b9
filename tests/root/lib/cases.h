/* SPDX-License-Identifier: MIT */
/*
 * Programs that are a list of cases: PID 1 of a test, with /dev/mshv open. Each case
 * prints one line, "PROGRAM: ok NAME" or "PROGRAM: FAIL NAME (why)"; the last counts.
 */
#ifndef TESTS_ROOT_LIB_CASES_H
#define TESTS_ROOT_LIB_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct test_case {
	const char *name;
	void (*fn)(void);
};

extern const char *case_program, *case_name;
extern bool case_failed;

/* In a function of a case: it fails, and the function returns, unless @cond. */
#define EXPECT(cond, ...) \
	do { \
		if (!(cond)) { \
			printf("%s: FAIL %s (%s:%d: ", case_program, case_name, #cond, __LINE__); \
			printf(__VA_ARGS__); \
			printf(")\n"); \
			case_failed = true; \
			return; \
		} \
	} while (0)

/* Run them all and power off. */
_Noreturn void cases_run(const char *program, const struct test_case *list, size_t count);

#endif
