/* SPDX-License-Identifier: MIT */
/*
 * The life of the machine after start-up: start guests, carry their output to
 * the console and what is typed to one of them, reap, start again, and end when
 * there is nothing more to do or somebody asks.  Called once, by main.c.
 *
 * Allocates nothing and waits in one place only (sys_poll()).
 */
#ifndef INIT_LOOP_H
#define INIT_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "init/console.h"
#include "init/manifest.h"
#include "init/spawn.h"
#include "init/sys.h"
#include "init/unit.h"

struct loop_guest {
	const struct manifest_guest *config;
	struct unit unit;
	/* 0: no vmm lives. */
	pid_t pid;
	/* When unit wants UNIT_TIMER; negative: never. */
	int64_t due_ms;
	/* Its watchdog ended it last time. */
	bool fired;
	/* Valid while pid is not 0, or -1. */
	struct spawn_pipes pipes;
	struct console_source out;
	struct console_source err;
};

struct loop {
	struct console *console;
	const struct manifest *manifest;
	enum idle_policy on_idle;
	/* The guest that reads what is typed, or NULL. */
	struct loop_guest *typist;
	unsigned int guest_count;
	/* Somebody asked for an end; ending says which. */
	bool is_stopping;
	bool is_idle_told;
	/* Nobody can type (no terminal): do not ask again. */
	bool is_deaf;
	enum sys_ending ending;
	/* Where the next round of reading begins: nobody is always first. */
	unsigned int turn;
	struct loop_guest guests[MANIFEST_GUESTS_MAX];
};

/* manifest and console stay in use as long as loop does. */
void loop_init(struct loop *loop, const struct manifest *manifest, struct console *console);

/* Returns how the machine shall end, once no vmm lives any more. */
enum sys_ending loop_run(struct loop *loop);

#endif
