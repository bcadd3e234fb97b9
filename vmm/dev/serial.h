/* SPDX-License-Identifier: MIT */
/* 16550A at PLATFORM_PORT_COM1, wired to the console. */
#ifndef VMM_DEV_SERIAL_H
#define VMM_DEV_SERIAL_H

struct machine;

/* 0 or -errno. */
int serial_create(struct machine *m);

#endif
