/* SPDX-License-Identifier: MIT */
/*
 * Our end of the guest's consoles (serial port, virtio-console): standard input and
 * output. What any of them writes goes out; what comes in goes to the one in front.
 *
 * Output goes through a ring to a thread of its own that writes and may block
 * as long as the reader likes; VP threads never do. When the ring is full the
 * serial port shows "transmitter busy", as a slow line does.
 *
 * Input comes on the device thread and only as fast as the console in front takes
 * it. On a terminal: raw mode until console_close(), Ctrl-A is the escape.
 */
#ifndef VMM_CONSOLE_H
#define VMM_CONSOLE_H

#include "base/base.h"
#include "vmm/loop.h"

struct console;

/* A device's side. Called without any lock of the console held. */
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

#define CONSOLE_CLIENTS 2

/*
 * Before the first VP runs. @client stays the caller's. The number of the client;
 * that of the first, 0, is in front.
 */
unsigned int console_attach(struct console *c, const struct console_client *client);

/* From now on input goes to client @number. Any thread, with its device's lock. */
void console_front(struct console *c, unsigned int number);

/* One byte of output. False: no room, the byte is lost. Any thread. */
bool console_put(struct console *c, uint8_t byte);
/*
 * The same for many: as many as there is room for are taken; how many that were.
 * Were it not all, drained() will be called. Any thread.
 */
size_t console_write(struct console *c, const void *data, size_t len);
/* May a byte be put? If not, drained() will be called. Any thread. */
bool console_can_put(struct console *c);

/* The client in front has room for input again. Any thread. */
void console_resume(struct console *c);

#endif
