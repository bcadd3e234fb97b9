/* SPDX-License-Identifier: MIT */
/*
 * The debugger's side of GDB's remote serial protocol, as far as tests need it. Whatever
 * the other side does against the protocol ends as an answer that no test wants.
 */
#ifndef TESTS_ROOT_LIB_GDBCLIENT_H
#define TESTS_ROOT_LIB_GDBCLIENT_H

#include <stdint.h>

/* Connects to the socket @path, as soon as it is there. */
int gdb_connect(const char *path);

/* Sends a command, and one byte as it is. */
void gdb_send(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
void gdb_raw(int fd, char byte);
/* The next packet's data, good until the next call; "" if the connection is gone. */
const char *gdb_receive(int fd);
/* Both. */
const char *gdb_ask(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Register @number (gdb's of amd64: 16 is RIP) of the thread that "Hg" chose. */
uint64_t gdb_register(int fd, unsigned int number);
void gdb_set_register(int fd, unsigned int number, uint64_t value);

#endif
