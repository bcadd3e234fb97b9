/* SPDX-License-Identifier: MIT */
/*
 * The upper half of GDB's remote serial protocol: commands and answers, all-stop mode.
 * GDB manual, "Remote Protocol". Threads are processors; thread N of gdb is processor
 * N - 1. Knows neither sockets nor the hypervisor: both are behind struct gdb_target.
 * Who sends is not trusted with anything but the guest.
 *
 * Threads: the caller's, one at a time.
 */
#ifndef VMM_DEBUG_GDB_H
#define VMM_DEBUG_GDB_H

#include "vmm/debug/gdbregs.h"
#include "vmm/debug/packet.h"

/* As "Z" counts them. */
enum gdb_point { GDB_SOFTWARE, GDB_HARDWARE, GDB_WRITE, GDB_READ, GDB_ACCESS };

/* What a thread is to do until the next stop. */
enum gdb_action { GDB_STAY, GDB_CONTINUE, GDB_STEP };

enum gdb_signal { GDB_SIGINT = 2, GDB_SIGTRAP = 5, GDB_SIGSEGV = 11 };

/* Why the guest stands still. */
struct gdb_stop {
	unsigned int thread; /* processor */
	enum gdb_signal signal;
	bool point; /* reached one: of which kind, and for data where */
	enum gdb_point kind;
	uint64_t address;
};

/* Threads are processors' indices here. Called while the guest stands, if not noted. */
struct gdb_target {
	void *arg;
	unsigned int threads;
	/* All registers, in gdb's order. False: they cannot be had. */
	bool (*get)(void *arg, unsigned int thread, uint8_t block[GDBREGS_BYTES]);
	bool (*set)(void *arg, unsigned int thread, const uint8_t block[GDBREGS_BYTES]);
	/* By the thread's page tables; how many of @len bytes. */
	size_t (*read)(void *arg, unsigned int thread, uint64_t at, void *to, size_t len);
	size_t (*write)(void *arg, unsigned int thread, uint64_t at, const void *from, size_t len);
	/* 0; -ENOSYS: no such kind; other -errno: not there, or no more. */
	int (*point)(void *arg, unsigned int thread, enum gdb_point kind, uint64_t at,
		     unsigned int len, bool on);
	/* @action[threads]; gdb_stopped() is the next that the session hears of it. */
	void (*resume)(void *arg, const enum gdb_action *action);
	/* ^C while it runs: gdb_stopped() follows, now or later. */
	void (*interrupt)(void *arg);
	/* "D": as if nothing had been. "k": the guest is to end. */
	void (*detach)(void *arg);
	void (*kill)(void *arg);
	/* Any time. */
	void (*send)(void *arg, const char *bytes, size_t len);
};

#define GDB_THREADS_MAX 64

/* Zeros but for its target at the begin of a connection, the guest standing. */
struct gdb_session {
	const struct gdb_target *target;
	bool running, over; /* over: detached or killed, nothing more is heard */
	bool no_acks, knows_swbreak;
	unsigned int general, control; /* thread of "Hg", "Hc" */
	struct gdb_stop stop;	       /* the last */
	struct packet_in in;
	struct packet_out out;
};

/* What the peer sent. */
void gdb_feed(struct gdb_session *s, const uint8_t *bytes, size_t count);

/* The guest stands, after resume(). */
void gdb_stopped(struct gdb_session *s, const struct gdb_stop *stop);

/* It ended, with this exit code of the VMM. */
void gdb_exited(struct gdb_session *s, unsigned int code);

#endif
