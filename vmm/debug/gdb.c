/* SPDX-License-Identifier: MIT */
#include "vmm/debug/gdb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What one packet may carry of memory, in hexadecimal. */
#define MEMORY_MAX    (PACKET_MAX / 2 - 16)

/* GDB only looks at whether there is one. */
#define ERROR_MEMORY  0x0e
#define ERROR_SYNTAX  0x16
#define ERROR_REFUSED 0x01

#define reply(s, ...) packet_text(&(s)->out, __VA_ARGS__)

static void error(struct gdb_session *s, unsigned int number)
{
	reply(s, "E%02x", number);
}

static void answer(struct gdb_session *s, bool ok, unsigned int number)
{
	if (ok)
		reply(s, "OK");
	else
		error(s, number);
}

static void send(struct gdb_session *s)
{
	packet_seal(&s->out);
	s->target->send(s->target->arg, s->out.data, s->out.length);
}

/* --- threads --- */

/*
 * A thread-id behind @at: a number from 1, 0 for any or -1 for all. *thread becomes
 * @any then. False: none, or no such thread.
 */
static bool read_thread(const struct gdb_session *s, const char **at, unsigned int any,
			unsigned int *thread)
{
	uint64_t id;

	if (strncmp(*at, "-1", 2) == 0) {
		*at += 2;
		*thread = any;
		return true;
	}
	if (!packet_number(at, &id) || id > s->target->threads)
		return false;
	*thread = id ? (unsigned int)id - 1 : any;
	return true;
}

static void command_thread(struct gdb_session *s, const char *at)
{
	char what = *at;
	unsigned int thread;

	if (what != 'g' && what != 'c') {
		error(s, ERROR_SYNTAX);
		return;
	}
	at++;
	if (!read_thread(s, &at, s->stop.thread, &thread) || *at) {
		error(s, ERROR_SYNTAX);
		return;
	}
	*(what == 'g' ? &s->general : &s->control) = thread;
	reply(s, "OK");
}

static void command_alive(struct gdb_session *s, const char *at)
{
	unsigned int thread;

	answer(s, read_thread(s, &at, 0, &thread) && !*at, ERROR_REFUSED);
}

/* --- registers --- */

static void command_registers(struct gdb_session *s, const char *at)
{
	uint8_t block[GDBREGS_BYTES];

	(void)at;
	if (s->target->get(s->target->arg, s->general, block))
		packet_hex(&s->out, block, sizeof(block));
	else
		error(s, ERROR_REFUSED);
}

static void command_set_registers(struct gdb_session *s, const char *at)
{
	uint8_t block[GDBREGS_BYTES];

	if (!packet_bytes(&at, block, sizeof(block)) || *at)
		error(s, ERROR_SYNTAX);
	else
		answer(s, s->target->set(s->target->arg, s->general, block), ERROR_REFUSED);
}

static void command_register(struct gdb_session *s, const char *at)
{
	uint8_t block[GDBREGS_BYTES];
	unsigned int offset, len;
	uint64_t number;

	len = packet_number(&at, &number) && !*at ? gdbregs_find(number, &offset) : 0;
	if (!len)
		error(s, ERROR_SYNTAX);
	else if (s->target->get(s->target->arg, s->general, block))
		packet_hex(&s->out, block + offset, len);
	else
		error(s, ERROR_REFUSED);
}

static void command_set_register(struct gdb_session *s, const char *at)
{
	uint8_t block[GDBREGS_BYTES], value[16];
	unsigned int offset, len;
	uint64_t number;

	len = packet_number(&at, &number) && *at++ == '=' ? gdbregs_find(number, &offset) : 0;
	if (!len || !packet_bytes(&at, value, len) || *at) {
		error(s, ERROR_SYNTAX);
		return;
	}
	if (!s->target->get(s->target->arg, s->general, block)) {
		error(s, ERROR_REFUSED);
		return;
	}
	memcpy(block + offset, value, len);
	answer(s, s->target->set(s->target->arg, s->general, block), ERROR_REFUSED);
}

/* Where execution goes on, if "c" or "s" says so. */
static bool set_rip(struct gdb_session *s, unsigned int thread, uint64_t rip)
{
	uint8_t block[GDBREGS_BYTES];

	if (!s->target->get(s->target->arg, thread, block))
		return false;
	memcpy(block + GDBREGS_RIP, &rip, sizeof(rip));
	return s->target->set(s->target->arg, thread, block);
}

