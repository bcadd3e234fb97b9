/* SPDX-License-Identifier: MIT */
/*
 * The debugger's protocol: every command, what is wrong with some, and a whole session
 * with the real gdb where there is one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm_gdb_rig.h"

static struct rig rig;

static int set_up(void **state)
{
	(void)state;
	rig_init(&rig);
	for (size_t i = 0; i < sizeof(rig.memory); i++)
		rig.memory[i] = (uint8_t)i;
	return 0;
}

/* --- by hand --- */

static void feed(const void *bytes, size_t len)
{
	gdb_feed(&rig.session, bytes, len);
}

/* What was sent since the last time. */
static const char *sent(void)
{
	rig.sent[rig.sent_bytes] = '\0';
	rig.sent_bytes = 0;
	return rig.sent;
}

static void command_bytes(const char *data, size_t len)
{
	char end[4];
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + (uint8_t)data[i]);
	snprintf(end, sizeof(end), "#%02x", sum);
	feed("$", 1);
	feed(data, len);
	feed(end, 3);
}

/* A packet there, and the data of the one that came back; NULL: none. */
static const char *ask(const char *data)
{
	static char answer[PACKET_MAX + 1];
	bool acks = !rig.session.no_acks; /* as it was when this was sent */
	const char *text, *end;

	command_bytes(data, strlen(data));
	text = sent();
	if (acks) {
		assert_int_equal(*text, '+');
		text++;
	}
	if (!*text)
		return NULL;
	assert_int_equal(*text, '$');
	end = strchr(text, '#');
	assert_non_null(end);
	assert_int_equal(strlen(end), 3);
	memcpy(answer, text + 1, (size_t)(end - text - 1));
	answer[end - text - 1] = '\0';
	return answer;
}

#define ANSWER(command, wanted) assert_string_equal(ask(command), wanted)

static void stopped(unsigned int thread, enum gdb_signal signal)
{
	gdb_stopped(&rig.session, &(struct gdb_stop){ .thread = thread, .signal = signal });
}

/* --- packets --- */

static void test_framing(void **state)
{
	(void)state;
	feed("$?#3f", 5);
	assert_string_equal(sent(), "+$T05thread:1;#d7");
	feed("-", 1); /* it was lost */
	assert_string_equal(sent(), "$T05thread:1;#d7");
	feed("+", 1);
	feed("$?#3e", 5);
	assert_string_equal(sent(), "-");
	feed("$?#3x", 5);
	assert_string_equal(sent(), "-");
	feed("$?#xf", 5);
	assert_string_equal(sent(), "-");
	feed("noise$m1$?#3f", 13); /* the end of one was lost */
	assert_string_equal(sent(), "+$T05thread:1;#d7");
	feed("\x03", 1); /* it stands already */
	assert_string_equal(sent(), "");
	assert_int_equal(rig.interrupted, 0);

	ANSWER("QStartNoAckMode", "OK");
	feed("$?#3f", 5);
	assert_string_equal(sent(), "$T05thread:1;#d7");
	feed("$?#3e-", 6);
	assert_string_equal(sent(), "");
}

static void test_too_long(void **state)
{
	static char data[PACKET_MAX + 2];

	(void)state;
	memset(data, 'm', sizeof(data));
	command_bytes(data, PACKET_MAX + 1);
	assert_string_equal(sent(), "-");
	command_bytes(data, PACKET_MAX);
	assert_string_equal(sent(), "+$E16#ac");
}

/* --- what is said first --- */

static void test_queries(void **state)
{
	(void)state;
	assert_non_null(strstr(ask("qSupported:multiprocess+;swbreak+"), "PacketSize=1000;"));
	assert_true(rig.session.knows_swbreak);
	ANSWER("qfThreadInfo", "m1,2");
	ANSWER("qsThreadInfo", "l");
	ANSWER("qC", "QC1");
	ANSWER("qCRC:0,1", "");
	ANSWER("qAttached:1", "1");
	ANSWER("qThreadExtraInfo,2", "70726f636573736f722031"); /* processor 1 */
	ANSWER("qThreadExtraInfo,3", "E16");
	ANSWER("vMustReplyEmpty", "");
	ANSWER("", "");
	ANSWER("T1", "OK");
	ANSWER("T2", "OK");
	ANSWER("T3", "E01");
	ANSWER("T", "E01");
	ANSWER("Hg2", "OK");
	ANSWER("qC", "QC2");
	ANSWER("Hg0", "OK");
	ANSWER("Hc-1", "OK");
	ANSWER("Hg3", "E16");
	ANSWER("Hx1", "E16");
	ANSWER("Hg", "E16");
}

