/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/cycles": creates and destroys 200 guests
 * through the real vmm and compares memory before and after.  Every way to end
 * takes its turn: power-off, reset, triple fault, and a SIGKILL of the vmm while
 * its guest spins or sleeps.
 *
 * What the hypervisor keeps of the pages deposited for a partition is missing in
 * the root's free memory, so that figure covers both: a single page lost per
 * cycle is CYCLES pages in the end.  Caches that fill up once are filled by the
 * warm-up cycles.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/abi/vmmctl.h"
#include "tests/root/lib/memory.h"

#define WARM_UP	      20
#define CYCLES	      200
#define KILL_AFTER_US (150 * 1000)

struct way {
	const char *cmdline;
	int exit_code; /* of the vmm; KILL: we end it */
};

#define KILL (-1)

static const struct way ways[] = {
	{ "poweroff", VMMCTL_POWERED_OFF },
	{ "reset", VMMCTL_RESET },
	{ "crash", VMMCTL_CRASHED },
	{ "spin", KILL },
	{ "halt", KILL },
};

#define WAY_COUNT (sizeof(ways) / sizeof(ways[0]))

static _Noreturn void end(const char *verdict)
{
	printf("cycles: %s\n", verdict);
	fflush(stdout);
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void start_vmm(const char *cmdline)
{
	int null = open("/dev/null", O_RDWR);

	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	execl(VMMCTL_PATH, "vmm", "--name", "cycle", "--kernel", "/guests/stub", "--cmdline",
	      cmdline, "--memory", "4194304", "--cpus", "1", (char *)NULL);
	_exit(VMMCTL_NO_EXEC);
}

/* One guest from creation to the reaped vmm; false, after a message, if it did
 * not end as it should. */
static int cycle(int number, const struct way *way)
{
	int status = 0;
	/* As init does; a vmm by itself would fork, and nobody here takes in orphans. */
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		start_vmm(way->cmdline);
	if (pid < 0) {
		printf("cycles: fork: %s\n", strerror(errno));
		return 0;
	}
	if (way->exit_code == KILL) {
		usleep(KILL_AFTER_US);
		kill(pid, SIGKILL);
	}
	if (waitpid(pid, &status, 0) != pid)
		return 0;
	if (way->exit_code == KILL ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL :
				     WIFEXITED(status) && WEXITSTATUS(status) == way->exit_code)
		return 1;
	printf("cycles: cycle %d (%s) ended with status 0x%x\n", number, way->cmdline,
	       (unsigned int)status);
	return 0;
}

int main(void)
{
	struct memory before, after;
	long lost, grown;
	int i;

	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);

	for (i = 0; i < WARM_UP; i++) {
		if (!cycle(i, &ways[(size_t)i % WAY_COUNT]))
			end("FAILED in the warm-up");
	}
	if (memory_look(&before))
		end("FAILED to count memory");
	printf("cycles: %d guests came and went, %ld pages free\n", WARM_UP, before.free);
	for (i = 0; i < CYCLES; i++) {
		if (!cycle(i, &ways[(size_t)i % WAY_COUNT]))
			end("FAILED");
		if (i % 50 == 49)
			printf("cycles: %d\n", i + 1);
	}
	if (memory_look(&after))
		end("FAILED to count memory");
	lost = memory_lost(&before, &after);
	grown = memory_grown(&before, &after);
	printf("cycles: %d guests came and went, %ld pages free, %ld pages lost, %ld more in the kernel's stores\n",
	       CYCLES, after.free, lost, grown);
	end(lost < CYCLES && grown < CYCLES + MEMORY_GROWTH ?
		    "no leak" :
		    "FAILED: at least one page lost per guest");
}