/* --- memory --- */

/* "ADDRESS,LENGTH" */
static bool read_range(const char **at, uint64_t *address, uint64_t *len)
{
	return packet_number(at, address) && *(*at)++ == ',' && packet_number(at, len);
}

static void command_read(struct gdb_session *s, const char *at)
{
	uint8_t bytes[MEMORY_MAX];
	uint64_t address, len;
	size_t n;

	if (!read_range(&at, &address, &len) || *at) {
		error(s, ERROR_SYNTAX);
		return;
	}
	n = s->target->read(s->target->arg, s->general, address, bytes, MIN(len, sizeof(bytes)));
	if (n || !len)
		packet_hex(&s->out, bytes, n);
	else
		error(s, ERROR_MEMORY);
}

static void write_memory(struct gdb_session *s, uint64_t address, const void *bytes, size_t len)
{
	answer(s, s->target->write(s->target->arg, s->general, address, bytes, len) == len,
	       ERROR_MEMORY);
}

static void command_write(struct gdb_session *s, const char *at)
{
	uint8_t bytes[MEMORY_MAX];
	uint64_t address, len;

	if (read_range(&at, &address, &len) && *at++ == ':' && len <= sizeof(bytes) &&
	    packet_bytes(&at, bytes, len) && !*at)
		write_memory(s, address, bytes, len);
	else
		error(s, ERROR_SYNTAX);
}

/* The same with bytes as they are, but for those that "}" stands before. */
static void command_write_binary(struct gdb_session *s, const char *at)
{
	const char *end = s->in.data + s->in.length;
	uint8_t bytes[PACKET_MAX];
	uint64_t address, len;
	size_t n = 0;

	if (!read_range(&at, &address, &len) || *at++ != ':') {
		error(s, ERROR_SYNTAX);
		return;
	}
	while (at < end) {
		char c = *at++;

		if (c == '}' && at < end)
			c = *at++ ^ 0x20;
		bytes[n++] = (uint8_t)c;
	}
	if (n == len)
		write_memory(s, address, bytes, n);
	else
		error(s, ERROR_SYNTAX);
}

/* --- break- and watchpoints --- */

static void command_point(struct gdb_session *s, const char *at)
{
	bool on = s->in.data[0] == 'Z';
	uint64_t kind, address, len;
	int ret;

	/* What may follow are conditions and commands, which we did not say we know. */
	if (!packet_number(&at, &kind) || *at++ != ',' || !read_range(&at, &address, &len) || *at) {
		error(s, ERROR_SYNTAX);
		return;
	}
	if (kind > GDB_ACCESS || len > 16)
		return; /* not known */
	ret = s->target->point(s->target->arg, s->general, (enum gdb_point)kind, address,
			       (unsigned int)len, on);
	if (ret != -ENOSYS)
		answer(s, !ret, ERROR_MEMORY);
}

/* --- running --- */

static void resume(struct gdb_session *s, const enum gdb_action *action)
{
	s->running = true;
	s->target->resume(s->target->arg, action);
}

/* "c", "s", and "C", "S" with a signal, which no processor takes. */
static void command_run(struct gdb_session *s, const char *at)
{
	char what = s->in.data[0];
	enum gdb_action action[GDB_THREADS_MAX];
	uint64_t rip, signal;
	bool step = what == 's' || what == 'S';

	if (what == 'C' || what == 'S') {
		if (!packet_number(&at, &signal) || (*at && *at++ != ';')) {
			error(s, ERROR_SYNTAX);
			return;
		}
	}
	if (*at) {
		if (!packet_number(&at, &rip) || *at) {
			error(s, ERROR_SYNTAX);
			return;
		}
		if (!set_rip(s, s->control, rip)) {
			error(s, ERROR_REFUSED);
			return;
		}
	}
	for (unsigned int i = 0; i < s->target->threads; i++)
		action[i] = GDB_CONTINUE;
	if (step)
		action[s->control] = GDB_STEP;
	resume(s, action);
}

