/* SPDX-License-Identifier: MIT */
#include "vmm_gdb_rig.h"

#include <stdlib.h>
#include <string.h>

/* Nobody has a reason to ask for others. */
static void check_thread(unsigned int thread)
{
	if (thread >= RIG_THREADS)
		abort();
}

static bool get(void *arg, unsigned int thread, uint8_t block[GDBREGS_BYTES])
{
	struct rig *r = arg;

	check_thread(thread);
	memcpy(block, r->block[thread], GDBREGS_BYTES);
	return !r->broken;
}

static bool set(void *arg, unsigned int thread, const uint8_t block[GDBREGS_BYTES])
{
	struct rig *r = arg;

	check_thread(thread);
	if (!r->broken)
		memcpy(r->block[thread], block, GDBREGS_BYTES);
	return !r->broken;
}

/* How much of it is there. */
static size_t inside(uint64_t at, size_t len)
{
	if (at < RIG_MEMORY || at - RIG_MEMORY >= RIG_BYTES)
		return 0;
	return MIN(len, RIG_BYTES - (at - RIG_MEMORY));
}

static size_t read_memory(void *arg, unsigned int thread, uint64_t at, void *to, size_t len)
{
	struct rig *r = arg;
	size_t n = inside(at, len);

	check_thread(thread);
	if (n)
		memcpy(to, r->memory + (at - RIG_MEMORY), n);
	return n;
}

static size_t write_memory(void *arg, unsigned int thread, uint64_t at, const void *from,
			   size_t len)
{
	struct rig *r = arg;
	size_t n = inside(at, len);

	check_thread(thread);
	if (n)
		memcpy(r->memory + (at - RIG_MEMORY), from, n);
	return n;
}

static int point(void *arg, unsigned int thread, enum gdb_point kind, uint64_t at, unsigned int len,
		 bool on)
{
	struct rig *r = arg;

	check_thread(thread);
	r->kind = kind;
	r->point_at = at;
	r->point_len = len;
	r->point_on = on;
	return r->point_answer;
}

static void resume(void *arg, const enum gdb_action *action)
{
	struct rig *r = arg;

	r->resumed++;
	memcpy(r->action, action, sizeof(r->action));
}

static void interrupt(void *arg)
{
	struct rig *r = arg;

	r->interrupted++;
}

static void detach(void *arg)
{
	struct rig *r = arg;

	r->detached++;
}

static void kill_guest(void *arg)
{
	struct rig *r = arg;

	r->killed++;
}

static void send(void *arg, const char *bytes, size_t len)
{
	struct rig *r = arg;

	if (len > PACKET_MAX + 4)
		abort();
	len = MIN(len, sizeof(r->sent) - 1 - r->sent_bytes);
	memcpy(r->sent + r->sent_bytes, bytes, len);
	r->sent_bytes += len;
}

void rig_init(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	r->target = (struct gdb_target){
		.arg = r,
		.threads = RIG_THREADS,
		.get = get,
		.set = set,
		.read = read_memory,
		.write = write_memory,
		.point = point,
		.resume = resume,
		.interrupt = interrupt,
		.detach = detach,
		.kill = kill_guest,
		.send = send,
	};
	r->session.target = &r->target;
	r->session.stop.signal = GDB_SIGTRAP;
}

uint64_t rig_rip(const struct rig *r, unsigned int thread)
{
	uint64_t rip;

	memcpy(&rip, r->block[thread] + GDBREGS_RIP, sizeof(rip));
	return rip;
}

void rig_set_rip(struct rig *r, unsigned int thread, uint64_t rip)
{
	memcpy(r->block[thread] + GDBREGS_RIP, &rip, sizeof(rip));
}
