/* SPDX-License-Identifier: MIT */
/* Programs that start as PID 1, leave a child behind and become the real init. */
#ifndef TESTS_ROOT_LIB_BESIDE_H
#define TESTS_ROOT_LIB_BESIDE_H

/*
 * Print a line, without its end, through the kernel's log: the one way to the
 * console that init does not own. Ends the process if the log cannot be written.
 */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Run watch() in a child, which ends when it returns, and /init with @argv in
 * this process. Returns main's exit code, and only if there is no /init.
 */
int beside_init(void (*watch)(void), char **argv);

/* The process, other than @but, that is the vmm of guest @name; 0: none. Needs /proc. */
int vmm_of(const char *name, int but);

#endif