/* "c" or "s", or with a signal "C05", and ":THREAD"; behind it the next, or the end. */
static bool read_action(struct gdb_session *s, const char **at, enum gdb_action *action,
			unsigned int *thread)
{
	char what = *(*at)++;
	uint64_t signal;

	if ((what == 'C' || what == 'S') && !packet_number(at, &signal))
		return false;
	*action = what == 'c' || what == 'C' ? GDB_CONTINUE : GDB_STEP;
	*thread = GDB_THREADS_MAX; /* all */
	if (!strchr("cCsS", what) || !what)
		return false;
	if (**at == ':') {
		(*at)++;
		if (!read_thread(s, at, GDB_THREADS_MAX, thread))
			return false;
	}
	return !**at || *(*at)++ == ';';
}

/* The leftmost action that names a thread, or all, is that thread's. */
static void command_actions(struct gdb_session *s, const char *at)
{
	enum gdb_action given[GDB_THREADS_MAX] = { GDB_STAY };
	bool any = false;

	while (*at) {
		enum gdb_action action;
		unsigned int thread;

		if (!read_action(s, &at, &action, &thread)) {
			error(s, ERROR_SYNTAX);
			return;
		}
		for (unsigned int i = 0; i < s->target->threads; i++) {
			if ((thread == GDB_THREADS_MAX || thread == i) && given[i] == GDB_STAY) {
				given[i] = action;
				any = true;
			}
		}
	}
	if (any)
		resume(s, given);
	else
		error(s, ERROR_SYNTAX);
}

static void command_detach(struct gdb_session *s, const char *at)
{
	(void)at;
	s->over = true;
	reply(s, "OK");
	s->target->detach(s->target->arg);
}

static void command_kill(struct gdb_session *s, const char *at)
{
	(void)at;
	s->over = true;
	if (s->in.data[0] == 'v')
		reply(s, "OK");
	s->target->kill(s->target->arg);
}

/* --- why it stands --- */

static void add_stop(struct gdb_session *s)
{
	const struct gdb_stop *stop = &s->stop;

	reply(s, "T%02xthread:%x;", stop->signal, stop->thread + 1);
	if (!stop->point)
		return;
	switch (stop->kind) {
	case GDB_SOFTWARE:
		if (s->knows_swbreak)
			reply(s, "swbreak:;");
		break;
	case GDB_HARDWARE:
		if (s->knows_swbreak)
			reply(s, "hwbreak:;");
		break;
	case GDB_WRITE:
	case GDB_READ:
	case GDB_ACCESS:
		reply(s, "%swatch:%llx;",
		      stop->kind == GDB_WRITE ? "" :
		      stop->kind == GDB_READ  ? "r" :
						"a",
		      (unsigned long long)stop->address);
		break;
	}
}

static void command_why(struct gdb_session *s, const char *at)
{
	(void)at;
	add_stop(s);
}

/* --- queries --- */

static void query_supported(struct gdb_session *s, const char *at)
{
	s->knows_swbreak = strstr(at, "swbreak+");
	reply(s,
	      "PacketSize=%x;QStartNoAckMode+;qXfer:features:read+;vContSupported+;"
	      "swbreak+;hwbreak+",
	      PACKET_MAX);
}

/* "OFFSET,LENGTH" of the description: "m" with more behind it, "l" with the last. */
static void query_features(struct gdb_session *s, const char *at)
{
	uint64_t offset, len;
	size_t all, n;
	char *text;

	if (!read_range(&at, &offset, &len) || *at) {
		error(s, ERROR_SYNTAX);
		return;
	}
	text = malloc(GDBREGS_XML_BYTES); /* a thread's stack is small */
	if (!text) {
		error(s, ERROR_REFUSED);
		return;
	}
	all = gdbregs_xml(text);
	offset = MIN(offset, all);
	/* Room for escapes; there are none in fact. */
	n = MIN(MIN(len, all - offset), MEMORY_MAX);
	reply(s, offset + n < all ? "m" : "l");
	packet_binary(&s->out, text + offset, n);
	free(text);
}

static void query_threads(struct gdb_session *s, const char *at)
{
	(void)at;
	for (unsigned int i = 0; i < s->target->threads; i++)
		reply(s, "%c%x", i ? ',' : 'm', i + 1);
}

static void query_more_threads(struct gdb_session *s, const char *at)
{
	(void)at;
	reply(s, "l");
}