static void test_features(void **state)
{
	static char all[GDBREGS_XML_BYTES], part[64];
	size_t n = 0, whole;
	unsigned int offset, bytes, sum = 0;

	(void)state;
	whole = gdbregs_xml(all);
	for (;;) {
		char command[80];
		const char *p;

		snprintf(command, sizeof(command), "qXfer:features:read:target.xml:%zx,3b", n);
		p = ask(command);
		strncpy(part, p + 1, sizeof(part) - 1);
		assert_memory_equal(part, all + n, strlen(part));
		n += strlen(part);
		if (*p == 'l')
			break;
		assert_int_equal(*p, 'm');
	}
	assert_int_equal(n, whole);
	ANSWER("qXfer:features:read:target.xml:ffffffffffffffff,10", "l");
	ANSWER("qXfer:features:read:target.xml:0", "E16");
	ANSWER("qXfer:features:read:other.xml:0,10", "");
	/* As many registers in it as there are, and they fill the block. */
	n = 0;
	for (const char *p = all; (p = strstr(p, "<reg ")); p++) {
		unsigned int bits;

		assert_int_equal(sscanf(strstr(p, "bitsize"), "bitsize=\"%u\"", &bits), 1);
		bytes = gdbregs_find(n++, &offset);
		assert_int_equal(bytes * 8, bits);
		assert_int_equal(offset, sum);
		sum += bytes;
	}
	assert_int_equal(gdbregs_find(n, &offset), 0);
	assert_int_equal(sum, GDBREGS_BYTES);
}

/* --- registers --- */

static void test_registers(void **state)
{
	static char text[2 * GDBREGS_BYTES + 2];

	(void)state;
	rig_set_rip(&rig, 0, 0x1122334455667788);
	rig_set_rip(&rig, 1, 0x99);
	ANSWER("p10", "8877665544332211");
	ANSWER("Hg2", "OK");
	ANSWER("p10", "9900000000000000");
	ANSWER("P10=0102030405060708", "OK");
	assert_int_equal(rig_rip(&rig, 1), 0x0807060504030201);
	ANSWER("P10=01020304050607", "E16");
	ANSWER("P10=010203040506070809", "E16");
	ANSWER("P10", "E16");
	ANSWER("pffff", "E16");
	ANSWER("p", "E16");
	strcpy(text, "G");
	strcpy(text + 1, ask("g"));
	assert_int_equal(strlen(text), 2 * GDBREGS_BYTES + 1);
	memcpy(text + 1 + 2 * GDBREGS_RIP, "4200000000000000", 16);
	ANSWER(text, "OK");
	assert_int_equal(rig_rip(&rig, 1), 0x42);
	text[2 * GDBREGS_BYTES] = '\0';
	ANSWER(text, "E16");
	rig.broken = true;
	ANSWER("g", "E01");
	ANSWER("p1", "E01");
	ANSWER("P10=0102030405060708", "E01");
}

