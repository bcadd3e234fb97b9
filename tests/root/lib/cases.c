/* SPDX-License-Identifier: MIT */
#include "tests/root/lib/cases.h"

#include <string.h>

#include "tests/root/lib/guest.h"
#include "tests/root/lib/testinit.h"

const char *case_program, *case_name;
bool case_failed;

/* Did it pass? */
static bool run(const struct test_case *c)
{
	case_name = c->name;
	case_failed = false;
	c->fn();
	if (!case_failed)
		printf("%s: ok %s\n", case_program, case_name);
	fflush(stdout);
	return !case_failed;
}

_Noreturn void cases_run(const char *program, const struct test_case *list, size_t count)
{
	unsigned int failures = 0;
	int error;

	case_program = program;
	testinit_start();
	error = guest_device();
	if (error) {
		printf("%s: FAIL /dev/mshv: %s\n", program, strerror(-error));
		failures++;
	}
	for (size_t i = 0; i < count && !error; i++)
		failures += !run(&list[i]);
	printf("%s: %zu cases, %u failures\n", program, count, failures);
	testinit_end();
}