static void query_thread_name(struct gdb_session *s, const char *at)
{
	static const char text[] = "processor ";
	unsigned int thread;

	if (!read_thread(s, &at, s->general, &thread) || *at) {
		error(s, ERROR_SYNTAX);
		return;
	}
	packet_hex(&s->out, text, sizeof(text) - 1);
	if (thread >= 10)
		packet_hex(&s->out, &(char){ (char)('0' + thread / 10) }, 1);
	packet_hex(&s->out, &(char){ (char)('0' + thread % 10) }, 1);
}

static void query_current(struct gdb_session *s, const char *at)
{
	if (!*at) /* and not another that begins so */
		reply(s, "QC%x", s->general + 1);
}

static void query_attached(struct gdb_session *s, const char *at)
{
	(void)at;
	reply(s, "1"); /* so that gdb detaches when it is left, rather than kills */
}

static void set_no_acks(struct gdb_session *s, const char *at)
{
	(void)at;
	s->no_acks = true;
	reply(s, "OK");
}

static void say_actions(struct gdb_session *s, const char *at)
{
	(void)at;
	reply(s, "vCont;c;C;s;S");
}

/* --- the table --- */

static const struct {
	const char *begin;
	/* @at: behind it. Without an answer: not known, or there is none for it. */
	void (*run)(struct gdb_session *s, const char *at);
	bool silent; /* unless it fails */
} commands[] = {
	{ "?", command_why, false },
	{ "g", command_registers, false },
	{ "G", command_set_registers, false },
	{ "p", command_register, false },
	{ "P", command_set_register, false },
	{ "m", command_read, false },
	{ "M", command_write, false },
	{ "X", command_write_binary, false },
	{ "Z", command_point, false },
	{ "z", command_point, false },
	{ "c", command_run, true },
	{ "C", command_run, true },
	{ "s", command_run, true },
	{ "S", command_run, true },
	{ "H", command_thread, false },
	{ "T", command_alive, false },
	{ "D", command_detach, false },
	{ "k", command_kill, true },
	{ "vKill", command_kill, false },
	{ "vCont?", say_actions, false },
	{ "vCont;", command_actions, true },
	{ "qSupported", query_supported, false },
	{ "qXfer:features:read:target.xml:", query_features, false },
	{ "qfThreadInfo", query_threads, false },
	{ "qsThreadInfo", query_more_threads, false },
	{ "qThreadExtraInfo,", query_thread_name, false },
	{ "qAttached", query_attached, false },
	{ "QStartNoAckMode", set_no_acks, false },
	{ "qC", query_current, false },
};

static void command(struct gdb_session *s)
{
	const char *data = s->in.data;
	bool silent = false;

	packet_begin(&s->out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		size_t len = strlen(commands[i].begin);

		if (strncmp(data, commands[i].begin, len) == 0) {
			silent = commands[i].silent;
			commands[i].run(s, data + len);
			break;
		}
	}
	if (s->out.length > 1 || !silent)
		send(s);
	else
		s->out.length = 0; /* nothing to send again */
}

void gdb_feed(struct gdb_session *s, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count && !s->over; i++) {
		enum packet_event e = packet_take(&s->in, bytes[i]);

		if (!s->no_acks && (e == PACKET_WHOLE || e == PACKET_DAMAGED))
			s->target->send(s->target->arg, e == PACKET_WHOLE ? "+" : "-", 1);
		/* While it runs nothing can be answered: there is no "now". */
		if (e == PACKET_WHOLE && !s->running)
			command(s);
		else if (e == PACKET_AGAIN && s->out.length && !s->no_acks)
			s->target->send(s->target->arg, s->out.data, s->out.length);
		else if (e == PACKET_INTERRUPT && s->running)
			s->target->interrupt(s->target->arg);
	}
}

void gdb_stopped(struct gdb_session *s, const struct gdb_stop *stop)
{
	s->running = false;
	s->stop = *stop;
	s->general = s->control = stop->thread;
	packet_begin(&s->out);
	add_stop(s);
	send(s);
}

void gdb_exited(struct gdb_session *s, unsigned int code)
{
	s->running = false;
	s->over = true;
	packet_begin(&s->out);
	reply(s, "W%02x", code);
	send(s);
}
