/* SPDX-License-Identifier: MIT */
/* Programs that are PID 1 of a test to its end. */
#ifndef TESTS_ROOT_LIB_TESTINIT_H
#define TESTS_ROOT_LIB_TESTINIT_H

/* Mounts what they need and makes the console standard output. */
void testinit_start(void);
/* Powers the machine off. */
_Noreturn void testinit_end(void);
/* "NAME=value" of the kernel's command line, which hands it on as environment. */
long testinit_number(const char *name, long otherwise);
/* Seconds since some moment. */
double testinit_seconds(void);

#endif
