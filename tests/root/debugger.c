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
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/abi/platform.h"
#include "include/abi/vmmctl.h"
#define CHECKS_PROGRAM "debugger"
#include "tests/root/lib/checks.h"
#include "tests/root/lib/gdbclient.h"
#include "tests/root/lib/testinit.h"

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

/* --- gdb --- */

#define SOCKET "/gdb"
#define CODE   0x200000u
#define DATA   0x201000u
#define RAX    0
#define RIP    16

/* clang-format off: an instruction a line */
static const uint8_t code[] = {
	0xb8, 5,    0,	  0,	0,    /*  0 mov eax,5 */
	0x40,			      /*  5 inc eax */
	0xe6, 0x80,		      /*  6 out 0x80,al: the vmm carries it out */
	0x0f, 0xa2,		      /*  8 cpuid: the hypervisor does */
	0xa3, 0x00, 0x10, 0x20, 0x00, /* 10 mov [DATA],eax */
	0x90,			      /* 15 nop */
	0xeb, 0xfe,		      /* 16 jmp to itself */
	0x0f, 0x0b,		      /* 18 ud2, and there is no IDT */
};
/* clang-format on */

static void expect_answer(int line, int fd, const char *wanted, const char *command)
{
	const char *got = gdb_ask(fd, "%s", command);

	checks++;
	if (strcmp(got, wanted) != 0) {
		failures++;
		printf("debugger: FAIL line %d: %s: \"%s\", not \"%s\"\n", line, command, got,
		       wanted);
	}
}

#define ANSWER(command, wanted) expect_answer(__LINE__, fd, wanted, command)
#define AT(offset)                                                   \
	EXPECT(gdb_register(fd, RIP) == CODE + (offset), "rip %llx", \
	       (unsigned long long)gdb_register(fd, RIP))

static int debugged(pid_t *pid, const char *kernel, const char *word, const char *cpus)
{
	const char *const argv[] = { "vmm",	  "--gdb=" SOCKET ",wait=on",
				     "--kernel",  kernel,
				     "--cmdline", word,
				     "--memory",  "16M",
				     "--cpus",	  cpus,
				     NULL };

	unlink(SOCKET);
	*pid = start(argv);
	return gdb_connect(SOCKET);
}

static void steps(int fd)
{
	static const uint8_t after[] = { 5, 6, 8, 10, 15, 16 };
	unsigned long long eax = 0;

	gdb_set_register(fd, RIP, CODE);
	for (size_t i = 0; i < sizeof(after); i++) {
		ANSWER(i % 2 ? "s" : "vCont;s:1", "T05thread:1;");
		AT(after[i]);
		if (i == 1)
			EXPECT(gdb_register(fd, RAX) == 6, "eax");
		eax = i == 3 ? gdb_register(fd, RAX) : eax;
	}
	/* CPUID's leaf 6 came out of it, and is in memory. */
	EXPECT(strtoull(gdb_ask(fd, "m%x,4", DATA), NULL, 16) == __builtin_bswap32((uint32_t)eax),
	       "%s, eax %llx", gdb_ask(fd, "m%x,4", DATA), eax);
	EXPECT(!(gdb_register(fd, 17) & 0x100), "TF is left");
}

static void points(int fd)
{
	gdb_set_register(fd, RIP, CODE);
	ANSWER("Z0,20000f,1", "OK");
	ANSWER("Z0,20000f,1", "OK");
	ANSWER("m20000f,2", "90eb"); /* as the guest knows it */
	ANSWER("c", "T05thread:1;swbreak:;");
	AT(15);
	ANSWER("M20000f,1:40", "OK"); /* inc eax, under the INT3 */
	ANSWER("z0,20000f,1", "OK");
	ANSWER("m20000f,1", "40");
	ANSWER("z0,20000f,1", "E0e");
	/*
	 * Into a debug register and out again. It is not met: QEMU's VMRUN does not arm what
	 * a DR7 that it loads enables (docs/LIMITS.md).
	 */
	ANSWER("Z1,200005,1", "OK");
	ANSWER("z1,200005,1", "OK");
	ANSWER("z1,200005,1", "E0e");
	ANSWER("Z3,201000,4", ""); /* no processor can */
}

/* Of the hypervisor a vmm keeps its partition, not the device that makes them. */
static bool holds(pid_t pid, const char *device)
{
	struct stat wanted, st;
	char path[48];

	if (stat(device, &wanted))
		return true;
	for (int fd = 0; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
		if (stat(path, &st) == 0 && st.st_rdev == wanted.st_rdev)
			return true;
	}
	return false;
}

/* Where its program lies. */
static unsigned long long base_of(pid_t pid)
{
	unsigned long long base = 0;
	char path[32];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%llx", &base) != 1)
		base = 0;
	fclose(f);
	return base;
}

static unsigned long long first_base;

