/* SPDX-License-Identifier: MIT */
/*
 * The kernel's warnings, counted by those of its driver that a test provokes
 * (WARN_ONCE in drivers/hv); any other is a failure.
 */
#ifndef TESTS_ROOT_LIB_WARNINGS_H
#define TESTS_ROOT_LIB_WARNINGS_H

/* A guest touches memory that its VMM took away and has nothing for. */
#define WARNING_NO_MEMORY "GPA intercept failed: region"
/* The VMM suspended a processor by its register while it had signals. */
#define WARNING_SUSPENDED "unexpected explicit suspend"

struct warning_count {
	const char *text;
	unsigned int seen;
};

/*
 * Count what the kernel has said since the last call: each warning that says the
 * text of one of @known (the last has none) there. Call it before the kernel's log
 * has come round. Returns how many other warnings there were, or -errno.
 */
int warnings_count(struct warning_count *known);

#endif
