/* SPDX-License-Identifier: MIT */
/*
 * Guests of a few instructions for tests/root/lib/guest.h, written in code.S.
 * Give guest_create() CODE(name).
 */
#ifndef TESTS_ROOT_LIB_CODE_H
#define TESTS_ROOT_LIB_CODE_H

#define CODE_AT		0x1000
#define CODE_STACK	0x6000
#define CODE_COUNTER	0x8000 /* 32 bits: what happened so often */
#define CODE_VECTOR	0x40
#define CODE_TICK	2000000 /* of the TSC, about a millisecond */

/* The checker's */
#define CODE_STRIDE	64
#define CODE_FACTOR	0x9e3779b1
#define CODE_PORT_ROUND 0x80 /* EAX: a round is over, all was right */
#define CODE_PORT_BAD	0x81 /* EDI: where, EAX: found, ECX: wanted */

#ifndef __ASSEMBLER__

#include <stddef.h>
#include <stdint.h>

#define CODE(name) code_##name, (size_t)(code_##name##_end - code_##name)

/* Asleep; counts interrupts of CODE_VECTOR, x2APIC mode. */
extern const uint8_t code_sleeper[], code_sleeper_end[];
/* The same, and its own timer is one of them. */
extern const uint8_t code_ticker[], code_ticker_end[];
/* Counts as fast as it can. */
extern const uint8_t code_spinner[], code_spinner_end[];
/* 32-bit, flat: writes and checks memory (guest_start_flat, registers as code.S says). */
extern const uint8_t code_checker[], code_checker_end[];

#endif
#endif