/* What the hypervisor has, to gdb's and back: a change in one is a change in one. */
static void test_layout(void **state)
{
	static struct hv_register_assoc before[GDBREGS_HV], r[GDBREGS_HV];
	static uint8_t block[GDBREGS_BYTES], again[GDBREGS_BYTES];
	static bool seen[GDBREGS_HV];
	unsigned int n, offset;

	(void)state;
	gdbregs_names(before);
	for (unsigned int i = 0; i < GDBREGS_HV; i++)
		for (unsigned int k = 0; k < 16; k++)
			((uint8_t *)&before[i].value)[k] = (uint8_t)(i * 16 + k + 1);
	gdbregs_pack(before, block);
	/* RBX comes second for gdb; RSP eighth; a selector has its segment's bytes 12, 13. */
	assert_memory_equal(block + 8, &before[3].value, 8);
	assert_memory_equal(block + 56, &before[4].value, 8);
	gdbregs_find(18, &offset); /* CS, the hypervisor's 19th */
	assert_memory_equal(block + offset, &before[19].value.segment.selector, 2);
	memcpy(r, before, sizeof(r));
	assert_int_equal(gdbregs_unpack(r, block), 0);
	for (unsigned int i = 0; gdbregs_find(i, &offset); i++) {
		memcpy(r, before, sizeof(r));
		memcpy(again, block, sizeof(again));
		again[offset] ^= 0x03; /* of the tag word: one register's, empty or not */
		n = gdbregs_unpack(r, again);
		assert_int_equal(n, 1);
		for (unsigned int k = 0; k < GDBREGS_HV; k++)
			seen[k] |= before[k].name == r[0].name;
	}
	for (unsigned int k = 0; k < GDBREGS_HV; k++)
		assert_true(seen[k]);
}

/* --- memory --- */

static void test_memory(void **state)
{
	static const char escaped[] = "Xffffffff81000010,4:}\x03}\x04}]z";

	(void)state;
	ANSWER("mffffffff81000001,3", "010203");
	ANSWER("mffffffff81003ffe,8", "feff"); /* as far as it is there */
	ANSWER("mffffffff81004000,1", "E0e");
	ANSWER("m0,1", "E0e");
	ANSWER("mffffffff81000000,0", "");
	assert_int_equal(strlen(ask("mffffffff81000000,ffffffffffffffff")), PACKET_MAX - 32);
	ANSWER("Mffffffff81000001,2:abcd", "OK");
	assert_memory_equal(rig.memory + 1, "\xab\xcd\x03", 3);
	ANSWER("Mffffffff81000001,2:abc", "E16");
	ANSWER("Mffffffff81000001,2:abcdef", "E16");
	ANSWER("Mffffffff81000001,2", "E16");
	ANSWER("Mffffffff81000001,ffffffffffffffff:ab", "E16");
	ANSWER("Mffffffff81003fff,2:abcd", "E0e");
	ANSWER("m", "E16");
	ANSWER("m1", "E16");
	ANSWER("m11112222333344445,1", "E16");
	command_bytes(escaped, sizeof(escaped) - 1);
	assert_string_equal(sent(), "+$OK#9a");
	assert_memory_equal(rig.memory + 0x10, "#$}z", 4);
	ANSWER("Xffffffff81000010,4:abc", "E16");
	ANSWER("Xffffffff81000010,0:", "OK"); /* gdb tries whether there is an X */
}

/* --- points --- */

static void test_points(void **state)
{
	(void)state;
	ANSWER("Z0,ffffffff81000000,1", "OK");
	assert_true(rig.point_on);
	assert_int_equal(rig.kind, GDB_SOFTWARE);
	assert_int_equal(rig.point_at, RIG_MEMORY);
	ANSWER("z2,1000,8", "OK");
	assert_false(rig.point_on);
	assert_int_equal(rig.kind, GDB_WRITE);
	assert_int_equal(rig.point_len, 8);
	rig.point_answer = -EFAULT;
	ANSWER("Z0,0,1", "E0e");
	rig.point_answer = -ENOSYS;
	ANSWER("Z3,0,1", "");
	ANSWER("Z5,0,1", "");
	ANSWER("Z0,0", "E16");
	ANSWER("Z0,0,1;X1,2", "E16");
	ANSWER("Z", "E16");
}

/* --- running --- */

