/* SPDX-License-Identifier: MIT */
/*
 * Our end of the guest's serial line: standard input and output.
 *
 * Output goes through a ring to a thread of its own that writes and may block
 * as long as the reader likes; VP threads never do. When the ring is full the
 * serial port shows "transmitter busy", as a slow line does.
 *
 * Input comes on the device thread and only as fast as the serial port takes
 * it. On a terminal: raw mode until console_close(), Ctrl-A is the escape.
 */
#ifndef VMM_CONSOLE_H
#define VMM_CONSOLE_H

#include "base/base.h"
#include "vmm/loop.h"

struct console;

/* The serial port. Called without any lock of the console held. */
struct console_client {
	void *arg;
	/* How many bytes receive() would take now. */
	size_t (*room)(void *arg);
	void (*receive)(void *arg, const uint8_t *data, size_t len);
	/* There was no room for output; now there is. */
	void (*drained)(void *arg);
};

struct console_setup {
	struct loop *loop;
	int in, out;
	/* Ctrl-A x. Device thread. */
	void (*leave)(void *arg);
	void *arg;
};

/* Starts the output thread. NULL: *error says why. */
struct console *console_open(const struct console_setup *setup, int *error);

/*
 * Wait until everything written is out, but not longer than the reader
 * deserves (two seconds), and give the terminal back. Once, at the end; the
 * console must not be used afterwards, its memory stays.
 */
void console_close(struct console *c);

/* Before the first VP runs. @client stays the caller's. */
void console_attach(struct console *c, const struct console_client *client);

/* One byte of output. False: no room, the byte is lost. Any thread. */
bool console_put(struct console *c, uint8_t byte);
/* May a byte be put? If not, drained() will be called. Any thread. */
bool console_can_put(struct console *c);

/* The serial port has room for input again. Any thread. */
void console_resume(struct console *c);

#endif
