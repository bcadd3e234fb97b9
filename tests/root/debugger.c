/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/debugger": what looks into a guest from outside, with
 * the vmm in its sandbox. Prints "debugger: N checks, M failures" and powers off.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/abi/platform.h"
#include "include/abi/vmmctl.h"
#include "tests/root/lib/testinit.h"

static unsigned int checks, failures;

#define EXPECT(cond, ...)                                                        \
	do {                                                                     \
		checks++;                                                        \
		if (!(cond)) {                                                   \
			failures++;                                              \
			printf("debugger: FAIL line %d: %s: ", __LINE__, #cond); \
			printf(__VA_ARGS__);                                     \
			printf("\n");                                            \
		}                                                                \
	} while (0)

/* A vmm of its own PID namespace, as init starts it; what its guest says goes nowhere. */
static pid_t start(const char *const argv[])
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	int null;

	if (pid)
		return pid;
	null = open("/dev/null", O_RDWR);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	execv(VMMCTL_PATH, (char *const *)(uintptr_t)argv);
	_exit(VMMCTL_NO_EXEC);
}

static int end_of(pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

#define TRACE "/trace"

/* What the guest wrote to its serial port is in the trace, and its power-off the last. */
static void trace(void)
{
	static const char wanted[] = "stub: poweroff\n";
	const char *const argv[] = { "vmm",	  "--trace=" TRACE, "--kernel", "/guests/stub",
				     "--cmdline", "poweroff",	    "--memory", "4M",
				     NULL };
	char said[sizeof(wanted) + 8] = "", line[160], what[8] = "";
	unsigned int lines = 0, other = 0, at = 0, size, value, length = 0;
	unsigned long long s, us, rip;
	FILE *f;
	int ret;

	ret = end_of(start(argv));
	EXPECT(ret == VMMCTL_POWERED_OFF, "exit code %d", ret);
	f = fopen(TRACE, "r");
	EXPECT(f, "%s", strerror(errno));
	while (f && fgets(line, sizeof(line), f)) {
		lines++;
		if (sscanf(line, "%llu.%6llu vp0 %7s %x/%u %x at %llx\n", &s, &us, what, &at, &size,
			   &value, &rip) != 7 ||
		    rip < 0x100000)
			other++;
		else if (!strcmp(what, "out") && at == PLATFORM_PORT_COM1 &&
			 length < sizeof(said) - 1)
			said[length++] = (char)value;
	}
	EXPECT(!strcmp(said, wanted), "\"%s\"", said);
	EXPECT(lines > 2 * strlen(wanted) && !other, "%u lines, %u are something else", lines,
	       other);
	EXPECT(!strcmp(what, "out") && at == PLATFORM_PORT_PM + PLATFORM_PM_SLEEP_CONTROL,
	       "last: %s %x", what, at);
}

int main(void)
{
	testinit_start();
	trace();
	printf("debugger: %u checks, %u failures\n", checks, failures);
	testinit_end();
}