static void test_run(void **state)
{
	(void)state;
	assert_null(ask("c"));
	assert_true(rig.session.running);
	assert_int_equal(rig.action[0], GDB_CONTINUE);
	assert_int_equal(rig.action[1], GDB_CONTINUE);
	assert_null(ask("g")); /* there is no "now" */
	feed("\x03", 1);
	assert_int_equal(rig.interrupted, 1);
	stopped(1, GDB_SIGINT);
	assert_string_equal(sent(), "$T02thread:2;#d5");
	ANSWER("?", "T02thread:2;");
	ANSWER("qC", "QC2"); /* which is the one to ask about now */

	assert_null(ask("s"));
	assert_int_equal(rig.action[0], GDB_CONTINUE);
	assert_int_equal(rig.action[1], GDB_STEP);
	stopped(1, GDB_SIGTRAP);
	sent();
	assert_null(ask("sff"));
	assert_int_equal(rig_rip(&rig, 1), 0xff);
	stopped(0, GDB_SIGTRAP);
	sent();
	assert_null(ask("C05;1234"));
	assert_int_equal(rig_rip(&rig, 0), 0x1234);
	stopped(0, GDB_SIGTRAP);
	sent();
	assert_null(ask("S05"));
	stopped(0, GDB_SIGTRAP);
	sent();
	ANSWER("cxyz", "E16");
	ANSWER("C", "E16");
	assert_int_equal(rig.resumed, 5);
}

static void test_actions(void **state)
{
	static const struct {
		const char *command;
		enum gdb_action action[2];
	} good[] = {
		{ "vCont;c", { GDB_CONTINUE, GDB_CONTINUE } },
		{ "vCont;s:2", { GDB_STAY, GDB_STEP } },
		{ "vCont;s:1;c", { GDB_STEP, GDB_CONTINUE } },
		{ "vCont;c:2;s", { GDB_STEP, GDB_CONTINUE } },
		{ "vCont;S05:1;C00:-1", { GDB_STEP, GDB_CONTINUE } },
		{ "vCont;c:1;s:1", { GDB_CONTINUE, GDB_STAY } },
	};
	static const char *const bad[] = {
		"vCont;", "vCont;t", "vCont;c:3", "vCont;c:", "vCont;s:1x", "vCont;C:1", "vCont;;c",
	};

	(void)state;
	ANSWER("vCont?", "vCont;c;C;s;S");
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_null(ask(good[i].command));
		assert_memory_equal(rig.action, good[i].action, sizeof(rig.action));
		stopped(0, GDB_SIGTRAP);
		sent();
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ANSWER(bad[i], "E16");
	assert_int_equal(rig.resumed, ARRAY_SIZE(good));
}

static void test_stops(void **state)
{
	static const struct {
		struct gdb_stop stop;
		const char *answer;
	} list[] = {
		{ { 0, GDB_SIGTRAP, true, GDB_SOFTWARE, 0 }, "T05thread:1;swbreak:;" },
		{ { 1, GDB_SIGTRAP, true, GDB_HARDWARE, 0x10 }, "T05thread:2;hwbreak:;" },
		{ { 0, GDB_SIGTRAP, true, GDB_WRITE, 0xabc }, "T05thread:1;watch:abc;" },
		{ { 0, GDB_SIGTRAP, true, GDB_ACCESS, ~UINT64_C(0) },
		  "T05thread:1;awatch:ffffffffffffffff;" },
		{ { 0, GDB_SIGSEGV, false, 0, 0 }, "T0bthread:1;" },
	};

	(void)state;
	ask("qSupported:swbreak+;hwbreak+");
	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		gdb_stopped(&rig.session, &list[i].stop);
		sent();
		ANSWER("?", list[i].answer);
	}
	/* An old gdb does not know them. */
	ask("qSupported:multiprocess+");
	gdb_stopped(&rig.session, &list[0].stop);
	sent();
	ANSWER("?", "T05thread:1;");
}

static void test_ends(void **state)
{
	(void)state;
	ANSWER("D", "OK");
	assert_int_equal(rig.detached, 1);
	command_bytes("?", 1);
	assert_string_equal(sent(), ""); /* nothing more is heard */
	set_up(NULL);
	assert_null(ask("k"));
	assert_int_equal(rig.killed, 1);
	set_up(NULL);
	ANSWER("vKill;1", "OK");
	assert_int_equal(rig.killed, 1);
	set_up(NULL);
	ask("c");
	gdb_exited(&rig.session, 0xb);
	assert_string_equal(sent(), "$W0b#e9");
}

/* --- the real one --- */