/* From the first instruction to the guest's own end. */
static void gdb(void)
{
	unsigned long long entry;
	const char *got;
	pid_t pid;
	int fd = debugged(&pid, "/guests/stub", "poweroff", "1"), ret;
	char text[128] = "";

	got = gdb_ask(fd, "qSupported:swbreak+;hwbreak+");
	EXPECT(strstr(got, "PacketSize=1000") && strstr(got, "qXfer:features:read+"), "%s", got);
	ANSWER("?", "T05thread:1;");
	EXPECT(holds(pid, "/dev/null"), "its input is not seen");
	EXPECT(!holds(pid, "/dev/mshv"), "still open");
	first_base = base_of(pid);
	EXPECT(first_base, "its memory is not seen");
	ANSWER("qfThreadInfo", "m1");
	ANSWER("qsThreadInfo", "l");
	ANSWER("vMustReplyEmpty", "");
	got = gdb_ask(fd, "qXfer:features:read:target.xml:0,fff");
	EXPECT(strstr(got, "org.gnu.gdb.i386.core"), "%.60s", got);
	/* Stands where the guest begins: nothing was executed. */
	entry = gdb_register(fd, RIP);
	ANSWER("s", "T05thread:1;");
	EXPECT(gdb_register(fd, RIP) > entry && gdb_register(fd, RIP) < entry + 8, "%llx to %llx",
	       entry, (unsigned long long)gdb_register(fd, RIP));
	gdb_set_register(fd, RIP, entry);

	for (size_t i = 0; i < sizeof(code); i++)
		sprintf(text + 2 * i, "%02x", code[i]);
	got = gdb_ask(fd, "M%x,%zx:%s", CODE, sizeof(code), text);
	EXPECT(!strcmp(got, "OK"), "%s", got);
	got = gdb_ask(fd, "m%x,%zx", CODE, sizeof(code));
	EXPECT(!strcmp(got, text), "%s", got);
	ANSWER("m1000000,4", "E0e"); /* behind its memory */
	ANSWER("Z0,1000000,1", "E0e");
	steps(fd);
	points(fd);

	gdb_set_register(fd, RIP, CODE + 16);
	gdb_send(fd, "c");
	usleep(20000);
	gdb_raw(fd, 3);
	got = gdb_receive(fd);
	EXPECT(!strcmp(got, "T02thread:1;"), "%s", got);
	AT(16);

	/* Left with a breakpoint, the guest never meets it. */
	got = gdb_ask(fd, "Z0,%llx,1", entry);
	EXPECT(!strcmp(got, "OK"), "%s", got);
	gdb_set_register(fd, RIP, entry);
	ANSWER("D", "OK");
	close(fd);
	ret = end_of(pid);
	EXPECT(ret == VMMCTL_POWERED_OFF, "exit code %d", ret);
}

/* What it died of can be looked at; then it is dead. */
static void gdb_crash(void)
{
	unsigned long long entry;
	pid_t pid;
	int fd = debugged(&pid, "/guests/stub", "crash", "1"), ret;

	/* What a guest learns of one vmm's addresses is of no use for the next one. */
	EXPECT(base_of(pid) && base_of(pid) != first_base, "at %llx again", first_base);
	entry = gdb_register(fd, RIP);
	ANSWER("vCont;c", "T0bthread:1;");
	EXPECT(gdb_register(fd, RIP) > entry, "%llx", entry);
	ANSWER("c", "W0b");
	ret = end_of(pid);
	EXPECT(ret == VMMCTL_CRASHED, "exit code %d", ret);
	close(fd);
}

/* Four processors in 64-bit mode, which stand as one. */
static void gdb_smp(void)
{
	unsigned long long rip;
	const char *got;
	pid_t pid;
	int fd = debugged(&pid, "/guests/smp", "", "8"), ret;

	ANSWER("qfThreadInfo", "m1,2,3,4,5,6,7,8");
	gdb_send(fd, "c");
	for (unsigned int i = 0; i < 5; i++) {
		usleep(100000);
		gdb_raw(fd, 3);
		got = gdb_receive(fd);
		EXPECT(!strncmp(got, "T02thread:", 10), "%s", got);
		for (unsigned int t = 1; t <= 8; t++) {
			got = gdb_ask(fd, "Hg%x", t);
			EXPECT(!strcmp(got, "OK"), "%s", got);
			got = gdb_ask(fd, "g");
			EXPECT(strlen(got) > 1000, "%s", got);
		}
		ANSWER("Hg1", "OK");
		rip = gdb_register(fd, RIP);
		got = gdb_ask(fd, "m%llx,4", rip);
		EXPECT(strlen(got) == 8, "%s at %llx", got, rip);
		/* One step while the others stand, then all. */
		ANSWER("vCont;s:1", "T05thread:1;");
		gdb_send(fd, "vCont;c");
	}
	usleep(100000);
	gdb_raw(fd, 3);
	gdb_receive(fd);
	gdb_send(fd, "k");
	ret = end_of(pid);
	EXPECT(ret == VMMCTL_KILLED, "exit code %d", ret);
	close(fd);
}

/* Who goes without a word leaves the guest running, for the next one to find. */
static void gdb_gone(void)
{
	pid_t pid;
	int fd = debugged(&pid, "/guests/stub", "spin", "1"), ret;

	ANSWER("?", "T05thread:1;");
	close(fd);
	fd = gdb_connect(SOCKET);
	ANSWER("?", "T05thread:1;");
	while (gdb_register(fd, RIP) == 0x100000) { /* it begins to run some time */
		gdb_send(fd, "c");
		usleep(10000);
		gdb_raw(fd, 3);
		gdb_receive(fd);
	}
	gdb_send(fd, "c");
	close(fd);
	fd = gdb_connect(SOCKET);
	gdb_send(fd, "vKill;1");
	ret = end_of(pid);
	EXPECT(ret == VMMCTL_KILLED, "exit code %d", ret);
	close(fd);
}

int main(void)
{
	testinit_start();
	trace();
	gdb();
	gdb_crash();
	gdb_gone();
	gdb_smp();
	printf("debugger: %u checks, %u failures\n", checks, failures);
	testinit_end();
}