/* Serves gdb at @fd; an INT3 or a step is the next byte. */
static void serve(int fd)
{
	uint8_t bytes[512];
	ssize_t n;

	do {
		if (rig.sent_bytes && write(fd, rig.sent, rig.sent_bytes) < 0)
			break;
		rig.sent_bytes = 0;
		if (rig.session.running) {
			struct gdb_stop s = { .signal = GDB_SIGTRAP };

			if (rig.action[0] == GDB_CONTINUE) {
				s.point = true;
				rig_set_rip(&rig, 0, rig.point_at);
			} else {
				rig_set_rip(&rig, 0, rig_rip(&rig, 0) + 1);
			}
			gdb_stopped(&rig.session, &s);
			continue;
		}
		n = read(fd, bytes, sizeof(bytes));
		if (n > 0)
			gdb_feed(&rig.session, bytes, (size_t)n);
	} while (rig.session.running || rig.sent_bytes || (n > 0 && !rig.session.over));
}

static void test_real_gdb(void **state)
{
	static const char *const wanted[] = {
		"rip            0xffffffff81000010",
		"cr3            0x1234",
		"Breakpoint 1, 0xffffffff81000042",
		"stepped to 0xffffffff81000043",
		"eflags         0x2                 [ ]",
		"  2    Thread 2 (processor 1)",
		"memory 0x5a",
		"xmm3 1.5",
	};
	static char text[16384];
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char directory[] = "/tmp/vmm_gdb.XXXXXX", commands[40];
	unsigned int offset;
	size_t n = 0;
	ssize_t got;
	int listener, fd, out[2], file;
	uint64_t value = 0x1234;
	double half = 1.5;
	pid_t pid;

	(void)state;
	if (system("gdb --version >/dev/null 2>&1"))
		skip();
	rig_set_rip(&rig, 0, RIG_MEMORY + 0x10);
	gdbregs_find(17, &offset);
	rig.block[0][offset] = 2;
	gdbregs_find(62, &offset); /* CR3; the test below finds it by its name */
	memcpy(rig.block[0] + offset, &value, sizeof(value));
	gdbregs_find(43, &offset);
	memcpy(rig.block[0] + offset, &half, sizeof(half));
	assert_non_null(mkdtemp(directory));
	snprintf(commands, sizeof(commands), "%s/commands", directory);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/gdb", directory);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 1), 0);
	file = open(commands, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(pipe(out), 0);
	dprintf(file,
		"set confirm off\nset pagination off\nset width 0\n"
		"target remote %s\n"
		"info registers rip cr3 eflags\ninfo threads\n"
		"break *0xffffffff81000042\ncontinue\ndelete\nstepi\n"
		"printf \"stepped to %%p\\n\", $pc\n"
		"set *(char *)0xffffffff81000100 = 0x5a\n"
		"printf \"memory 0x%%x\\n\", *(char *)0xffffffff81000100\n"
		"printf \"xmm3 %%.1f\\n\", $xmm3.v2_double[0]\n"
		"set $r15 = 0x77\n"
		"detach\n",
		a.sun_path);
	close(file);
	pid = fork();
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		dup2(out[1], STDERR_FILENO);
		execlp("gdb", "gdb", "-nx", "-q", "-batch", "-x", commands, (char *)NULL);
		_exit(1);
	}
	close(out[1]);
	fd = accept(listener, NULL, NULL);
	serve(fd);
	close(fd);
	close(listener);
	while ((got = read(out[0], text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	waitpid(pid, NULL, 0);
	unlink(commands);
	unlink(a.sun_path);
	rmdir(directory);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		if (!strstr(text, wanted[i]))
			fail_msg("no \"%s\" in:\n%s", wanted[i], text);
	}
	assert_int_equal(rig.memory[0x100], 0x5a);
	assert_int_equal(rig.block[0][15 * 8], 0x77);
	assert_int_equal(rig.detached, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, set_up)
	const struct CMUnitTest tests[] = {
		TEST(test_framing),   TEST(test_too_long), TEST(test_queries), TEST(test_features),
		TEST(test_registers), TEST(test_layout),   TEST(test_memory),  TEST(test_points),
		TEST(test_run),	      TEST(test_actions),  TEST(test_stops),   TEST(test_ends),
		TEST(test_real_gdb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
